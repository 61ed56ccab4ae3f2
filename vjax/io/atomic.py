"""Files that appear whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

PARTIAL_END = ".partial"


@contextlib.contextmanager
def replacing(path: str | os.PathLike, unique: bool = False) -> Iterator[Path]:
    """A path beside `path` to write to: the file becomes `path` at the end of the block, and is removed at an error.

    Args:
      unique: name it after this process, too, as several processes may write `path` at a time.
    """
    path = Path(path)
    partial = path.with_name(path.name + (f".{os.getpid()}" if unique else "") + PARTIAL_END)
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
