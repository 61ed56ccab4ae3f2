"""Makes batches of rows with Grain: split by preset, shuffled, the same for any number of workers, resumable at a step.

This module does not import jax, but Grain imports it if it is installed.
"""

import dataclasses
import functools
import hashlib
import sys
from collections.abc import Generator
from typing import Any, NamedTuple

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
    """Stripes of the log-mel spectrogram that are set to 0, which is silence in log(1 + power). By default, none.

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
    """Draws the stripes of n mels [..., n_mels, t]: [n, n_time + n_freq, 2] int32 (start, width), those in time first.

    These are SpecAugment's masks (Park et al. 2019, section 2), without time warping. The width of a stripe is uniform
    in [0, max], at most the length of the axis. Its start is uniform over all positions where the stripe fits.
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
    """Draws the row numbers of a step and the stripes that are silenced in them, as a pure function of the step.

    Each pass over all rows has an order of its own, and a batch may extend into the next pass. All numbers of a batch
    are drawn at once. Grain's `shuffle` and `random_map` would take 40 to 220 microseconds a row, but reading a row
    takes 20.
    """

    n_rows: int
    batch_size: int
    seed: int
    mel_shape: tuple[int, ...]
    augment: SpecAugmentConfig

    def __call__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns (row numbers [batch_size] int64, stripes [batch_size, n_time + n_freq, 2] int32)."""
        passes, positions = np.divmod(step * self.batch_size + np.arange(self.batch_size), self.n_rows)
        rows = [_permutation(self.n_rows, self.seed, n)[positions[passes == n]] for n in np.unique(passes).tolist()]
        rng = np.random.default_rng([self.seed, step, _STRIPES])
        return np.concatenate(rows), draw_stripes(self.mel_shape, rng, self.augment, self.batch_size)


_ORDER, _STRIPES = 1, 2  # separate random streams; not 0, because NumPy ignores zeros at the end of a seed


@functools.lru_cache(maxsize=4)
def _permutation(n: int, seed: int, number: int) -> np.ndarray:
    return np.random.default_rng([seed, number, _ORDER]).permutation(n)


def split(reader: Reader, val_fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns (training rows, validation rows), ascending. All rows of a preset are on one side.

    Presets are sorted by a hash keyed with the seed, and the first `val_fraction` of them are for validation. When a
    dataset grows, few presets therefore change sides.

    Raises:
      DatasetError: fewer than two presets, so that one side would be empty.
      ValueError: `val_fraction` outside (0, 1).
    """
    if not 0 < val_fraction < 1:
        raise ValueError(f"val_fraction={val_fraction} must lie between 0 and 1")
    presets, preset_of_row = np.unique(reader.preset_hashes(), return_inverse=True)
    if len(presets) < 2:
        raise DatasetError(f"the dataset contains {len(presets)} preset; splitting it takes at least 2")
    n_val = min(max(round(val_fraction * len(presets)), 1), len(presets) - 1)
    key = str(seed).encode()
    rank = np.argsort([hashlib.blake2b(preset.tobytes(), digest_size=8, key=key).digest() for preset in presets])
    is_validation = np.zeros(len(presets), bool)
    is_validation[rank[:n_val]] = True
    return np.flatnonzero(~is_validation[preset_of_row]), np.flatnonzero(is_validation[preset_of_row])


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
) -> Generator[Batch]:
    """Yields endless shuffled batches. Each pass over `rows` has an order of its own.

    The batch of step k depends only on `rows`, `batch_size`, `seed`, `augment` and k. Its bits are the same for any
    `first_step` and any number of `workers` (processes; 0 reads in a thread). A batch may extend into the next pass, so
    no row is left out. Close the iterator to stop its workers.

    If several hosts train together, each reads only its own `batch_size / parts` rows of every batch. The parts of a
    step, concatenated, are the batch that a single host reads.

    Raises:
      ValueError: fewer rows than one batch takes, or `batch_size` is not divisible by `parts`.
    """
    if not 1 <= batch_size <= len(rows):
        raise ValueError(f"batch_size={batch_size} does not fit the {len(rows)} training rows; choose 1 to {len(rows)}")
    share = _share(batch_size, parts)
    rows, augment = np.asarray(rows), augment or SpecAugmentConfig()
    order = TrainingOrder(len(rows), batch_size, seed, reader.mel_shape, augment)
    own_part = slice(part * share, (part + 1) * share)
    data = grain.MapDataset.source(range(sys.maxsize)).map(_Read(reader, rows, order, own_part))[first_step:]
    batches = data.to_iter_dataset(_READ_OPTIONS)
    if workers > 0:
        if not flags.FLAGS.is_parsed():  # Grain passes absl flags to its workers, and they must be parsed
            flags.FLAGS.mark_as_parsed()
        batches = batches.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))
    return _closing(batches)


def eval_batches(reader: Reader, rows: np.ndarray, batch_size: int, part: int = 0, parts: int = 1) -> Generator[Batch]:
    """Yields `rows` once, in order. The last batch is padded with copies of a row, which are not `valid`.

    All `parts` (see `train_batches`) have the same number of batches. The last batch of a part may be only padding.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} must be at least 1")
    share = _share(batch_size, parts)
    n_batches = -(-len(rows) // batch_size)
    positions = np.arange(n_batches * batch_size).reshape(n_batches, parts, share)[:, part].ravel()
    n_valid = int(np.sum(positions < len(rows)))
    # Padding is copied, not read. Only a batch of padding alone reads one row.
    n_read = max(n_valid, (n_batches - 1) * share + 1)
    own_rows: Any = np.asarray(rows)[np.minimum(positions[:n_read], len(rows) - 1)]  # grain's types have no arrays
    data = grain.MapDataset.source(own_rows).batch(share).map(_ReadAll(reader)).map_with_index(_Pad(share, n_valid))
    return _closing(data.to_iter_dataset(_READ_OPTIONS))


def _share(batch_size: int, parts: int) -> int:
    if batch_size % parts:
        multiple = max(batch_size // parts, 1) * parts
        raise ValueError(
            f"batch_size={batch_size} does not divide over {parts} processes; choose a multiple of {parts}, such as "
            f"--config.train.batch_size={multiple}"
        )
    return batch_size // parts


@dataclasses.dataclass(frozen=True)
class _Read(grain.transforms.Map):
    """Maps a step to its batch, or to this host's part of it."""

    reader: Reader
    rows: np.ndarray
    order: TrainingOrder
    own_part: slice

    def map(self, step: int) -> Batch:
        numbers, stripes = self.order(step)
        samples = self.reader.read(self.rows[numbers[self.own_part]])
        for mel, mel_stripes in zip(samples.mel, stripes[self.own_part], strict=True):
            silence(mel, mel_stripes, self.order.augment)
        return _as_batch(samples)


@dataclasses.dataclass(frozen=True)
class _ReadAll(grain.transforms.Map):
    reader: Reader

    def map(self, rows: np.ndarray) -> Sample:
        return self.reader.read(rows)


@dataclasses.dataclass(frozen=True)
class _Pad(grain.transforms.MapWithIndex):
    """Pads each batch to `batch_size`. Of the rows of all batches in order, the first `n_valid` are valid."""

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


def _closing(batches: grain.IterDataset) -> Generator[Batch]:
    iterator = iter(batches)
    try:
        yield from iterator
    finally:
        iterator.close()
