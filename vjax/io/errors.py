"""Distinguishes errors that the user can correct from defects of vjax."""

import contextlib
import dis
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from vjax.io.file_names import as_text

_PACKAGE = Path(__file__).parents[1]

_SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT)  # files, memory, space


def show_tracebacks() -> bool:
    """Whether the environment requests tracebacks: VJAX_DEBUG=1."""
    return os.environ.get("VJAX_DEBUG", "0") not in ("", "0")


def error_text(error: Exception) -> str:
    """An error in one line: its own message if it is expected, else a message that it is a defect of vjax."""
    error = _scarcity_behind(error) or error
    # The system's own text is such as "[Errno 2] No such file or directory: 'x'". A file without a name has a number.
    if isinstance(error, OSError) and isinstance(error.filename, str | bytes) and error.strerror:
        return f"{as_text(error.filename)}: {error.strerror[:1].lower()}{error.strerror[1:]}"
    if _lacks_memory(error):
        reason = " ".join(str(error).split()) or "MemoryError"
        return f"the machine has too little memory ({reason}); free some, or use smaller batches"
    if is_expected(error):
        return str(error)
    message = " ".join(str(error).split()) or "no message"
    return f"internal error of vjax, which is not your mistake: {type(error).__name__}: {message}"


@contextlib.contextmanager
def reading(what: str | os.PathLike, kind: type[Exception], remedy: str) -> Iterator[None]:
    """Raises `kind` for an error that no reader expects, because the content of the file `what` is damaged or odd.

    Libraries raise many types of errors for files that they cannot read. Errors that the user can correct (see
    `is_expected`) and MemoryError are raised as they are.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        if is_expected(error) and not (isinstance(error, OSError) and error.errno is None):
            raise
        reason = " ".join(str(error).split())
        shown = f"{type(error).__name__}: {reason[:200]}{'...' * (len(reason) > 200)}"
        raise kind(f"{as_text(what)} is damaged, or was not written by vjax ({shown}); {remedy}") from error


def is_expected(error: Exception) -> bool:
    """Whether the user of vjax can correct an error, so that it is not a defect of vjax.

    Expected errors are those of vjax's own classes, OSError, MemoryError, an error of a library that handled an OSError
    for lack of files, memory or space, and a ValueError from a `raise` statement in vjax's own code. A ValueError that
    NumPy, jax or Python itself raises is a message for a programmer, such as a shape that does not fit, or a text that
    is not a number.
    """
    if _explains_itself(error) or _lacks_memory(error):
        return True
    if _scarcity_behind(error):
        return True
    return isinstance(error, ValueError) and _is_raised_by_vjax(error)


def _lacks_memory(error: Exception) -> bool:
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, ImportError) and "failed to map segment" in text)  # of a library
        or (isinstance(error, RuntimeError) and text.startswith(("can't start new thread", "RESOURCE_EXHAUSTED")))
    )  # the last one is jax's, also for a GPU


def _scarcity_behind(error: BaseException) -> OSError | None:
    """The OSError for lack of something that a library handled, when it failed with `error`, if there is one."""
    seen: set[int] = set()
    cause = error.__cause__ or error.__context__
    while cause is not None and id(cause) not in seen and not _explains_itself(error):
        if isinstance(cause, OSError) and cause.errno in _SCARCE:
            return cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return None


def _explains_itself(error: BaseException) -> bool:
    """Whether it is an error of the system, or of vjax's own classes."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] == "vjax"


def _is_raised_by_vjax(error: Exception) -> bool:
    """Whether the last instruction of the traceback is a `raise` in a file of vjax."""
    innermost = error.__traceback__
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    if innermost is None:
        return False
    code = innermost.tb_frame.f_code  # compiled code has no frame: the last instruction is then its caller's call
    is_raise = code.co_code[innermost.tb_lasti] == dis.opmap["RAISE_VARARGS"]
    return is_raise and Path(code.co_filename).is_relative_to(_PACKAGE)
