"""A mean stored as a sum and a count, so that the means of batches, devices and hosts merge exactly."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Shaped

from vjax.io.arrays import Array


class Mean(NamedTuple):
    """A sum and a count, float32 on the device: scalars, or arrays with one element per parameter or option."""

    sum: jax.Array
    count: jax.Array

    @classmethod
    def of(cls, values: Shaped[Array, "*shape"], weight: Shaped[Array, "*shape"]) -> "Mean":
        """Returns the weighted mean of `values`. `weight` has the same shape, and is >= 0 or bool.

        Values with weight 0 are ignored, even NaN, because rows of padding may contain anything.
        """
        weighted = jnp.where(weight > 0, weight * values, 0.0)
        return cls(jnp.sum(weighted, dtype=jnp.float32), jnp.sum(weight, dtype=jnp.float32))

    @classmethod
    def none(cls) -> "Mean":
        """Returns the mean of nothing."""
        return cls(jnp.float32(0), jnp.float32(0))

    def merge(self, other: "Mean") -> "Mean":
        return Mean(self.sum + other.sum, self.count + other.count)

    def value(self) -> jax.Array:
        """sum / count; 0 if nothing was counted."""
        return self.sum / jnp.where(self.count > 0, self.count, 1)
