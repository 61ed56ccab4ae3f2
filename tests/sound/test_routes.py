"""Tests of routes as arrays."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.sound.routes import N_SLOTS, dense_routes, sparse_routes


@st.composite
def matrices(draw):
    """[4, 5, 40] with up to 64 routes of different strength."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(0, N_SLOTS))
    matrix = np.zeros((4, 200), np.float32)
    amounts = (1 + rng.permutation(N_SLOTS)[:n]) / N_SLOTS * rng.choice([-1, 1], n)
    others = rng.integers(0, 2, n), rng.uniform(-10, 10, n), rng.integers(0, 2, n)
    matrix[:, rng.choice(200, n, replace=False)] = np.stack([amounts, *others])
    return matrix.reshape(4, 5, 40)


@settings(deadline=None)
@given(matrices())
def test_dense_routes_of_sparse_routes_is_the_matrix(matrix):
    index, value = sparse_routes(matrix)
    assert (index.shape, index.dtype, value.shape, value.dtype) == ((64,), np.int32, (64, 4), np.float32)
    np.testing.assert_array_equal(dense_routes(index, value, 5, 40), matrix)
    used = index >= 0
    assert used.sum() == np.count_nonzero(matrix[0])
    assert (np.diff(np.abs(value[used, 0])) < 0).all()  # strongest first
    assert not value[~used].any()


@settings(deadline=None)
@given(matrices(), st.integers(0, 70), st.floats(0, 1))
def test_sparse_routes_keeps_the_strongest_above_the_threshold(matrix, top_k, threshold):
    index, value = sparse_routes(matrix, threshold, top_k)
    strengths = np.sort(np.abs(matrix[0].ravel()))[::-1]
    expected = strengths[strengths > threshold][: min(top_k, N_SLOTS)]
    np.testing.assert_array_equal(np.abs(value[: len(expected), 0]), expected)
    assert (index[len(expected) :] == -1).all()


def test_sparse_routes_of_a_full_matrix_keeps_64():
    index, value = sparse_routes(np.ones((4, 5, 40)))
    assert (index == np.arange(64)).all()  # equal ones in the order of the cells
    assert (value == 1).all()


def test_dense_routes_by_hand():
    index, value = np.full(N_SLOTS, -1), np.zeros((N_SLOTS, 4))
    index[7], value[7] = 2 * 40 + 31, (0.5, 1, -3, 0)
    matrix = dense_routes(index, value, 5, 40)
    np.testing.assert_array_equal(matrix[:, 2, 31], value[7])
    assert np.count_nonzero(matrix) == 3
