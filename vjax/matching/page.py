"""The page of a match: one HTML file that needs no network and no other file.

It shows the sound and candidates side by side: the written preset, the closest, and others; by default the best
neighbour and the prediction. Each has its sound, its spectrogram, its scores, and its preset to download. The page
shares its scripts with the report of an evaluation (`vjax.page`).
"""

from __future__ import annotations

import dataclasses
import html
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vjax.audio.pitch import note_name
from vjax.audio.scores import as_metrics, scores
from vjax.audio.traits import Traits, trait_differences, traits_of
from vjax.candidates.predicted import PREDICTION
from vjax.io.atomic import replacing
from vjax.io.file_names import as_text, stem_text
from vjax.io.json_files import short_number
from vjax.matching.choose import FITTED
from vjax.matching.preferred import CLOSEST
from vjax.page.media import mel_ticks, page_media
from vjax.page.metric_columns import SHOWN, metric_columns
from vjax.page.parts import MARK, asset, embedded_json, policy
from vjax.search.candidate import Candidate, Kind
from vjax.search.judge import JUDGE_SEEDS
from vjax.vital.editability import PARTS, editability, editing_text
from vjax.vital.preset import Preset

if TYPE_CHECKING:  # `MatchResult.save` imports this module
    from vjax.matching.result import FoundPreset, MatchResult

PAGE_END = ".html"

TARGET, WRITTEN, NEIGHBOUR = "target", "written preset", "best neighbour"
_MEANINGS = {
    TARGET: "the sound that was matched",
    WRITTEN: "the preset that was written",
    CLOSEST: "the candidate that is nearest to the sound",
    NEIGHBOUR: "the nearest preset of the banks",
    PREDICTION: "the preset that the network predicts",
}
_SCRIPTS = ("elements.js", "data.js", "player.js", "detail.js", "keys.js", "match.js")
_GENERATOR = b'<meta name="generator" content="vjax match">'
_HEAD_BYTES = 1000  # in which the generator stands


@dataclasses.dataclass(frozen=True, eq=False)
class _Shown:
    """A preset on the page; `audio` is None, and `error` describes why, if it has no sound."""

    preset: Preset
    label: str
    audio: np.ndarray | None
    metrics: Mapping[str, float]
    file: str
    evals: int = 0
    seconds: float | None = None
    error: str = ""


class Other(NamedTuple):
    """A further preset of the page: what it is, as text, and a candidate with its sound."""

    meaning: str
    candidate: Candidate


def write_page(result: MatchResult, path: str | os.PathLike, others: Mapping[str, Other] | None = None) -> Path:
    """Writes the page of a match, atomically: the file appears complete or not at all.

    The sounds of other candidates are those that the match rendered, at the level that it set. Of several recordings,
    the page compares with the first.

    Args:
      path: the HTML file. Names of the presets to download begin with its stem.
      others: the candidates beside the written presets, by title; by default the best neighbour and the prediction.
    """
    path = Path(path)
    others = _others(result) if others is None else others
    style, script = asset("style.css"), "\n".join(asset(name) for name in _SCRIPTS)
    report, detail = _content(result, stem_text(path), others)
    parts = {
        "CSP": policy(style, script),
        "TITLE": html.escape(f"vjax match: {as_text(result.preset.name)}"),
        "STYLE": style,
        "DATA": embedded_json(report),
        "DETAIL": embedded_json(detail),
        "SCRIPT": script,
    }
    with replacing(path) as partial:
        partial.write_text(MARK.sub(lambda mark: parts[mark.group(1)], asset("match.html")), encoding="utf-8")
    return path


def is_page(path: str | os.PathLike) -> bool:
    """Whether a file is a page that `write_page` wrote."""
    with open(path, "rb") as file:
        return _GENERATOR in file.read(_HEAD_BYTES)


