"""A mean in the making: a sum and a count, so that batches, devices and hosts add up exactly."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Mean(NamedTuple):
    """Scalars (or, per knob, vectors) of float32 on the device."""

    sum: jax.Array
    count: jax.Array

    @classmethod
    def of(cls, values: jax.Array, weight: jax.Array) -> "Mean":
        """The mean of element-wise `values`, each with a `weight` >= 0 or a bool, both of one shape.

        What has no weight stays out whatever it is, even NaN: a row of padding may hold anything.
        """
        weighted = jnp.where(weight > 0, weight * values, 0.0)
        return cls(jnp.sum(weighted, dtype=jnp.float32), jnp.sum(weight, dtype=jnp.float32))

    @classmethod
    def none(cls) -> "Mean":
        """Of nothing."""
        return cls(jnp.float32(0), jnp.float32(0))

    def merge(self, other: "Mean") -> "Mean":
        return Mean(self.sum + other.sum, self.count + other.count)

    def value(self) -> jax.Array:
        """sum / count; 0 if nothing was counted."""
        return self.sum / jnp.where(self.count > 0, self.count, 1)
