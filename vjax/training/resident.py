"""Batches of a dataset that lies on the accelerator: per step nothing travels but row numbers and stripes.

They are the batches of `vjax.data.stream.train_batches`, bit for bit and in the same order, so that a run may go from
one to the other and on exactly. Every device holds all rows: any of them can then be asked for any row, and no two have
to exchange any. A row of full size takes 90 kB, or 46 kB with pictures in float16: 64 GB hold 0.7 or 1.4 million.
"""

import functools
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from vjax.data.reader import Reader, Sample
from vjax.data.stream import Batch, SpecAugmentConfig, TrainingOrder

_SHARE = 0.8
"""Of a device's memory, for the rows; the rest is the step's."""

_BLOCK_BYTES = 64e6  # read and sent at a time: the host never holds the whole set


def resident_batches(
    reader: Reader,
    rows: np.ndarray,
    batch_size: int,
    seed: int,
    first_step: int,
    mesh: Mesh,
    augment: SpecAugmentConfig | None = None,
) -> Iterator[Batch]:
    """As `shard_batch` of each of `train_batches`: device arrays, split along the batch over the mesh's `data` axis.

    Reads all `rows` at once, before the first batch. With several hosts each calls it with the same arguments.

    Raises:
      ValueError: the rows do not fit the memory of a device; fewer rows than one batch takes; or a batch that does not
        divide over the devices.
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
) -> Iterator[Batch]:
    split = NamedSharding(mesh, PartitionSpec("data"))

    def put(array: np.ndarray) -> jax.Array:  # by a callback, so that each of several hosts puts its own part
        return jax.make_array_from_callback(array.shape, split, array.__getitem__)

    for numbers, stripes in draws:
        yield gather(data, put(numbers.astype(np.int32)), put(stripes))


def _make_gather(n_time: int, mesh: Mesh) -> Callable[[Sample, jax.Array, jax.Array], Batch]:
    """The jitted (all rows, numbers [b], stripes [b, n, 2]) to a batch."""

    @functools.partial(jax.jit, out_shardings=NamedSharding(mesh, PartitionSpec("data")))
    def gather(data: Sample, numbers: jax.Array, stripes: jax.Array) -> Batch:
        chosen = jax.tree.map(lambda column: column.at[numbers].get(mode="promise_in_bounds"), data)
        mel = _silence(chosen.mel, stripes, n_time)
        return Batch(*chosen._replace(mel=mel), valid=jnp.ones(len(numbers), jnp.float32))

    return gather


def _silence(mel: jax.Array, stripes: jax.Array, n_time: int) -> jax.Array:
    """`silence` of mel [b, 1, n_mels, t], given its stripes [b, n, 2]: the first `n_time` are frames."""

    def covered(stripes: jax.Array, length: int) -> jax.Array:  # [b, n, 2] to [b, length]
        first, place = stripes[..., :1], jnp.arange(length)
        return ((first <= place) & (place < first + stripes[..., 1:])).any(-2)

    frames = covered(stripes[:, :n_time], mel.shape[-1])[:, None, None, :]
    bands = covered(stripes[:, n_time:], mel.shape[-2])[:, None, :, None]
    return jnp.where(frames | bands, 0, mel)


def _load(reader: Reader, rows: np.ndarray, example: Sample, block: int, mesh: Mesh) -> Sample:
    """The rows as device arrays with a first axis more, whole on each device."""
    whole = NamedSharding(mesh, PartitionSpec())
    n, block = len(rows), min(block, len(rows))

    @functools.partial(jax.jit, out_shardings=whole)
    def allocate() -> Any:
        return jax.tree.map(lambda leaf: jnp.zeros((n, *leaf.shape), leaf.dtype), example)

    @functools.partial(jax.jit, donate_argnums=0)
    def place(data: Any, part: Any, first: int) -> Any:
        return jax.tree.map(lambda a, b: jax.lax.dynamic_update_slice_in_dim(a, b, first, 0), data, part)

    data = allocate()
    for first in range(0, n, block):
        first = min(first, n - block)  # the last one begins earlier: all are of one size, so one compile
        samples = [reader[row] for row in rows[first : first + block]]
        part = jax.tree.map(lambda *leaves: np.stack(leaves), *samples)
        part = jax.tree.map(lambda a: jax.make_array_from_callback(a.shape, whole, a.__getitem__), part)
        data = place(data, part, first)
    return data


def _check_fits(n: int, row_bytes: int, mesh: Mesh) -> None:
    """Raises ValueError if the rows need more than their share of a device's memory."""
    device, n_devices = mesh.local_devices[0], len(mesh.local_devices)
    stats = device.memory_stats()
    if stats:
        room = stats["bytes_limit"] - stats["bytes_in_use"]
    else:  # a CPU, whose devices share the machine's memory
        room = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / n_devices
    if n * row_bytes > _SHARE * room:
        raise ValueError(
            f"the {n} training rows take {n * row_bytes / 1e9:.3g} GB ({row_bytes / 1e3:.3g} kB each), more than "
            f"{_SHARE:.0%} of the {room / 1e9:.3g} GB of {device}; leave --config.data.resident off to read them while "
            "training, or store the pictures as float16 (--config.generation.mel_dtype=float16)"
        )
