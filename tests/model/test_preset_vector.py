"""Tests of the preset vector: round trips of presets, what is left out, and frequent route cells."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.data.reader import Routes
from vjax.engine.schema import engine_schema
from vjax.model.inverse import model_config
from vjax.model.posterior import Denoised
from vjax.model.preset_vector import canonical, expected_vector, frequent_cells, from_vector, to_vector
from vjax.sound.audibility import audible
from vjax.sound.encoding import TargetEncoding
from vjax.sound.routes import CHANNELS, N_SLOTS, dense_routes
from vjax.sound.rules import audibility_rules

SCHEMA = TargetEncoding(engine_schema(n_wavetables=3, n_lfo_shapes=2)).schema
RULES = audibility_rules(SCHEMA)
N_CELLS = len(SCHEMA.sources) * len(SCHEMA.destinations)
seeds = st.integers(0, 2**32 - 1)


def config_with(cells):
    return dataclasses.replace(model_config(SCHEMA, True), route_cells=tuple(sorted({int(cell) for cell in cells})))


def random_rows(seed, b=3, routes=6):
    """Random values of every control. Routes are plain: none ends at another route."""
    rng = np.random.default_rng(seed)
    continuous = rng.uniform(size=(b, len(SCHEMA.continuous))).astype(np.float32)
    categorical = rng.integers(0, SCHEMA.option_counts, (b, len(SCHEMA.categorical))).astype(np.int32)
    plain = np.flatnonzero(SCHEMA.destination_slots < 0)
    index, value = np.full((b, N_SLOTS), -1, np.int32), np.zeros((b, N_SLOTS, 4), np.float32)
    for row in range(b):
        cells = rng.integers(len(SCHEMA.sources), size=50) * len(SCHEMA.destinations) + rng.choice(plain, 50)
        index[row, :routes] = np.sort(rng.permutation(np.unique(cells))[:routes])
        value[row, :routes, 0] = rng.uniform(0.1, 1, routes) * rng.choice([-1, 1], routes)
    return continuous, categorical, Routes(index, value)


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_from_vector_returns_what_is_audible_and_defaults_elsewhere(seed):
    continuous, categorical, routes = random_rows(seed)
    config = config_with(routes.index[routes.index >= 0])
    rows = canonical(config, SCHEMA, RULES, continuous, categorical, routes)
    knobs, menus, amounts = from_vector(config, np.asarray(to_vector(config, rows)))
    is_audible = audible(RULES, continuous, categorical, routes)
    defaults = SCHEMA.default_parameters()
    keep = is_audible.continuous & ~SCHEMA.frozen_continuous()
    np.testing.assert_allclose(knobs, np.where(keep, continuous, defaults.continuous), atol=1e-6)
    keep = is_audible.categorical & ~SCHEMA.frozen_categorical()
    np.testing.assert_array_equal(menus, np.where(keep, categorical, defaults.categorical))
    for row in range(len(knobs)):
        index = np.where(is_audible.routes[row], routes.index[row], -1)
        expected = dense_routes(index, routes.value[row], len(SCHEMA.sources), len(SCHEMA.destinations))[0]
        np.testing.assert_allclose(amounts[row], expected, atol=1e-6)


def test_canonical_of_matrices_equals_that_of_sparse_routes():
    continuous, categorical, routes = random_rows(1)
    is_audible = audible(RULES, continuous, categorical, routes)
    routes = Routes(np.where(is_audible.routes, routes.index, -1), routes.value)
    config = config_with(routes.index[routes.index >= 0])
    sizes = len(SCHEMA.sources), len(SCHEMA.destinations)
    matrices = np.stack([dense_routes(*row, *sizes) for row in zip(*routes, strict=True)])
    compiled = jax.jit(functools.partial(canonical, config, SCHEMA, RULES))
    sparse, dense = (compiled(continuous, categorical, form) for form in (routes, matrices))
    for a, b in zip(sparse, dense, strict=True):
        np.testing.assert_array_equal(a, b)


def test_canonical_leaves_out_routes_whose_cell_the_model_lacks():
    continuous, categorical, routes = random_rows(2, b=1)
    is_audible = audible(RULES, continuous, categorical, routes).routes[0]
    cells = routes.index[0][is_audible]
    assert len(cells) > 1, "the sound needs two audible routes"
    rows = canonical(config_with(cells[:1]), SCHEMA, RULES, continuous, categorical, routes)
    assert rows.route_values.shape == (1, 1)
    amount = routes.value[0, is_audible, CHANNELS.index("amount")][0]
    assert float(rows.route_values[0, 0]) == pytest.approx(np.sign(amount) * (0.5 + abs(amount) / 2))


@pytest.mark.parametrize("routes", [None, "sparse"])
def test_canonical_without_route_cells_has_none(routes):
    continuous, categorical, sparse = random_rows(3)
    config = dataclasses.replace(model_config(SCHEMA, False))
    rows = canonical(config, SCHEMA, RULES, continuous, categorical, sparse if routes else None)
    assert rows.route_values.shape == (3, 0)


def test_expected_vector_of_certain_estimates_is_the_vector():
    continuous, categorical, routes = random_rows(4)
    config = config_with(routes.index[routes.index >= 0])
    rows = canonical(config, SCHEMA, RULES, continuous, categorical, routes)
    vectors = to_vector(config, rows)
    logits = 50 * vectors[:, config.n_continuous : config.n_continuous + sum(config.option_counts)]
    found = expected_vector(config, Denoised(rows.continuous, logits, rows.route_values))
    np.testing.assert_allclose(found, vectors, atol=1e-6)


def test_expected_vector_holds_a_softmax_for_each_menu():
    config = dataclasses.replace(model_config(SCHEMA, False), option_counts=(2, 3, 2), n_continuous=1)
    logits = np.log([[[1.0, 3.0, 1.0, 1.0, 2.0, 9.0, 1.0]]])
    found = expected_vector(
        config, Denoised(*map(jnp.asarray, (np.full((1, 1, 1), 0.25), logits, np.zeros((1, 1, 0)))))
    )
    probabilities = [0.25, 0.75, 0.25, 0.25, 0.5, 0.9, 0.1]
    np.testing.assert_allclose(found[0, 0], [-0.5, *(2 * np.array(probabilities) - 1)], rtol=1e-5)


def test_from_vector_of_any_numbers_is_valid():
    config = config_with(range(0, N_CELLS, 97))
    size = config.n_continuous + sum(config.option_counts) + len(config.route_cells)
    knobs, menus, amounts = from_vector(config, np.random.default_rng(0).normal(0, 3, (4, size)))
    assert knobs.min() >= 0
    assert knobs.max() <= 1
    assert (menus < SCHEMA.option_counts).all()
    assert menus.min() >= 0
    assert np.abs(amounts).max() <= 1
    assert np.abs(amounts[amounts != 0]).min() >= 0.02 - 1e-9


def test_frequent_cells_returns_the_most_frequent_in_order():
    cells = [5] * 4 + [2] * 3 + [9] * 3 + [7] * 2 + [-1] * 9
    assert frequent_cells(cells, most=10, least=3) == (2, 5, 9)
    assert frequent_cells(cells, most=1, least=1) == (5,)
    assert frequent_cells([], most=3, least=1) == ()
