"""A lock on an output folder: two commands that write to one folder at once would write the same temporary files."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_NAME = ".vjax-lock"
_HOLDER_BYTES = 300  # most that is read of the text in a lock file


class FolderInUseError(RuntimeError):
    """Another process writes to the folder. The message names both, and what to do."""


@contextlib.contextmanager
def locked(path: str | os.PathLike, beside: bool = False) -> Iterator[None]:
    """Holds the lock of an output folder during the block. Makes the folder if there is none.

    The lock is the system's (`flock`) on the file `.vjax-lock` in the folder, so that it ends with the process, even by
    SIGKILL. The file may stay; it means nothing then. On a network file system the lock holds between machines, if the
    system has such locks. Where a lock cannot be made, as in a folder that cannot be written, the block runs without.

    Args:
      path: a folder, or a file that exists.
      beside: the lock is the file `.NAME.vjax-lock` beside `path`, as it is for files. For a folder that must be empty.

    Raises:
      FolderInUseError: another process, or this one, holds the lock.
    """
    path = Path(os.path.realpath(path))
    beside = beside or path.is_file()
    lock = path.with_name(f".{path.name}{_NAME}") if beside else path / _NAME
    made = not beside and not path.exists()
    if made:
        path.mkdir(parents=True, exist_ok=True)
    descriptor = _lock(lock, path)
    try:
        yield
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                lock.unlink()  # while it is locked; see `_lock`
            os.close(descriptor)
        if made:
            with contextlib.suppress(OSError):
                path.rmdir()  # if nothing was written to it


def _lock(lock: Path, path: Path) -> int | None:
    """The descriptor of the locked file; None if the file system has no locks, or the file cannot be made."""
    while fcntl:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have removed the file after it was opened here: that lock protects nothing.
            if os.path.samestat(os.fstat(descriptor), os.stat(lock)):
                _write_holder(descriptor)
                return descriptor
        except FileNotFoundError:
            pass
        except BlockingIOError:
            holder = os.read(descriptor, _HOLDER_BYTES).decode(errors="replace").strip() or "another process"
            os.close(descriptor)
            raise FolderInUseError(
                f"{path} is in use: {holder} writes to it; wait until that ends, or choose another folder"
            ) from None
        except OSError:
            os.close(descriptor)
            return None
        os.close(descriptor)
    return None


def _write_holder(descriptor: int) -> None:
    """Writes who holds the lock, for the message of another process."""
    with contextlib.suppress(OSError):  # a full disk
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
