"""Batches as the steps take them: on the devices, split over them, each process bringing its own rows.

Nothing here looks ahead. The loop asks for a batch while the devices work on the one before, so that reading it (Grain
has some ready) and copying it over cost no time of their own as long as they are faster than a step.
"""

import contextlib
from collections.abc import Iterator

import jax
import numpy as np
from jax.sharding import Mesh

from vjax.data.reader import Reader
from vjax.data.stream import Batch, eval_batches, train_batches
from vjax.training.config import Config
from vjax.training.resident import resident_batches
from vjax.training.step import shard_batch


def train_feed(reader: Reader, rows: np.ndarray, config: Config, first_step: int, mesh: Mesh) -> Iterator[Batch]:
    """The endless training batches from `first_step` on, the same for any number of processes. Close it at the end.

    Raises:
      ValueError: `train.batch_size` is more than there are rows, or does not divide over processes and devices.
    """
    batch_size, data = config.train.batch_size, config.data
    if data.resident:
        return resident_batches(reader, rows, batch_size, config.seed, first_step, mesh, config.augment)
    part, parts = jax.process_index(), jax.process_count()
    return _placed(
        train_batches(reader, rows, batch_size, config.seed, first_step, data.workers, config.augment, part, parts),
        mesh,
    )


def eval_feed(reader: Reader, rows: np.ndarray, batch_size: int, mesh: Mesh) -> Iterator[Batch]:
    """All `rows` once, in order, with padding that is not `valid`. Raises as `train_feed`."""
    return _placed(eval_batches(reader, rows, batch_size, jax.process_index(), jax.process_count()), mesh)


def _placed(batches: Iterator[Batch], mesh: Mesh) -> Iterator[Batch]:
    with contextlib.closing(batches):
        for batch in batches:
            yield shard_batch(batch, mesh)
