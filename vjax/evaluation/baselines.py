"""The reference rows of a benchmark: init patch, random preset, nearest preset, and the two references of a target.

A preset has the re-render reference (floor), a recording with another take has that take.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from vjax.audio.scores import as_metrics, pair_scores, scores
from vjax.audio.traits import trait_scores, traits_of
from vjax.engine.pool import RenderJob
from vjax.evaluation.baseline_bank import BaselineBank
from vjax.evaluation.preset_files import PresetFile
from vjax.evaluation.results import Row
from vjax.evaluation.roundtrip import REFERENCE_SEEDS
from vjax.evaluation.targets import Task
from vjax.evaluation.workbench import Workbench, broken, silence
from vjax.io.json_files import short_number
from vjax.vital import preset as vital_preset
from vjax.vital.preset import read_preset

TAKE = "take"
"""The method whose sound is another recording of the same note."""

BANK_NOTES = (36, 48, 60, 72, 84)
"""MIDI notes at which the whole bank is rendered, if the targets have many different notes."""

SHORTLIST, SAMPLE = 8, 8
"""How many of the bank's presets are rendered at such a target's own note: the nearest ones, and a random sample.

Measured with six recordings and a bank of 25 presets, where BANK_NOTES are up to six semitones away: a shortlist of 3
presets, taken at the nearest of BANK_NOTES, contained each recording's nearest preset. But the median over all 25
presets at that note is 1.3 dB above the median at the own note. Therefore `random` uses renders at the own note.
"""

_TARGETS_AT_ONCE = 32  # targets whose sounds are in memory together with the bank's


def add_init(bench: Workbench, tasks: Sequence[Task]) -> None:
    """Adds the rows of the init patch, played at each target's note."""
    left = bench.missing(tasks, "init")
    notes = sorted({task.target.note for task in left})
    if not notes:
        return
    (rendering,) = bench.play([RenderJob(vital_preset.init().to_json(), tuple(notes))])
    for task in left:
        if rendering.audio is None:
            bench.fail(task, ["init"], rendering.error)
        else:
            bench.score(task, "init", rendering.audio[notes.index(task.target.note)])


def add_reference(bench: Workbench, tasks: Sequence[Task]) -> None:
    """Adds the re-render references: the target's own preset with other random phases.

    Each metric is the mean over REFERENCE_SEEDS. A method that does not reproduce phases cannot come closer. A sound
    file has no preset, so it has no such row.
    """
    left = [task for task in bench.missing(tasks, "floor") if task.preset is not None]
    presets = (read_preset(bench.path(task, "target.vital")).to_json() for task in left)
    jobs = (
        RenderJob(preset, (task.target.note,), seed)
        for task, preset in zip(left, presets, strict=True)
        for seed in REFERENCE_SEEDS
    )
    renderings = bench.play(jobs)
    for task in left:
        played = [next(renderings) for _ in REFERENCE_SEEDS]
        failed = [reason for rendering in played if (reason := broken(task, rendering))]
        if failed:
            bench.fail(task, ["floor"], failed[0])
            continue
        _add_mean(bench, task, "floor", np.stack([rendering.played[0] for rendering in played]))


def add_takes(bench: Workbench, tasks: Sequence[Task]) -> None:
    """Adds the distances of the other takes of each recording: what a musician who plays it again scores.

    Each metric is the mean over the other takes. The sound of the row is the first of these.
    """
    for task in bench.missing(tasks, TAKE):
        try:
            again = np.stack([read().stereo(bench.pool.config.samples) for read in task.takes])
        except (ValueError, OSError) as error:
            bench.fail(task, [TAKE], str(error))
            continue
        bench.keep(task, TAKE, again[0])
        _add_mean(bench, task, TAKE, again, label=f"{len(again)} other take{'s' * (len(again) > 1)}")


def _add_mean(bench: Workbench, task: Task, method: str, again: np.ndarray, label: str = "") -> None:
    """Adds a row with the mean of each metric over sounds [n, 2, samples]."""
    found = scores(again, bench.audio(task), bench.sample_rate)
    if np.isnan(found["mss"]).any():
        bench.fail(task, [method], silence(task))
        return
    found |= trait_scores([traits_of(sound, bench.sample_rate) for sound in again], bench.traits(task))
    metrics = as_metrics({name: values.mean() for name, values in found.items()})
    bench.add(Row(task.target.id, method, metrics, label=label))


