"""What the server keeps for each visitor. Visitors do not see each other's sounds."""

import collections
import dataclasses
import secrets
import threading
from collections.abc import Collection, Sequence

from vjax.audio.clip import Clip
from vjax.matching.result import MatchResult
from vjax.web.cards import MADE, Card
from vjax.web.jobs import Job
from vjax.web.sound import Sound

MOST_SESSIONS = 50
"""Open pages whose sounds are kept, about 1.5 MB for each card. The one that was unused for longest makes room."""

MOST_RECORDINGS = 4
"""Further recordings of an instrument that a page takes."""

MOST_MADE = 12
"""Results of searches and variations that a page keeps; the oldest one makes room."""


@dataclasses.dataclass(eq=False)
class Recording:
    """A further recording of the instrument, in a file; `note`: the MIDI note that a visitor has given, if any."""

    path: str
    clip: Clip
    note: int | None = None


@dataclasses.dataclass(eq=False)
class Session:
    """The state of one open page.

    Attributes:
      token: a secret that the page sends with its requests.
      sound: what was given, if anything.
      others: further recordings of the same instrument.
      cards: the shown candidates by id, in their order.
      result: of the last match, without the sounds of its candidates.
      job: that runs or waits.
      made: numbers of refinements and of variations so far, by name.
    """

    token: str
    sound: Sound | None = None
    others: tuple[Recording, ...] = ()
    cards: dict[str, Card] = dataclasses.field(default_factory=dict)
    result: MatchResult | None = None
    job: Job | None = None
    made: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    @property
    def given(self) -> Sound:
        """The sound. Raises SessionError if there is none."""
        if self.sound is None:
            raise SessionError("this page has no sound; give one, and match it")
        return self.sound

    def begin(self, sound: Sound | None) -> None:
        """Takes another sound, or the same one with another note; what was found before is dropped."""
        self.end_job()
        self.sound, self.cards, self.result = sound, {}, None
        self.made.clear()

    def end_job(self) -> None:
        if self.job is not None:
            self.job.cancel()
            self.job = None

    def next_id(self, name: str) -> str:
        """The id of the next card of this name: `refined-1`."""
        self.made[name] += 1
        return f"{name}-{self.made[name]}"

    def add_made(self, cards: Sequence[Card]) -> None:
        """Adds results of a search, or variations, before the other cards."""
        kept = [id for id, card in self.cards.items() if card.group == MADE][: MOST_MADE - len(cards)]
        others = {id: card for id, card in self.cards.items() if card.group != MADE or id in kept}
        self.cards = {card.id: card for card in cards} | others

    def drop_made(self, ids: Collection[str]) -> None:
        """Drops those of the cards that were made from others."""
        self.cards = {id: card for id, card in self.cards.items() if card.group != MADE or id not in ids}


class SessionError(ValueError):
    """The page's session, or one of its cards, does not exist any more."""


class Sessions:
    """The sessions of all open pages. For several threads."""

    def __init__(self, most: int = MOST_SESSIONS):
        self._most = most
        self._sessions: collections.OrderedDict[str, Session] = collections.OrderedDict()
        self._pages: dict[str, str] = {}
        self._lock = threading.Lock()

    def of_page(self, page: str) -> Session:
        """The session of an open page, by the page's name; a new one if it has none."""
        with self._lock:
            if page in self._pages:
                self._sessions.move_to_end(self._pages[page])
                return self._sessions[self._pages[page]]
            session = Session(secrets.token_urlsafe(24))
            self._sessions[session.token] = session
            self._pages[page] = session.token
            dropped = [self._drop(next(iter(self._sessions))) for _ in range(len(self._sessions) - self._most)]
        for one in dropped:
            if one is not None:
                one.end_job()
        return session

    def get(self, token: str) -> Session:
        """The session with this token. Raises SessionError if it has ended."""
        with self._lock:
            if token not in self._sessions:
                raise SessionError("this page was open for too long, or the server was restarted; reload the page")
            self._sessions.move_to_end(token)
            return self._sessions[token]

    def close(self, page: str) -> None:
        """Ends the session of a page that was closed, with its job."""
        with self._lock:
            session = self._drop(self._pages.get(page, ""))
        if session is not None:
            session.end_job()

    def __len__(self) -> int:
        return len(self._sessions)

    def _drop(self, token: str) -> Session | None:
        self._pages = {page: other for page, other in self._pages.items() if other != token}
        return self._sessions.pop(token, None)


def card_of(session: Session, id: str) -> Card:
    """A card by its id. Raises SessionError if it is not shown any more."""
    if id not in session.cards:
        raise SessionError("this candidate is not there any more; choose another one")
    return session.cards[id]
