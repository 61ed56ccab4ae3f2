"""A line of jobs: a few run at a time, and the others wait in the order of their arrival."""

import threading


class LineFullError(RuntimeError):
    """Too many jobs wait."""


class Line:
    """Admits at most `places` tickets at a time, the first ones first.

    Args:
      places: jobs that run at a time.
      longest: jobs that run or wait; a further one is refused.
    """

    def __init__(self, places: int, longest: int):
        self._places, self._longest = places, longest
        self._tickets: list[Ticket] = []
        self._changed = threading.Condition()

    def join(self) -> "Ticket":
        """Returns a ticket at the end of the line. Raises LineFullError if the line is too long."""
        with self._changed:
            if len(self._tickets) >= self._longest:
                raise LineFullError(f"{len(self._tickets)} jobs run or wait already; try again in some minutes")
            ticket = Ticket(self)
            self._tickets.append(ticket)
            return ticket


class Ticket:
    """A place in a line, until `leave`."""

    def __init__(self, line: Line):
        self._line = line

    @property
    def ahead(self) -> int:
        """How many jobs must end before this one may run; 0 once it may run, or after `leave`."""
        tickets = self._line._tickets
        with self._line._changed:
            return max(tickets.index(self) - self._line._places + 1, 0) if self in tickets else 0

    def wait(self, ahead: int, timeout_s: float) -> int:
        """Waits until `ahead` is no longer the number of jobs ahead, or until `timeout_s` has passed; returns it."""
        with self._line._changed:
            self._line._changed.wait_for(lambda: self.ahead != ahead, timeout_s)
            return self.ahead

    def leave(self) -> None:
        """Gives the place to the next job. A second call has no effect."""
        with self._line._changed:
            if self in self._line._tickets:
                self._line._tickets.remove(self)
                self._line._changed.notify_all()
