"""Tests of routes that are scattered on the device, against the matrix that NumPy computes."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.sound.routes import N_SLOTS, dense_routes
from vjax.training.dense_routes import scatter_routes

SIZE = (3, 50)
N_CELLS = 150
scatter = jax.jit(scatter_routes, static_argnums=(2, 3))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_scatter_routes_matches_the_numpy_matrix(seed, empty):
    rng = np.random.default_rng(seed)
    index = np.stack([rng.permutation(N_CELLS)[:N_SLOTS] for _ in range(2)]).astype(np.int32)
    index[rng.random(index.shape) < empty] = -1
    value = rng.normal(size=(2, N_SLOTS, 4)).astype(np.float32)
    expected = [dense_routes(i, v, *SIZE) for i, v in zip(index, value, strict=True)]
    np.testing.assert_array_equal(scatter(index, value, *SIZE), expected)


def test_scatter_routes_with_repeated_cells_keeps_one_value():
    index = np.full((1, N_SLOTS), 7, np.int32)
    value = np.random.default_rng(0).normal(size=(1, N_SLOTS, 4)).astype(np.float32)
    matrix = np.asarray(scatter(index, value, *SIZE)).reshape(4, N_CELLS)
    for channel in range(4):
        assert matrix[channel, 7] in value[0, :, channel]
    assert np.count_nonzero(matrix) == 4


def test_scatter_routes_writes_to_the_cell_of_source_and_destination():
    index = np.full((1, N_SLOTS), -1, np.int32)
    value = np.zeros((1, N_SLOTS, 4), np.float32)
    index[0, 7], value[0, 7] = 2 * 50 + 3, (0.5, 1, -2, 1)
    matrix = np.asarray(scatter(index, value, *SIZE))
    np.testing.assert_array_equal(matrix[0, :, 2, 3], (0.5, 1, -2, 1))
    assert np.count_nonzero(matrix) == 4


def test_scatter_routes_ignores_empty_and_out_of_range_slots():
    index = np.resize(np.array([-1, N_CELLS, 1000, -7], np.int32), (2, N_SLOTS))
    assert not np.any(scatter(index, np.ones((2, N_SLOTS, 4), np.float32), *SIZE))


@pytest.mark.parametrize("shape", [(2, N_SLOTS, 3), (2, 8, 4), (N_SLOTS, 4)])
def test_scatter_routes_with_mismatched_shapes_is_refused(shape):
    with pytest.raises(ValueError, match="routes have index"):
        scatter_routes(np.zeros((2, N_SLOTS), np.int32), np.zeros(shape, np.float32), *SIZE)
