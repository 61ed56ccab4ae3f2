"""What all commands share: parsing of the command line, and error handling."""

import argparse
import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from vjax.io.compile_cache import keep_compiled
from vjax.io.errors import error_text, is_expected, show_tracebacks
from vjax.io.folder_lock import locked
from vjax.io.output import output_error, protect_output
from vjax.io.signals import exit_without_waiting, stop_code, stop_text, stoppable

INTERNAL_ERROR = 70
"""The exit code for a defect of vjax; sysexits.h calls it EX_SOFTWARE."""

_ADDRESS_SPACE = 4_000_000_000  # bytes; 2.5 GB are not enough, and with less XLA ends the process with its own messages

_OPEN_FILES = 64  # enough for each command; a training with 20 fails when it saves its first checkpoint

_with_traceback = False  # whether the most recent parser has read --traceback


class CommandError(Exception):
    """The work failed. The message contains the reason and the remedy. Exit code 1."""


class UsageError(CommandError):
    """The command line is invalid. Exit code 2."""


def command_parser(name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """The parser of `vjax NAME`, with the flag `--traceback`, which takes effect in `run`.

    If a script was started instead of `vjax`, help and errors contain the script's name.

    Args:
      name: of the subcommand.
      description: first paragraph of the help.
      epilog: last part of the help, with examples; printed without reformatting.
    """
    global _with_traceback
    _with_traceback = False
    protect_output()
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
    """Sets `_with_traceback` for `run`, which does not get the arguments."""

    def __call__(self, *_) -> None:
        global _with_traceback
        _with_traceback = True


def at_least(minimum: int) -> Callable[[str], int]:
    """An argparse `type`: integers that are at least `minimum`."""

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
    """Creates the folder of a file that will be written later.

    Raises UsageError if the file cannot be written, so that the error comes before the work and not after it.
    """
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give the name of a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{path} cannot be written; choose another path")


def run(prog: str, work: Callable[[], int], kept: str = "", folder: str | Path = "") -> int:
    """Runs `work` and returns the exit code. An error is printed as one line on stderr that begins with `prog`.

    - An expected error (see `is_expected`) is printed with its own message. The exit code is 2 for UsageError, else 1.
    - Any other error is reported as a defect of vjax. The exit code is INTERNAL_ERROR.
    - Ctrl-C gives exit code 130, SIGTERM 143, and SIGHUP 129. The line contains `kept`: what is kept of the work, and
      how to continue.

    With --traceback or VJAX_DEBUG=1 the traceback of the error is printed first.

    Args:
      folder: the output folder, if any. While `work` runs, it is locked against other commands. See `locked`.
    """
    keep_compiled()
    for limit in _small_limits():
        print(f"{prog}: {limit}", file=sys.stderr)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns if it cannot keep its list of fonts
    try:
        with stoppable(), locked(folder) if folder else contextlib.nullcontext():
            code = work()
        if error := output_error():
            raise CommandError(f"the output could not be printed in full: {error.strerror}. The files are complete")
        return code
    except KeyboardInterrupt as stop:
        print(f"{prog}: {stop_text(stop)}" + (f"; {kept}" if kept else ""), file=sys.stderr)
        exit_without_waiting(stop_code(stop), stop)
        return stop_code(stop)
    except Exception as error:
        if _with_traceback or show_tracebacks():
            traceback.print_exc()
        expected = is_expected(error)
        print(f"{prog}: {error_text(error)}" + ("" if expected else ". To see where, add --traceback"), file=sys.stderr)
        if not expected:
            return INTERNAL_ERROR
        return 2 if isinstance(error, UsageError) else 1


def _small_limits() -> Iterator[str]:
    """Yields a line for each limit of this process that is small."""
    try:
        import resource
    except ImportError:  # Windows
        return
    n_bytes, _ = resource.getrlimit(resource.RLIMIT_AS)
    if n_bytes != resource.RLIM_INFINITY and n_bytes < _ADDRESS_SPACE:
        needed = f"vjax may need {_ADDRESS_SPACE / 1e9:g} GB"
        yield f"the address space is limited to {n_bytes / 1e9:.1f} GB (ulimit -v); {needed}"
    n_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if n_files != resource.RLIM_INFINITY and n_files < _OPEN_FILES:
        yield f"only {n_files} files can be open at once (ulimit -n); vjax may need {_OPEN_FILES}"
