"""What a batch works through: sound files, or rows of a dataset; and where each one's preset goes."""

import collections
import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from vjax.audio.clip import Clip
from vjax.data.reader import Reader
from vjax.data.store import open_dataset
from vjax.data.stream import split
from vjax.engine.pool import RenderJob, RenderPool
from vjax.inference.predict import Answer, Predictor
from vjax.inference.predict_many import Failure, find_audio, predict_dataset, predict_files
from vjax.matching.config import MatchConfig
from vjax.matching.outputs import changed_presets, closest_path
from vjax.search.target import Start
from vjax.vital.default_vocabulary import vocabulary_of
from vjax.vital.vocabulary import from_parameters


@dataclasses.dataclass(frozen=True, eq=False)
class Sound:
    """A sound that is to be matched.

    Attributes:
      name: unique in a batch; the clip has it too.
      clip: reads or renders the sound. Raises ValueError or OSError.
      config: how it is matched.
      prediction: of the network; None predicts when the sound is matched.
      candidates, only_candidates, spent: see `vjax.matching.match.prepare` and `Prepared.refine_target`.
    """

    name: str
    clip: Callable[[], Clip]
    config: MatchConfig
    prediction: Answer | None = None
    candidates: tuple[Start, ...] = ()
    only_candidates: bool = False
    spent: int = 0


@dataclasses.dataclass(frozen=True)
class Work:
    """What is left to do.

    Attributes:
      sounds: (pool, config) to the sounds of `paths`, in order.
      predictions: of the same sounds.
      paths: where each sound's preset goes, by the sound's name.
      there: presets that exist already.
      found: sounds before a limit was applied.
      of_dataset: whether the sounds are rows of a dataset, which have notes of their own and no sound files.
    """

    sounds: Callable[[RenderPool, MatchConfig], Iterator[Sound | Failure]]
    predictions: Callable[[], Iterator[Answer | Failure]]
    paths: dict[str, Path]
    there: int
    found: int
    of_dataset: bool

    @property
    def limited(self) -> str:
        """A sentence for people, where a limit leaves sounds out; else empty."""
        taken = len(self.paths) + self.there
        return f"taking {taken} of {self.found} sounds (--limit)" if taken < self.found else ""


def file_work(
    predictor: Predictor,
    sounds: Sequence[str | os.PathLike],
    out: Path,
    limit: int = 0,
    overwrite: bool = False,
) -> Work:
    """Sound files, and folders of them with their subfolders.

    Args:
      out: a folder; or X.vital, for one sound.
      limit: at most N sounds that can be read; 0 takes all.
      overwrite: also those whose preset exists.

    Raises ValueError if there is nothing to do, or if two sounds would become one preset.
    """
    paths: dict[str, Path] = {}
    for sound in map(Path, sounds):
        if not sound.exists():
            raise ValueError(f"there is nothing at {sound}; give sound files, or folders of them")
        files = find_audio(sound) if sound.is_dir() else [sound]
        found = _preset_paths(files, sound if sound.is_dir() else sound.parent, out)
        twice = paths.keys() & found.keys()
        paths |= {name: path for name, path in found.items() if name not in twice}
    for path in (path for path, count in collections.Counter(paths.values()).items() if count > 1):
        alike = " and ".join(file for file, other in paths.items() if other == path)
        raise ValueError(f"{alike} would both become {path}; rename one of them")
    for name, path in paths.items():
        if closest_path(path) in paths.values():
            raise ValueError(f"the closest preset of {name} would be {closest_path(path)}, another sound's; rename one")
    found = len(paths)
    if limit:
        paths = dict(_limited(paths.items(), limit))
    left = _left(paths, overwrite)

    predictions = functools.partial(predict_files, predictor, left, confidence=True)

    def sounds(pool: RenderPool, config: MatchConfig) -> Iterator[Sound | Failure]:
        for prediction in predictions():
            if isinstance(prediction, Failure):
                yield prediction
            else:
                yield Sound(prediction.name, functools.partial(_clip_of, prediction), config, prediction)

    return Work(
        sounds=sounds,
        predictions=predictions,
        paths=left,
        there=len(paths) - len(left),
        found=found,
        of_dataset=False,
    )


