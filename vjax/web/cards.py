"""The candidates that the page shows side by side: the best of each kind, and what was made from them."""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from vjax.audio.distances import mss
from vjax.audio.metric_names import METRICS
from vjax.matching.choose import IN_TUNE_SEMITONES
from vjax.matching.comment import comment
from vjax.matching.differing import differing
from vjax.matching.preferred import FAR_DB
from vjax.matching.result import FoundPreset, MatchResult
from vjax.search.candidate import Candidate, Kind
from vjax.vital.preset import Preset
from vjax.web.sound import Sound, at_loudness, media

TITLES = {
    Kind.PATCH: "Patch",
    Kind.NEIGHBOUR: "Neighbour",
    Kind.PREDICTION: "Prediction",
    Kind.RESYNTHESIS: "Wavetable",
    Kind.GIVEN: "Given",
}
ABOUT = {
    Kind.PATCH: "built from the sound, easy to edit",
    Kind.NEIGHBOUR: "the nearest sound of the bank",
    Kind.PREDICTION: "what the network predicts",
    Kind.RESYNTHESIS: "a wavetable made of the sound, without a filter",
    Kind.GIVEN: "",
}
MORE, MADE = "more", "made"
"""Groups of cards: further candidates of a kind, and refinements and variations. The best of each kind has none."""

_MOST_A_KIND = 3
_NEAR_BEST_DB = 3.0  # MSS: further candidates of a kind are not farther than this beyond the best, unless all are near
_WORDS = ((1.0, "almost identical"), (3.0, "very close"), (5.0, "close"), (FAR_DB, "similar"))
_NAME_LETTERS = 80
_NOT_IN_NAMES = '<>:"/\\|?*'


@dataclasses.dataclass(frozen=True, eq=False)
class Card:
    """A candidate as the page shows it.

    Attributes:
      id: of the card; a better candidate of the same kind replaces it under the same id.
      title, about: what kind of candidate it is, as text.
      label: how it was found.
      kind: where it comes from.
      preset: what is downloaded.
      audio: float32 [2, samples], its render.
      sound: what it is compared with.
      mss_db: its distance to the sound.
      metrics: further distances by name; empty while the match runs.
      beside: its distance to each further recording, by name; MSS in dB.
      badges: short remarks, such as "closest".
      final: whether it is tuned and ranked.
      group: MORE, MADE, or empty.
    """

    id: str
    title: str
    about: str
    label: str
    kind: Kind
    preset: Preset
    audio: np.ndarray
    sound: Sound
    mss_db: float
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    beside: Mapping[str, float] = dataclasses.field(default_factory=dict)
    badges: tuple[str, ...] = ()
    final: bool = True
    group: str = ""

    @functools.cached_property
    def media(self) -> Mapping[str, Any]:
        """What the page shows and plays of it."""
        return media(self.audio, self.sound)

    @property
    def candidate(self) -> Candidate:
        """The candidate that a search begins with."""
        return Candidate(self.label, self.preset, kind=self.kind)


def early_card(candidate: Candidate, sound: Sound) -> Card | None:
    """The card of a candidate that was just rendered; None if it is silent or not in tune yet."""
    error = abs(candidate.pitch_error_semitones)  # NaN if one of the pitches is unclear
    if candidate.error or error >= IN_TUNE_SEMITONES:
        return None
    rate = sound.clip.sample_rate
    mss_db = float(mss(at_loudness(candidate.rendered, rate), at_loudness(sound.target, rate), rate))
    preset = dataclasses.replace(candidate.preset, name=f"{sound.clip.title} ({candidate.kind})")
    return dataclasses.replace(_card(candidate.kind, candidate, candidate.rendered, sound, mss_db, preset), final=False)


