"""Tests of jobs: what they report, and how they end."""

import threading
import time

import pytest

from vjax.engine.config import RenderConfig
from vjax.matching.choose import Progress
from vjax.web.jobs import Cancelled, Done, Failed, Job, Waiting
from vjax.web.line import Line

RENDER = RenderConfig(seconds=0.1, note_s=0.05)


def job(work, line=None) -> Job:
    return Job(line or Line(1, 5), RENDER, 1, work)


def test_events_are_those_of_the_work_and_then_its_error():
    def work(pool, report, should_stop):
        report(Progress("playing candidates", 1, 2))
        raise FileNotFoundError(2, "No such file", "a.wav")

    assert list(job(work).events()) == [Progress("playing candidates", 1, 2), Failed("a.wav: no such file")]


def test_cancel_ends_the_events_and_gives_the_place_to_the_next_job():
    line, go = Line(1, 5), threading.Event()

    def work(pool, report, should_stop):
        while not go.wait(0.01):
            report(Progress("playing candidates", 1, 2))

    first, second = job(work, line), job(work, line)
    events = first.events()
    assert next(events) == Progress("playing candidates", 1, 2)
    waiting = second.events()
    assert next(waiting) == Waiting(1)
    first.cancel_or_stop()
    assert [event for event in events if not isinstance(event, Progress)] == [Cancelled()]
    assert isinstance(next(waiting), Progress)
    waiting.close()  # as when the page is closed
    end = time.monotonic() + 10
    while line._tickets and time.monotonic() < end:
        time.sleep(0.01)
    assert not line._tickets


def test_cancel_of_a_waiting_job_ends_it():
    line = Line(1, 5)
    line.join()
    waiting = job(None, line)
    events = waiting.events()
    assert next(events) == Waiting(1)
    waiting.cancel()
    assert list(events)[-1] == Cancelled()
    assert len(line._tickets) == 1


def test_cancel_or_stop_of_a_search_lets_it_return_its_best():
    def work(pool, report, should_stop):
        report(Progress("searching", 1, 9))
        while not should_stop():
            time.sleep(0.01)
        return "the best so far"

    searching = job(work)
    events = searching.events()
    assert next(events).stage == "searching"
    searching.cancel_or_stop()
    assert list(events) == [Done("the best so far")]


@pytest.mark.parametrize("longest", [0])
def test_events_of_a_job_in_a_full_line_say_so(longest):
    (event,) = job(None, Line(1, longest)).events()
    assert "try again" in event.error
