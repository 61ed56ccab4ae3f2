"""Tests of the line of jobs."""

import threading

import pytest

from vjax.web.line import Line, LineFullError


def test_line_admits_tickets_in_their_order():
    line = Line(places=2, longest=9)
    tickets = [line.join() for _ in range(4)]
    assert [ticket.ahead for ticket in tickets] == [0, 0, 1, 2]
    tickets[1].leave()
    tickets[1].leave()
    assert [ticket.ahead for ticket in tickets] == [0, 0, 0, 1]


def test_line_that_is_too_long_refuses_a_job():
    line = Line(places=1, longest=2)
    first = line.join()
    line.join()
    with pytest.raises(LineFullError, match="2 jobs run or wait"):
        line.join()
    first.leave()
    line.join()


def test_wait_returns_when_a_job_ahead_ends():
    line = Line(places=1, longest=9)
    first, second = line.join(), line.join()
    threading.Timer(0.05, first.leave).start()
    assert second.wait(1, timeout_s=10) == 0
    assert second.wait(0, timeout_s=0.01) == 0
