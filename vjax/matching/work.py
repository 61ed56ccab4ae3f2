"""The sounds of a batch (sound files, or rows of a dataset), and the path of each sound's preset."""

import collections
import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vjax.audio.clip import Clip
from vjax.audio.files import AudioError, open_sound
from vjax.data.reader import Reader
from vjax.data.store import open_dataset
from vjax.data.stream import split
from vjax.engine.pool import RenderJob, RenderPool
from vjax.inference.decode import PredictedPreset
from vjax.inference.predict import Predictor
from vjax.inference.predict_many import Failure, find_audio, predict_dataset, predict_files
from vjax.matching.config import MatchConfig
from vjax.matching.outputs import changed_presets, check_name, closest_path
from vjax.search.candidate import Candidate
from vjax.vital.default_vocabulary import vocabulary_of
from vjax.vital.vocabulary import from_parameters


@dataclasses.dataclass(frozen=True, eq=False)
class Sound:
    """A sound to match.

    Attributes:
      name: unique in a batch; also the name of the clip.
      clip: reads or renders the sound. Raises ValueError or OSError.
      config: the settings of its match.
      prediction: the network's prediction; None predicts when the sound is matched.
      candidates, only_candidates: see `vjax.matching.match.match`.
      spent: see `Prepared.refine_target`.
    """

    name: str
    clip: Callable[[], Clip]
    config: MatchConfig
    prediction: PredictedPreset | None = None
    candidates: tuple[Candidate, ...] = ()
    only_candidates: bool = False
    spent: int = 0


@dataclasses.dataclass(frozen=True)
class Work:
    """The sounds that are left to match.

    Attributes:
      sounds: a function of (pool, config) that yields the sounds of `paths`, in order.
      predictions: a function that yields the predictions for the same sounds.
      paths: the path of each sound's preset, by the sound's name.
      existing: number of presets that exist already.
      found: number of sounds before a limit was applied.
      of_dataset: whether the sounds are rows of a dataset, which have their own notes and no sound files.
    """

    sounds: Callable[[RenderPool, MatchConfig], Iterator[Sound | Failure]]
    predictions: Callable[[], Iterator[PredictedPreset | Failure]]
    paths: dict[str, Path]
    existing: int
    found: int
    of_dataset: bool

    @property
    def limited(self) -> str:
        """A message for users if a limit leaves sounds out; else empty."""
        taken = len(self.paths) + self.existing
        return f"taking {taken} of {self.found} sounds (--limit)" if taken < self.found else ""


def file_work(
    predictor: Predictor,
    sounds: Sequence[str | os.PathLike],
    out: Path,
    limit: int = 0,
    overwrite: bool = False,
) -> Work:
    """The work for sound files, and for folders of them with their subfolders.

    Args:
      out: a folder; or X.vital, for one sound.
      limit: at most N sounds that can be read; 0 takes all.
      overwrite: also take sounds whose preset exists.

    Raises ValueError if there are no sounds, or if presets of two sounds would have the same path.
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

    failures = tuple(_unwritable(left))

    def predictions() -> Iterator[PredictedPreset | Failure]:
        yield from failures  # before the work, and not after it
        failed = {failure.name for failure in failures}
        yield from predict_files(predictor, [name for name in left if name not in failed], confidence=True)

    def each(pool: RenderPool, config: MatchConfig) -> Iterator[Sound | Failure]:
        for prediction in predictions():
            if isinstance(prediction, Failure):
                yield prediction
            else:
                yield Sound(prediction.name, functools.partial(_clip_of, prediction), config, prediction)

    return Work(
        sounds=each,
        predictions=predictions,
        paths=left,
        existing=len(paths) - len(left),
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
    """The work for a dataset's first `limit` rows (0: all), or for `rows`. Sounds are rendered from the parameters."""
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
            assert prediction.target is not None, "rows of a dataset have parameters"
            assert prediction.midi_note is not None, "rows of a dataset have a note"
            preset = from_parameters(prediction.target, info.schema, vocabulary)
            clip = functools.partial(row_clip, prediction.name, preset, prediction.midi_note, pool)
            row_config = dataclasses.replace(config, note=prediction.midi_note, note_s=pool.config.note_s)
            yield Sound(prediction.name, clip, row_config, prediction)

    return Work(
        sounds=sounds,
        predictions=predictions,
        paths=left,
        existing=len(paths) - len(left),
        found=info.n if rows_given is None else len(paths),
        of_dataset=True,
    )


def _left(paths: Mapping[str, Path], overwrite: bool) -> dict[str, Path]:
    """Those of `paths` without a preset.

    Raises ValueError if the closest preset of one of them would replace a file that is not as a match wrote it.
    """
    if overwrite:
        return dict(paths)
    left = {name: path for name, path in paths.items() if not os.path.exists(path)}  # too long: no
    for changed in (file for path in left.values() for file in changed_presets(path)):
        raise ValueError(f"{changed} exists, and it is not as an earlier match wrote it; move it, or --overwrite it")
    return left


def _unwritable(paths: Mapping[str, Path]) -> Iterator[Failure]:
    """The sounds whose preset would have a name that is too long."""
    for name, path in paths.items():
        try:
            check_name(path)
        except ValueError as error:
            yield Failure(name, f"{name}: {error}")


def _limited(items: Iterable[tuple[str, Path]], limit: int) -> Iterator[tuple[str, Path]]:
    """The first items, with at most `limit` files that can be read. Files that cannot be read do not count."""
    left = limit
    for name, path in items:
        if not left:
            return
        left -= _is_audio(name)
        yield name, path


def _is_audio(path: str) -> bool:
    try:
        with open_sound(path) as file:
            return file.frames > 0
    except (AudioError, OSError):
        return False


def validation_presets(predictor: Predictor, dataset: str | os.PathLike, limit: int = 0) -> list[int]:
    """The first row of each preset in a dataset's validation split, which is the split of the checkpoint's training.

    At most `limit` rows; 0 takes all. If the checkpoint has no data settings, there is no split and all rows count.
    """
    settings = predictor.meta["settings"]
    reader = Reader(open_dataset(dataset))
    rows = np.arange(len(reader))
    if "data" in settings:
        _, rows = split(reader, settings["data"]["val_fraction"], settings["seed"])
    _, first = np.unique(reader.preset_hashes()[rows], return_index=True)
    return rows[np.sort(first)][: limit or None].tolist()


def _clip_of(prediction: PredictedPreset) -> Clip:
    assert prediction.clip is not None, "predictions of files have a clip"
    return dataclasses.replace(prediction.clip, name=prediction.name)  # its own name is text, see `as_text`


def row_clip(name: str, preset: Mapping[str, Any], note: int, pool: RenderPool) -> Clip:
    """The sound of a preset (Vital JSON) at a note. Raises ValueError if the engine cannot render it."""
    rendering = pool.render(RenderJob(preset, (note,)))
    if rendering.audio is None:
        raise ValueError(f"{name}: the engine could not play its own preset at note {note}: {rendering.error}")
    audio = rendering.audio[0]
    return Clip(name, name, audio, pool.config.sample_rate, audio[:, :0])


def _preset_paths(files: Sequence[Path], base: Path, out: Path) -> dict[str, Path]:
    """The path of each sound's preset. Sounds that differ only in their suffix keep it in the preset's name."""
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
