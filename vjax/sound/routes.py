"""Modulation routes as arrays: channels, ranges, and the sparse and dense forms."""

import numpy as np

N_SLOTS = 64
"""Slots of Vital's modulation matrix."""
ROUTE_RANGES = {"amount": (-1.0, 1.0), "bipolar": (0.0, 1.0), "power": (-10.0, 10.0), "stereo": (0.0, 1.0)}
"""The smallest and the largest value of each number of a route."""

CHANNELS = tuple(ROUTE_RANGES)
"""Order of the four numbers of a route, in `Parameters.route_value` and on the matrix's first axis."""


def dense_routes(route_index: np.ndarray, route_value: np.ndarray, n_sources: int, n_destinations: int) -> np.ndarray:
    """Converts sparse routes [64], [64, 4] to the matrix [4, n_sources, n_destinations], on the host."""
    matrix = np.zeros((len(CHANNELS), n_sources * n_destinations), np.float32)
    used = route_index >= 0
    matrix[:, route_index[used]] = route_value[used].T
    return matrix.reshape(len(CHANNELS), n_sources, n_destinations)


def sparse_routes(matrix: np.ndarray, threshold: float = 1e-6, top_k: int = N_SLOTS) -> tuple[np.ndarray, np.ndarray]:
    """The `top_k` strongest routes of a matrix with |amount| > threshold, as (route_index, route_value)."""
    flat = np.asarray(matrix, np.float32).reshape(len(CHANNELS), -1)
    strength = np.abs(flat[0])
    cells = np.flatnonzero(strength > threshold)
    cells = cells[np.argsort(-strength[cells], kind="stable")][: min(top_k, N_SLOTS)]
    route_index = np.full(N_SLOTS, -1, np.int32)
    route_value = np.zeros((N_SLOTS, len(CHANNELS)), np.float32)
    route_index[: len(cells)] = cells
    route_value[: len(cells)] = flat[:, cells].T
    return route_index, route_value
