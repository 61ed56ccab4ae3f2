"""Tests of batch norm against Flax's: outputs, statistics and gradients, in training and in evaluation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from vjax.model.norm import BatchNorm


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    x = rng.normal(0.5, 2.0, (3, 5, 7, 6)).astype(np.float32)
    draw = lambda low: rng.uniform(low, low + 1, 6).astype(np.float32)  # noqa: E731
    variables = {"params": {"scale": draw(-0.5), "bias": draw(0)}, "batch_stats": {"mean": draw(0), "var": draw(0.5)}}
    return x, variables, jnp.asarray(rng.normal(size=x.shape), jnp.float32)


def test_batch_norm_in_training_matches_flax(inputs):
    x, variables, dy = inputs

    def all_of(module):
        def apply(params, x):
            return module.apply({**variables, "params": params}, x, mutable=["batch_stats"])

        y, gradients, updated = jax.vjp(apply, variables["params"], x, has_aux=True)
        return y, gradients(dy), updated

    found, expected = (all_of(norm(use_running_average=False, momentum=0.9)) for norm in (BatchNorm, nn.BatchNorm))
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), found, expected)


def test_batch_norm_in_evaluation_matches_flax(inputs):
    x, variables, _ = inputs
    found, expected = (norm(use_running_average=True).apply(variables, x) for norm in (BatchNorm, nn.BatchNorm))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("evaluates", [True, False])
def test_batch_norm_in_bfloat16_computes_statistics_in_float32(inputs, evaluates):
    x, variables, _ = inputs
    module = BatchNorm(use_running_average=evaluates, dtype=jnp.bfloat16)
    y, updated = module.apply(variables, x.astype(jnp.bfloat16), mutable=["batch_stats"])
    exact, _ = BatchNorm(use_running_average=evaluates).apply(variables, x, mutable=["batch_stats"])
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(updated)} == {jnp.dtype(jnp.float32)}
    np.testing.assert_allclose(y.astype(jnp.float32), exact, rtol=0.02, atol=0.03)


def test_batch_norm_initial_variables_match_flax(inputs):
    x = inputs[0]
    found, expected = (norm(use_running_average=False).init(jax.random.key(0), x) for norm in (BatchNorm, nn.BatchNorm))
    jax.tree.map(np.testing.assert_array_equal, found, expected)
