"""From rows to batches (Grain): split by preset, shuffled, the same for any number of workers, resumable at a step.

No jax of our own here; Grain itself imports jax where it is installed.
"""

import dataclasses
import functools
import hashlib
import sys
from collections.abc import Iterator
from typing import NamedTuple

import grain
import numpy as np
from absl import flags

from vjax.data.layout import DatasetError
from vjax.data.reader import Reader, Routes, Sample, map_arrays

_READ_OPTIONS = grain.ReadOptions(num_threads=1, prefetch_buffer_size=4)  # the buffer counts batches


class Batch(NamedTuple):
    """`Sample`s stacked along a first axis b. `valid` [b] float32 is 1 for a row of the dataset, 0 for padding."""

    mel: np.ndarray
    continuous: np.ndarray
    categorical: np.ndarray
    midi_note: np.ndarray
    modulation: Routes | np.ndarray
    valid: np.ndarray


@dataclasses.dataclass(frozen=True)
class SpecAugmentConfig:
    """Stripes of the log-mel spectrogram that are silenced. Zero is silence in log(1 + power). Defaults change nothing.

    Attributes:
      n_time: number of stripes in time.
      max_time: widest stripe in time, in frames.
      n_freq: number of stripes in frequency.
      max_freq: widest stripe in frequency, in mel bands.
    """

    n_time: int = 0
    max_time: int = 20
    n_freq: int = 0
    max_freq: int = 16

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 0:
                raise ValueError(f"{field.name}={getattr(self, field.name)} must not be negative")


def draw_stripes(
    mel_shape: tuple[int, ...], rng: np.random.Generator, config: SpecAugmentConfig, n: int = 1
) -> np.ndarray:
    """[n, n_time + n_freq, 2] int32: (start, width) of the stripes of n mels [..., n_mels, t], those in time first.

    SpecAugment's masks (Park et al. 2019, section 2), without time warping. The width of a stripe is uniform in
    [0, max], at most the axis; its place is uniform over those that hold it.
    """
    kinds = []
    for length, count, most in (
        (mel_shape[-1], config.n_time, config.max_time),
        (mel_shape[-2], config.n_freq, config.max_freq),
    ):
        width = rng.integers(0, min(most, length) + 1, (n, count))
        kinds.append(np.stack([rng.integers(0, length - width + 1), width], -1))
    return np.concatenate(kinds, 1).astype(np.int32)


def silence(mel: np.ndarray, stripes: np.ndarray, config: SpecAugmentConfig) -> None:
    """Sets the stripes [n, 2] of one mel [..., n_mels, t] to zero, in place."""
    for i, (start, width) in enumerate(stripes):
        if i < config.n_time:
            mel[..., start : start + width] = 0
        else:
            mel[..., start : start + width, :] = 0


@dataclasses.dataclass(frozen=True)
class TrainingOrder:
    """Which rows a step trains on, and what of them is silenced: a pure function of the step, numbers alone.

    Each pass over all rows has an order of its own, and a batch may reach over the end of a pass. The numbers of a
    batch are drawn at once: Grain's `shuffle` and `random_map` take 40 to 220 microseconds a row, reading one takes 20.
    """

    n_rows: int
    batch_size: int
    seed: int
    mel_shape: tuple[int, ...]
    augment: SpecAugmentConfig

    def __call__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """(row numbers [batch_size] int64, stripes [batch_size, n_time + n_freq, 2] int32)."""
        passes, places = np.divmod(step * self.batch_size + np.arange(self.batch_size), self.n_rows)
        rows = [_permutation(self.n_rows, self.seed, n)[places[passes == n]] for n in np.unique(passes).tolist()]
        rng = np.random.default_rng([self.seed, step, _STRIPES])
        return np.concatenate(rows), draw_stripes(self.mel_shape, rng, self.augment, self.batch_size)


_ORDER, _STRIPES = 1, 2  # streams of their own; not 0, which NumPy would ignore at the end of a seed


@functools.lru_cache(maxsize=4)
def _permutation(n: int, seed: int, number: int) -> np.ndarray:
    return np.random.default_rng([seed, number, _ORDER]).permutation(n)


