"""Runs a match, a search or other work in a thread, reports what happens, and can be stopped."""

import queue
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderPool
from vjax.io.errors import error_text, is_expected
from vjax.matching.choose import Progress, Report
from vjax.web.line import Line, LineFullError, Ticket

_POLL_S = 0.25  # how soon a waiting job notices that it was cancelled

Work = Callable[[RenderPool, Report, Callable[[], bool]], Any]
"""A function of (pool, on_progress, should_stop) that returns a result."""


class Waiting(NamedTuple):
    """The job waits for `ahead` others."""

    ahead: int


class Done(NamedTuple):
    """The job ended with a result."""

    result: Any


class Failed(NamedTuple):
    """The job ended with an error, as text for people."""

    error: str


class Cancelled(NamedTuple):
    """The job was cancelled, and has no result."""


class _StoppedError(Exception):
    """Ends the work of a cancelled job."""


Event = Waiting | Progress | Done | Failed | Cancelled


class Job:
    """One piece of work, which takes its place in a line when `events` begins.

    Args:
      line: of the jobs of this machine.
      render, workers: of the job's own pool. It is closed when the job is cancelled, so that its renders end.
      work: what is done.
    """

    def __init__(self, line: Line, render: RenderConfig, workers: int, work: Work):
        self._line, self._render, self._workers, self._work = line, render, workers, work
        self._pool: RenderPool | None = None
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._cancelled, self._stopping = threading.Event(), threading.Event()
        self._searching = False

    def stop(self) -> None:
        """Ends a search, which then returns its best preset so far."""
        self._stopping.set()

    def cancel_or_stop(self) -> None:
        """`stop` if a search runs, which has a result already; else `cancel`."""
        if self._searching:
            self.stop()
        else:
            self.cancel()

    def cancel(self) -> None:
        """Ends the job without a result. Renders that run are finished in the background."""
        self._cancelled.set()
        self._stopping.set()
        self._events.put(Cancelled())
        if self._pool is not None:
            threading.Thread(target=self._pool.__exit__, args=(None, None, None), daemon=True).start()

    def events(self) -> Iterator[Event]:
        """Runs the job and yields what happens. The last event is Done, Failed or Cancelled.

        If the caller closes the iterator before, the job is cancelled.
        """
        try:
            ticket = self._line.join()
        except LineFullError as full:
            yield Failed(str(full))
            return
        running = ended = False
        try:
            ahead = ticket.ahead
            while ahead and not self._cancelled.is_set():
                yield Waiting(ahead)
                ahead = ticket.wait(ahead, _POLL_S)
            if not self._cancelled.is_set():
                threading.Thread(target=self._run, args=(ticket,), daemon=True).start()
                running = True
            while not ended:
                event = self._events.get()
                ended = isinstance(event, Done | Failed | Cancelled)
                yield event
        finally:
            if not running:
                ticket.leave()
            if not ended:
                self.cancel()

    def _run(self, ticket: Ticket) -> None:
        try:
            with RenderPool(self._render, self._workers) as self._pool:
                self._events.put(Done(self._work(self._pool, self._report, self._stopping.is_set)))
        except Exception as error:
            if not self._cancelled.is_set():  # else it is the pool that was closed
                if not is_expected(error):
                    traceback.print_exc()
                self._events.put(Failed(error_text(error)))
        finally:
            self._pool = None
            ticket.leave()

    def _report(self, progress: Progress) -> None:
        if self._cancelled.is_set():
            raise _StoppedError
        self._searching = progress.stage == "searching"
        self._events.put(progress)
