"""Distributes work to threads that each own a seat, a resource that does one piece of work at a time.

Work may have a key, for which a seat must be prepared. This costs as much as one or a few pieces of work, and a seat
has room for only a few keys. The assignment decides whether many seats work, or are prepared again and again.
"""

import collections
import dataclasses
import threading
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any

LOSSES = 5
"""A piece of work fails after this number of lost seats.

Machines that are lost by chance do not affect one sound so often.
"""

_WORTH = 1  # a full seat is prepared for a key if more pieces than this wait per seat that is prepared for it

_AGAIN_S = 2.0  # between two attempts to open a seat


class SeatLostError(RuntimeError):
    """The seat is lost, with its current work; the message states the reason."""


@dataclasses.dataclass(eq=False)
class _Work:
    function: Callable[[Any], Any]
    key: Hashable
    done: Future
    losses: int = 0


@dataclasses.dataclass(eq=False)
class _Manned:
    """A seat of a thread, and the key of its current work."""

    seat: Any
    key: Hashable = None

    def prepared(self, key: Hashable) -> bool:
        return key is not None and (key in self.seat or key == self.key)


class Crew:
    """Does work in `size` threads, in the order of submission. But a seat first takes work that it is prepared for.

    If a seat is prepared for nothing that waits, it is prepared for the key with the most waiting work per prepared
    seat. A full seat would lose a key by this. It leaves the work to the prepared seats if that work is little. Work
    without a key is always taken, and so is work whose key no seat is prepared for.

    Work whose seat is lost is done again on another seat, before all waiting work. Use as a context manager. At its
    end, waiting work is cancelled, and the context manager waits for the current work.

    Args:
      open_seat: returns a context manager of a seat, or None if there is no seat now. Then it is called again later. An
        exception becomes the result of all waiting work. Its argument is an event, which is set when no seat is needed
        any more. For work with keys, a seat supports `key in seat` and has an attribute `full`.
      size: number of threads.
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
        self._fail_waiting(None)  # work that a lost seat returned meanwhile

    def submit(self, function: Callable[[Any], Any], key: Hashable = None) -> Future:
        """A future of `function(seat)`; seats with `key in seat` take it first."""
        return self.submit_all([(function, key)])[0]

    def submit_all(self, work: Iterable[tuple[Callable[[Any], Any], Hashable]]) -> list[Future]:
        """Futures of `function(seat)` for all (function, key). All are in the queue before a seat takes one."""
        given = [_Work(function, key, Future()) for function, key in work]
        with self._change:
            self._waiting.extend(given)
            self._change.notify_all()  # any seat may be prepared for it
        return [one.done for one in given]

    def _man_a_seat(self) -> None:
        while not self._closed.is_set():
            try:
                opened = self._open_seat(self._closed)
            except Exception as error:
                self._fail_waiting(error)
                opened = None
            if opened is None:
                self._closed.wait(_AGAIN_S)  # do not wait for `_change`: a thread without a seat cannot do work
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
                    self._change.notify_all()  # its keys may now be worth preparing another seat

    def _next(self, manned: _Manned) -> _Work | None:
        """Waits for work for this seat and returns it; None at the end."""
        with self._change:
            manned.key = None
            self._change.notify_all()  # it may have lost a key whose work others left to it
            while not self._closed.is_set():
                if (chosen := self._choose(manned)) is not None:
                    self._waiting.remove(chosen)
                    manned.key = chosen.key
                    return chosen
                self._change.wait()
            return None

    def _choose(self, manned: _Manned) -> _Work | None:
        """The best waiting work for this seat, or None if other seats should do all of it."""
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
        """Does the work. Returns whether the seat still exists."""
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
