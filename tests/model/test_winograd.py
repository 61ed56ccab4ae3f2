"""Tests of Winograd's convolution and its gradients against XLA's, at sizes that tiles divide and do not divide."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from vjax.model.winograd import _axis_matrices, _tile, conv_3x3


def plain(x, kernel):
    return lax.conv_general_dilated(x, kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC"))


@pytest.mark.parametrize("m", [2, 3, 4])
def test_axis_matrices_compute_a_correlation(m):
    rng = np.random.default_rng(m)
    inputs, kernel = rng.normal(size=m + 2), rng.normal(size=3)
    a, g, b = _axis_matrices(m)
    np.testing.assert_allclose(a @ ((g @ kernel) * (b @ inputs)), np.correlate(inputs, kernel, "valid"), rtol=1e-9)


@pytest.mark.parametrize(("length", "m"), [(44, 4), (22, 4), (11, 4), (6, 3), (4, 4), (2, 2), (1, 2)])
def test_tile_takes_the_fewest_multiplications(length, m):
    assert _tile(length) == m


@pytest.mark.parametrize("size", [(8, 11), (4, 6), (5, 7), (3, 2), (1, 1)])
def test_conv_3x3_and_its_gradients_match_xla(size):
    rng = np.random.default_rng(0)
    x = np.maximum(rng.normal(size=(2, *size, 64)), 0).astype(np.float32)
    kernel = rng.normal(0, 0.06, (3, 3, 64, 32)).astype(np.float32)
    dy = rng.normal(size=(2, *size, 32)).astype(np.float32)

    def all_of(convolve):
        y, gradients = jax.vjp(convolve, x, kernel)
        return y, *gradients(jnp.asarray(dy))

    for found, expected in zip(jax.jit(lambda: all_of(conv_3x3))(), all_of(plain), strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=0, atol=5e-6 * np.abs(expected).max())


def test_conv_3x3_rounding_error_is_small():
    rng = np.random.default_rng(1)
    x = np.maximum(rng.normal(size=(4, 16, 16, 128)), 0).astype(np.float32)
    kernel = rng.normal(0, 0.04, (3, 3, 128, 32)).astype(np.float32)
    padded = np.pad(np.float64(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
    exact = sum(padded[:, i : i + 16, j : j + 16] @ kernel[i, j] for i in range(3) for j in range(3))
    error = np.asarray(jax.jit(conv_3x3)(x, kernel)) - exact
    assert np.sqrt(np.mean(error**2)) < 2e-6 * exact.std()
