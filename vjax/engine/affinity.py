"""Threads that each hold a seat, something that does one piece of work at a time, and the work that waits for them.

Work may have a key, what a seat must be prepared for. Preparing costs as much as a piece of work or a few, and a seat
has room for a few keys only: who takes what decides whether many seats work, or get prepared over and over.
"""

import collections
import dataclasses
import threading
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any

LOSSES = 5
"""So many seats a piece of work may cost before it is given up: lost machines do not pick one sound so often."""

_WORTH = 1  # a full seat gets prepared where more than so many pieces wait for each seat that already is

_AGAIN_S = 2.0  # between two looks for a seat where there is none


class SeatLostError(RuntimeError):
    """The seat is gone, and the work in its hands with it; the text says why."""


@dataclasses.dataclass(eq=False)
class _Work:
    function: Callable[[Any], Any]
    key: Hashable
    done: Future
    losses: int = 0


@dataclasses.dataclass(eq=False)
class _Manned:
    """A seat that is held, and the key of the work in its hands."""

    seat: Any
    key: Hashable = None

    def prepared(self, key: Hashable) -> bool:
        return key is not None and (key in self.seat or key == self.key)


class Crew:
    """Work done by `size` threads in the order it was given, but a seat takes what it is prepared for first.

    Where it is prepared for nothing that waits, it gets prepared for the key that has the most work for each prepared
    seat. One that is full, and would forget a key over it, leaves what there is to those seats if that is little. Work
    without a key, and a key without a seat, is never left.

    Work whose seat is lost is done again on another, before all that waits. Use as a context manager; at its end the
    work that waits is cancelled, and the work in hand awaited.

    Args:
      open_seat: gives a context manager of a seat; or None where there is none now, and is asked again then. What it
        raises becomes the answer to all work that waits. It is given an event, set when no seat is needed any more. For
        work with keys a seat answers `key in seat`, and whether it is `full`.
      size: threads.
    """

    def __init__(self, open_seat: Callable[[threading.Event], AbstractContextManager | None], size: int):
        self._open_seat = open_seat
        self._waiting: collections.deque[_Work] = collections.deque()
        self._manned: list[_Manned] = []
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
        return self.submit_all([(function, key)])[0]

    def submit_all(self, work: Iterable[tuple[Callable[[Any], Any], Hashable]]) -> list[Future]:
        """Futures of `function(seat)` for all (function, key), of which a seat sees all before it takes one."""
        given = [_Work(function, key, Future()) for function, key in work]
        with self._change:
            self._waiting.extend(given)
            self._change.notify_all()  # any seat may be the one that is prepared
        return [one.done for one in given]

    def _man_a_seat(self) -> None:
        while not self._closed.is_set():
            try:
                opened = self._open_seat(self._closed)
            except Exception as error:
                self._fail_waiting(error)
                opened = None
            if opened is None:
                self._closed.wait(_AGAIN_S)  # not for a change: work is nothing to a thread without a seat
                continue
            with opened as seat:
                manned = _Manned(seat)
                with self._change:
                    self._manned.append(manned)
                while (work := self._next(manned)) is not None:
                    if not self._do(work, seat):
                        break
                with self._change:
                    self._manned.remove(manned)
                    self._change.notify_all()  # what it was prepared for may now be worth another's while

    def _next(self, manned: _Manned) -> _Work | None:
        """The work for this seat, once there is some; None at the end."""
        with self._change:
            manned.key = None
            self._change.notify_all()  # it may have forgotten a key that others left to it
            while not self._closed.is_set():
                if (chosen := self._choose(manned)) is not None:
                    self._waiting.remove(chosen)
                    manned.key = chosen.key
                    return chosen
                self._change.wait()
            return None

    def _choose(self, manned: _Manned) -> _Work | None:
        """The best of the work that waits, or None if others had better do all of it."""
        first: dict[Hashable, _Work] = {}
        for work in self._waiting:
            if work.key in manned.seat:
                return work
            first.setdefault(work.key, work)
        waiting = collections.Counter(work.key for work in self._waiting)
        chosen, most = None, 0.0
        for key, work in first.items():
            seats = sum(one.prepared(key) for one in self._manned)
            if not seats:
                return work
            if waiting[key] / seats > most:
                chosen, most = work, waiting[key] / seats
        if chosen is not None and most <= _WORTH and manned.seat.full:
            return None
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
