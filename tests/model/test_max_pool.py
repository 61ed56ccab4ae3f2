"""Tests of the stem's max pool and its gradient against Flax's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from vjax.model.max_pool import max_pool_3x3


@pytest.mark.parametrize("size", [(8, 7), (9, 12), (1, 1), (2, 3)])
@pytest.mark.parametrize("ties", [False, True])
def test_max_pool_3x3_matches_flax(size, ties):
    """The first of equal cells gets the gradient, as in Flax."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, *size, 5)).astype(np.float32)
    x = np.round(x) if ties else x

    def all_of(pool, dy):
        y, gradient = jax.vjp(pool, x)
        return y, gradient(dy)[0]

    def flax_pool(x):
        return nn.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))

    dy = jnp.asarray(rng.normal(size=flax_pool(x).shape), jnp.float32)
    for found, expected in zip(jax.jit(lambda: all_of(max_pool_3x3, dy))(), all_of(flax_pool, dy), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_max_pool_3x3_of_a_computed_input_keeps_every_gradient():
    """XLA may compute x twice with different rounding. Every window must still pass its gradient to a cell."""

    @jax.jit
    @jax.grad
    def gradient(x):
        return jnp.sum(max_pool_3x3(x * 1.1 + jnp.mean(x)))

    x = np.random.default_rng(1).normal(size=(2, 16, 22, 8)).astype(np.float32)
    windows = 2 * 8 * 11 * 8
    # The gradient 1 of each window arrives with factor 1.1 at its cell, and with factor 1 through the mean.
    assert float(jnp.sum(gradient(x))) == pytest.approx(2.1 * windows, rel=1e-5)
