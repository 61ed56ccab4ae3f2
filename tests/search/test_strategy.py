"""Tests of vjax.search.strategy: with and without padding, it equals the strategies of evosax."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vjax.cli.refine_flags import STRATEGY_NAMES
from vjax.search.strategy import STRATEGIES, Strategy, StrategyConfig


def valley(z: np.ndarray) -> np.ndarray:
    """Losses [..., n] of samples [..., n, d]: an ill-conditioned quadratic function with its minimum at 1."""
    weights = 10 ** np.linspace(-1, 1, z.shape[-1])
    return ((z - 1) ** 2 * weights).sum(-1)


def started(config: StrategyConfig, size: int, seed: int = 0, key: int = 7) -> Strategy:
    strategy = Strategy(config, seed, key)
    strategy.start(size)
    return strategy


@pytest.mark.parametrize(
    "name", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("cma_es", "sep_cma_es")), "snes"]
)
def test_strategy_in_a_padded_space_falls_as_fast_as_evosax(name):
    """Spaces of 6 and 10 dimensions are padded to 64. Their losses fall as fast as those of evosax without padding."""
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
        key, ask_key, tell_key = jax.random.split(key, 3)
        sample, state = algorithm.ask(ask_key, state, parameters)
        state, _ = algorithm.tell(tell_key, sample, jnp.float32(valley(np.asarray(sample))), state, parameters)
    return float(valley(np.asarray(state.mean)[None])[0])


@pytest.mark.parametrize("name", ["cma_es", pytest.param("sep_cma_es", marks=pytest.mark.slow), "snes"])
def test_ask_without_padding_equals_the_samples_of_evosax(name):
    """With equal keys and losses, the samples of each generation are equal."""
    strategy = started(StrategyConfig(name, population=8, fast_steps=False), 64, seed=3)
    algorithm = STRATEGIES[name](population_size=8, solution=jnp.zeros(64))
    parameters, key = algorithm.default_params, jax.random.fold_in(jax.random.key(3), 7)
    state = algorithm.init(key, jnp.zeros(64), parameters)
    for _ in range(4):
        key, ask_key = jax.random.split(key)
        expected, state = algorithm.ask(ask_key, state, parameters)
        population, _ = strategy.ask()
        np.testing.assert_allclose(population, expected, rtol=2e-3, atol=2e-4)
        losses = valley(np.asarray(expected))
        strategy.tell(population, losses)
        state, _ = algorithm.tell(key, expected, jnp.float32(losses), state, parameters)


def test_ask_with_another_key_or_seed_gives_other_samples():
    config = StrategyConfig(population=8)
    first, again, other_key, other_seed = (
        started(config, 12, seed, key).ask()[0] for seed, key in ((0, 7), (0, 7), (0, 8), (1, 7))
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other_key)
    assert not np.array_equal(first, other_seed)


def test_ask_depends_only_on_seed_and_key():
    population, _ = started(StrategyConfig(population=8), 12, key=2**32 - 1).ask()
    _, ask_key = jax.random.split(jax.random.fold_in(jax.random.key(0), 2**32 - 1))
    np.testing.assert_array_equal(population, jax.random.normal(ask_key, (8, 64))[:, :12])


def test_tell_with_nan_ranks_it_last():
    strategy = started(StrategyConfig(population=8), 12)
    for _ in range(100):
        population, mean = strategy.ask()
        losses = valley(population)
        losses[np.argmax(losses)] = np.nan
        strategy.tell(population, losses)
    assert np.isfinite(mean).all()
    assert valley(mean[None])[0] < 0.2 * valley(np.zeros((1, 12)))[0]


@pytest.mark.parametrize("name", STRATEGIES)
def test_start_again_with_a_larger_sigma_is_wider_and_at_the_origin(name):
    strategy = started(StrategyConfig(name, population=8), 12)
    narrow, _ = strategy.ask()
    strategy.tell(narrow, valley(narrow))
    strategy.start(20, sigma=3.0)
    population, mean = strategy.ask()
    assert not mean.any()
    assert population.shape == (8, 20)
    assert population.std() == pytest.approx(3 * narrow.std(), rel=0.35)  # each is the deviation of about 100 numbers


@pytest.mark.parametrize("name", ["cma_es", "sep_cma_es"])
def test_strategy_with_fast_steps_uses_the_formulas(name):
    constants = started(StrategyConfig(name, population=16), 80)._parameters
    r = np.sqrt(float(constants.mu_eff) / 80)
    assert float(constants.c_std) == pytest.approx(r / (1 + r))
    assert float(constants.d_std) == pytest.approx(0.5 + r / (1 + r))
    assert float(constants.chi_n) == pytest.approx(np.sqrt(80), rel=0.01)  # of the unpadded size


@pytest.mark.parametrize("fields", [{"name": "annealing"}, {"population": 2}, {"sigma": 0.0}])
def test_strategy_config_with_an_impossible_value_is_an_error(fields):
    with pytest.raises(ValueError, match=str(next(iter(fields.values())))):
        StrategyConfig(**fields)


def test_strategy_names_of_the_flags_equal_the_strategies():
    assert set(STRATEGY_NAMES) == set(STRATEGIES)
    assert STRATEGY_NAMES[0] == StrategyConfig().name
