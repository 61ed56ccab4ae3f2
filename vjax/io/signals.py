"""Stops a command in order: by Ctrl-C, by SIGTERM, or because its terminal was closed (SIGHUP)."""

import contextlib
import logging
import multiprocessing.process
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that ask a command to stop."""

_NAMES = {"SIGINT": "Ctrl-C", "SIGHUP": "SIGHUP, because the terminal was closed"}


class Stopped(KeyboardInterrupt):
    """A signal asked the command to stop: `number`."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


def stop_code(stop: BaseException) -> int:
    """The exit code after a stop: 128 and the number of the signal, as shells count."""
    return 128 + getattr(stop, "number", signal.SIGINT)


def stop_text(stop: BaseException) -> str:
    """What stopped the command, for people."""
    name = signal.Signals(getattr(stop, "number", signal.SIGINT)).name
    return f"stopped by {_NAMES.get(name, name)}"


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Makes the signals of STOPPING raise Stopped in this block. Only the main thread gets signals.

    After the first signal, the work is cleaned up. During this, SIGTERM and SIGHUP have no effect, because `timeout`
    and shells send them twice. Another Ctrl-C ends the process at once. A signal that the caller ignores, as `nohup`
    does with SIGHUP, stays ignored.
    """
    hook, sys.unraisablehook = sys.unraisablehook, _repeating(sys.unraisablehook)
    absl = logging.getLogger("absl")
    absl.addFilter(_is_no_stop)
    try:
        with handling(_stop):
            yield
    finally:
        absl.removeFilter(_is_no_stop)
        sys.unraisablehook = hook


def _is_no_stop(record: logging.LogRecord) -> bool:
    """Whether a message should be printed. Orbax logs a stop as the failure of a checkpoint, with its traceback."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, KeyboardInterrupt)


def _stop(number: int, _) -> None:
    for other in STOPPING:
        if signal.getsignal(other) != signal.SIG_IGN:
            signal.signal(other, signal.SIG_DFL if other == signal.SIGINT else signal.SIG_IGN)
    raise Stopped(number)


def _repeating(hook: Callable[[Any], object]) -> Callable[[Any], object]:
    """A function for `sys.unraisablehook` that repeats a stop, and passes everything else to `hook`.

    jax has a callback that runs at garbage collection. If a signal comes during this callback, Python cannot raise
    Stopped: it only prints it and then drops it.
    """

    def handle(unraisable: Any) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            number = getattr(unraisable.exc_value, "number", signal.SIGINT)
            signal.signal(number, _stop)
            threading.Timer(0.1, os.kill, (os.getpid(), number)).start()  # later, not inside this hook
        else:
            hook(unraisable)

    return handle


@contextlib.contextmanager
def stop_later(when: Callable[[], bool] = lambda: True, by: tuple[int, ...] = STOPPING) -> Iterator[Callable[[], int]]:
    """Yields a function that returns the number of the signal that came, or 0: a search then ends its current work.

    A second Ctrl-C stops at once, and so does the first signal while `when` returns False: there is no result yet that
    is worth keeping. Use it inside `stoppable`, which also handles the signals that are not in `by`.
    """
    came = 0
    at_once = {number: signal.getsignal(number) for number in by}

    def stop(number: int, frame) -> None:
        nonlocal came
        if (came and number == signal.SIGINT) or not when():
            handler = at_once[number]
            assert callable(handler), "`stop_later` is used inside `stoppable`, which handles the signal"
            handler(number, frame)  # raises
        if not came:
            came = number
            print("\nstopping: finishing the current work; press Ctrl-C to stop at once", file=sys.stderr)

    with handling(stop, by):
        yield lambda: came


@contextlib.contextmanager
def handling(handler: Callable, numbers: tuple[int, ...] = STOPPING) -> Iterator[tuple[int, ...]]:
    """Handles those of `numbers` that are not ignored, and yields them. Restores the handlers at the end.

    After Stopped they are not restored: the process ends.
    """
    if threading.current_thread() is not threading.main_thread():
        yield ()
        return
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: old for number, old in before.items() if old not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, handler)
    try:
        yield tuple(before)
    except Stopped:
        raise
    except BaseException:
        _restore(before)
        raise
    else:
        _restore(before)


def _restore(handlers: dict) -> None:
    for number, old in handlers.items():
        signal.signal(number, old)


def exit_without_waiting(code: int, stop: BaseException) -> None:
    """Makes the process end with `code` as soon as the main thread is done. `stop` keeps the frames and their objects.

    An orderly exit would wait for the threads, which may work for another minute, and would destroy the XLA client
    while XLA compiles in a thread of its own: SIGSEGV. Everything that must be complete was closed before this, by its
    context manager. The engine's processes end by themselves, see `vjax.engine.isolate`.
    """

    def end(_: BaseException = stop) -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        process: Any = multiprocessing.process.current_process()  # its private attributes have no types
        if sockets := process._config.get("tempdir"):
            shutil.rmtree(sockets, ignore_errors=True)
        os._exit(code)

    # Before the threads are joined; `atexit` comes after that.
    threading._register_atexit(end)  # pyright: ignore[reportAttributeAccessIssue]
