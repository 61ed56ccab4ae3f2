"""Atomic writes: a file appears complete or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

PARTIAL_END = ".partial"


@contextlib.contextmanager
def replacing(path: str | os.PathLike, unique: bool = False) -> Iterator[Path]:
    """Yields a temporary path beside `path` to write to.

    At the end of the block the temporary file is renamed to `path`. At an error it is removed.

    Args:
      unique: also put the process id into the temporary name, for a `path` that several processes write at a time.
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
