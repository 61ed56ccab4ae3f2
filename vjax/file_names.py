"""Names of files as text."""

import os
from pathlib import Path


def stem_text(path: str | os.PathLike) -> str:
    """A file's name without folder and ending, see `as_text`."""
    return as_text(Path(path).stem)


def as_text(path: str | os.PathLike) -> str:
    """A path as text that can be written: bytes that are no UTF-8, as old archives have them, become U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")
