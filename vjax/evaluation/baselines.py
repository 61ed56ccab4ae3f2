"""The rows that give a benchmark's numbers meaning: init patch, random preset, nearest preset, and the floor."""

from collections.abc import Sequence

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
    """
    left = [task for task in tasks if task in bench.missing(tasks, "random") + bench.missing(tasks, "nearest")]
    notes = sorted({task.target.note for task in left})
    bank.play(notes)
    for note in notes:
        files, sounds = bank.sounds(note)
        here = [task for task in left if task.target.note == note]
        for start in range(0, len(here), _TARGETS_AT_ONCE):
            chunk = here[start : start + _TARGETS_AT_ONCE]
            targets = np.stack([bench.audio(task) for task in chunk])
            found = pair_scores(sounds, targets, bench.sample_rate)
            for column, task in enumerate(chunk):
                others = np.array([_is_another(file, task) for file in files], bool)
                usable = np.flatnonzero(others & ~np.isnan(found["mss"][:, column]))
                mine = {name: values[usable, column] for name, values in found.items()}
                _add_rows(bench, task, [files[i] for i in usable], sounds[usable], mine)


def _is_another(file: PresetFile, task: Task) -> bool:
    return file.content != task.content and not file.authors & task.authors


def _add_rows(
    bench: Workbench, task: Task, files: list[PresetFile], sounds: np.ndarray, found: dict[str, np.ndarray]
) -> None:
    if not files:
        bench.fail(task, ["random", "nearest"], f"the bank has no sound by another author at note {task.target.note}")
        return
    if not bench.results.has(task.target.id, "nearest"):
        nearest = int(np.argmin(found["mss"]))
        bench.keep(task, "nearest", sounds[nearest], files[nearest].preset())
        metrics = as_metrics({name: values[nearest] for name, values in found.items()})
        bench.add(Row(task.target.id, "nearest", metrics, label=files[nearest].relative))
    if not bench.results.has(task.target.id, "random"):
        bench.add(Row(task.target.id, "random", _medians(found), label=f"median of {len(files)} presets"))


def _medians(found: dict[str, np.ndarray]) -> dict[str, float | None]:
    counted = {name: values[~np.isnan(values)] for name, values in found.items()}
    return {name: number(float(np.median(values))) if len(values) else None for name, values in counted.items()}
