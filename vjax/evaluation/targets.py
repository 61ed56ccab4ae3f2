"""The sounds of an evaluation: people's presets, sound files, or the validation rows of a dataset.

A limit takes the first targets in the order of a hash of their names. This is a random sample that is the same each
time. A larger limit contains the targets of a smaller one. The sample mixes authors, even though their files lie
together.
"""

import dataclasses
import functools
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vjax.audio.clip import Clip, load_clip
from vjax.data.reader import Reader, sample_parameters
from vjax.data.store import DatasetInfo
from vjax.data.stream import split
from vjax.engine.config import RenderConfig
from vjax.evaluation.preset_files import read_file, relative_name
from vjax.evaluation.results import Target
from vjax.evaluation.sound_index import SoundFile
from vjax.io.file_names import as_text, stem_text
from vjax.matching.config import DEFAULT_NOTE
from vjax.matching.prepare import note_of
from vjax.sound.schema import Schema
from vjax.vital.default_vocabulary import vocabulary_of
from vjax.vital.preset import Preset
from vjax.vital.vocabulary import Vocabulary, to_preset


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """A target, with the preset or the sound file that it comes from.

    Attributes:
      target: as the results store it.
      preset: reads the preset that made the sound; None for a sound file.
      clip: reads the sound file; None if there is a preset.
      takes: each reads another recording of the same note.
      authors, content: as in `PresetFile`; empty if unknown. Presets with one of these authors, or with this content,
        are left out when the target is compared with a bank.
      error: why the target cannot be used; empty if it can.
    """

    target: Target
    preset: Callable[[], Preset] | None = None
    clip: Callable[[], Clip] | None = None
    takes: tuple[Callable[[], Clip], ...] = ()
    authors: frozenset[str] = frozenset()
    content: str = ""
    error: str = ""


def preset_tasks(files: Sequence[Path], folder: Path, note: int, limit: int = 0) -> list[Task]:
    """Tasks of presets that `find_presets(folder)` found, played at `note`.

    A preset that cannot be read becomes a task with an `error`.
    """
    tasks = []
    ids = _ids([relative_name(path, folder) for path in files])
    for path, identity in _sample(files, ids, limit):
        target = Target(identity, stem_text(path), "", "presets", as_text(path), note)
        try:
            file = read_file(path, folder)
        except (ValueError, OSError) as error:
            tasks.append(Task(target, error=str(error)))
            continue
        target = dataclasses.replace(target, author=file.author)
        tasks.append(Task(target, file.preset, authors=file.authors, content=file.content))
    return tasks


def audio_tasks(files: Sequence[SoundFile], render: RenderConfig, limit: int = 0) -> list[Task]:
    """Tasks of sound files. Each sound starts at its onset and is as long as a render.

    Presets are played at the note that is estimated from the sound, even if its note is known. A file that cannot be
    read becomes a task with an `error`.
    """
    tasks = []

    def reader(path: Path) -> Callable[[], Clip]:
        return functools.partial(load_clip, path, render.sample_rate, render.samples)

    for file, identity in _sample(files, _ids([file.name for file in files]), limit):
        about = {"sound_class": file.sound_class, "known_note": file.known_note}
        target = Target(identity, as_text(file.path.name), "", "audio", as_text(file.path), note=DEFAULT_NOTE, **about)
        read, takes = reader(file.path), tuple(reader(path) for path in file.takes)
        try:
            clip = read()
        except (ValueError, OSError) as error:
            tasks.append(Task(target, takes=takes, error=str(error)))
            continue
        tasks.append(Task(dataclasses.replace(target, note=note_of(clip)), clip=read, takes=takes))
    return tasks


def dataset_tasks(info: DatasetInfo, val_fraction: float, seed: int, limit: int = 0) -> list[Task]:
    """Tasks of a dataset: one validation row of each preset, played from its parameters at its own note.

    `val_fraction` and `seed` must be those of the training run, so that the model has not been trained on these rows.
    """
    reader, vocabulary = Reader(info), vocabulary_of(info.catalog_json, info.schema)
    rows = split(reader, val_fraction, seed)[1]
    _, first = np.unique(reader.preset_hashes()[rows], return_index=True)
    rows = [int(row) for row in rows[np.sort(first)]]
    tasks = []
    for row, identity in _sample(rows, [f"row-{row:06d}" for row in rows], limit):
        target = Target(identity, f"row {row}", "", "dataset", as_text(info.paths[0]), int(reader[row].midi_note))
        tasks.append(Task(target, functools.partial(_row_preset, reader, row, info.schema, vocabulary, identity)))
    return tasks


def _row_preset(reader: Reader, row: int, schema: Schema, vocabulary: Vocabulary, name: str) -> Preset:
    return to_preset(sample_parameters(reader[row], schema), schema, vocabulary, name=name)


def _sample(items: Sequence[Any], ids: Sequence[str], limit: int) -> list[tuple[Any, str]]:
    """`limit` of the items with their ids, in the order of a hash of the ids; 0 takes all."""
    order = sorted(zip(items, ids, strict=True), key=lambda pair: hashlib.sha256(pair[1].encode()).digest())
    return order[: limit or None]


def _ids(names: Sequence[str]) -> list[str]:
    """Ids that are safe as file names and unique, even if the file system ignores case."""
    plain = [re.sub(r"[^\w.-]+", "_", name.replace("/", "-"))[:80].strip(".") or "_" for name in names]
    folded = [text.casefold() for text in plain]
    return [
        f"{text}-{hashlib.sha256(name.encode()).hexdigest()[:8]}" if folded.count(text.casefold()) > 1 else text
        for name, text in zip(names, plain, strict=True)
    ]
