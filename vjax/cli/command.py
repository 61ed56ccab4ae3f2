"""What all commands share: how they are parsed, and how they end."""

import argparse
import atexit
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vjax.io.compile_cache import keep_compiled
from vjax.io.errors import error_text, is_expected, show_tracebacks

INTERNAL_ERROR = 70
"""The exit code for a defect of vjax; sysexits.h calls it EX_SOFTWARE."""

_with_traceback = False  # whether the parser that was made last has met --traceback


class CommandError(Exception):
    """The work failed; the text says why and what to do. Exit code 1."""


class UsageError(CommandError):
    """The command line cannot be. Exit code 2."""


def command_parser(name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """The parser of `vjax NAME`, with the flag `--traceback`, which `run` obeys.

    Help and errors carry the name of the script where one was started instead. `epilog` is printed as it is written and
    shows examples.
    """
    global _with_traceback
    _with_traceback = False
    started = Path(sys.argv[0])
    is_script = started.suffix == ".py" and started.name != "__main__.py"
    parser = argparse.ArgumentParser(
        prog=started.name if is_script else f"vjax {name}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    group = parser.add_argument_group("for bug reports")
    group.add_argument(
        "--traceback", action=_Traceback, nargs=0, help="show where an error was raised; VJAX_DEBUG=1 does so too"
    )
    return parser


class _Traceback(argparse.Action):
    """Tells `run`, which sees no arguments."""

    def __call__(self, *_) -> None:
        global _with_traceback
        _with_traceback = True


def at_least(minimum: int) -> Callable[[str], int]:
    """An argparse `type`: integers from `minimum` on."""

    def integer(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected an integer, got {text!r}") from None
        if value < minimum:
            raise argparse.ArgumentTypeError(f"expected {minimum} or more, got {value}")
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
    """The exit code of `work`; an error becomes one line on stderr that begins with `prog`.

    An error that is expected (see `is_expected`) is told in its own words: 2 for UsageError, else 1. Any other is a
    defect of vjax, and the line says so: INTERNAL_ERROR. With --traceback or VJAX_DEBUG=1 the traceback comes first.
    """
    hook, sys.unraisablehook = sys.unraisablehook, _hear_ctrl_c_again(sys.unraisablehook)
    keep_compiled()
    try:
        return work()
    except KeyboardInterrupt as stop:
        print(f"{prog}: stopped by Ctrl-C", file=sys.stderr)
        atexit.register(_exit_now, 130, stop)
        return 130
    except Exception as error:
        if _with_traceback or show_tracebacks():
            traceback.print_exc()
        expected = is_expected(error)
        print(f"{prog}: {error_text(error)}" + ("" if expected else ". To see where, add --traceback"), file=sys.stderr)
        if not expected:
            return INTERNAL_ERROR
        return 2 if isinstance(error, UsageError) else 1
    finally:
        sys.unraisablehook = hook


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
