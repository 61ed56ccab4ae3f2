"""From rows to batches (Grain): split by preset, shuffled, the same for any number of workers, resumable at a step.

No jax of our own here; Grain itself imports jax where it is installed.
"""

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import grain
import numpy as np
from absl import flags

from vjax.data.layout import DatasetError
from vjax.data.reader import Reader, Routes, Sample

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
    """How many stripes of the mel are silenced, each up to `max_*` wide: frames (`time`) and mel bands (`freq`).

    Zero is silence in a log(1 + power) picture. Defaults change nothing.
    """

    n_time: int = 0
    max_time: int = 20
    n_freq: int = 0
    max_freq: int = 16

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 0:
                raise ValueError(f"{field.name}={getattr(self, field.name)} must not be negative")


def spec_augment(mel: np.ndarray, rng: np.random.Generator, config: SpecAugmentConfig) -> np.ndarray:
    """SpecAugment's masks (Park et al. 2019, section 2), without time warping, on a copy of mel [..., n_mels, t].

    The width of a stripe is uniform in [0, max], at most the axis; its place is uniform over those that hold it.
    """
    mel = mel.copy()
    for axis, count, most in ((-1, config.n_time, config.max_time), (-2, config.n_freq, config.max_freq)):
        length = mel.shape[axis]
        for _ in range(count):
            width = rng.integers(0, min(most, length) + 1)
            start = rng.integers(0, length - width + 1)
            np.moveaxis(mel, axis, -1)[..., start : start + width] = 0
    return mel


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
) -> Iterator[Batch]:
    """Endless shuffled batches; each pass over `rows` has an order of its own.

    The batch of step k depends on `rows`, `batch_size`, `seed`, `augment` and k only: starting at `first_step` or with
    other `workers` (processes; 0 reads in a thread) gives the same bits. A batch may reach over the end of a pass, so
    that no row is left out. Close the iterator to stop its workers.

    Raises:
      ValueError: fewer rows than one batch takes.
    """
    if not 1 <= batch_size <= len(rows):
        raise ValueError(f"batch_size={batch_size} does not fit the {len(rows)} training rows; choose 1 to {len(rows)}")
    data = grain.MapDataset.source(_Rows(reader, np.asarray(rows))).seed(seed).shuffle().repeat()
    if augment is not None:
        data = data.random_map(_Augment(augment))
    data = data.batch(batch_size, drop_remainder=True).map(_as_batch)[first_step:]
    batches = data.to_iter_dataset(_READ_OPTIONS)
    if workers > 0:
        if not flags.FLAGS.is_parsed():  # Grain hands absl flags to its workers, and they must be parsed
            flags.FLAGS.mark_as_parsed()
        batches = batches.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))
    return _closing(batches)


def eval_batches(reader: Reader, rows: np.ndarray, batch_size: int) -> Iterator[Batch]:
    """`rows` once, in order. The last batch is filled up with copies of its last row, which are not `valid`."""
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} must be at least 1")
    data = grain.MapDataset.source(_Rows(reader, np.asarray(rows))).batch(batch_size).map(_Pad(batch_size))
    return _closing(data.to_iter_dataset(_READ_OPTIONS))


@dataclasses.dataclass(frozen=True)
class _Rows:
    """The chosen rows of a reader, as a Grain source."""

    reader: Reader
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Sample:
        return self.reader[self.rows[i]]


@dataclasses.dataclass(frozen=True)
class _Augment(grain.transforms.RandomMap):
    config: SpecAugmentConfig

    def random_map(self, sample: Sample, rng: np.random.Generator) -> Sample:
        return sample._replace(mel=spec_augment(sample.mel, rng, self.config))


@dataclasses.dataclass(frozen=True)
class _Pad(grain.transforms.Map):
    batch_size: int

    def map(self, samples: Sample) -> Batch:
        batch = _as_batch(samples)
        missing = self.batch_size - len(batch.valid)
        padded = _map_arrays(lambda array: np.concatenate([array, np.repeat(array[-1:], missing, 0)]), batch)
        padded.valid[len(batch.valid) :] = 0
        return padded


def _as_batch(samples: Sample) -> Batch:
    return Batch(*samples, valid=np.ones(len(samples.midi_note), np.float32))


def _map_arrays(f, tree: Any) -> Any:
    """Applies `f` to every array of nested NamedTuples."""
    return type(tree)(*(_map_arrays(f, item) for item in tree)) if isinstance(tree, tuple) else f(tree)


def _closing(batches: grain.IterDataset) -> Iterator[Batch]:
    iterator = iter(batches)
    try:
        yield from iterator
    finally:
        iterator.close()
