"""File names as text."""

import os
from pathlib import Path


def stem_text(path: str | os.PathLike) -> str:
    """The name of a file without folder and ending, as text that can be written (see `as_text`)."""
    return as_text(Path(path).stem)


def as_text(path: str | bytes | os.PathLike) -> str:
    """A path as text that can be written. Bytes that are not UTF-8, which old archives contain, become U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")


def shortened(text: str, width: int) -> str:
    """`text` in at most `width` characters. A longer text keeps its beginning and its end, with "..." between them."""
    if len(text) <= width:
        return text
    end = max(width - 3, 0) * 2 // 3  # keep more of the end, where names differ: folders are often shared
    return text[: max(width - 3 - end, 0)] + "..."[:width] + text[len(text) - end :]
