"""The disk while a checkpoint is saved: errors in one line, and nothing left of what Orbax could not finish."""

import contextlib
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from vjax.io.atomic import DISK_ERRORS


class CheckpointError(ValueError):
    """A folder has no usable checkpoint. The message states what was found and what to do."""


_THREADS_S = 3.0  # for the threads of Orbax that have work; others wait for ever


@contextlib.contextmanager
def saving(folder: Path, n_bytes: int = 0) -> Iterator[None]:
    """Raises CheckpointError if the disk has no space for `n_bytes`, or if it is full in the end.

    In the latter case, Orbax's threads have ended, unless they take long. Their own errors are not printed, now and
    later: there are pages of them, in the log and as tracebacks. Orbax raises them again when the next save begins.
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise _not_saved(folder, f"it takes {n_bytes / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free")
    before = set(threading.enumerate())
    _drop_closed_loops()
    for name in ("absl", "asyncio"):
        logging.getLogger(name).addFilter(_is_no_disk_error)  # once: it is the same function
    try:
        yield
    except Exception as error:
        if not (reason := _disk_error(str(error))):
            raise
        deadline_s = time.monotonic() + _THREADS_S
        while set(threading.enumerate()) - before and time.monotonic() < deadline_s:
            time.sleep(0.05)
        raise _not_saved(folder, reason) from error


def _drop_closed_loops() -> None:
    """Drops errors of TensorStore's threads, that the event loop of Orbax's thread is closed, after Orbax has failed.

    They may come long after that, each with a traceback.
    """
    hook = sys.unraisablehook
    if getattr(hook, "drops_closed_loops", False):
        return

    def handle(unraisable: Any) -> None:
        if not (unraisable.exc_type is RuntimeError and "Event loop is closed" in str(unraisable.exc_value)):
            hook(unraisable)

    setattr(handle, "drops_closed_loops", True)  # noqa: B010  # functions have no such attribute, for type checkers
    sys.unraisablehook = handle


def _disk_error(text: str) -> str:
    """The reason in an error's text if a disk is full or cannot be written, else nothing."""
    reasons = [os.strerror(number) for number in DISK_ERRORS if os.strerror(number) in text]
    return (reasons or ["it could not be written"] * ("Error writing" in text) or [""])[0]  # the text of TensorStore


def _is_no_disk_error(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not _disk_error(f"{record.getMessage()} {error}")


def _not_saved(folder: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{folder}: the checkpoint could not be saved: {reason}. Earlier ones are whole; free space, and run the same "
        "command again"
    )


def tree_bytes(tree: Any) -> int:
    """The size of all arrays of a tree."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree) if hasattr(leaf, "nbytes"))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides Orbax's warnings."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