def dataset_work(
    predictor: Predictor,
    dataset: str | os.PathLike,
    out: Path,
    limit: int = 0,
    overwrite: bool = False,
    rows: Sequence[int] | None = None,
) -> Work:
    """A dataset's first `limit` rows (0: all), or the given `rows`. Their sounds are rendered from their parameters."""
    if out.suffix == ".vital":
        raise ValueError(f"--out {out} names one preset; give a folder for the presets of a dataset")
    info, rows_given = open_dataset(dataset), rows
    wanted = range(min(limit or info.n, info.n)) if rows is None else rows
    paths = {f"row {row}": out / f"row-{row:06d}.vital" for row in wanted}
    left = _left(paths, overwrite)
    vocabulary = vocabulary_of(info.catalog_json, info.schema)
    rows = [int(name.removeprefix("row ")) for name in left]

    predictions = functools.partial(predict_dataset, predictor, info, rows, confidence=True)

    def sounds(pool: RenderPool, config: MatchConfig) -> Iterator[Sound]:
        for prediction in predictions():
            preset = from_parameters(prediction.target, info.schema, vocabulary)
            clip = functools.partial(row_clip, prediction.name, preset, prediction.midi_note, pool)
            known = dataclasses.replace(config, note=prediction.midi_note, note_s=pool.config.note_s)
            yield Sound(prediction.name, clip, known, prediction)

    return Work(
        sounds=sounds,
        predictions=predictions,
        paths=left,
        there=len(paths) - len(left),
        found=info.n if rows_given is None else len(paths),
        of_dataset=True,
    )


def _left(paths: Mapping[str, Path], overwrite: bool) -> dict[str, Path]:
    """Of `paths` those without a preset. Raises ValueError where another's work lies in the place of a closest one."""
    if overwrite:
        return dict(paths)
    left = {name: path for name, path in paths.items() if not path.exists()}
    for changed in (file for path in left.values() for file in changed_presets(path)):
        raise ValueError(f"{changed} exists, and it is not as an earlier match wrote it; move it, or --overwrite it")
    return left


def _limited(items: Iterable[tuple[str, Path]], limit: int) -> Iterator[tuple[str, Path]]:
    """The first items with at most `limit` files that can be read: a broken file does not take another's place."""
    left = limit
    for name, path in items:
        if not left:
            return
        left -= _is_audio(name)
        yield name, path


def _is_audio(path: str) -> bool:
    try:
        return soundfile.info(path).frames > 0
    except (soundfile.LibsndfileError, TypeError):  # TypeError: the ending .raw
        return False


def validation_rows(predictor: Predictor, dataset: str | os.PathLike, limit: int = 0) -> list[int]:
    """The first row of each preset of a dataset's validation split, as the checkpoint's training drew it.

    At most `limit` rows; 0 takes all.
    """
    settings = predictor.meta["settings"]
    reader = Reader(open_dataset(dataset))
    rows = np.arange(len(reader))
    if "data" in settings:
        _, rows = split(reader, settings["data"]["val_fraction"], settings["seed"])
    _, first = np.unique(reader.preset_hashes()[rows], return_index=True)
    return rows[np.sort(first)][: limit or None].tolist()


def _clip_of(prediction: Answer) -> Clip:
    return prediction.clip


def row_clip(name: str, preset: Mapping[str, Any], note: int, pool: RenderPool) -> Clip:
    """The sound of a preset (Vital JSON) at a note. Raises ValueError if the engine cannot play it."""
    rendering = pool.render(RenderJob(preset, (note,)))
    if rendering.audio is None:
        raise ValueError(f"{name}: the engine could not play its own preset at note {note}: {rendering.error}")
    audio = rendering.audio[0]
    return Clip(name, name, audio, pool.config.sample_rate, audio[:, :0])


def _preset_paths(files: Sequence[Path], base: Path, out: Path) -> dict[str, Path]:
    """Where each sound's preset goes; sounds that differ only in their ending keep it in the preset's name."""
    if out.suffix == ".vital":
        if len(files) > 1:
            raise ValueError(f"--out {out} names one preset, but there are {len(files)} sounds; give a folder")
        return {str(files[0]): out}
    stems = [file.relative_to(base).with_suffix("") for file in files]
    often = {stem for stem, count in collections.Counter(stems).items() if count > 1}
    paths: dict[str, Path] = {}
    for file, stem in zip(files, stems, strict=True):
        name = f"{stem}-{file.suffix[1:].lower()}" if stem in often else str(stem)
        paths[str(file)] = out / f"{name}.vital"
    return paths
