"""Runs one call in a fresh process of its own, so that a crash or a hang affects only that process.

No process outlives its caller, even if the caller gets SIGKILL: the fork server then ends, its processes end with it,
and theirs with them (`begin`).
"""

import contextlib
import ctypes
import functools
import math
import multiprocessing
import multiprocessing.connection
import multiprocessing.forkserver
import multiprocessing.process
import multiprocessing.spawn
import multiprocessing.util
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, Literal

from vjax.io.signals import STOPPING

Method = Literal["fork", "forkserver", "spawn"]


_TRIES = 3
"""Attempts to start a process.

A fork server that was killed refuses connections for some milliseconds, until it can be started again. Another attempt
is safe: a process that ends while it still receives its task has not begun the call.
"""

_PAUSE_S = 0.3  # between two attempts


_SOCKET_FOLDER_BYTES = 70
"""The longest folder for temporary files in which the fork server's socket still has a possible name.

Python adds 32 bytes to it. The limit is 104 bytes on macOS, and 108 on Linux.
"""


PROCESS_NAME = "vjax-isolated"
"""Name of the processes that do not import their caller's main module, see `_preparation_data`."""


ENDED_FROM_OUTSIDE = tuple(
    -getattr(signal, name)
    for name in ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGXCPU", "SIGXFSZ")
    if hasattr(signal, name)
)
"""Exit codes that a defect of a preset does not cause, but a machine without memory or a closed terminal does."""

_SERVER_ENDED = 255  # multiprocessing's exit code of a process whose fork server ended before it

_PR_SET_PDEATHSIG = 1  # of prctl


class IsolatedCallError(RuntimeError):
    """The process of an isolated call crashed, hung or failed; the message states which."""


class MachineError(IsolatedCallError):
    """The process could not be started, or was ended from outside, for example for lack of memory.

    Another attempt may succeed.
    """


def can_fork() -> bool:
    """Whether processes may fork here. VJAX_START_METHOD=spawn makes this false, to try what Windows does."""
    has_fork = "fork" in multiprocessing.get_all_start_methods()
    return has_fork and os.environ.get("VJAX_START_METHOD") != "spawn"


def call_isolated(function: Callable[..., Any], *args: Any, timeout_s: float, method: Method) -> Any:
    """Calls `function(*args)` in a new process and returns its result.

    Args:
      function: for `forkserver` and `spawn` it and its arguments must pickle.
      timeout_s: the process is killed after this long.
      method: how the process is made. `fork` inherits this process's memory and is for single-threaded callers only;
        where processes cannot fork, `spawn` is used instead.

    Raises:
      ValueError: raised by `function`.
      IsolatedCallError: the process died or ran longer than `timeout_s`, or `function` raised anything else.
      MachineError: the process could not be started, was killed by another, or lacked memory or files; an
        IsolatedCallError too.
    """
    if not can_fork():
        method = "spawn"
    left = _TRIES
    while True:
        left -= 1
        try:
            process, receiver = _started(method, function, args, timeout_s)
            break
        except (OSError, EOFError) as error:
            if not left:
                remedy = (
                    f"; set TMPDIR to a short path, it is {tempfile.gettempdir()}" if "AF_UNIX" in str(error) else ""
                )
                raise MachineError(f"its process could not be started: {error or 'end of file'}{remedy}") from error
            time.sleep(_PAUSE_S)
    try:
        if not receiver.poll(timeout_s):
            raise IsolatedCallError(f"hung: no result within {timeout_s:g} s")
        result = receiver.recv()
    except (EOFError, OSError):  # OSError: it died while it sent its result
        process.join()
        kind = MachineError if ended_from_outside(process) else IsolatedCallError
        raise kind(f"crashed: {_exit_reason(process.exitcode)}") from None
    finally:
        receiver.close()
        end_process(process)  # it has sent its result, died or hung, and is no longer needed
    if isinstance(result, (ValueError, IsolatedCallError)):
        raise result
    if isinstance(result, Exception):
        kind = MachineError if isinstance(result, (OSError, MemoryError)) else IsolatedCallError
        raise kind(f"failed: {type(result).__name__}: {result}") from result
    return result


