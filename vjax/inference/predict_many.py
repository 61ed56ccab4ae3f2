"""Predicts many sounds: folders of files, or rows of a dataset. The order is kept, and memory use is bounded."""

import collections
import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vjax.audio.clip import Clip, load_clip
from vjax.audio.files import AudioError
from vjax.data.layout import DatasetError
from vjax.data.reader import Reader, sample_parameters
from vjax.data.store import DatasetInfo, open_dataset
from vjax.data.stream import split
from vjax.inference.decode import PredictedPreset
from vjax.inference.predict import BatchOutputs, Predictor, network_input
from vjax.io.find_files import SOUNDS, find_files
from vjax.sound.schema import Parameters, Schema

RENDER_END = "-vjax.wav"
"""End of the file name of a preset's render, which lies beside the preset."""


class Failure(NamedTuple):
    """A sound without a prediction or preset; `error` gives the reason and its name.

    `by_machine`: another attempt may succeed, because the machine is at fault, and not the sound or a preset.
    """

    name: str
    error: str
    by_machine: bool = False


class _Sound(NamedTuple):
    """A sound that was read. `model_input` is a mono clip [samples] or a log-mel spectrogram [1, n_mels, t]."""

    name: str
    model_input: np.ndarray
    target: Parameters | None = None
    midi_note: int | None = None
    clip: Clip | None = None


def find_audio(folder: str | os.PathLike) -> list[Path]:
    """All sound files in a folder and its subfolders, sorted, without vjax's own renders; see `find_files`.

    Raises:
      FileNotFoundError: the folder does not exist.
      AudioError: it contains no sound file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; give a folder of sound files")
    files = [path for path in find_files([folder], SOUNDS) if not is_render(path)]
    if not files:
        raise AudioError(f"{folder} contains no sound file; vjax looks for {', '.join(SOUNDS.endings)}")
    return files


def is_render(path: Path) -> bool:
    """Whether a file is a preset's render that vjax wrote: x-vjax.wav beside x.vital."""
    stem = path.name.removesuffix(RENDER_END)
    return stem != path.name and path.with_name(f"{stem}.vital").exists()


def predict_files(
    predictor: Predictor, paths: Iterable[str | os.PathLike], confidence: bool = False, threads: int = 4
) -> Iterator[PredictedPreset | Failure]:
    """Yields the predictions for sound files, in their order. A file that cannot be used yields a `Failure`.

    `threads` threads read the files ahead of the device. At most three batches of clips exist at a time.

    Args:
      paths: taken one by one as they are needed. The name of a prediction is its path.
      confidence: fill in `PredictedPreset.confidence`.
    """
    read = functools.partial(_read_file, sample_rate=predictor.sample_rate, samples=predictor.samples)
    return _predictions(predictor, predictor.run, read, paths, confidence, threads)


def predict_dataset(
    predictor: Predictor,
    dataset: str | os.PathLike | DatasetInfo,
    rows: Iterable[int] | None = None,
    confidence: bool = False,
    reader: Reader | None = None,
) -> Generator[PredictedPreset]:
    """Yields the predictions for a dataset's stored log-mel spectrograms, with target and MIDI note. Needs no audio.

    Args:
      dataset: a file, a folder of shards, or an open dataset.
      rows: row numbers, in the order of the predictions; by default all. The name of a prediction is `row N`.
      confidence: fill in `PredictedPreset.confidence`.
      reader: reads the rows of an open dataset; by default as they are stored.

    Raises:
      DatasetError: the spectrograms have another shape, or other mel settings, than those of the model.
    """
    info = dataset if isinstance(dataset, DatasetInfo) else open_dataset(dataset)
    _check_mels(predictor, info)
    read = functools.partial(_read_row, reader=Reader(info) if reader is None else reader, schema=info.schema)
    # One thread: more do not read faster (h5py has one lock), and the device is the slower part.
    found: Any = _predictions(
        predictor, predictor.run_mels, read, range(info.n) if rows is None else rows, confidence, 1
    )
    return found  # without a Failure, because rows are not files


def validation_split(predictor: Predictor, reader: Reader) -> tuple[np.ndarray, str]:
    """The validation rows of the model's run if its checkpoint stores the split, else all rows; and which these are."""
    settings = predictor.meta["settings"]
    fraction, seed = settings.get("data", {}).get("val_fraction"), settings.get("seed")
    if fraction is None or seed is None:
        return np.arange(len(reader)), "all rows"
    return split(reader, fraction, seed)[1], "validation rows"


def _read_file(path: str | os.PathLike, sample_rate: int, samples: int) -> _Sound | Failure:
    name = os.fspath(path)
    try:
        clip = load_clip(path, sample_rate, samples)
        return _Sound(name, network_input(clip.audio), clip=clip)
    except (AudioError, OSError) as error:
        return Failure(name, str(error))


def _read_row(row: int, reader: Reader, schema: Schema) -> _Sound:
    sample = reader[row]
    return _Sound(f"row {row}", sample.mel, sample_parameters(sample, schema), int(sample.midi_note))


def _check_mels(predictor: Predictor, info: DatasetInfo) -> None:
    expected = tuple(predictor.meta["mel_shape"])
    remedy = "generate the data with the checkpoint's settings (of the shipped model: --config configs/shipped.py)"
    if info.mel_shape != expected:
        raise DatasetError(
            f"{info.paths[0]} has log-mel spectrograms of shape {info.mel_shape}, but the model takes {expected}; "
            f"{remedy}"
        )
    if info.mel and info.mel_config != predictor.mel:
        raise DatasetError(
            f"{info.paths[0]} has the mel settings {info.mel}, but the model takes {predictor.meta['mel']}; {remedy}"
        )


def _predictions(
    predictor: Predictor,
    run: Callable[[np.ndarray], BatchOutputs],
    read: Callable[[Any], _Sound | Failure],
    items: Iterable[Any],
    confidence: bool,
    threads: int,
) -> Iterator[PredictedPreset | Failure]:
    """Yields predictions. While the device works on a batch, the one before is decoded, and threads read the next."""
    waiting: tuple[list[_Sound | Failure], BatchOutputs | None] | None = None
    with contextlib.closing(map_ahead(read, items, threads, predictor.batch_size)) as entries:
        while chunk := list(itertools.islice(entries, predictor.batch_size)):
            sounds = [entry.model_input for entry in chunk if isinstance(entry, _Sound)]
            outputs = run(np.stack(sounds)) if sounds else None
            if waiting:
                yield from _finish(predictor, *waiting, confidence)
            waiting = chunk, outputs
        if waiting:
            yield from _finish(predictor, *waiting, confidence)


def _finish(
    predictor: Predictor, chunk: list[_Sound | Failure], outputs: BatchOutputs | None, confidence: bool
) -> Iterator[PredictedPreset | Failure]:
    names = [entry.name for entry in chunk if isinstance(entry, _Sound)]
    predictions = iter(predictor.decode_batch(outputs, names, confidence) if outputs else ())
    for entry in chunk:
        if isinstance(entry, Failure):
            yield entry
        else:
            yield next(predictions)._replace(target=entry.target, midi_note=entry.midi_note, clip=entry.clip)


def map_ahead(work: Callable[[Any], Any], items: Iterable[Any], threads: int, most: int) -> Generator[Any]:
    """As `map(work, items)`, in threads and in order; at most `most` results are computed ahead."""
    ahead: collections.deque[Future] = collections.deque()
    pool = ThreadPoolExecutor(threads, "vjax-ahead")
    try:
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) > most:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
