"""The rows that give a benchmark's numbers meaning: init patch, random preset, nearest preset, and the floor."""

from collections.abc import Mapping, Sequence

import numpy as np

from vjax.audio.metrics import METRICS
from vjax.audio.scores import as_metrics, number, pair_scores, scores
from vjax.evaluation.preset_files import PresetFile
from vjax.evaluation.results import Row
from vjax.evaluation.roundtrip import FLOOR_SEEDS
from vjax.evaluation.sound_bank import SoundBank
from vjax.evaluation.targets import Task
from vjax.evaluation.workbench import Workbench, broken, silence
from vjax.vital import preset as vital_preset
from vjax.vital.pool import RenderJob
from vjax.vital.preset import read_preset

BANK_NOTES = (36, 48, 60, 72, 84)
"""At which a whole bank is rendered for targets of many notes."""

SHORTLIST = 8
"""So many of a bank's presets, the nearest at a note of BANK_NOTES, are rendered at the target's own."""

_TARGETS_AT_ONCE = 32  # whose sounds are in memory beside the bank's


def add_init(bench: Workbench, tasks: Sequence[Task]) -> None:
    """The init patch at each target's note."""
    left = bench.missing(tasks, "init")
    notes = sorted({task.target.note for task in left})
    if not notes:
        return
    rendering = bench.pool.render(RenderJob(vital_preset.init().to_json(), tuple(notes)))
    for task in left:
        if rendering.audio is None:
            bench.fail(task, ["init"], rendering.error)
        else:
            bench.score(task, "init", rendering.audio[notes.index(task.target.note)])


def add_floor(bench: Workbench, tasks: Sequence[Task]) -> None:
    """The target's own preset with other random phases: the mean over FLOOR_SEEDS, metric by metric.

    No method that does not know the phases comes nearer. A sound file has no preset, and so no row.
    """
    left = [task for task in bench.missing(tasks, "floor") if task.preset is not None]
    presets = (read_preset(bench.path(task, "target.vital")).to_json() for task in left)
    jobs = (
        RenderJob(preset, (task.target.note,), seed)
        for task, preset in zip(left, presets, strict=True)
        for seed in FLOOR_SEEDS
    )
    renderings = bench.pool.map(jobs)
    for task in left:
        mine = [next(renderings) for _ in FLOOR_SEEDS]
        failed = [reason for rendering in mine if (reason := broken(task, rendering))]
        if failed:
            bench.fail(task, ["floor"], failed[0])
            continue
        again = np.stack([rendering.audio[0] for rendering in mine])
        found = scores(again, bench.audio(task), bench.sample_rate)
        if np.isnan(found["mss"]).any():
            bench.fail(task, ["floor"], silence(task))
            continue
        bench.add(Row(task.target.id, "floor", {name: number(float(found[name].mean())) for name in METRICS}))


def add_bank_rows(bench: Workbench, tasks: Sequence[Task], bank: SoundBank) -> None:
    """The random and the nearest preset of a bank for each target.

    Neither is the target itself, by content, nor by its author. `random` is the median over all of them, metric by
    metric; `nearest` is the one of least MSS. Silent ones have no distance, and are neither.

    A target that is a preset meets the bank at its own note. Recordings and datasets have many notes: they meet it at
    the nearest of BANK_NOTES, which gives `random`, and the SHORTLIST nearest there are played at the target's own note
    for `nearest`.
    """
    left = [task for task in tasks if task in bench.missing(tasks, "random") + bench.missing(tasks, "nearest")]
    notes = sorted({bank_note(task) for task in left})
    bank.play({note: bank.files for note in notes})
    shortlists: dict[Task, list[PresetFile]] = {}
    for note in notes:
        files, sounds = bank.sounds(note)
        here = [task for task in left if bank_note(task) == note]
        for start in range(0, len(here), _TARGETS_AT_ONCE):
            chunk = here[start : start + _TARGETS_AT_ONCE]
            found = pair_scores(sounds, np.stack([bench.audio(task) for task in chunk]), bench.sample_rate)
            for column, task in enumerate(chunk):
                mine = {name: values[:, column] for name, values in found.items()}
                others = np.array([_is_another(file, task) for file in files], bool)
                usable = np.flatnonzero(others & ~np.isnan(mine["mss"]))
                ranked = usable[np.argsort(mine["mss"][usable], kind="stable")]
                if not len(ranked):
                    reason = f"the bank has no sound by another author at note {note}"
                    bench.fail(task, ["random", "nearest"], reason)
                    continue
                _add_random(bench, task, {name: values[usable] for name, values in mine.items()})
                if task.target.note == note:
                    _add_nearest(bench, task, files[ranked[0]], sounds[ranked[0]], _at(mine, ranked[0]))
                else:
                    shortlists[task] = [files[i] for i in ranked[:SHORTLIST]]
    _add_nearest_of(bench, shortlists, bank)


def bank_note(task: Task) -> int:
    """The note at which a target meets the whole bank: its own if it is a preset, else the nearest of BANK_NOTES."""
    note = task.target.note
    return note if task.target.source == "presets" else min(BANK_NOTES, key=lambda played: abs(played - note))


def _add_nearest_of(bench: Workbench, shortlists: Mapping[Task, list[PresetFile]], bank: SoundBank) -> None:
    """The nearest preset of each target's shortlist, at the target's note."""
    left = {task: files for task, files in shortlists.items() if not bench.results.has(task.target.id, "nearest")}
    wanted: dict[int, dict[PresetFile, None]] = {}
    for task, files in left.items():
        wanted.setdefault(task.target.note, {}).update(dict.fromkeys(files))
    bank.play(wanted)
    for task, files in left.items():
        played, sounds = bank.sounds(task.target.note, files)
        found = pair_scores(sounds, bench.audio(task)[None], bench.sample_rate)
        mine = {name: values[:, 0] for name, values in found.items()}
        if np.isnan(mine["mss"]).all():  # none could be played, or none can be heard
            bench.fail(task, ["nearest"], f"none of the nearest presets can be heard at note {task.target.note}")
            continue
        nearest = int(np.nanargmin(mine["mss"]))
        _add_nearest(bench, task, played[nearest], sounds[nearest], _at(mine, nearest))


def _is_another(file: PresetFile, task: Task) -> bool:
    return file.content != task.content and not file.authors & task.authors


def _at(found: dict[str, np.ndarray], i: int) -> dict[str, float | None]:
    return as_metrics({name: values[i] for name, values in found.items()})


def _add_nearest(bench: Workbench, task: Task, file: PresetFile, sound: np.ndarray, metrics: dict) -> None:
    if not bench.results.has(task.target.id, "nearest"):
        bench.keep(task, "nearest", sound, file.preset())
        bench.add(Row(task.target.id, "nearest", metrics, label=file.relative))


def _add_random(bench: Workbench, task: Task, found: dict[str, np.ndarray]) -> None:
    """`found`: the metrics [n] of every preset that may be chosen."""
    if not bench.results.has(task.target.id, "random"):
        at = "" if bank_note(task) == task.target.note else f" at note {bank_note(task)}"
        bench.add(Row(task.target.id, "random", _medians(found), label=f"median of {len(found['mss'])} presets{at}"))


def _medians(found: dict[str, np.ndarray]) -> dict[str, float | None]:
    counted = {name: values[~np.isnan(values)] for name, values in found.items()}
    return {name: number(float(np.median(values))) if len(values) else None for name, values in counted.items()}
