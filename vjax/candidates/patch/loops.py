"""Finds the period of a curve that repeats, as rhythms, gates and tremolos do."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

LEAST_CYCLES = 2.5
"""Periods that a curve must contain to be a loop. Fewer may be one slow movement."""

_SHORTEST_S = 0.03
_STEP = 1.01  # ratio of a lag to the previous one
_FEW = 16  # frames: fewer are too few
_LEAST_EXPLAINED = 0.6
_AS_GOOD = 0.06  # a shorter period is preferred if it explains less by at most this
_DIP = 0.3  # some lag shorter than the period must explain less by this
_CONTINUES = 0.2  # share of the variation that the second half must have; an attack and a decay are over by then
_LEAST_SCALE = 0.1  # from one cycle to a later one: at half a period the curve may be mirrored


Follow = Callable[[np.ndarray], np.ndarray]
"""Returns a curve at any times; NaN where it is unknown."""


class Loop(NamedTuple):
    """A period in seconds, and the share in [0, 1] of a curve's variation that a repetition explains."""

    period_s: float
    explained: float


def period_of(time_s: np.ndarray, curve: np.ndarray, least: float = 0.02) -> Loop | None:
    """Returns the period of a curve [t], or None if it does not repeat.

    Each lag is rated by how well the curve predicts itself one lag later. The prediction has a free scale and offset,
    which change linearly over time. So a decay or a swell under the rhythm does not matter, added or multiplied. Among
    lags that explain nearly as much, the shortest is chosen. Periods range from 30 ms to the length divided by
    `LEAST_CYCLES`.

    Args:
      time_s: [t], ascending.
      curve: [t], NaN where it is unknown.
      least: root mean square of the variation around a slow trend, in the curve's unit; less is not a rhythm.
    """
    finite = np.isfinite(curve)
    if finite.sum() < _FEW:
        return None
    time_s, curve = np.asarray(time_s, float)[finite], np.asarray(curve, float)[finite]
    length_s = time_s[-1] - time_s[0]
    spline = CubicSpline(time_s, curve)
    gap_s = 0.6 * np.diff(time_s).max() if finite.all() else 1.5 * np.median(np.diff(time_s))

    def follow(at_s: np.ndarray) -> np.ndarray:
        after = np.clip(np.searchsorted(time_s, at_s), 1, len(time_s) - 1)
        off_s = np.minimum(np.abs(at_s - time_s[after - 1]), np.abs(time_s[after] - at_s))
        return np.where(off_s <= gap_s, spline(at_s), np.nan)

    grid_s = np.linspace(time_s[0], time_s[-1], max(int(length_s / 0.005), 2 * len(time_s)))
    longest_s = length_s / LEAST_CYCLES * _STEP  # slightly more, because curves begin and end between frames
    lags_s = _SHORTEST_S * _STEP ** np.arange(np.log(1.15 * longest_s / _SHORTEST_S) / np.log(_STEP))
    whole, second = _variation(grid_s, follow(grid_s)), _variation(*_second_half(grid_s, follow))
    if len(lags_s) < 3 or second < max(least, _CONTINUES * whole):
        return None
    explained = np.array([_explained(grid_s, follow, lag_s) for lag_s in lags_s])
    inner = np.arange(1, len(lags_s) - 1)
    peak = (explained[inner] >= explained[inner - 1]) & (explained[inner] >= explained[inner + 1])
    dips = np.minimum.accumulate(explained)[inner] <= explained[inner] - _DIP
    found = inner[peak & dips & (explained[inner] >= _LEAST_EXPLAINED) & (lags_s[inner] <= longest_s)]
    if not len(found):
        return None
    best = found[explained[found] >= explained[found].max() - _AS_GOOD][0]
    return Loop(_refined(grid_s, follow, float(lags_s[best])), float(explained[best]))


def _refined(time_s: np.ndarray, follow: Follow, period_s: float) -> float:
    """Refines the period with ever longer lags: an error of its n-th multiple becomes n times smaller."""
    n = 1
    while n * period_s <= 0.6 * (time_s[-1] - time_s[0]):
        lags_s = n * period_s + period_s * np.linspace(-0.04, 0.04, 41)
        explained = [_explained(time_s, follow, lag_s) for lag_s in lags_s]
        if max(explained) < _LEAST_EXPLAINED:
            break
        period_s = float(lags_s[np.argmax(explained)]) / n
        n *= 2
    return period_s


def _second_half(time_s: np.ndarray, follow: Follow) -> tuple[np.ndarray, np.ndarray]:
    later_s = time_s[len(time_s) // 2 :]
    return later_s, follow(later_s)


def _explained(time_s: np.ndarray, follow: Follow, lag_s: float) -> float:
    """Returns the share of the curve's variation around a parabola that the curve `lag_s` earlier explains."""
    earlier_s = time_s[time_s <= time_s[-1] - lag_s]
    earlier, later = follow(earlier_s), follow(earlier_s + lag_s)
    position = np.linspace(-1, 1, len(earlier))
    both = np.isfinite(earlier) & np.isfinite(later)
    if both.sum() < _FEW:
        return 0.0
    earlier_s, earlier, later, position = earlier_s[both], earlier[both], later[both], position[both]
    basis = np.stack([earlier, position * earlier, np.ones_like(position), position], 1)
    weights = np.linalg.lstsq(basis, later, rcond=None)[0]
    if weights[0] < _LEAST_SCALE:
        return 0.0
    variation = _variation(earlier_s, later)
    return 1 - float(np.mean((later - basis @ weights) ** 2)) / max(variation**2, 1e-12)


def _variation(time_s: np.ndarray, curve: np.ndarray) -> float:
    """Returns the root mean square deviation from a parabola."""
    finite = np.isfinite(curve)
    if finite.sum() < _FEW:
        return 0.0
    position, curve = (time_s[finite] - time_s.mean()) / np.ptp(time_s), curve[finite]
    return float(np.sqrt(np.mean((curve - np.polyval(np.polyfit(position, curve, 2), position)) ** 2)))
