"""What the page shows, as JSON and as text."""

import html
import math
from typing import Any

from vjax.audio.metric_names import BY_NAME, METRICS, Metric
from vjax.audio.pitch import note_name
from vjax.matching.choose import Progress
from vjax.matching.comment import STYLES
from vjax.matching.config import MatchConfig
from vjax.matching.prepare import note_of
from vjax.web.cards import Card, distance_words
from vjax.web.sessions import Recording, Session
from vjax.web.sound import Sound

_STAGES = {
    "predicting": "The network predicts a preset",
    "playing candidates": "Vital plays the candidates; patches are built from the sound",
    "equalising harmonics": "The harmonics of the best candidates are adjusted",
    "varying": "Vital plays variations",
    "searching": "The search renders variations",
}


def results(session: Session, install: bool, busy: bool = False) -> dict[str, Any]:
    """The sound and the candidates of a session, for `page/results.js`.

    Args:
      install: whether the page offers to save to Vital's folder.
      busy: whether a job runs.
    """
    value: dict[str, Any] = {"token": session.token, "install": install, "busy": busy, "styles": STYLES, "cards": []}
    sound = session.sound
    if sound is not None:
        cards = [_target_card(sound), *(_card(card) for card in session.cards.values())]
        value |= {"sound": id(sound), "note": sound.note, "cards": cards}
    return value


def pitch_text(sound: Sound, detected: bool) -> str:
    """Which note was detected, and how sure it is. `detected`: whether the note is not corrected by hand."""
    pitch = sound.clip.pitch
    if not detected:
        return f"{note_name(sound.note)} is played, as you have chosen."
    if pitch.clear:
        return f"Detected: {pitch.name} ({pitch.frequency_hz:.1f} Hz), confidence {100 * pitch.confidence:.0f} %."
    found = "No pitch was found" if pitch.note is None else f"The pitch is unclear ({pitch.name}?)"
    return f"{found}: {note_name(sound.note)} is assumed. If the sound has a note, correct it."


def recordings(session: Session) -> dict[str, Any]:
    """Further recordings with their notes, for `page/recordings.js`."""
    rows = [
        {"name": one.clip.name, "note": note_name(recording_note(one)), "found": recording_text(one)}
        for one in session.others
    ]
    return {"token": session.token, "rows": rows}


def recording_note(recording: Recording) -> int:
    """The note that a recording plays: the given one, or the detected one."""
    return note_of(recording.clip, MatchConfig(note=recording.note))


def recording_text(recording: Recording) -> str:
    """Where the note of a recording comes from."""
    if recording.note is not None:
        return "as you have chosen"
    pitch = recording.clip.pitch
    return f"detected, confidence {100 * pitch.confidence:.0f} %" if pitch.clear else "assumed: the pitch is unclear"


def status(text: str, share: float | None = None, bad: bool = False) -> str:
    """A line of text, with a bar of a share in [0, 1] if there is one, as HTML."""
    bar = "" if share is None else f'<progress max="1" value="{share:.3f}" aria-label="Progress"></progress>'
    role = ' role="alert"' if bad else ""
    return f'<div class="vx-status{" vx-bad" if bad else ""}"><span{role}>{html.escape(text)}</span>{bar}</div>'


def progress_status(progress: Progress, seconds: float) -> str:
    """The status line while a job runs."""
    text = _STAGES.get(progress.stage, progress.stage)
    text += f" ({progress.done} of {progress.total})" if progress.stage != "searching" and progress.done else ""
    share = progress.done / progress.total if progress.total else 0.0
    return status(f"{text} … {seconds:.0f} s", None if progress.stage == "searching" else share)


def _target_card(sound: Sound) -> dict[str, Any]:
    return {
        "id": "target",
        "title": "Your sound",
        "about": f"the part that is matched, note {note_name(sound.note)}",
        "words": "the target",
        "distance": None,
        "badges": [],
        "final": True,
        "group": "",
        **sound.media,
    }


def _card(card: Card) -> dict[str, Any]:
    return {
        "id": card.id,
        "key": id(card),
        "title": card.title,
        "about": card.about,
        "label": card.label,
        "name": card.preset.name,
        "style": card.preset.style,
        "distance": None if math.isnan(card.mss_db) else card.mss_db,
        "words": distance_words(card.mss_db),
        "badges": card.badges,
        "metrics": _metrics(card),
        "final": card.final,
        "group": card.group,
        **card.media,
    }


def _label(metric: Metric) -> str:
    return f"{metric.label}, {metric.unit}" if metric.unit else metric.label


def _metrics(card: Card) -> list[tuple[str, str]]:
    found = dict(card.metrics) or {"mss": card.mss_db}
    shown = [(_label(BY_NAME[one]), found[one]) for one in METRICS if one in found]
    shown += [(f"MSS to {name}, dB", mss_db) for name, mss_db in card.beside.items()]
    return [(name, f"{value:.3f}") for name, value in shown if math.isfinite(value)]
