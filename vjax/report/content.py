"""Reads an evaluation's folder and builds the report's content: the summary, the scores, and the details of sounds."""

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vjax.audio.files import AudioError, read_audio
from vjax.audio.metric_names import HIGHER_IS_BETTER
from vjax.evaluation import editing, elsewhere, recording_tables, recordings, turns
from vjax.evaluation.phrases import phrase_path
from vjax.evaluation.results import Target
from vjax.evaluation.statistics import recovered_share
from vjax.io.file_names import shortened
from vjax.io.json_files import short_number
from vjax.page.media import SAMPLE_RATE, mel_ticks, mp3_address, page_media
from vjax.page.metric_columns import SHOWN, metric_columns
from vjax.report.evaluation_folder import Evaluation
from vjax.vital.differences import preset_difference
from vjax.vital.preset import read_preset

_MEANINGS = {
    "init": "the init patch",
    "random": "another preset, at random",
    "nearest": "the nearest preset of the bank",
    "prediction": "what the model predicts",
    "match": "what `vjax match` writes",
    "closest": "the nearest of its candidates: the prediction, variants, a bank, and the sound as a wavetable",
    "knobs": "the nearest of those that were not made from the sound",
    "patch": "the nearest patch: an editable preset explained from the sound",
    "floor": "the target with other random phases",
    "take": "another recording of the same note",
}
_NOT_EMBEDDED = frozenset({"init", "random"})  # the page has scores of these methods, but not their sounds
_LONGEST_FACT = 60


def page_data(evaluation: Evaluation) -> dict[str, Any]:
    """Everything that the page shows before a sound is opened, as JSON types."""
    scores = {method: _scores(evaluation, method) for method in evaluation.methods}
    missing = np.full((len(SHOWN), len(evaluation.targets)), np.nan)
    random, reference = scores.get("random", missing), scores.get("floor", missing)
    shares = {
        method: [
            recovered_share(random[i], found[i], reference[i], name in HIGHER_IS_BETTER) for i, name in enumerate(SHOWN)
        ]
        for method, found in scores.items()
    }
    return {
        "metrics": metric_columns(),
        "methods": evaluation.methods,
        "meanings": {method: meaning(method) for method in evaluation.methods},
        "elsewhere": _elsewhere(evaluation),
        "recordings": _recordings(evaluation),
        "turns": _turns(evaluation),
        "editing": {method: editing.text(_editing(evaluation, method)) for method in evaluation.methods},
        "facts": _facts(evaluation),
        "ticks": mel_ticks(),
        "summary": {
            method: [_summary(values, share) for values, share in zip(found, shares[method], strict=True)]
            for method, found in scores.items()
        },
        "sounds": [
            {
                **{field: getattr(target, field) for field in ("id", "name", "author", "note", "path")},
                "class": target.sound_class,
                "rows": {
                    method: {
                        "metrics": [short_number(value) for value in scores[method][:, i]],
                        "shares": [short_number(share.by_sound[i]) for share in shares[method]],
                        **{field: getattr(row, field) for field in ("evals", "error", "label")},
                        "seconds": short_number(row.seconds),
                        "editing": editing.text(row.editing),
                    }
                    for method, row in evaluation.rows[target.id].items()
                },
            }
            for i, target in enumerate(evaluation.targets)
        ],
    }


def sound_detail(evaluation: Evaluation, target: Target) -> dict[str, Any]:
    """The details of a sound, as JSON types: versions to play, and the differences of their presets from the target's.

    Missing files are left out. `problem` describes a file that cannot be read.
    """
    folder = evaluation.folder / "sounds" / target.id
    methods = [method for method in evaluation.methods if method not in _NOT_EMBEDDED]
    files = {method: folder / f"{method}.wav" for method in ("target", *methods)}
    files = {method: path for method, path in files.items() if path.is_file()}
    turned = (line for line in turns.read_turns(evaluation.folder) if line["target"] == target.id)
    detail: dict[str, Any] = {
        "versions": [],
        "differences": _differences(folder, methods),
        "comments": _comments(folder, ("target", *methods)),
        "turned": {line["method"]: turns.text(line) for line in turned},
        "problem": "",
    }
    if not files:
        return {**detail, "problem": f"No sounds in {folder}."}
    try:
        media = page_media({method: read_audio(path, SAMPLE_RATE)[:2] for method, path in files.items()})
    except AudioError as error:
        return {**detail, "problem": str(error)}
    versions = {method: dataclasses.asdict(sound) for method, sound in media.sounds.items()}
    phrases = {method: phrase_path(folder / f"{method}.vital") for method in versions}
    phrases = {method: read_audio(path, SAMPLE_RATE)[:2] for method, path in phrases.items() if path.is_file()}
    # One gain for all, as of the versions.
    peak = max([1.0, *(float(np.abs(phrase).max()) for phrase in phrases.values())])
    for best in [method for method in versions if method.startswith("best+")]:
        if versions[best] in (sound for method, sound in versions.items() if method != best):
            del versions[best]  # the same sound is shown already, under the method that won
            detail["differences"].pop(best, None)
    return {
        **detail,
        "versions": [{"method": method, **sound} for method, sound in versions.items()],
        "phrases": {method: mp3_address(phrase / peak) for method, phrase in phrases.items()},
        "seconds": media.seconds,
        "gain_db": short_number(media.gain_db),
    }


