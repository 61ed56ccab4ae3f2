"""Names of files as text."""

import os
from pathlib import Path


def stem_text(path: str | os.PathLike) -> str:
    """A file's name without folder and ending, see `as_text`."""
    return as_text(Path(path).stem)


def as_text(path: str | os.PathLike) -> str:
    """A path as text that can be written: bytes that are no UTF-8, as old archives have them, become U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")


def shortened(text: str, width: int) -> str:
    """At most `width` characters of a name or path, cut in its middle: what tells it from others is at its ends."""
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[len(text) - end :]}"
