"""Batches of a dataset that is stored on the accelerator. Each step transfers only row numbers and stripes.

They are the batches of `vjax.data.stream.train_batches`, bit for bit and in the same order. So a run can change from
one to the other and continue exactly. Every device has all rows, so that devices do not have to exchange rows. A row of
full size takes 90 kB, or 46 kB with log-mel spectrograms in float16: 64 GB hold 0.7 or 1.4 million rows.
"""

import functools
import itertools
import os
from collections.abc import Callable, Generator, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from vjax.data.reader import Reader, Sample
from vjax.data.stream import Batch, SpecAugmentConfig, TrainingOrder

_SHARE = 0.8
"""Share of a device's memory for the rows; the rest is for the training step."""

_BLOCK_BYTES = 64e6  # bytes to read and transfer at a time, so that the host never has all rows in memory


def resident_batches(
    reader: Reader,
    rows: np.ndarray,
    batch_size: int,
    seed: int,
    first_step: int,
    mesh: Mesh,
    augment: SpecAugmentConfig | None = None,
) -> Generator[Batch]:
    """Yields `shard_batch` of each of `train_batches`: device arrays, split along the batch over the axis `data`.

    Reads all `rows` before the first batch. With several hosts, each calls it with the same arguments.

    Raises:
      ValueError: the rows do not fit into the memory of a device; there are fewer rows than one batch takes; or
        `batch_size` is not divisible by the number of devices.
    """
    rows = np.asarray(rows)
    if not 1 <= batch_size <= len(rows):
        raise ValueError(f"batch_size={batch_size} does not fit the {len(rows)} training rows; choose 1 to {len(rows)}")
    if batch_size % mesh.size:
        raise ValueError(
            f"a batch of {batch_size} rows does not divide over {mesh.size} devices; choose a multiple of them"
        )
    example, augment = reader[rows[0]], augment or SpecAugmentConfig()
    row_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(example))
    _check_fits(len(rows), row_bytes, mesh)
    data = _load(reader, rows, example, max(int(_BLOCK_BYTES // row_bytes), 1), mesh)
    order = TrainingOrder(len(rows), batch_size, seed, example.mel.shape, augment)
    return _gathered(data, map(order, itertools.count(first_step)), _make_gather(augment.n_time, mesh), mesh)


def _gathered(
    data: Sample, draws: Iterator[tuple[np.ndarray, np.ndarray]], gather: Callable[..., Batch], mesh: Mesh
) -> Generator[Batch]:
    split = NamedSharding(mesh, PartitionSpec("data"))

    def put(array: np.ndarray) -> jax.Array:  # with a callback, so that each host transfers only its own part
        return jax.make_array_from_callback(array.shape, split, array.__getitem__)

    for numbers, stripes in draws:
        yield gather(data, put(numbers.astype(np.int32)), put(stripes))


def _make_gather(n_time: int, mesh: Mesh) -> Callable[[Sample, jax.Array, jax.Array], Batch]:
    """Returns a jitted function that maps (all rows, numbers [b], stripes [b, n, 2]) to a batch."""

    @functools.partial(jax.jit, out_shardings=NamedSharding(mesh, PartitionSpec("data")))
    def gather(data: Sample, numbers: jax.Array, stripes: jax.Array) -> Batch:
        chosen = jax.tree.map(lambda column: column.at[numbers].get(mode="promise_in_bounds"), data)
        mel = _silence(chosen.mel, stripes, n_time)
        valid: Any = jnp.ones(len(numbers), jnp.float32)  # `Batch` states NumPy's arrays, which it has on the host
        return Batch(*chosen._replace(mel=mel), valid=valid)

    return gather


def _silence(mel: jax.Array, stripes: jax.Array, n_time: int) -> jax.Array:
    """Sets the stripes [b, n, 2] of mel [b, 1, n_mels, t] to 0. The first `n_time` stripes are in time."""

    def covered(stripes: jax.Array, length: int) -> jax.Array:  # [b, n, 2] to [b, length]
        first, position = stripes[..., :1], jnp.arange(length)
        return ((first <= position) & (position < first + stripes[..., 1:])).any(-2)

    frames = covered(stripes[:, :n_time], mel.shape[-1])[:, None, None, :]
    bands = covered(stripes[:, n_time:], mel.shape[-2])[:, None, :, None]
    return jnp.where(frames | bands, 0, mel)


def _load(reader: Reader, rows: np.ndarray, example: Sample, block: int, mesh: Mesh) -> Sample:
    """Returns the rows as device arrays, stacked along a first axis and complete on each device."""
    whole = NamedSharding(mesh, PartitionSpec())
    n, block = len(rows), min(block, len(rows))

    @functools.partial(jax.jit, out_shardings=whole)
    def allocate() -> Any:
        return jax.tree.map(lambda leaf: jnp.zeros((n, *leaf.shape), leaf.dtype), example)

    @functools.partial(jax.jit, donate_argnums=0)
    def write_block(data: Any, part: Any, first: int) -> Any:
        return jax.tree.map(lambda a, b: jax.lax.dynamic_update_slice_in_dim(a, b, first, 0), data, part)

    data = allocate()
    for first in range(0, n, block):
        first = min(first, n - block)  # the last block starts earlier, so that all have one size and compile once
        samples = [reader[row] for row in rows[first : first + block]]
        part = jax.tree.map(lambda *leaves: np.stack(leaves), *samples)
        part = jax.tree.map(lambda a: jax.make_array_from_callback(a.shape, whole, a.__getitem__), part)
        data = write_block(data, part, first)
    return data


def _check_fits(n: int, row_bytes: int, mesh: Mesh) -> None:
    """Raises ValueError if the rows need more than their share of a device's memory."""
    device, n_devices = mesh.local_devices[0], len(mesh.local_devices)
    stats = device.memory_stats()
    if stats:
        free_bytes = stats["bytes_limit"] - stats["bytes_in_use"]
    else:  # a CPU, whose devices share the machine's memory
        free_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / n_devices
    if n * row_bytes > _SHARE * free_bytes:
        raise ValueError(
            f"the {n} training rows take {n * row_bytes / 1e9:.3g} GB ({row_bytes / 1e3:.3g} kB each), more than "
            f"{_SHARE:.0%} of the {free_bytes / 1e9:.3g} GB of {device}; leave --config.data.resident off to read them "
            "while training, or store the log-mel spectrograms as float16 (--config.generation.mel_dtype=float16)"
        )
