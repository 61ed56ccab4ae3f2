"""What all commands share: how they are parsed, and how they end."""

import argparse
import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any


class CommandError(Exception):
    """The work failed; the text says why and what to do. Exit code 1."""


class UsageError(CommandError):
    """The command line cannot be. Exit code 2."""


def command_parser(name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """The parser of `vjax NAME`. Help and errors carry the name of the script where one was started instead.

    `epilog` is printed as it is written and shows examples.
    """
    started = Path(sys.argv[0])
    is_script = started.suffix == ".py" and started.name != "__main__.py"
    return argparse.ArgumentParser(
        prog=started.name if is_script else f"vjax {name}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def at_least(minimum: int) -> Callable[[str], int]:
    """An argparse `type`: integers from `minimum` on."""

    def integer(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
        if value < minimum:
            raise argparse.ArgumentTypeError(f"{value} is too small; give {minimum} or more")
        return value

    return integer


def make_writable(path: str | Path) -> None:
    """Makes the folder that a file will be written to. Raises UsageError now, and not after all the work."""
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give the name of a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{path} cannot be written; choose another place")


def run(prog: str, work: Callable[[], int]) -> int:
    """The exit code of `work`; an expected error becomes one line on stderr that begins with `prog`.

    Expected are CommandError, ValueError (what vjax raises for values and data that cannot be) and OSError (files).
    """
    hook, sys.unraisablehook = sys.unraisablehook, _hear_ctrl_c_again(sys.unraisablehook)
    _keep_what_is_compiled()
    try:
        return work()
    except KeyboardInterrupt as stop:
        print(f"{prog}: stopped by Ctrl-C", file=sys.stderr)
        atexit.register(_exit_now, 130, stop)
        return 130
    except (CommandError, ValueError, OSError) as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    finally:
        sys.unraisablehook = hook


def _keep_what_is_compiled() -> None:
    """Lets jax, which is imported later, keep compiled functions on disk: the next command starts seconds faster.

    The user's own JAX_COMPILATION_CACHE_DIR comes first; an empty one keeps nothing.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vjax" / "jax"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")


def _hear_ctrl_c_again(hook: Callable[[Any], object]) -> Callable[[Any], object]:
    """`hook`, but for Ctrl-C: jax has a callback at garbage collection, in which Python prints and forgets it."""

    def heard(unraisable: Any) -> None:
        if unraisable.exc_type is KeyboardInterrupt:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()  # later: not to be raised in here
        else:
            hook(unraisable)

    return heard


def _exit_now(code: int, stop: KeyboardInterrupt) -> None:
    """Ends the process after Python's own threads were joined (a checkpoint is complete), and before XLA's are.

    XLA compiles in a thread of its own, which Ctrl-C leaves running. An orderly exit would destroy the client under it,
    and the process would end by SIGSEGV instead of with `code`. `stop` holds the frames whose objects it works on.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
