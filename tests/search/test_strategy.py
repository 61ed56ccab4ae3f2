"""Tests of vjax.search.strategy: it is evosax's own, padding or not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vjax.cli.refine_flags import STRATEGY_NAMES
from vjax.search.strategy import STRATEGIES, Strategy, StrategyConfig


def valley(z: np.ndarray) -> np.ndarray:
    """Losses [..., n] of samples [..., n, d]: an ill-conditioned bowl around 1."""
    weights = 10 ** np.linspace(-1, 1, z.shape[-1])
    return ((z - 1) ** 2 * weights).sum(-1)


def started(config: StrategyConfig, size: int, seed: int = 0, key: int = 7) -> Strategy:
    strategy = Strategy(config, seed, key)
    strategy.start(size)
    return strategy


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_padded_space_is_searched_as_evosaxs_strategy_of_its_own_size_does(name):
    """Of 6 and of 10 dimensions, both padded to 64: they fall as fast as evosax's own strategy of 10 does."""
    config = StrategyConfig(name, population=8, fast_steps=False)
    for size in (6, 10):
        strategy = started(config, size)
        for _ in range(150):
            population, _ = strategy.ask()
            assert population.shape == (8, size)
            strategy.tell(population, valley(population))
        _, mean = strategy.ask()
        assert not np.asarray(strategy._state.mean)[size:].any()
        assert valley(mean[None])[0] < 0.05 * valley(np.zeros((1, size)))[0]
    assert np.log10(valley(mean[None])[0]) == pytest.approx(np.log10(_evosax_alone(name, 10, 8, 150)), abs=2.5)


def _evosax_alone(name: str, d: int, population: int, generations: int) -> float:
    algorithm = STRATEGIES[name](population_size=population, solution=jnp.zeros(d))
    parameters, key = algorithm.default_params, jax.random.key(5)
    state = algorithm.init(key, jnp.zeros(d), parameters)
    for _ in range(generations):
        key, asked, told = jax.random.split(key, 3)
        sample, state = algorithm.ask(asked, state, parameters)
        state, _ = algorithm.tell(told, sample, jnp.float32(valley(np.asarray(sample))), state, parameters)
    return float(valley(np.asarray(state.mean)[None])[0])


@pytest.mark.parametrize("name", STRATEGIES)
def test_without_padding_samples_are_evosaxs_own(name):
    """The same keys, the same losses: the same samples, generation after generation."""
    ours = started(StrategyConfig(name, population=8, fast_steps=False), 64, seed=3)
    algorithm = STRATEGIES[name](population_size=8, solution=jnp.zeros(64))
    parameters, key = algorithm.default_params, jax.random.fold_in(jax.random.key(3), 7)
    state = algorithm.init(key, jnp.zeros(64), parameters)
    for _ in range(4):
        key, asked = jax.random.split(key)
        expected, state = algorithm.ask(asked, state, parameters)
        population, _ = ours.ask()
        np.testing.assert_allclose(population, expected, rtol=2e-3, atol=2e-4)
        losses = valley(np.asarray(expected))
        ours.tell(population, losses)
        state, _ = algorithm.tell(key, expected, jnp.float32(losses), state, parameters)


def test_ask_with_another_key_or_seed_gives_other_samples():
    config = StrategyConfig(population=8)
    first, again, other_key, other_seed = (
        started(config, 12, seed, key).ask()[0] for seed, key in ((0, 7), (0, 7), (0, 8), (1, 7))
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other_key)
    assert not np.array_equal(first, other_seed)


def test_ask_is_the_same_in_every_process():
    population, _ = started(StrategyConfig(population=8), 12, key=2**32 - 1).ask()
    _, asked = jax.random.split(jax.random.fold_in(jax.random.key(0), 2**32 - 1))
    np.testing.assert_array_equal(population, jax.random.normal(asked, (8, 64))[:, :12])


def test_nan_ranks_last():
    strategy = started(StrategyConfig(population=8), 12)
    for _ in range(100):
        population, mean = strategy.ask()
        losses = valley(population)
        losses[np.argmax(losses)] = np.nan
        strategy.tell(population, losses)
    assert np.isfinite(mean).all()
    assert valley(mean[None])[0] < 0.2 * valley(np.zeros((1, 12)))[0]


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_new_start_is_wider_and_at_the_origin(name):
    strategy = started(StrategyConfig(name, population=8), 12)
    narrow, _ = strategy.ask()
    strategy.tell(narrow, valley(narrow))
    strategy.start(20, sigma=3.0)
    population, mean = strategy.ask()
    assert not mean.any()
    assert population.shape == (8, 20)
    assert population.std() == pytest.approx(3 * narrow.std(), rel=0.35)  # of about 100 numbers each


@pytest.mark.parametrize("name", ["cma_es", "sep_cma_es"])
def test_fast_steps_are_the_formulas(name):
    constants = started(StrategyConfig(name, population=16), 80)._parameters
    r = np.sqrt(float(constants.mu_eff) / 80)
    assert float(constants.c_std) == pytest.approx(r / (1 + r))
    assert float(constants.d_std) == pytest.approx(0.5 + r / (1 + r))
    assert float(constants.chi_n) == pytest.approx(np.sqrt(80), rel=0.01)  # of its own size, not of the padded one


@pytest.mark.parametrize("fields", [{"name": "annealing"}, {"population": 2}, {"sigma": 0.0}])
def test_settings_that_cannot_be_are_refused(fields):
    with pytest.raises(ValueError, match=str(next(iter(fields.values())))):
        StrategyConfig(**fields)


def test_the_command_knows_the_strategies():
    assert set(STRATEGY_NAMES) == set(STRATEGIES)
    assert STRATEGY_NAMES[0] == StrategyConfig().name
