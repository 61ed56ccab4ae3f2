"""Tests of the posterior's network and of the sampler, against distributions whose flow is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vjax.model.posterior import Denoiser, follow_flow, of_number, of_options

DENOISER = Denoiser(n_continuous=3, option_counts=(2, 4), n_cells=5, width=8, blocks=2)


@pytest.fixture(scope="module")
def variables():
    """Weights that are not zero anywhere: an untrained network ignores the sound and the time."""
    found = DENOISER.init(jax.random.key(0), jnp.zeros((1, 2, 3, 4)), jnp.zeros((1, 1, 14)), jnp.zeros((1, 1)))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: leaf + rng.normal(0, 0.3, leaf.shape).astype(np.float32), found)


def inputs(b=2, k=3, seed=0):
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(b, 2, 3, 4)).astype(np.float32)
    return maps, rng.normal(size=(b, k, 14)).astype(np.float32), rng.uniform(size=(b, k)).astype(np.float32)


def test_denoiser_returns_the_parts_of_a_vector(variables):
    found = DENOISER.apply(variables, *inputs())
    assert [leaf.shape for leaf in found] == [(2, 3, 3), (2, 3, 6), (2, 3, 5)]
    assert DENOISER.size == 14


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_denoiser_depends_on_sound_vector_and_time(variables, changed):
    one, other = list(inputs()), list(inputs())
    other[changed] = inputs(seed=1)[changed]
    found, changed_found = (DENOISER.apply(variables, *args).routes for args in (one, other))
    assert np.abs(found - changed_found).max() > 1e-3


def test_denoiser_with_a_hidden_sound_ignores_it_only_there(variables):
    maps, noisy, time = inputs()
    other_maps = inputs(seed=1)[0]
    given = np.array([0, 1], np.float32)
    one, other = (DENOISER.apply(variables, m, noisy, time, given).routes for m in (maps, other_maps))
    np.testing.assert_array_equal(one[0], other[0])
    assert np.abs(one[1] - other[1]).max() > 1e-3


def test_denoiser_estimates_each_draw_of_a_sound_independently(variables):
    maps, noisy, time = inputs()
    together = DENOISER.apply(variables, maps, noisy, time)
    alone = DENOISER.apply(variables, maps[1:], noisy[1:, 2:], time[1:, 2:])
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a[1:, 2:], b, rtol=1e-5, atol=1e-6)


def test_of_number_equals_bayes_rule_by_sums():
    """Against sums over a grid of x1: prior times likelihood of x_t."""
    mean, deviation, time = 0.3, 0.5, 0.6
    x1 = np.linspace(-4, 4, 8001)
    for noisy in (-1.0, 0.2, 1.5):
        weight = np.exp(-0.5 * ((x1 - mean) / deviation) ** 2 - 0.5 * ((noisy - time * x1) / (1 - time)) ** 2)
        expected = (weight * x1).sum() / weight.sum()
        assert float(of_number(mean, np.log(deviation), noisy, time)) == pytest.approx(expected, abs=1e-4)


def test_of_options_equals_bayes_rule_by_likelihoods():
    logits, noisy, time = np.array([0.2, -1.0, 0.5]), np.array([0.3, -0.7, 0.1]), 0.4
    chosen = 2 * np.eye(3) - 1
    likelihood = np.exp(-0.5 * (((noisy - time * chosen) / (1 - time)) ** 2).sum(1))
    expected = np.exp(logits) * likelihood
    found = np.exp(of_options(logits, noisy, time))
    np.testing.assert_allclose(found / found.sum(), expected / expected.sum(), rtol=1e-5)


@pytest.mark.parametrize("time", [0.0, 1.0])
def test_bayes_rule_at_the_ends_returns_prior_and_truth(time):
    """At t = 0, x_t is noise and shows nothing. At t = 1, it is the vector."""
    mean, noisy = jnp.array([0.3, -0.2]), jnp.array([0.9, 0.1])
    np.testing.assert_allclose(of_number(mean, -1.0, noisy, time), noisy if time else mean, atol=1e-3)
    logits = of_options(jnp.array([0.0, 1.0]), jnp.array([1.0, -1.0]), time)
    assert int(jnp.argmax(logits)) == (0 if time else 1)


def test_follow_flow_to_a_gaussian_has_its_mean_and_deviation():
    """For x1 of N(m, s^2), E[x1 | x_t] = m + (x_t - t m) t s^2 / ((1 - t)^2 + t^2 s^2)."""
    m, s = 2.0, 0.5

    def estimate(x, t):
        return m + (x - t * m) * t * s**2 / ((1 - t) ** 2 + (t * s) ** 2)

    found = follow_flow(estimate, jax.random.normal(jax.random.key(0), (20000,)), 100)
    assert float(found.mean()) == pytest.approx(m, abs=0.02)
    assert float(found.std()) == pytest.approx(s, rel=0.03)


def test_follow_flow_to_two_values_finds_both_in_their_proportion():
    """A regression returns their mean, 0.5. The flow returns -1 or 1, and 1 in three of four draws."""

    def estimate(x, t):
        return 2 * jax.nn.sigmoid(jnp.log(3.0) + 2 * t * x / (1 - t) ** 2) - 1

    found = follow_flow(estimate, jax.random.normal(jax.random.key(0), (20000,)), 100)
    np.testing.assert_allclose(np.abs(found), 1, atol=0.05)
    assert float((found > 0).mean()) == pytest.approx(0.75, abs=0.02)


def test_follow_flow_in_one_step_returns_the_estimate_at_noise():
    noise = jnp.array([0.3, -2.0])
    np.testing.assert_allclose(follow_flow(lambda x, t: 3 * x + t, noise, 1), 3 * noise, rtol=1e-6)
