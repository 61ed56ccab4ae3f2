"""Plays the presets of an evaluation where nothing was recorded: at other notes, lengths and velocities.

A preset is an instrument. A copy of a recording can be near at the recorded note and wrong at all others. So the preset
of each method, and the target's own preset, play the same notes here, and are compared by MSS. `floor` is the re-render
reference: the target against itself with other random phases.

`elsewhere.jsonl`, in the evaluation's folder, has one line for each target, method and condition. Lines in it are not
played again.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vjax.audio.distances import mss
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, reliable
from vjax.engine.scheduler import Scheduler, open_render_pool
from vjax.evaluation.results import Target
from vjax.io.json_files import number
from vjax.io.json_lines import append_line, read_lines
from vjax.io.progress import progress_bar
from vjax.vital.preset_json import read_json


class Condition(NamedTuple):
    """How a preset is played; by default as the recording was made.

    Attributes:
      semitones: above the recorded note.
      share: of the note length.
      note_s, seconds: the note length and the length of the recording, instead.
      velocity: from 0 to 1.
    """

    semitones: int = 0
    share: float = 1.0
    note_s: float | None = None
    seconds: float | None = None
    velocity: float | None = None

    def render(self, recorded: RenderConfig) -> RenderConfig:
        return dataclasses.replace(
            recorded,
            note_s=self.note_s or self.share * recorded.note_s,
            seconds=self.seconds or recorded.seconds,
            velocity=self.velocity or recorded.velocity,
        )


RECORDED = "as recorded"
CONDITIONS = {
    RECORDED: Condition(),
    "octave up": Condition(12),
    "fourth up": Condition(5),
    "octave down": Condition(-12),
    "half as long": Condition(share=0.5),
    "6 s long": Condition(note_s=6.0, seconds=8.0),
    "velocity 0.2": Condition(velocity=0.2),
}
INSTRUMENT = "instrument"
"""The mean over all CONDITIONS but the first, for each sound."""

COLUMNS = (RECORDED, INSTRUMENT, *(name for name in CONDITIONS if name != RECORDED))
"""The order of tables."""

REFERENCE = "floor"

_OLD_NAMES = {"as heard": RECORDED, "held for 6 s": "6 s long"}  # of conditions, in files of earlier versions
_FILE = "elsewhere.jsonl"


def play_elsewhere(
    folder: Path,
    targets: Sequence[Target],
    methods: Sequence[str],
    render: RenderConfig,
    workers: int | None = None,
    scheduler: Scheduler = "local",
) -> list[dict[str, Any]]:
    """Plays what the folder's `elsewhere.jsonl` lacks, and returns all its lines for these targets.

    Methods without a preset are left out, and so are targets without one, such as recordings.

    Args:
      folder: of the evaluation, with `sounds/ID/METHOD.vital`.
      render: how the targets were rendered.

    Returns:
      {"target", "method", "condition", "mss"}; `mss` is None where one of the two sounds is silent or fails. A
      condition whose note is not a MIDI note has no line.
    """
    log = folder / _FILE
    lines = read_elsewhere(folder)
    done = {(line["target"], line["method"], line["condition"]) for line in lines}
    wanted = [name for name in methods if name != REFERENCE] + [REFERENCE]
    for name, condition in CONDITIONS.items():
        left = [
            (target, missing)
            for target in targets
            if 0 <= target.note + condition.semitones <= 127
            and (missing := [m for m in _playable(folder, target, wanted) if (target.id, m, name) not in done])
        ]
        if not left:
            continue
        with open_render_pool(condition.render(render), workers, scheduler) as pool:
            for target, scores in _play(folder, left, name, condition, pool):
                for method, distance in scores.items():
                    lines.append({"target": target.id, "method": method, "condition": name, "mss": distance})
                    append_line(log, lines[-1])
    ids = {target.id for target in targets}
    return [line for line in lines if line["target"] in ids]


def read_elsewhere(folder: Path) -> list[dict[str, Any]]:
    """The lines of a folder's file, with today's names of conditions."""
    lines = read_lines(folder / _FILE)
    return [line | {"condition": _OLD_NAMES.get(line["condition"], line["condition"])} for line in lines]


def summarise(lines: Iterable[Mapping[str, Any]], methods: Sequence[str]) -> dict[str, Any]:
    """Summarises the lines: by method, then by condition or INSTRUMENT, `median`, `mean` and `n` of MSS in dB.

    A sound counts for INSTRUMENT if it has a number in all conditions but RECORDED. Methods without a number are left
    out.
    """
    by_method: dict[str, dict[str, dict[str, float]]] = {}
    for line in lines:
        if line["mss"] is not None:
            by_method.setdefault(line["method"], {}).setdefault(line["condition"], {})[line["target"]] = line["mss"]
    found: dict[str, Any] = {}
    others = [name for name in CONDITIONS if name != RECORDED]
    for method in methods:
        conditions = by_method.get(method)
        if not conditions:
            continue
        complete = set.intersection(*(set(conditions.get(name, ())) for name in others))
        means = [float(np.mean([conditions[name][target] for name in others])) for target in sorted(complete)]
        values = {name: list(conditions.get(name, {}).values()) for name in CONDITIONS} | {INSTRUMENT: means}
        found[method] = {name: _described(each) for name, each in values.items()}
    return found


def table(summary: Mapping[str, Any]) -> str:
    """The printed table: a line for each method, with median and mean of each condition; empty without a number."""
    if not summary:
        return ""
    width = max(14, *map(len, summary))
    lines = [f"{'MSS dB':{width}} {'n':>4} " + " ".join(f"{name:>14}" for name in COLUMNS)]
    for method, described in summary.items():
        cells = (described[name] for name in COLUMNS)
        texts = ("-" if not cell["n"] else f"{cell['median']:.2f} ({cell['mean']:.2f})" for cell in cells)
        lines.append(f"{method:{width}} {described[INSTRUMENT]['n']:4} " + " ".join(f"{text:>14}" for text in texts))
    lines.append(
        "median (mean) of MSS where both presets play what was not recorded; instrument: the mean of the others"
    )
    return "\n".join(lines)


def _described(values: Sequence[float]) -> dict[str, Any]:
    if not len(values):
        return {"n": 0, "median": None, "mean": None}
    return {"n": len(values), "median": float(np.median(values)), "mean": float(np.mean(values))}


def _playable(folder: Path, target: Target, methods: Sequence[str]) -> list[str]:
    """The methods that have a preset for a target; none if the target has no preset itself."""
    sounds = folder / "sounds" / target.id
    if not (sounds / "target.vital").exists():
        return []
    return [name for name in methods if name == REFERENCE or (sounds / f"{name}.vital").exists()]


def _play(
    folder: Path, left: Sequence[tuple[Target, list[str]]], name: str, condition: Condition, pool
) -> Iterator[tuple[Target, dict[str, float | None]]]:
    """Yields (target, MSS by method), in order."""

    def jobs() -> Iterator[RenderJob]:
        for target, methods in left:
            sounds, note = folder / "sounds" / target.id, target.note + condition.semitones
            truth = read_json(sounds / "target.vital")
            yield RenderJob(truth, (note,), 0)
            for method in methods:
                other_phases = method == REFERENCE
                preset = truth if other_phases else read_json(sounds / f"{method}.vital")
                yield RenderJob(preset, (note,), int(other_phases))

    played = reliable(pool.map(jobs()))
    for target, methods in progress_bar(left, desc=name, unit="sound"):
        truth, *found = (next(played).audio for _ in range(1 + len(methods)))
        scores: dict[str, float | None] = dict.fromkeys(methods)
        for method, audio in zip(methods, found, strict=True):
            if truth is not None and audio is not None:
                scores[method] = number(float(mss(audio[0], truth[0], pool.config.sample_rate)))
        yield target, scores
