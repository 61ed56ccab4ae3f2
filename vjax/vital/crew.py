"""Threads that each hold a seat, something that does one piece of work at a time, and the work that waits for them."""

import collections
import dataclasses
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any

LOSSES = 5
"""So many seats a piece of work may cost before it is given up: lost machines do not pick one sound so often."""

_AGAIN_S = 2.0  # between two looks for a seat where there is none


class SeatLostError(RuntimeError):
    """The seat is gone, and the work in its hands with it; the text says why."""


@dataclasses.dataclass(eq=False)
class _Work:
    function: Callable[[Any], Any]
    key: Hashable
    done: Future
    losses: int = 0


class Crew:
    """Work done by `size` threads in the order it was given, but a seat takes what it is prepared for first.

    Work whose seat is lost is done again on another, before all that waits. Use as a context manager; at its end the
    work that waits is cancelled, and the work in hand awaited.

    Args:
      open_seat: gives a context manager of a seat; or None where there is none now, and is asked again then. What it
        raises becomes the answer to all work that waits. It is given an event, set when no seat is needed any more.
      size: threads.
    """

    def __init__(self, open_seat: Callable[[threading.Event], AbstractContextManager | None], size: int):
        self._open_seat = open_seat
        self._waiting: collections.deque[_Work] = collections.deque()
        self._change, self._closed = threading.Condition(), threading.Event()
        self._threads = [threading.Thread(target=self._man_a_seat, daemon=True) for _ in range(size)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_) -> None:
        with self._change:
            self._closed.set()
            self._change.notify_all()
        self._fail_waiting(None)
        for thread in self._threads:
            thread.join()
        self._fail_waiting(None)  # what a lost seat gave back meanwhile

    def submit(self, function: Callable[[Any], Any], key: Hashable = None) -> Future:
        """A future of `function(seat)`; seats with `key in seat` take it first."""
        work = _Work(function, key, Future())
        with self._change:
            self._waiting.append(work)
            self._change.notify()
        return work.done

    def _man_a_seat(self) -> None:
        while not self._closed.is_set():
            try:
                opened = self._open_seat(self._closed)
            except Exception as error:
                self._fail_waiting(error)
                opened = None
            if opened is None:
                self._closed.wait(_AGAIN_S)  # not for a change: `submit` wakes one thread, and that must have a seat
                continue
            with opened as seat:
                while (work := self._next(seat)) is not None:
                    if not self._do(work, seat):
                        break

    def _next(self, seat: Any) -> _Work | None:
        """The work for this seat, once there is some; None at the end."""
        with self._change:
            while not (self._waiting or self._closed.is_set()):
                self._change.wait()
            if self._closed.is_set():
                return None
            chosen = next((work for work in self._waiting if work.key in seat), self._waiting[0])
            self._waiting.remove(chosen)
            return chosen

    def _do(self, work: _Work, seat: Any) -> bool:
        """Whether the seat is there still."""
        try:
            work.done.set_result(work.function(seat))
        except SeatLostError as lost:
            work.losses += 1
            if work.losses >= LOSSES:
                work.done.set_exception(ConnectionError(f"{LOSSES} workers were lost over one sound; the last: {lost}"))
                return False
            with self._change:
                self._waiting.appendleft(work)
                self._change.notify()
            return False
        except Exception as error:
            work.done.set_exception(error)
        return True

    def _fail_waiting(self, error: Exception | None) -> None:
        with self._change:
            waiting, self._waiting = list(self._waiting), collections.deque()
        for work in waiting:
            if error is None:
                work.done.cancel()
            else:
                work.done.set_exception(error)
