"""Atomic writes: a file appears complete or not at all."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

PARTIAL_END = ".partial"

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""Error numbers of a disk that takes no other file either."""


@contextlib.contextmanager
def replacing(path: str | os.PathLike, unique: bool = False) -> Iterator[Path]:
    """Yields a temporary path beside `path` to write to: a file, or a folder if `path` is a new or an empty one.

    At the end of the block the temporary file is renamed to `path`. At an error it is removed. An OSError names `path`.

    Args:
      unique: also put the process id into the temporary name, for a `path` that several processes write at a time.
    """
    path = Path(path)
    partial = path.with_name(path.name + (f".{os.getpid()}" if unique else "") + PARTIAL_END)
    try:
        yield partial
        os.replace(partial, path)
    except BaseException as error:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        with contextlib.suppress(OSError):
            partial.unlink()
        # A write to an open file has no name. The name of the temporary file says nothing to the user.
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(partial)):
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


def write_file(path: str | os.PathLike, content: str | bytes | memoryview) -> None:
    """Writes a file, atomically; text as UTF-8. Raises OSError that names the file and the reason."""
    with replacing(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
