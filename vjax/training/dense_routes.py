"""Converts sparse modulation routes to the dense matrix, on the device.

A batch is transferred as 64 slots per sound (1.3 kB). It becomes 4 x sources x destinations (219 kB) only where it is
used.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from vjax.io.arrays import Array
from vjax.sound.routes import CHANNELS


def scatter_routes(
    index: Array, value: Array, n_sources: int, n_destinations: int
) -> Float[jax.Array, "b 4 n_sources n_destinations"]:
    """Converts routes to matrices: the batched, jittable version of `vjax.sound.routes.dense_routes`.

    Slots outside the matrix (-1 for an empty slot, or a cell past the end) are ignored. A dataset should not have
    several slots for one cell. If it does, any of them may be used, because XLA does not define the order.

    Args:
      index: [b, slots] int32, `source * n_destinations + destination`.
      value: [b, slots, 4] in the order of `CHANNELS`.

    Returns:
      [b, 4, n_sources, n_destinations], dtype of `value`.

    Raises:
      ValueError: the two shapes do not match.
    """
    if index.ndim != 2 or value.shape != (*index.shape, len(CHANNELS)):
        raise ValueError(
            f"routes have index {index.shape} and value {value.shape}; "
            f"expected [b, slots] and [b, slots, {len(CHANNELS)}]"
        )
    n_cells = n_sources * n_destinations
    index = jnp.where(index < 0, n_cells, index)  # an index past the end is dropped; -1 would wrap around

    def scatter(index, value):
        return jnp.zeros((len(CHANNELS), n_cells), value.dtype).at[:, index].set(value.T, mode="drop")

    return jax.vmap(scatter)(index, value).reshape(-1, len(CHANNELS), n_sources, n_destinations)
