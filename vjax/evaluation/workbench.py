"""What all methods of an evaluation share: the targets' sounds, the scoring of renders, and the files they go to."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from vjax.audio.clip import Clip
from vjax.audio.files import read_audio, write_wav
from vjax.audio.scores import as_metrics, scores
from vjax.audio.silence import is_silent
from vjax.audio.traits import Traits, trait_differences, traits_of
from vjax.engine.pool import Rendering, RenderJob, RenderPool, reliable
from vjax.evaluation.editing import editing
from vjax.evaluation.results import Results, Row, failed_row
from vjax.evaluation.targets import Task
from vjax.io.progress import progress_bar
from vjax.matching.prepare import note_length_s
from vjax.vital.preset import Preset, read_preset, write_preset


@dataclasses.dataclass(frozen=True, eq=False)
class Workbench:
    """The parts that all methods use.

    Attributes:
      folder: of the evaluation.
      results: the rows so far.
      pool: renders presets; each render is settled, in a fresh process.
      bar: the progress bar, which counts rows.
    """

    folder: Path
    results: Results
    pool: RenderPool
    bar: tqdm
    _traits: dict[str, Traits] = dataclasses.field(default_factory=dict)

    @property
    def sample_rate(self) -> int:
        return self.pool.config.sample_rate

    def play(self, jobs: Iterable[RenderJob]) -> Iterator[Rendering]:
        """Renders jobs in order. Raises MachineError for a fault of the machine, which must not become a row."""
        return reliable(self.pool.map(jobs))

    def path(self, task: Task, name: str) -> Path:
        """The path `sounds/ID/NAME`. Creates the folder."""
        folder = self.folder / "sounds" / task.target.id
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def missing(self, tasks: Iterable[Task], method: str) -> list[Task]:
        """The tasks that have no row of this method."""
        return [task for task in tasks if not self.results.has(task.target.id, method)]

    def audio(self, task: Task) -> np.ndarray:
        """The target's sound, float32 [2, samples]. `play_targets` must have written it before."""
        return read_audio(self.path(task, "target.wav"), self.sample_rate)

    def traits(self, task: Task) -> Traits:
        """The traits of the target's sound, measured once."""
        if task.target.id not in self._traits:
            self._traits[task.target.id] = traits_of(self.audio(task), self.sample_rate)
        return self._traits[task.target.id]

    def clip(self, task: Task) -> Clip:
        """The target's sound as `vjax match` takes it: a sound file as it reads the file, else the preset's render."""
        if task.clip is not None:
            return dataclasses.replace(task.clip(), name=task.target.id)
        audio = self.audio(task)
        return Clip(task.target.id, task.target.name, audio, self.sample_rate, audio[:, :0])

    def note_s(self, task: Task) -> float:
        """Seconds from note-on to note-off: estimated for a recording, else as the preset was rendered."""
        config = self.pool.config
        return config.note_s if task.clip is None else note_length_s(task.clip(), config)

    def keep(self, task: Task, name: str, audio: np.ndarray, preset: Preset | None = None) -> None:
        """Writes a sound and its preset. Call it before the row about them is added."""
        if preset is not None:
            write_preset(self.path(task, f"{name}.vital"), preset)
        write_wav(self.path(task, f"{name}.wav"), audio, self.sample_rate)

    def add(self, row: Row) -> None:
        """Adds a row to the results. If `keep` wrote a preset for it, the row gets its `editing`."""
        preset = self.folder / "sounds" / row.target / f"{row.method}.vital"
        if row.scored and preset.exists():
            row = dataclasses.replace(row, editing=editing(read_preset(preset)))
        self.results.add(row)
        self.bar.update()

    def fail(self, task: Task, methods: Iterable[str], error: str) -> None:
        """Adds a row with the reason for each of the methods that has no row yet."""
        for method in methods:
            if not self.results.has(task.target.id, method):
                self.add(failed_row(task.target.id, method, error))

    def score(self, task: Task, method: str, audio: np.ndarray, **fields) -> None:
        """Adds the row of a method's sound. A silent sound gets an error instead of scores."""
        if is_silent(audio):
            self.add(dataclasses.replace(failed_row(task.target.id, method, silence(task)), **fields))
            return
        found = scores(audio, self.audio(task), self.sample_rate)
        metrics = as_metrics(found | trait_differences(traits_of(audio, self.sample_rate), self.traits(task)))
        self.add(Row(task.target.id, method, metrics, **fields))


def play_targets(bench: Workbench, tasks: Sequence[Task]) -> dict[str, str]:
    """Writes each target's sound, and its preset if there is one.

    Returns:
      The reason by id, for targets that fail.
    """
    failed = {task.target.id: task.error for task in tasks if task.error}
    left = [task for task in tasks if not task.error and not bench.path(task, "target.wav").exists()]
    played: list[tuple[Task, Preset | None]] = []

    def jobs() -> Iterator[RenderJob]:
        for task in left:
            if task.preset is None:
                continue
            try:
                preset = task.preset()
                job = RenderJob(preset.to_json(), (task.target.note,))
            except (ValueError, OSError) as error:
                failed[task.target.id] = str(error)
                continue
            played.append((task, preset))
            yield job

    def keep(task: Task, preset: Preset | None, rendering: Rendering) -> None:
        reason = broken(task, rendering) or (silence(task) if is_silent(rendering.played[0]) else "")
        if reason:
            failed[task.target.id] = reason
        else:
            bench.keep(task, "target", rendering.played[0], preset)

    with progress_bar(total=len(left), desc="playing the targets", unit="sound", disable=not left) as bar:
        for task in left:
            if task.clip is not None:
                keep(task, None, Rendering(task.clip().stereo(bench.pool.config.samples)[None]))
                bar.update()
        for count, rendering in enumerate(bench.play(jobs())):
            keep(*played[count], rendering)
            bar.update()
    return failed


def broken(task: Task, rendering: Rendering) -> str:
    """Why a rendering has no usable sound; empty if it has one, even a silent one."""
    if rendering.audio is None:
        return rendering.error
    if not np.isfinite(rendering.audio).all():
        return f"the engine played NaN or infinite samples at note {task.target.note}"
    return ""


def silence(task: Task) -> str:
    """The error of a silent sound, which has no score."""
    return f"silent at note {task.target.note}"