def ended_from_outside(process: multiprocessing.process.BaseProcess) -> bool:
    """Whether a process that has ended was killed by another, or with its fork server."""
    return process.exitcode in (*ENDED_FROM_OUTSIDE, _SERVER_ENDED)


def start_process(process: multiprocessing.process.BaseProcess) -> None:
    """Calls `process.start()`, for threads that start and end processes at the same time.

    Python's `start` polls all processes in `_children`, also those of other threads (python/cpython issue 140867). If
    another thread closes one of them at that moment, `start` reads from a file number that now belongs to another pipe,
    and takes eight bytes out of it. Then either a job cannot be unpickled, or a process id is read as 0 and the next
    kill ends this whole process group. This function therefore removes our processes from `_children`. (A lock around
    starting and closing would cost a third of the calls per second.)
    """
    process.name = PROCESS_NAME
    _use_short_socket_path()
    process.start()
    private: Any = multiprocessing.process  # its private names have no types
    private._children.discard(process)


@functools.cache
def _use_short_socket_path() -> None:
    """Makes Python put the fork server's socket into /tmp, if the path would be too long in the folder of TMPDIR."""
    usual = tempfile.gettempdir()
    short = next((folder for folder in ("/tmp", "/var/tmp") if os.access(folder, os.W_OK | os.X_OK)), None)
    if len(os.fsencode(usual)) > _SOCKET_FOLDER_BYTES and short:
        tempfile.tempdir = short
        multiprocessing.util.get_temp_dir()  # Python makes it once for each process, and removes it at the end
        tempfile.tempdir = usual


def _preparation_data(name: str, of_python=multiprocessing.spawn.get_preparation_data) -> dict[str, Any]:
    """The preparation data of a new process, without the caller's main module.

    Python makes each new process import the main module of its caller. A user's script without `if __name__ ==
    "__main__"` would then run again in each process that renders, and fail. Our processes only call functions of vjax,
    which they import by name.
    """
    data = of_python(name)
    if name == PROCESS_NAME:
        for key in ("init_main_from_name", "init_main_from_path"):
            data.pop(key, None)
    return data


multiprocessing.spawn.get_preparation_data = _preparation_data


def end_process(process: multiprocessing.process.BaseProcess) -> None:
    """Kills a process and frees its resources."""
    process.kill()
    process.join()
    process.close()


def _started(
    method: Method, function: Callable[..., Any], args: tuple, timeout_s: float
) -> tuple[multiprocessing.process.BaseProcess, multiprocessing.connection.Connection]:
    context: Any = multiprocessing.get_context(method)  # the type of any method's context has no `Process`
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_call_and_send, args=(sender, function, args, timeout_s))
    try:
        start_process(process)
    except (OSError, EOFError):
        receiver.close()
        raise
    finally:
        sender.close()  # so that the receiver gets an end of file when the child dies
    return process, receiver


def _call_and_send(
    sender: multiprocessing.connection.Connection, function: Callable[..., Any], args: tuple, timeout_s: float
) -> None:
    begin()
    if hasattr(signal, "SIGALRM"):
        # If the caller itself is killed, only this alarm can end a hanging call.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(math.ceil(timeout_s) + 1)
    try:
        result = function(*args)
    except Exception as error:
        result = error
    with contextlib.suppress(OSError):  # the caller has ended
        sender.send(result)
        sender.close()


def begin() -> None:
    """Prepares a new process. Call it there first.

    - A signal that stops the caller ends it at once and without a traceback: Ctrl-C reaches the whole process group.
    - On Linux it gets SIGKILL when its parent ends: the fork server, or the process that forked it.
    - It closes its end of the pipe by which the fork server finds out whether the caller is alive.
    """
    for number in STOPPING:
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    server: Any = multiprocessing.forkserver._forkserver  # its private attributes have no types
    if server._forkserver_pid is None and server._forkserver_alive_fd is not None:  # it was made by a fork server
        os.close(server._forkserver_alive_fd)
        server._forkserver_alive_fd = None


def _exit_reason(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"the engine's process was ended by {signal.Signals(-exitcode).name}"
    return f"the engine's process ended with status {exitcode} before it returned a result"
