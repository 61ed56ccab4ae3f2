"""From rows to batches (Grain): split by preset, shuffled, the same for any number of workers, resumable at a step.

No jax of our own here; Grain itself imports jax where it is installed.
"""

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
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


def draw_stripes(mel_shape: tuple[int, ...], rng: np.random.Generator, config: SpecAugmentConfig) -> np.ndarray:
    """[n_time + n_freq, 2] int32, (start, width) of each stripe for a mel [..., n_mels, t]: those in time come first.

    SpecAugment's masks (Park et al. 2019, section 2), without time warping. The width of a stripe is uniform in
    [0, max], at most the axis; its place is uniform over those that hold it.
    """
    stripes = []
    for length, count, most in (
        (mel_shape[-1], config.n_time, config.max_time),
        (mel_shape[-2], config.n_freq, config.max_freq),
    ):
        for _ in range(count):
            width = rng.integers(0, min(most, length) + 1)
            stripes.append((rng.integers(0, length - width + 1), width))
    return np.array(stripes, np.int32).reshape(-1, 2)


def spec_augment(mel: np.ndarray, rng: np.random.Generator, config: SpecAugmentConfig) -> np.ndarray:
    """A copy of mel [..., n_mels, t] with the stripes of `draw_stripes` set to zero."""
    mel = mel.copy()
    for i, (start, width) in enumerate(draw_stripes(mel.shape, rng, config)):
        axis = -1 if i < config.n_time else -2
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


def training_order(
    source: Sequence[Any], seed: int, random_map: grain.transforms.RandomMap | None = None
) -> grain.MapDataset:
    """Pass after pass over `source`, each shuffled anew, and `random_map` with draws of its own for each element."""
    data = grain.MapDataset.source(source).seed(seed).shuffle().repeat()
    return data if random_map is None else data.random_map(random_map)


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
    data = training_order(_Rows(reader, np.asarray(rows)), seed, None if augment is None else _Augment(augment))
    # A batch is `parts` small ones in a row; slicing comes after all that is random, so that no row's masks change.
    data = data.batch(share, drop_remainder=True).map(_as_batch)[first_step * parts + part :: parts]
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
    data = grain.MapDataset.source(_Rows(reader, mine)).batch(share).map_with_index(_Pad(share, n_valid))
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
class _Pad(grain.transforms.MapWithIndex):
    """Fills a batch up to `batch_size`; of the rows of all batches, counted through, the first `n_valid` are valid."""

    batch_size: int
    n_valid: int

    def map_with_index(self, index: int, samples: Sample) -> Batch:
        batch = _as_batch(samples)
        missing = self.batch_size - len(batch.valid)
        padded = _map_arrays(lambda array: np.concatenate([array, np.repeat(array[-1:], missing, 0)]), batch)
        padded.valid[max(self.n_valid - index * self.batch_size, 0) :] = 0
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