def meaning(method: str) -> str:
    """A short description of a method. That of a refinement contains the refined method and the budget."""
    refined, _, evals = method.partition("+")
    if refined == "best" and evals:
        return f"match, prediction and nearest compete, refined with {evals} renders together"
    if evals:
        return f"{refined}, refined with {evals} renders"
    return _MEANINGS.get(method, "")


def _differences(folder: Path, methods: Sequence[str]) -> dict[str, Any]:
    """The differences of presets from the target's, by method; empty if the target has no preset."""
    if not (folder / "target.vital").is_file():
        return {}
    found: dict[str, Any] = {}
    try:
        target = read_preset(folder / "target.vital")
    except ValueError as error:
        return {"target": {"problem": str(error)}}
    for method in methods:
        path = folder / f"{method}.vital"
        if method == "floor" or not path.is_file():
            continue
        try:
            found[method] = _rounded(dataclasses.asdict(preset_difference(target, read_preset(path))))
        except ValueError as error:
            found[method] = {"problem": str(error)}
    return found


def _comments(folder: Path, methods: Sequence[str]) -> dict[str, str]:
    """The comment of each preset that can be read, by method. `vjax match` describes a patch in it."""
    found = {}
    for method in methods:
        path = folder / f"{method}.vital"
        with contextlib.suppress(ValueError, OSError):
            found[method] = read_preset(path).comments
    return found


def _scores(evaluation: Evaluation, method: str) -> np.ndarray:
    """[n_metrics, n_targets] float64; NaN where a sound has no such score."""
    found = np.full((len(SHOWN), len(evaluation.targets)), np.nan)
    for column, target in enumerate(evaluation.targets):
        row = evaluation.rows[target.id].get(method)
        if row is not None and row.scored:
            values = [row.metrics.get(name) for name in SHOWN]
            found[:, column] = [np.nan if value is None else value for value in values]
    return found


def _editing(evaluation: Evaluation, method: str) -> dict[str, Any]:
    found = (rows[method].editing for rows in evaluation.rows.values() if method in rows)
    return editing.summary(one for one in found if one)


def _summary(values: np.ndarray, share: Any) -> dict[str, Any]:
    finite = values[~np.isnan(values)]
    return {
        "n": len(finite),
        "mean": short_number(finite.mean()) if len(finite) else None,
        "median": short_number(np.median(finite)) if len(finite) else None,
        "share": short_number(share.share),
        "share_of_medians": short_number(share.of_medians),
        "interval": None if np.isnan(share.interval).any() else [short_number(end) for end in share.interval],
    }


def _elsewhere(evaluation: Evaluation) -> dict[str, Any]:
    """The conditions, and for each method its cells in their order; no methods if nothing was played elsewhere."""
    ids = {target.id for target in evaluation.targets}
    lines = [line for line in elsewhere.read_elsewhere(evaluation.folder) if line["target"] in ids]
    summary = elsewhere.summarise(lines, evaluation.methods)
    columns = elsewhere.COLUMNS
    return {
        "conditions": columns,
        "methods": [
            {"method": method, "cells": _rounded([described[name] for name in columns])}
            for method, described in summary.items()
        ],
    }


def _recordings(evaluation: Evaluation) -> list[dict[str, Any]]:
    rows = {(target, method): row for target, found in evaluation.rows.items() for method, row in found.items()}
    summary = recordings.summarise(evaluation.folder, evaluation.targets, rows, evaluation.methods)
    return [table._asdict() for table in recording_tables.tables(summary)]


def _turns(evaluation: Evaluation) -> list[dict[str, Any]]:
    """For each method whose knobs were turned, its summary; empty if no knob was turned."""
    ids = {target.id for target in evaluation.targets}
    lines = [line for line in turns.read_turns(evaluation.folder) if line["target"] in ids]
    summary = turns.summarise(lines, evaluation.methods)
    return [{"method": method} | _rounded(found) for method, found in summary.items()]


def _facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    facts = [("sounds", str(len(evaluation.targets)))]
    measured = [row.metrics for rows in evaluation.rows.values() for row in rows.values() if row.scored]
    if measured and not any("mss_padded" in metrics for metrics in measured):
        facts.append(("MSS", "over the whole clip, silence included: an older evaluation"))
    else:
        facts.append(("MSS", "over the time in which either sound plays; padded: over the whole clip"))
    failed = sum(bool(row.error) for rows in evaluation.rows.values() for row in rows.values())
    if failed:
        facts.append(("failed rows", str(failed)))
    for name, value in evaluation.settings.items():
        if value in (None, "", [], {}) or isinstance(value, dict) or name.endswith("sha256"):
            continue
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        facts.append((name.replace("_", " "), shortened(text, _LONGEST_FACT)))
    return facts


def _rounded(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]
    return short_number(content) if isinstance(content, float) else content