def add_bank_rows(bench: Workbench, tasks: Sequence[Task], bank: BaselineBank) -> None:
    """Adds the rows of the random and the nearest preset of a bank for each target.

    Presets that equal the target in content, or that share an author with it, do not count. Neither do silent presets,
    because they have no distance. Of the others:

    - `random` is the median of each metric over all of them.
    - `nearest` is the one with the least MSS.

    A target that is a preset is compared with the bank at its own note. Recordings and rows of a dataset have many
    notes, so they are compared with the bank at the nearest of BANK_NOTES. Then only the SHORTLIST nearest presets and
    a random sample of SAMPLE presets are played at the target's own note. `nearest` is the nearest of all these, and
    `random` is the median over the sample.
    """
    left = [task for task in tasks if task in bench.missing(tasks, "random") + bench.missing(tasks, "nearest")]
    notes = sorted({bank_note(task) for task in left})
    bank.play({note: bank.files for note in notes})
    chosen: dict[Task, tuple[list[PresetFile], list[PresetFile]]] = {}
    for note in notes:
        files, sounds = bank.sounds(note)
        traits = [traits_of(sound, bench.sample_rate) for sound in sounds]
        here = [task for task in left if bank_note(task) == note]
        for start in range(0, len(here), _TARGETS_AT_ONCE):
            chunk = here[start : start + _TARGETS_AT_ONCE]
            found = pair_scores(sounds, np.stack([bench.audio(task) for task in chunk]), bench.sample_rate)
            for column, task in enumerate(chunk):
                metrics = {name: values[:, column] for name, values in found.items()}
                metrics |= trait_scores(traits, bench.traits(task))
                usable = _usable(files, metrics, task)
                if task.target.note == note:
                    _add_rows(bench, task, files, sounds, metrics, usable)
                    continue
                ranked = usable[np.argsort(metrics["mss"][usable], kind="stable")]
                drawn = sorted((files[i] for i in usable), key=lambda file: file.content)  # by digest: a random order
                chosen[task] = [files[i] for i in ranked[:SHORTLIST]], drawn[:SAMPLE]
    bank.play(_by_note(chosen))
    for task, (shortlist, sample) in chosen.items():
        files, sounds = bank.sounds(task.target.note, dict.fromkeys((*shortlist, *sample)))
        found = pair_scores(sounds, bench.audio(task)[None], bench.sample_rate)
        metrics = {name: values[:, 0] for name, values in found.items()}
        metrics |= trait_scores([traits_of(sound, bench.sample_rate) for sound in sounds], bench.traits(task))
        _add_rows(bench, task, files, sounds, metrics, _usable(files, metrics, task), set(sample))


def bank_note(task: Task) -> int:
    """The note at which the whole bank is compared with a target.

    It is the target's own note if the target is a preset, else the nearest of BANK_NOTES.
    """
    note = task.target.note
    return note if task.target.source == "presets" else min(BANK_NOTES, key=lambda played: abs(played - note))


def _by_note(chosen: Mapping[Task, tuple[list[PresetFile], list[PresetFile]]]) -> dict[int, dict[PresetFile, None]]:
    """The presets to play at each note, without duplicates."""
    wanted: dict[int, dict[PresetFile, None]] = {}
    for task, (shortlist, sample) in chosen.items():
        wanted.setdefault(task.target.note, {}).update(dict.fromkeys((*shortlist, *sample)))
    return wanted


def _usable(files: Sequence[PresetFile], found: dict[str, np.ndarray], task: Task) -> np.ndarray:
    """Indices of the presets that are by other authors than the target's and have a distance to it."""
    others = np.array([_is_another(file, task) for file in files], bool)
    return np.flatnonzero(others & ~np.isnan(found["mss"]))


def _is_another(file: PresetFile, task: Task) -> bool:
    return file.content != task.content and not file.authors & task.authors


def _add_rows(
    bench: Workbench,
    task: Task,
    files: list[PresetFile],
    sounds: np.ndarray,
    found: dict[str, np.ndarray],
    usable: np.ndarray,
    sample: Collection[PresetFile] = (),
) -> None:
    """Adds the rows `nearest` and `random` of one target.

    Args:
      files, sounds, found: presets, their audio, and their metrics by name; all in the same order.
      usable: indices into these of the presets that count, see `_usable`.
      sample: the presets over which `random` is the median; by default all that are usable.
    """
    random = np.array([i for i in usable if not sample or files[i] in sample], int)
    for method, indices in (("nearest", usable), ("random", random)):
        if not len(indices):
            bench.fail(task, [method], f"the bank has no sound by another author at note {task.target.note}")
    if len(usable) and not bench.results.has(task.target.id, "nearest"):
        nearest = usable[np.argmin(found["mss"][usable])]
        bench.keep(task, "nearest", sounds[nearest], files[nearest].preset())
        metrics = as_metrics({name: values[nearest] for name, values in found.items()})
        bench.add(Row(task.target.id, "nearest", metrics, label=files[nearest].relative))
    if len(random) and not bench.results.has(task.target.id, "random"):
        medians = _medians({name: values[random] for name, values in found.items()})
        bench.add(Row(task.target.id, "random", medians, label=f"median of {len(random)} presets"))


def _medians(found: dict[str, np.ndarray]) -> dict[str, float | None]:
    counted = {name: values[~np.isnan(values)] for name, values in found.items()}
    return {name: short_number(float(np.median(values))) if len(values) else None for name, values in counted.items()}
