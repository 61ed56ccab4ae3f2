"""Imported by the fork server, so that every process forked from it has an unused Synth.

The fork server ends when its caller has ended, see `vjax.engine.isolate`. Signals that stop the caller do not end it,
so that a caller that finishes its current work can still render.
"""

import atexit
import multiprocessing.forkserver
import os
import pickle
import shutil
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from vjax.engine import synth
from vjax.io.signals import STOPPING

# A function that a process calls may be in a module that imports jax. jax warns at each fork, because its threads do
# not survive a fork. Nothing has used jax here, so there are no such threads.
warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)

_ORPHANED_S = 1.0  # to wait at most for the end of the caller


def _remove_socket(caller: int = os.getppid()) -> None:
    """Removes the folder of the fork server's socket, if the caller was killed and so has not done it."""
    server: Any = multiprocessing.forkserver._forkserver  # its private attributes have no types
    address = server._forkserver_address
    # A process that is killed closes its pipes first. Its children get another parent a moment later.
    deadline_s = time.monotonic() + _ORPHANED_S
    while address and os.getppid() == caller and time.monotonic() < deadline_s:
        time.sleep(0.01)
    if address and os.getppid() != caller:
        shutil.rmtree(Path(os.fsdecode(address)).parent, ignore_errors=True)


def _handle(signals: tuple[int, ...], handler: signal.Handlers) -> None:
    for number in signals:
        signal.signal(number, handler)


def _report(kind: type, error: BaseException, traceback) -> None:
    """Prints an error of a process, unless the process only found that its caller had ended while it sent the task."""
    if not issubclass(kind, OSError | EOFError | pickle.UnpicklingError):
        sys.__excepthook__(kind, error, traceback)


atexit.register(_remove_socket)
sys.excepthook = _report
_handle(STOPPING, signal.SIG_IGN)
_handle((signal.SIGINT,), signal.SIG_DFL)  # multiprocessing ignores it in the fork server, and restores it in processes
os.register_at_fork(after_in_child=lambda: _handle(STOPPING, signal.SIG_DFL))
synth.prepare()