def result_cards(result: MatchResult, sound: Sound) -> list[Card]:
    """The cards of a match: the best candidate of each kind, the preferred one first; then others that differ."""
    found: list[MatchResult | FoundPreset] = [result, *([result.closest] if result.closest else [])]
    cards, more = [], []
    for one, badge in zip(found, ("recommended", "closest"), strict=False):
        badges = (badge,) if result.closest else ("recommended", "closest")
        card = _card(one.kind, one, one.audio, sound, one.mss_db, one.preset)
        beside = {each.name: each.mss_db for each in one.recordings[1:]}
        cards.append(dataclasses.replace(card, metrics=one.metrics, badges=badges, beside=beside))
    shown = {card.kind for card in cards}
    for kind in (Kind.PATCH, Kind.NEIGHBOUR, Kind.PREDICTION, Kind.RESYNTHESIS):
        audible = [one for one in result.candidates if one.kind == kind and not one.error]
        if not audible:
            continue
        best, *others = audible
        if kind not in shown:
            cards.append(_candidate_card(best, kind, result, sound))
        near_db = max(FAR_DB, best.mss_db + _NEAR_BEST_DB)
        others = [one for one in others if one.mss_db <= near_db]
        differ = differing(others, _MOST_A_KIND - 1, result.sample_rate, beside=[best])
        for number, one in enumerate(differ, start=2):
            card = _candidate_card(one, f"{kind} {number}", result, sound)
            more.append(dataclasses.replace(card, title=f"{card.title} {number}", about=one.label, group=MORE))
    return [*cards, *more]


def _candidate_card(candidate: Candidate, name: str, result: MatchResult, sound: Sound) -> Card:
    """The card of a candidate that `vjax match` does not write. `name`: in the brackets of its preset's name."""
    preset = _described(candidate, result, sound.clip.title, name)
    mss_db, *others_db = candidate.each_mss_db or (candidate.mss_db,)
    card = _card(name.replace(" ", "-"), candidate, candidate.levelled_audio, sound, mss_db, preset)
    names = (each.name for each in result.recordings[1:])
    return dataclasses.replace(card, beside=dict(zip(names, others_db, strict=False)))


def refined_card(result: MatchResult, id: str, origin: Card) -> Card:
    """The card of a search that began with `origin`. `id`: as of `Session.next_id`."""
    about = f"{origin.title}, refined with {result.evals} renders"
    return _made(id, result, result.audio, origin, about, result.preset, result.metrics)


def variation_card(candidate: Candidate, id: str, origin: Card) -> Card:
    """The card of a variation of `origin`. `id`: as of `Session.next_id`."""
    comments = f"A variation of this preset:\n{origin.preset.comments}"
    preset = dataclasses.replace(candidate.preset, comments=comments)
    return _made(id, candidate, candidate.levelled_audio, origin, f"of {origin.title}", preset, {})


def _made(
    id: str,
    one: Candidate | MatchResult,
    audio: np.ndarray,
    origin: Card,
    about: str,
    preset: Preset,
    metrics: Mapping[str, float],
) -> Card:
    words = id.replace("-", " ")
    preset = dataclasses.replace(preset, name=f"{origin.sound.clip.title} ({words})")
    card = _card(id, one, audio, origin.sound, one.mss_db, preset)
    return dataclasses.replace(
        card, title=words.capitalize(), about=about, metrics=metrics, kind=origin.kind, group=MADE
    )


def distance_words(mss_db: float) -> str:
    """A distance in words: `very close`."""
    if math.isnan(mss_db):
        return "no distance"
    return next((words for most_db, words in _WORDS if mss_db <= most_db), "far")


def file_name(text: str) -> str:
    """A text as the name of a file on every system, without its ending; never empty."""
    kept = "".join("_" if one in _NOT_IN_NAMES or not one.isprintable() else one for one in text)
    return kept.strip(" .")[:_NAME_LETTERS].strip(" .") or "sound"


def _card(
    id: str,
    one: Candidate | MatchResult | FoundPreset,
    audio: np.ndarray,
    sound: Sound,
    mss_db: float,
    preset: Preset,
) -> Card:
    title, about = TITLES.get(one.kind, ""), ABOUT.get(one.kind, "")
    return Card(str(id), title, about, one.label, one.kind, preset, audio, sound, mss_db)


def _described(candidate: Candidate, result: MatchResult, title: str, name: str) -> Preset:
    """The preset of a candidate that is not written by `vjax match`, with the texts that a written one has."""
    metrics = dict.fromkeys(METRICS, math.nan) | {"mss": candidate.mss_db}
    credit = candidate.preset.comments
    return dataclasses.replace(
        candidate.preset,
        name=f"{title} ({name})",
        author=candidate.preset.author or "vjax",
        style=result.preset.style,
        comments=comment(title, result.note, result.note_s, candidate.label, metrics, credit),
    )
