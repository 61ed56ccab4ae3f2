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
    """At most `width` letters: a longer text keeps its beginning and its end, where names differ, around "..."."""
    if len(text) <= width:
        return text
    end = max(width - 3, 0) * 2 // 3  # folders are often shared, endings hardly ever
    return text[: max(width - 3 - end, 0)] + "..."[:width] + text[len(text) - end :]
