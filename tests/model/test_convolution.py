"""Tests of convolutions by products inside `nn.Conv`: results and parameters are those of XLA's convolutions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from vjax.model.convolution import convolve_by_products, products_are_faster


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "channels"), [(7, 2, 3, 1), (3, 2, 1, 8), (1, 2, 0, 8), (3, 1, 1, 8)]
)
@pytest.mark.parametrize("size", [(9, 12), (8, 7)])
def test_convolve_by_products_matches_xla(kernel, stride, padding, channels, size):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *size, channels)).astype(np.float32)
    conv = functools.partial(nn.Conv, 16, (kernel, kernel), stride, padding=padding, use_bias=False)
    by_products = conv(conv_general_dilated=convolve_by_products)
    variables = conv().init(jax.random.key(0), x)
    assert jax.tree.map(jnp.shape, by_products.init(jax.random.key(0), x)) == jax.tree.map(jnp.shape, variables)
    dy = rng.normal(size=conv().apply(variables, x).shape).astype(np.float32)

    def all_of(module):
        y, gradients = jax.vjp(module.apply, variables, x)
        return jax.tree.leaves((y, gradients(jnp.asarray(dy))))

    for found, expected in zip(jax.jit(lambda: all_of(by_products))(), all_of(conv()), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6 * np.abs(expected).max())


def test_products_are_faster_for_float32_on_cpus_only():
    assert products_are_faster(jnp.float32, 16) == (jax.default_backend() == "cpu")
    assert not products_are_faster(jnp.float32, 8)
    assert not products_are_faster(jnp.bfloat16, 16)
