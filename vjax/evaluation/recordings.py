"""Summaries of an evaluation's recordings: scores and right pitches by class, and which sounds fail and why.

Everything follows by rule from the rows, from `pitches.jsonl` and from `causes.jsonl`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vjax.evaluation.benchmark_summary import Rows
from vjax.evaluation.causes import CAUSES, read_causes
from vjax.evaluation.pitches import RIGHT_SEMITONES, pitch_errors, right_pitch
from vjax.evaluation.results import Row, Target
from vjax.evaluation.statistics import describe
from vjax.io.json_files import short_number

SCORES = ("mss", "rse")
"""The metrics of the tables by class."""

ALL = "all sounds"
"""The class of the last line of the tables, which counts every recording."""

NO_CLASS = "no class"

INTERVAL_NEEDS = 5
"""The least number of sounds for an interval: that of fewer values is only their range."""

NO_CAUSE = "none of these"

FAR_DB = 4.0
"""From this MSS on, a preset is far. A preset that plays again with other random phases differs by about half of it."""

_JUDGED = ("match", "nearest")  # whose failures are listed: the first of these that there is
_TRAITS = {  # metric: limit, failure
    "attack_centroid": (1.0, "brightness of the attack"),
    "attack_time": (50.0, "time of the attack"),
    "fall": (1.0, "fall"),
    "width": (30.0, "stereo width"),  # below, both can be nearly mono
}


def summarise(folder: Path, targets: Sequence[Target], rows: Rows, methods: Sequence[str]) -> dict[str, Any]:
    """Summarises the recordings among the targets; empty without any.

    Returns:
      A dictionary with these keys:

      - `classes`: a list of {"class", "n", "note", "methods"}, the last one with all sounds. `note` is `right_pitch` of
        the estimated notes, for sounds whose note is known. `methods` has `mss` and `rse`, each with `n`, `median` and
        `interval` (None for fewer than INTERVAL_NEEDS), and `pitch`, see `right_pitch`.
      - `judged`: the method of the next two; None if there is neither `match` nor `nearest`.
      - `causes`: a list of {"cause", "meaning", "n", "failed", "mss"}: the sounds to which it applies, how many of them
        fail, and their median MSS. `NO_CAUSE` counts sounds to which none applies. Sounds that were not measured are
        left out.
      - `failures`: a list of {"target", "name", "class", "mss", "rse", "what", "why"}: the sounds that fail, those
        without a score first, then by MSS from the largest.
    """
    targets = [target for target in targets if target.source == "audio"]
    if not targets:
        return {}
    errors = pitch_errors(folder, targets)
    names = sorted({target.sound_class for target in targets}, key=lambda name: (not name, name.casefold()))
    groups = [(name or NO_CLASS, [one for one in targets if one.sound_class == name]) for name in names if any(names)]
    judged = next((method for method in _JUDGED if method in methods), None)
    causes = read_causes(folder)
    of_method = [one for one in targets if (one.id, judged) in rows]
    found = [_sound(one, rows, judged, errors, causes) for one in of_method if judged is not None]
    found.sort(key=lambda sound: -np.inf if sound["mss"] is None else -sound["mss"])
    return {
        "classes": [_class(name, group, rows, methods, errors) for name, group in (*groups, (ALL, targets))],
        "judged": judged,
        "causes": _causes([sound for sound in found if sound["target"] in causes]),
        "failures": [sound for sound in found if sound["what"]],
    }


def _class(
    name: str, targets: Sequence[Target], rows: Rows, methods: Sequence[str], errors: Mapping[tuple[str, str], Any]
) -> dict[str, Any]:
    described: dict[str, dict] = {}
    for method in methods:
        own = [(target.id, method) for target in targets if (target.id, method) in rows]
        if own:
            described[method] = {
                metric: _described([rows[one].metrics.get(metric) for one in own]) for metric in SCORES
            }
            described[method]["pitch"] = right_pitch(errors[one] for one in own if one in errors)
    return {
        "class": name,
        "n": len(targets),
        "note": right_pitch(one.note - one.known_note for one in targets if one.known_note is not None),
        "methods": described,
    }


def _described(values: Sequence[float | None]) -> dict[str, Any]:
    found = describe([value for value in values if value is not None])
    interval = [short_number(end) for end in found.median_interval] if found.n >= INTERVAL_NEEDS else None
    return {"n": found.n, "median": short_number(found.median), "interval": interval}


def _sound(
    target: Target,
    rows: Rows,
    judged: str,
    errors: Mapping[tuple[str, str], float | None],
    causes: Mapping[str, list[str]],
) -> dict[str, Any]:
    """A line of `failures`, with an empty `what` if the sound does not fail."""
    row = rows[target.id, judged]
    nearest = rows.get((target.id, "nearest"))
    what = [f"no score: {row.error}"] if row.error else _failures(row, nearest)
    if not row.error and (target.id, judged) in errors:
        what = _wrong_pitch(errors[target.id, judged]) + what
    if target.known_note is not None and target.note != target.known_note:
        what.append(f"note {target.note} estimated, known {target.known_note}")
    return {
        "target": target.id,
        "name": target.name,
        "class": target.sound_class,
        "mss": row.metrics.get("mss"),
        "rse": row.metrics.get("rse"),
        "what": what,
        "why": causes.get(target.id, []),
    }


def _failures(row: Row, nearest: Row | None) -> list[str]:
    mss = row.metrics.get("mss")
    found = ["far"] if mss is not None and mss >= FAR_DB else []
    other = None if nearest is None else nearest.metrics.get("mss")
    if mss is not None and other is not None and mss > other:
        found.append("farther than the nearest preset")
    for name, (limit, text) in _TRAITS.items():
        off = row.metrics.get(name)
        if off is not None and off > limit:
            found.append(text)
    return found


def _wrong_pitch(error: float | None) -> list[str]:
    if error is None:
        return ["no pitch"]
    if abs(error) <= RIGHT_SEMITONES:
        return []
    octaves = round(error / 12)
    if octaves and abs(error - 12 * octaves) <= RIGHT_SEMITONES:
        return [f"pitch {octaves:+d} octave{'s' * (abs(octaves) > 1)}"]
    return [f"pitch {error:+.1f} semitones"]


def _causes(sounds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for cause, meaning in (*CAUSES.items(), (NO_CAUSE, "")):
        own = [sound for sound in sounds if (cause in sound["why"] if meaning else not sound["why"])]
        scores = [sound["mss"] for sound in own if sound["mss"] is not None]
        found.append(
            {
                "cause": cause,
                "meaning": meaning,
                "n": len(own),
                "failed": sum(bool(sound["what"]) for sound in own),
                "mss": short_number(np.median(scores)) if scores else None,
            }
        )
    return [one for one in found if one["n"]]
