"""Distributes work to workers, each of which belongs to a thread and does one piece of work at a time.

Work may have a key, for which a worker must be prepared. This costs as much as one or a few pieces of work, and a
worker has room for only a few keys. The assignment decides whether many workers work, or are prepared again and again.
"""

import collections
import dataclasses
import threading
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any

MAX_LOST = 5
"""A piece of work fails after this number of lost workers.

Machines that are lost by chance do not affect one sound so often.
"""

_LEFT_TO_OTHERS = 1  # a full worker leaves a key to its prepared workers if at most this many pieces wait per worker

_RETRY_S = 2.0  # time between two attempts to open a worker


class WorkerLostError(RuntimeError):
    """The worker is lost, with its current work; the message states the reason."""


@dataclasses.dataclass(eq=False)
class _Work:
    function: Callable[[Any], Any]
    key: Hashable
    done: Future
    losses: int = 0


@dataclasses.dataclass(eq=False)
class _Open:
    """An open worker, and the key of its current work."""

    worker: Any
    key: Hashable = None

    def prepared(self, key: Hashable) -> bool:
        return key is not None and (key in self.worker or key == self.key)


class AffinityPool:
    """Does work in `size` threads, in the order of submission. But a worker first takes work that it is prepared for.

    If a worker is prepared for nothing that waits, it is prepared for the key with the most waiting work per prepared
    worker. A full worker would lose a key by this. It leaves the work to the prepared workers if that work is little.
    Work without a key is always taken, and so is work whose key no worker is prepared for.

    Work whose worker is lost is done again on another worker, before all waiting work. Use as a context manager. At its
    end, waiting work is cancelled, and the context manager waits for the current work.

    Args:
      open_worker: returns a context manager of a worker, or None if there is no worker now. Then it is called again
        later. An exception becomes the result of all waiting work. Its argument is an event, which is set when no
        worker is needed any more. For work with keys, a worker supports `key in worker` and has an attribute `full`.
      size: number of threads.
    """

    def __init__(self, open_worker: Callable[[threading.Event], AbstractContextManager | None], size: int):
        self._open_worker = open_worker
        self._waiting: collections.deque[_Work] = collections.deque()
        self._open: list[_Open] = []
        self._change, self._closed = threading.Condition(), threading.Event()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(size)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> "AffinityPool":
        return self

    def __exit__(self, *_) -> None:
        with self._change:
            self._closed.set()
            self._change.notify_all()
        self._fail_waiting(None)
        for thread in self._threads:
            thread.join()
        self._fail_waiting(None)  # work that a lost worker returned meanwhile

    def submit(self, function: Callable[[Any], Any], key: Hashable = None) -> Future:
        """A future of `function(worker)`; workers with `key in worker` take it first."""
        return self.submit_all([(function, key)])[0]

    def submit_all(self, work: Iterable[tuple[Callable[[Any], Any], Hashable]]) -> list[Future]:
        """Futures of `function(worker)` for all (function, key). All are in the queue before a worker takes one."""
        submitted = [_Work(function, key, Future()) for function, key in work]
        with self._change:
            self._waiting.extend(submitted)
            self._change.notify_all()  # any worker may be prepared for it
        return [one.done for one in submitted]

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                context = self._open_worker(self._closed)
            except Exception as error:
                self._fail_waiting(error)
                context = None
            if context is None:
                self._closed.wait(_RETRY_S)  # do not wait for `_change`: a thread without a worker cannot do work
                continue
            with context as worker:
                opened = _Open(worker)
                with self._change:
                    self._open.append(opened)
                while (work := self._next(opened)) is not None:
                    if not self._do(work, worker):
                        break
                with self._change:
                    self._open.remove(opened)
                    self._change.notify_all()  # its keys may now be worth preparing another worker

    def _next(self, opened: _Open) -> _Work | None:
        """Waits for work for this worker and returns it; None at the end."""
        with self._change:
            opened.key = None
            self._change.notify_all()  # it may have lost a key whose work other workers left to it
            while not self._closed.is_set():
                if (chosen := self._choose(opened)) is not None:
                    self._waiting.remove(chosen)
                    opened.key = chosen.key
                    return chosen
                self._change.wait()
            return None

    def _choose(self, opened: _Open) -> _Work | None:
        """The best waiting work for this worker, or None if other workers should do all of it."""
        first: dict[Hashable, _Work] = {}
        for work in self._waiting:
            if work.key in opened.worker:
                return work
            first.setdefault(work.key, work)
        waiting = collections.Counter(work.key for work in self._waiting)
        chosen, most = None, 0.0
        for key, work in first.items():
            prepared = sum(one.prepared(key) for one in self._open)
            if not prepared:
                return work
            if waiting[key] / prepared > most:
                chosen, most = work, waiting[key] / prepared
        if chosen is not None and most <= _LEFT_TO_OTHERS and opened.worker.full:
            return None
        return chosen

    def _do(self, work: _Work, worker: Any) -> bool:
        """Does the work. Returns whether the worker still exists."""
        try:
            work.done.set_result(work.function(worker))
        except WorkerLostError as lost:
            work.losses += 1
            if work.losses >= MAX_LOST:
                work.done.set_exception(
                    ConnectionError(f"{MAX_LOST} workers were lost while they rendered one sound; the last: {lost}")
                )
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