def _content(result: MatchResult, stem: str, others: Mapping[str, Other]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data of the page, and the details of its sound, as the scripts of the report read them."""
    shown = dict(_shown(result, stem, others))
    media = page_media({TARGET: result.target} | _sounds(shown), result.sample_rate)
    target = traits_of(result.target, result.sample_rate)
    rows = {method: _row(one, target, result.sample_rate) for method, one in shown.items()}
    sound = {"id": stem, "name": as_text(result.name), "author": "", "note": result.note, "path": as_text(result.name)}
    report = {
        "metrics": metric_columns(),
        "methods": list(shown),
        "meanings": _MEANINGS | {title: other.meaning for title, other in others.items()},
        "facts": _facts(result),
        "ticks": mel_ticks(),
        "warnings": list(map(as_text, result.warnings)),
        "sounds": [sound | {"rows": rows}],
    }
    audible = {method: one for method, one in shown.items() if one.audio is not None}
    detail = {
        "versions": [{"method": method, **dataclasses.asdict(one)} for method, one in media.sounds.items()],
        "seconds": media.seconds,
        "gain_db": short_number(media.gain_db),
        "comments": {method: one.preset.comments for method, one in audible.items()},
        "presets": {
            method: {"file": one.file, "text": json.dumps(one.preset.to_json())} for method, one in audible.items()
        },
    }
    return report, detail


def _shown(result: MatchResult, stem: str, others: Mapping[str, Other]) -> Iterator[tuple[str, _Shown]]:
    """The presets of the page, by method."""
    yield WRITTEN, _found(result, f"{stem}.vital", result.evals, result.seconds)
    if result.closest:
        yield CLOSEST, _found(result.closest, f"{stem} ({CLOSEST}).vital")
    metrics = _metrics([one.candidate for one in others.values() if not one.candidate.error], result)
    for method, (_, one) in others.items():
        preset = dataclasses.replace(one.preset, name=f"{result.preset.name} ({method})")
        audio, found = (None, {}) if one.error else (one.levelled_audio, next(metrics))
        yield method, _Shown(preset, one.label, audio, found, f"{stem} ({method}).vital", error=one.error)


def _others(result: MatchResult) -> dict[str, Other]:
    """The best neighbour and the prediction, where they are not written."""
    written = {result.label} | ({result.closest.label} if result.closest else set())
    neighbour = next((one for one in result.candidates if one.kind == Kind.NEIGHBOUR and not one.error), None)
    predicted = next((one for one in result.candidates if one.label in (PREDICTION, PREDICTION + FITTED)), None)
    found = {NEIGHBOUR: neighbour, PREDICTION: predicted}
    return {
        method: Other(_MEANINGS[method], one)
        for method, one in found.items()
        if one is not None and one.label not in written
    }


def _found(found: MatchResult | FoundPreset, file: str, evals: int = 0, seconds: float | None = None) -> _Shown:
    return _Shown(found.preset, found.label, found.audio, found.metrics, file, evals, seconds)


def _metrics(candidates: Sequence[Candidate], result: MatchResult) -> Iterator[dict[str, float]]:
    """The metrics of each candidate's render."""
    # As many sounds at a time as the match compared: another number would be compiled again, for seconds.
    n = len(JUDGE_SEEDS)
    for start in range(0, len(candidates), n):
        sounds = [one.levelled_audio for one in candidates[start : start + n]]
        padded = np.stack(sounds + sounds[:1] * (n - len(sounds)))
        found = scores(padded, result.target, result.sample_rate)
        yield from ({name: float(values[i]) for name, values in found.items()} for i in range(len(sounds)))


def _sounds(shown: Mapping[str, _Shown]) -> dict[str, np.ndarray]:
    return {method: one.audio for method, one in shown.items() if one.audio is not None}


def _row(one: _Shown, target: Traits, sample_rate: int) -> dict[str, Any]:
    metrics = {}
    if one.audio is not None:
        metrics = as_metrics({**one.metrics, **trait_differences(traits_of(one.audio, sample_rate), target)})
    parts = editability(one.preset)
    counts = {"editable": parts.editable} | {part: int(getattr(parts, part)) for part in PARTS}
    return {
        "metrics": [metrics.get(name) for name in SHOWN],
        "shares": [None] * len(SHOWN),
        "evals": one.evals,
        "seconds": one.seconds,
        "error": as_text(one.error),
        "label": as_text(one.label),
        "editing": editing_text(counts),
    }


def _facts(result: MatchResult) -> list[tuple[str, str]]:
    how = "given" if result.note_given else "estimated" if result.pitch.clear else "assumed"
    facts = [("note", f"{note_name(result.note)} ({how})"), ("note length", f"{result.note_s:.1f} s")]
    if result.pitch.clear:
        facts.append(("pitch", f"{result.pitch.name} ({result.pitch.frequency_hz:.1f} Hz)"))
    facts.append(("candidates", str(len(result.candidates))))
    if np.isfinite(result.re_render_db):
        facts.append(("re-render reference", f"{result.re_render_db:.2f} dB MSS"))
    facts += [
        (f"to {as_text(one.name)} at {note_name(one.note)}", f"{one.mss_db:.2f} dB MSS")
        for one in result.recordings[1:]
    ]
    return facts
