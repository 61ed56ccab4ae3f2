"""What happens when a visitor gives a sound, starts or cancels a job, or closes the page."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from vjax.audio.pitch import note_name, parse_note
from vjax.io.errors import error_text
from vjax.matching.choose import Progress
from vjax.matching.config import MatchConfig
from vjax.matching.prepare import note_of
from vjax.matching.result import MatchResult
from vjax.search.candidate import Candidate, Kind
from vjax.vital.editability import MACROS
from vjax.vital.values import with_values
from vjax.web.cards import Card, early_card, refined_card, result_cards, variation_card
from vjax.web.jobs import Cancelled, Failed, Job, Waiting, Work
from vjax.web.sessions import MOST_RECORDINGS, Recording, Session, Sessions, card_of
from vjax.web.sound import Sound, make_sound
from vjax.web.studio import EXAMPLES, Studio, match_work, read_sound, refine_work, vary_work
from vjax.web.view import pitch_text, progress_status, recordings, results, status

_MOST_SEARCH_S = 300.0
_READY = "Ready. Press Match."


Take = Callable[[Any], str]
"""Stores the result of a job, and returns a text about it."""


class Buttons(NamedTuple):
    """The states of Match and Cancel."""

    match: dict[str, Any]
    cancel: dict[str, Any]


def _buttons(busy: bool, sound: bool = True) -> Buttons:
    return Buttons(gr.update(interactive=sound and not busy), gr.update(interactive=busy))


@dataclasses.dataclass(frozen=True, eq=False)
class Events:
    """The handlers of one server. Each returns the new values of the parts of the page, see `vjax.web.page`.

    Attributes:
      config: of each match, but for the note.
      install: whether the page offers to save to Vital's folder.
    """

    studio: Studio
    sessions: Sessions
    config: MatchConfig
    install: bool

    def close(self, request: gr.Request) -> None:
        if request.session_hash is not None:
            self.sessions.close(request.session_hash)

    def take_sound(self, path: str | None, request: gr.Request) -> tuple:
        """-> results, detected, note, keys, recordings, status, match, cancel.

        Called when the sound was given, trimmed or removed. Further recordings belong to the sound before, and are
        removed.
        """
        session = self.sessions.of_page(_page_of(request))
        session.begin(None)
        if path is None:
            return self._no_sound(session, status("Give a sound first."))
        name = _file_name(path)
        try:
            sound = make_sound(read_sound(self.studio, path, name), self.studio.render, self.config)
            session.begin(sound)
        except (ValueError, OSError) as error:
            return self._no_sound(session, status(error_text(error).replace(path, name), bad=True))
        note, detected = sound.note, pitch_text(sound, True)
        shown = results(session, self.install)
        return shown, detected, note_name(note), {"note": note}, None, status(_READY), *_buttons(False)

    def _no_sound(self, session: Session, line: str) -> tuple:
        return results(session, self.install), "", "", {"note": None}, None, line, *_buttons(False, False)

    def take_recordings(self, paths: list[str] | None, request: gr.Request) -> tuple:
        """-> recordings, status. Called when further recordings of the instrument were given or removed."""
        session = self.sessions.of_page(_page_of(request))
        before, session.others = {one.path: one for one in session.others}, ()
        problems = []
        for path in map(str, paths or []):  # plain ones: a process that reads them would import Gradio for its own
            name = _file_name(path)
            try:
                if len(session.others) == MOST_RECORDINGS:
                    raise ValueError(f"{name} is not used: at most {MOST_RECORDINGS} further recordings are matched")
                one = before.get(path) or Recording(path, read_sound(self.studio, path, name))
                session.others = (*session.others, one)
            except (ValueError, OSError) as error:
                problems.append(error_text(error).replace(path, name))
        line = status(". ".join(problems), bad=True) if problems else status(_READY) if paths else gr.skip()
        return recordings(session), line

    def match(self, note: str, request: gr.Request) -> Iterator[tuple]:
        """Yields results, detected, status, match, cancel."""
        session = self.sessions.of_page(_page_of(request))
        if session.sound is None:
            yield gr.skip(), gr.skip(), status("Give a sound first.", bad=True), *_buttons(False, False)
            return
        try:
            config = self._with_note(session, note)
        except ValueError as error:
            yield gr.skip(), gr.skip(), status(str(error), bad=True), *_buttons(False)
            return
        sound = make_sound(session.sound.clip, self.studio.render, config)
        session.begin(sound)
        detected = pitch_text(sound, config.note is None)
        yield results(session, self.install, True), detected, status("Starting …", 0.0), *_buttons(True)
        work = match_work(self.studio, sound.clip, config, [(one.clip, one.note) for one in session.others])

        def take(result: MatchResult) -> str:
            silent = tuple(dataclasses.replace(one, audio=None) for one in result.candidates)
            session.result = dataclasses.replace(result, candidates=silent)  # the cards keep the sounds that are shown
            session.cards = {card.id: card for card in result_cards(result, sound)}
            text = f"Done in {result.seconds:.0f} s: {len(result.candidates)} candidates, {result.evals} renders."
            text += f" Ranked by {len(result.recordings)} recordings." if result.recordings else ""
            shown = [one for one in result.warnings if "--note" not in one]  # the page says it beside the note
            return " ".join([text, *(f"Note: {warning}." for warning in shown)])

        for shown, line, *buttons in self._run(session, work, take, early=True):
            yield shown, gr.skip(), line, *buttons

    def refine(self, request: gr.Request, event: gr.EventData) -> Iterator[tuple]:
        """Yields results, status, match, cancel."""

        def begin(session: Session, origin: Card, candidate: Candidate, asked: Mapping[str, Any]) -> tuple[Work, Take]:
            seconds = min(max(float(asked["seconds"]), 1.0), _MOST_SEARCH_S)

            def take(result: MatchResult) -> str:
                session.add_made([refined_card(result, session.next_id("refined"), origin)])
                gained = origin.mss_db - result.mss_db
                nearer = f"{gained:.1f} dB nearer" if gained > 0.05 else "not nearer in MSS"
                return f"Searched with {result.evals} renders in {result.seconds:.0f} s: {nearer}."

            return refine_work(self.studio, session.given, candidate, seconds, asked["locked"]), take

        yield from self._go_on(request, event, begin)

    def vary(self, request: gr.Request, event: gr.EventData) -> Iterator[tuple]:
        """Yields results, status, match, cancel."""

        def begin(session: Session, origin: Card, candidate: Candidate, asked: Mapping[str, Any]) -> tuple[Work, Take]:
            def take(found: list[Candidate]) -> str:
                cards = [variation_card(one, session.next_id("variation"), origin) for one in found]
                session.add_made(cards)
                return f"{len(cards)} variations of {origin.title}." if cards else "No variation sounds different."

            seed = session.made["variation"]  # so that the next ones are others
            return vary_work(session.given, candidate, float(asked["away_db"]), asked["locked"], seed), take

        yield from self._go_on(request, event, begin)

    def undo(self, request: gr.Request, event: gr.EventData) -> dict[str, Any]:
        """-> results, without the refinement or the variations that the page names."""
        session = self.sessions.of_page(_page_of(request))
        session.drop_made(event._data["ids"])
        return results(session, self.install, session.job is not None)

    def cancel(self, request: gr.Request) -> None:
        """A search keeps its best preset so far; a match ends without a result."""
        job = self.sessions.of_page(_page_of(request)).job
        if job is not None:
            job.cancel_or_stop()

    def example(self, name: str) -> str:
        return str(EXAMPLES[name])

    def _with_note(self, session: Session, note: str) -> MatchConfig:
        """The settings of a match. The detected note, or an empty field, leaves the note to vjax."""
        detected = note_name(note_of(session.given.clip, self.config))
        if note.strip() in ("", detected):
            return self.config
        return dataclasses.replace(self.config, note=parse_note(note))

    def _go_on(self, request: gr.Request, event: gr.EventData, begin: Callable[..., tuple[Work, Take]]) -> Iterator:
        """Runs the work that `begin` returns for the chosen card, with the macros that the page has set."""
        session, asked = self.sessions.of_page(_page_of(request)), event._data
        try:
            origin = card_of(session, asked["id"])
            macros = {MACROS[int(number) - 1]: float(value) for number, value in (asked["macros"] or {}).items()}
            candidate = dataclasses.replace(origin.candidate, preset=with_values(origin.preset, macros))
            work, take = begin(session, origin, candidate, asked)
        except (ValueError, KeyError) as error:
            yield gr.skip(), status(str(error), bad=True), *_buttons(False)
            return
        if session.job is not None:
            yield gr.skip(), status("Wait for the job that runs, or cancel it.", bad=True), *_buttons(True)
            return
        yield results(session, self.install, True), status("Starting …", 0.0), *_buttons(True)
        yield from self._run(session, work, take)

    def _run(self, session: Session, work: Work, take: Take, early: bool = False) -> Iterator[tuple]:
        """Runs a job and yields results, status, match, cancel. `early`: show candidates before it ends."""
        job = session.job = Job(self.studio.line, self.studio.render, self.studio.workers, work)
        began_s, sound = time.monotonic(), session.sound
        for event in job.events():
            if session.sound is not sound:  # another sound was given meanwhile
                job.cancel()
                return
            shown, busy = gr.skip(), True
            if isinstance(event, Waiting):
                line = status(f"Waiting: {event.ahead} {'job is' if event.ahead == 1 else 'jobs are'} before yours.")
            elif isinstance(event, Progress):
                line = progress_status(event, time.monotonic() - began_s)
                if early and event.candidate is not None and _add_early(session, event.candidate, session.given):
                    shown = results(session, self.install, True)
            else:
                session.job, busy = None, False
                if isinstance(event, Cancelled):
                    line = status("Cancelled.")
                elif isinstance(event, Failed):
                    line = status(event.error, bad=True)
                else:
                    line = status(take(event.result))
                shown = results(session, self.install)
            yield shown, line, *_buttons(busy)


def _page_of(request: gr.Request) -> str:
    """The name of the page that an event comes from."""
    assert request.session_hash is not None, "Gradio names the page of each event"
    return request.session_hash


def _file_name(path: str) -> str:
    """The name of an uploaded file; browsers write a quote in it as %22."""
    return Path(path).name.replace("%22", '"')


def _add_early(session: Session, candidate: Candidate, sound: Sound) -> bool:
    """Shows a candidate while the match runs, if it is the best of its kind so far."""
    card = early_card(candidate, sound) if candidate.kind in list(Kind) else None
    before = session.cards.get(card.id) if card else None
    if card is None or not (before is None or card.mss_db < before.mss_db):
        return False
    cards = {**session.cards, card.id: card}
    session.cards = dict(sorted(cards.items(), key=lambda pair: pair[1].mss_db))
    return True