def split(reader: Reader, val_fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(training rows, validation rows), ascending; all rows of a preset are on one side.

    Presets are ordered by a hash keyed with the seed, and the first `val_fraction` of them validate: as a dataset
    grows, hardly a preset changes sides.

    Raises:
      DatasetError: fewer than two presets, so that one side would be empty.
      ValueError: `val_fraction` outside (0, 1).
    """
    if not 0 < val_fraction < 1:
        raise ValueError(f"val_fraction={val_fraction} must lie between 0 and 1")
    presets, preset_of_row = np.unique(reader.preset_hashes(), return_inverse=True)
    if len(presets) < 2:
        raise DatasetError(f"the dataset holds {len(presets)} preset; splitting it takes at least 2")
    n_val = min(max(round(val_fraction * len(presets)), 1), len(presets) - 1)
    key = str(seed).encode()
    rank = np.argsort([hashlib.blake2b(preset.tobytes(), digest_size=8, key=key).digest() for preset in presets])
    validates = np.zeros(len(presets), bool)
    validates[rank[:n_val]] = True
    return np.flatnonzero(~validates[preset_of_row]), np.flatnonzero(validates[preset_of_row])


def train_batches(
    reader: Reader,
    rows: np.ndarray,
    batch_size: int,
    seed: int,
    first_step: int = 0,
    workers: int = 0,
    augment: SpecAugmentConfig | None = None,
    part: int = 0,
    parts: int = 1,
) -> Iterator[Batch]:
    """Endless shuffled batches; each pass over `rows` has an order of its own.

    The batch of step k depends on `rows`, `batch_size`, `seed`, `augment` and k only: starting at `first_step` or with
    other `workers` (processes; 0 reads in a thread) gives the same bits. A batch may reach over the end of a pass, so
    that no row is left out. Close the iterator to stop its workers.

    Where several hosts train together, each reads `batch_size / parts` rows of every batch and no others: the parts of
    a step, one after the other, are the batch that a single host reads.

    Raises:
      ValueError: fewer rows than one batch takes, or a batch that does not divide into `parts`.
    """
    if not 1 <= batch_size <= len(rows):
        raise ValueError(f"batch_size={batch_size} does not fit the {len(rows)} training rows; choose 1 to {len(rows)}")
    share = _share(batch_size, parts)
    rows, augment = np.asarray(rows), augment or SpecAugmentConfig()
    order = TrainingOrder(len(rows), batch_size, seed, reader.mel_shape, augment)
    mine = slice(part * share, (part + 1) * share)
    data = grain.MapDataset.source(range(sys.maxsize)).map(_Read(reader, rows, order, mine))[first_step:]
    batches = data.to_iter_dataset(_READ_OPTIONS)
    if workers > 0:
        if not flags.FLAGS.is_parsed():  # Grain hands absl flags to its workers, and they must be parsed
            flags.FLAGS.mark_as_parsed()
        batches = batches.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))
    return _closing(batches)


def eval_batches(reader: Reader, rows: np.ndarray, batch_size: int, part: int = 0, parts: int = 1) -> Iterator[Batch]:
    """`rows` once, in order. The last batch is filled up with copies of a last row, which are not `valid`.

    All `parts`, see `train_batches`, have as many batches; a part's last one may be padding alone.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} must be at least 1")
    share = _share(batch_size, parts)
    n_batches = -(-len(rows) // batch_size)
    places = np.arange(n_batches * batch_size).reshape(n_batches, parts, share)[:, part].ravel()
    n_valid = int(np.sum(places < len(rows)))
    # Padding is copied, not read; only a batch without any row reads one.
    n_read = max(n_valid, (n_batches - 1) * share + 1)
    mine = np.asarray(rows)[np.minimum(places[:n_read], len(rows) - 1)]
    data = grain.MapDataset.source(mine).batch(share).map(_ReadAll(reader)).map_with_index(_Pad(share, n_valid))
    return _closing(data.to_iter_dataset(_READ_OPTIONS))


def _share(batch_size: int, parts: int) -> int:
    if batch_size % parts:
        fitting = max(batch_size // parts, 1) * parts
        raise ValueError(
            f"batch_size={batch_size} does not divide over {parts} processes; choose a multiple of {parts}, such as "
            f"--config.train.batch_size={fitting}"
        )
    return batch_size // parts


@dataclasses.dataclass(frozen=True)
class _Read(grain.transforms.Map):
    """A step to its batch, or to this host's part of it."""

    reader: Reader
    rows: np.ndarray
    order: TrainingOrder
    mine: slice

    def map(self, step: int) -> Batch:
        numbers, stripes = self.order(step)
        samples = self.reader.read(self.rows[numbers[self.mine]])
        for mel, of_mel in zip(samples.mel, stripes[self.mine], strict=True):
            silence(mel, of_mel, self.order.augment)
        return _as_batch(samples)


@dataclasses.dataclass(frozen=True)
class _ReadAll(grain.transforms.Map):
    reader: Reader

    def map(self, rows: np.ndarray) -> Sample:
        return self.reader.read(rows)


@dataclasses.dataclass(frozen=True)
class _Pad(grain.transforms.MapWithIndex):
    """Fills a batch up to `batch_size`; of the rows of all batches, counted through, the first `n_valid` are valid."""

    batch_size: int
    n_valid: int

    def map_with_index(self, index: int, samples: Sample) -> Batch:
        batch = _as_batch(samples)
        missing = self.batch_size - len(batch.valid)
        padded = map_arrays(lambda array: np.concatenate([array, np.repeat(array[-1:], missing, 0)]), batch)
        padded.valid[max(self.n_valid - index * self.batch_size, 0) :] = 0
        return padded


def _as_batch(samples: Sample) -> Batch:
    return Batch(*samples, valid=np.ones(len(samples.midi_note), np.float32))


def _closing(batches: grain.IterDataset) -> Iterator[Batch]:
    iterator = iter(batches)
    try:
        yield from iterator
    finally:
        iterator.close()
