"""Dynamic time warping."""

import numpy as np


def dtw_distance(costs: np.ndarray) -> np.ndarray:
    """Dynamic time warping: the sum of costs along the cheapest path, divided by n + m.

    The step pattern is symmetric2, the symmetric form of Sakoe and Chiba (1978) without slope constraint: a diagonal
    step counts the cost of its cell twice, so that it is not cheaper than the two straight steps that it replaces. The
    first cell counts once, as in R's and Python's `dtw`.

    Args:
      costs: [..., n, m], between each frame of one sound and each frame of the other.

    Returns:
      [...] float64.
    """
    *batch, n, m = costs.shape
    mirrored = costs[..., ::-1].astype(np.float64)  # its diagonals are the anti-diagonals i + j = k
    # Sums on the last two anti-diagonals: element i + 1 belongs to row i of `costs`, element 0 is above row 0.
    second_last, last = np.full((2, *batch, n + 1), np.inf)
    for k in range(n + m - 1):
        here = slice(max(0, k - m + 1) + 1, min(k, n - 1) + 2)
        above = slice(here.start - 1, here.stop - 1)
        cost = np.diagonal(mirrored, m - 1 - k, -2, -1)
        current = np.full_like(last, np.inf)
        if k == 0:
            current[..., here] = cost
        else:
            straight = np.minimum(last[..., above], last[..., here]) + cost
            current[..., here] = np.minimum(straight, second_last[..., above] + 2 * cost)
        second_last, last = last, current
    return last[..., n] / (n + m)
