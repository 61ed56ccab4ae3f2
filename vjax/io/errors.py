"""Which errors are the user's to mend, and which are defects of vjax."""

import dis
import os
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def show_tracebacks() -> bool:
    """Whether the environment asks for tracebacks: VJAX_DEBUG=1."""
    return os.environ.get("VJAX_DEBUG", "0") not in ("", "0")


def error_text(error: Exception) -> str:
    """An error in one line: in its own words if it is expected, else named as a defect of vjax."""
    if is_expected(error):
        return str(error)
    words = " ".join(str(error).split()) or "no message"
    return f"internal error of vjax, which is not your mistake: {type(error).__name__}: {words}"


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
