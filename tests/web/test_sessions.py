"""Tests of what the server keeps for each page."""

import dataclasses

import pytest

from vjax.web.cards import MADE
from vjax.web.sessions import MOST_MADE, SessionError, Sessions, card_of


class EndedJob:
    """A job that only counts its cancellations."""

    cancelled = 0

    def cancel(self):
        self.cancelled += 1


def test_sessions_that_are_too_many_drop_the_one_that_was_unused_for_longest():
    sessions = Sessions(most=2)
    first, second = sessions.of_page("a"), sessions.of_page("b")
    second.job = job = EndedJob()
    assert sessions.get(first.token) is first
    sessions.of_page("c")
    assert len(sessions) == 2
    assert job.cancelled == 1
    with pytest.raises(SessionError, match="reload the page"):
        sessions.get(second.token)


def test_of_page_is_the_same_session_until_it_is_closed():
    sessions = Sessions()
    session = sessions.of_page("a")
    assert sessions.of_page("a") is session
    sessions.close("a")
    assert sessions.of_page("a") is not session


def test_close_ends_the_session_and_its_job():
    sessions = Sessions()
    session = sessions.of_page("a")
    session.job = job = EndedJob()
    sessions.close("a")
    sessions.close("a")
    assert job.cancelled == 1
    assert len(sessions) == 0


@dataclasses.dataclass
class MadeCard:
    """What a session reads of a card."""

    id: str
    group: str = MADE


def test_add_made_shows_the_latest_first_and_keeps_a_limited_number():
    session = Sessions().of_page("a")
    session.cards = {"patch": MadeCard("patch", "")}
    for _ in range(MOST_MADE // 4 + 1):
        session.add_made([MadeCard(session.next_id("variation")) for _ in range(4)])
    assert len(session.cards) == MOST_MADE + 1
    first, *_, last = session.cards
    assert (first, last) == (f"variation-{MOST_MADE + 1}", "patch")
    assert "variation-1" not in session.cards


def test_drop_made_drops_nothing_that_the_match_found():
    session = Sessions().of_page("a")
    session.cards = {"patch": MadeCard("patch", ""), "refined-1": MadeCard("refined-1")}
    session.drop_made(["refined-1", "patch", "unknown"])
    assert list(session.cards) == ["patch"]


def test_given_without_a_sound_raises_session_error():
    with pytest.raises(SessionError, match="give one, and match it"):
        Sessions().of_page("a").given  # noqa: B018


def test_tokens_cannot_be_guessed():
    sessions = Sessions()
    tokens = {sessions.of_page(str(i)).token for i in range(20)}
    assert len(tokens) == 20
    assert min(map(len, tokens)) >= 32
    with pytest.raises(SessionError, match="choose another"):
        card_of(sessions.of_page("x"), "patch")
