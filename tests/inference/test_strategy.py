"""Tests of vjax.inference.strategy: places are evosax's own strategies, padding or not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vjax.cli.refine import STRATEGY_NAMES
from vjax.inference.strategy import STRATEGIES, Strategies, StrategyConfig


def valley(z: np.ndarray) -> np.ndarray:
    """Losses [..., n] of samples [..., n, d]: an ill-conditioned bowl around 1."""
    weights = 10 ** np.linspace(-1, 1, z.shape[-1])
    return ((z - 1) ** 2 * weights).sum(-1)


@pytest.mark.parametrize("name", STRATEGIES)
def test_each_place_is_evosaxs_strategy_of_its_own_size(name):
    """Two places of 6 and 10 dimensions, padded to 12, fall as fast as evosax's own strategy of 10 does."""
    config = StrategyConfig(name, population=8, fast_steps=False)
    strategies = Strategies(config, places=2, padded=12)
    strategies.start(0, 6)
    strategies.start(1, 10)
    for _ in range(150):
        population, means = strategies.ask()
        assert not population[0, :, 6:].any()
        assert not population[1, :, 10:].any()
        losses = np.stack([valley(population[0][:, :6]), valley(population[1][:, :10])])
        strategies.tell(population, losses, np.ones(2, bool))
    _, means = strategies.ask()
    alone = _evosax_alone(name, 10, 8, 150)
    start = valley(np.zeros((1, 10)))[0]
    assert valley(means[1][None, :10])[0] < 0.05 * start
    assert np.log10(valley(means[1][None, :10])[0]) == pytest.approx(np.log10(alone), abs=2.5)
    assert valley(means[0][None, :6])[0] < 0.05 * valley(np.zeros((1, 6)))[0]


def _evosax_alone(name: str, d: int, population: int, generations: int) -> float:
    algorithm = STRATEGIES[name](population_size=population, solution=jnp.zeros(d))
    parameters, key = algorithm.default_params, jax.random.key(5)
    state = algorithm.init(key, jnp.zeros(d), parameters)
    for _ in range(generations):
        key, asked, told = jax.random.split(key, 3)
        sample, state = algorithm.ask(asked, state, parameters)
        state, _ = algorithm.tell(told, sample, jnp.float32(valley(np.asarray(sample))), state, parameters)
    return float(valley(np.asarray(state.mean)[None])[0])


@pytest.mark.parametrize("name", ["sep_cma_es", "snes"])
def test_without_padding_samples_are_evosaxs_own(name):
    """The same keys, the same losses: the same samples, generation after generation.

    Not of cma_es: a batched eigendecomposition gives nearly equal eigenvalues other vectors, and turns its samples.
    """
    ours = Strategies(StrategyConfig(name, population=8, fast_steps=False), places=2, padded=12, seed=3)
    algorithm = STRATEGIES[name](population_size=8, solution=jnp.zeros(12))
    parameters, keys = algorithm.default_params, jax.random.split(jax.random.key(3), 2)
    key, state = keys[0], algorithm.init(keys[0], jnp.zeros(12), parameters)
    for _ in range(4):
        key, asked = jax.random.split(key)
        expected, state = algorithm.ask(asked, state, parameters)
        population, _ = ours.ask()
        np.testing.assert_allclose(population[0], expected, rtol=2e-3, atol=2e-4)
        losses = valley(np.asarray(expected))
        ours.tell(population, np.stack([losses, losses]), np.ones(2, bool))
        state, _ = algorithm.tell(key, expected, jnp.float32(losses), state, parameters)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_place_that_is_not_told_stays(name):
    strategies = Strategies(StrategyConfig(name, population=8), places=2, padded=12)
    population, before = strategies.ask()
    strategies.tell(population, valley(population), np.array([True, False]))
    _, after = strategies.ask()
    assert not np.array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1], before[1])


def test_nan_ranks_last():
    strategies = Strategies(StrategyConfig(population=8), places=2, padded=12)
    for _ in range(100):
        population, means = strategies.ask()
        losses = valley(population)
        losses[0, np.argmax(losses[0])] = np.nan
        strategies.tell(population, losses, np.ones(2, bool))
    assert np.isfinite(means).all()
    assert (valley(means) < 0.2 * valley(np.zeros((1, 12)))).all()


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_new_start_is_wider_and_at_the_origin(name):
    strategies = Strategies(StrategyConfig(name, population=8), places=2, padded=12)
    strategies.start(0, 12)
    strategies.start(1, 12, sigma=3.0)
    population, means = strategies.ask()
    assert not means.any()
    assert population[1].std() == pytest.approx(3 * population[0].std(), rel=0.35)  # of 96 numbers each


@pytest.mark.parametrize("name", ["cma_es", "sep_cma_es"])
def test_fast_steps_are_the_formulas(name):
    strategies = Strategies(StrategyConfig(name, population=16), places=1, padded=90)
    strategies.start(0, 80)
    constants = jax.tree.map(lambda leaf: leaf[0], strategies._parameters)
    r = np.sqrt(float(constants.mu_eff) / 80)
    assert float(constants.c_std) == pytest.approx(r / (1 + r))
    assert float(constants.d_std) == pytest.approx(0.5 + r / (1 + r))
    assert float(constants.chi_n) == pytest.approx(np.sqrt(80), rel=0.01)  # of its own size, not of the padded one


@pytest.mark.parametrize("fields", [{"name": "annealing"}, {"population": 2}, {"sigma": 0.0}])
def test_settings_that_cannot_be_are_refused(fields):
    with pytest.raises(ValueError, match=str(next(iter(fields.values())))):
        StrategyConfig(**fields)
    strategies = Strategies(StrategyConfig(population=8), places=2, padded=12)
    with pytest.raises(ValueError, match="13 dimensions"):
        strategies.start(0, 13)


def test_the_command_knows_the_strategies():
    assert set(STRATEGY_NAMES) == set(STRATEGIES)
    assert STRATEGY_NAMES[0] == StrategyConfig().name
