"""What all commands share: how they are parsed, and how they end."""

import argparse
import atexit
import dis
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

INTERNAL_ERROR = 70
"""The exit code for a defect of vjax; sysexits.h calls it EX_SOFTWARE."""

_CACHE_BYTES = 10**9  # of compiled functions; a command's are 1 to 30 MB
_PACKAGE = Path(__file__).parents[1]
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
    """The exit code of `work`; an error becomes one line on stderr that begins with `prog`.

    An error that is expected (see `is_expected`) is told in its own words: 2 for UsageError, else 1. Any other is a
    defect of vjax, and the line says so: INTERNAL_ERROR. With --traceback or VJAX_DEBUG=1 the traceback comes first.
    """
    hook, sys.unraisablehook = sys.unraisablehook, _hear_ctrl_c_again(sys.unraisablehook)
    _keep_what_is_compiled()
    try:
        return work()
    except KeyboardInterrupt as stop:
        print(f"{prog}: stopped by Ctrl-C", file=sys.stderr)
        atexit.register(_exit_now, 130, stop)
        return 130
    except Exception as error:
        if _with_traceback or os.environ.get("VJAX_DEBUG", "0") not in ("", "0"):
            traceback.print_exc()
        if is_expected(error):
            print(f"{prog}: {error}", file=sys.stderr)
            return 2 if isinstance(error, UsageError) else 1
        told = " ".join(str(error).split()) or "no message"
        print(
            f"{prog}: internal error of vjax, which is not your mistake: {type(error).__name__}: {told}. "
            "To see where, add --traceback",
            file=sys.stderr,
        )
        return INTERNAL_ERROR
    finally:
        sys.unraisablehook = hook


def is_expected(error: Exception) -> bool:
    """Whether an error tells the user of vjax what to do, and is not a defect of vjax.

    So are those of vjax's own classes, those of files (OSError), and a ValueError that a `raise` in vjax's own code
    raised. A ValueError that comes out of NumPy, jax or Python itself was meant for a programmer: a shape that does not
    fit, or a text that is not a number.
    """
    if isinstance(error, OSError) or type(error).__module__.partition(".")[0] == "vjax":
        return True
    return isinstance(error, ValueError) and _is_raised_by_vjax(error)


def _is_raised_by_vjax(error: Exception) -> bool:
    """Whether the instruction that the traceback ends at is a `raise` in a file of vjax."""
    innermost = error.__traceback__
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    if innermost is None:
        return False
    code = innermost.tb_frame.f_code  # a call of compiled code has no frame: its caller's instruction is a call
    is_raise = code.co_code[innermost.tb_lasti] == dis.opmap["RAISE_VARARGS"]
    return is_raise and Path(code.co_filename).is_relative_to(_PACKAGE)


def _keep_what_is_compiled() -> None:
    """Lets jax, which is imported later, keep compiled functions on disk: the next command starts seconds faster.

    At most _CACHE_BYTES of them, those used last. The user's own JAX_COMPILATION_CACHE_DIR comes first, with the size
    that the user gives it; an empty one keeps nothing.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vjax" / "compiled"
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(cache)
        # Not in a folder that jax filled without a bound: it cannot tell how old those files are, and writes no more.
        os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(_CACHE_BYTES))
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
