"""Puts batches on the devices in the form that the steps take: split over all devices, each process with its own rows.

This module does not prefetch. The loop requests a batch while the devices work on the previous one. Reading it (Grain
has some ready) and copying it therefore take no extra time, as long as they are faster than a step.
"""

import contextlib
from collections.abc import Generator

import jax
import numpy as np
from jax.sharding import Mesh

from vjax.data.reader import Reader
from vjax.data.stream import Batch, eval_batches, train_batches
from vjax.training.config import Config
from vjax.training.resident import resident_batches
from vjax.training.step import shard_batch


def train_feed(reader: Reader, rows: np.ndarray, config: Config, first_step: int, mesh: Mesh) -> Generator[Batch]:
    """Yields endless training batches from `first_step` on, the same for any number of processes. Close it at the end.

    Raises:
      ValueError: `train.batch_size` is larger than the number of rows, or not divisible by the number of processes and
        devices.
    """
    batch_size, data = config.train.batch_size, config.data
    if data.resident:
        return resident_batches(reader, rows, batch_size, config.seed, first_step, mesh, config.augment)
    part, parts = jax.process_index(), jax.process_count()
    return _sharded(
        train_batches(reader, rows, batch_size, config.seed, first_step, data.workers, config.augment, part, parts),
        mesh,
    )


def eval_feed(reader: Reader, rows: np.ndarray, batch_size: int, mesh: Mesh) -> Generator[Batch]:
    """Yields all `rows` once, in order, with padding that is not `valid`.

    Raises ValueError if `batch_size` is not divisible by the number of processes and devices.
    """
    return _sharded(eval_batches(reader, rows, batch_size, jax.process_index(), jax.process_count()), mesh)


def _sharded(batches: Generator[Batch], mesh: Mesh) -> Generator[Batch]:
    with contextlib.closing(batches):
        for batch in batches:
            yield shard_batch(batch, mesh)
