"""Draws one period of a rhythm with few points: a sine, a triangle, a ramp, steps, or straight segments."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vjax.candidates.patch.write import simplified
from vjax.vital.lfo_shapes import shape_json, shape_values

MOST_POINTS = 16

# A frame of a spectrogram shows 25 ms: the mean weighted by the squared Hann window, here sampled at these times.
TAPS_S = np.linspace(-0.012, 0.012, 13)  # to the window's ends, because a gate shows there at -48 dB
TAP_WEIGHTS = np.cos(np.pi * TAPS_S / 0.025) ** 4 / np.sum(np.cos(np.pi * TAPS_S / 0.025) ** 4)

_RAMPS = {  # (from, to, bend)
    "Saw Up": (0, 1, 0),
    "Saw Down": (1, 0, 0),
    "Fall": (1, 0, -2),
    "Pluck": (1, 0, -4),
    "Snap": (1, 0, -12),
    "Hold and Fall": (1, 0, 4),
    "Swell": (0, 1, 4),
    "Duck": (0, 1, -4),
}
_UP_AND_DOWN = [(0, 0), (0.5, 1), (1, 0)]
_WAVES = {  # their phase is free
    "Sine": shape_json("Sine", _UP_AND_DOWN, smooth=True),
    "Triangle": shape_json("Triangle", _UP_AND_DOWN),
    **{name: shape_json(name, [(0, begin), (1, end)], bend) for name, (begin, end, bend) in _RAMPS.items()},
}

_GATE, _SEGMENTS = "Gate", "Segments"
_STEPPED = (_GATE, "Steps")
_STEPS = (2, 3, 4, 5, 6, 8, 12, 16)
_LEAST_STEP_S = 0.03  # a frame does not resolve shorter steps
_GRID = 16  # edges of a gate that are near a sixteenth of its period are moved onto it
_NEAR_S = 0.006  # how near, because the click of an edge blurs its time
_OFF_GRID = 0.3  # by which edges off that grid must lower the error
_PHASES = 64
_EDGE_S = 0.014  # a frame nearer to a corner shows both sides of it
_SAME = 0.04  # of the range: steps that differ by less are joined
_SEGMENT_POINTS = (4, 6, 9, MOST_POINTS)
_POINT = 0.03  # by which a point must lower the error, in the unit of `seen`
_SEGMENT = 1.3  # factor on the error of segments: steps and waves are easier to edit, and edges blur
_TABLE = 2048


class Cycle(NamedTuple):
    """One period of a rhythm.

    Attributes:
      shape: of the LFO, see `vjax.vital.lfo_shapes`.
      phase: in [0, 1), at note-on.
      low, high: the values that the shape's 0 and 1 stand for.
      error: mean |difference| between what frames show of it and the target.
      still: the same error of a constant.
    """

    shape: Mapping[str, Any]
    phase: float
    low: float
    high: float
    error: float = 0.0
    still: float = 0.0

    @property
    def waving(self) -> bool:
        """Whether it is a wave, not steps or segments."""
        return self.shape["name"] in _WAVES

    def values(self, time_s: np.ndarray, period_s: float) -> np.ndarray:
        """Returns values from `low` to `high` at any times after note-on."""
        at = (np.asarray(time_s) / period_s + self.phase) % 1
        return self.low + (self.high - self.low) * _table(self.shape)[(at * _TABLE).astype(int) % _TABLE]

    def shut(self) -> "Cycle":
        """Returns the cycle with a lowest value of 0. Higher steps keep their values; waves become deeper."""
        if self.shape["name"] not in _STEPPED:
            return self._replace(low=0.0)
        heights = 1 - np.asarray(self.shape["points"]).reshape(-1, 2)[:, 1]
        heights = np.where(heights > 0, (self.low + (self.high - self.low) * heights) / self.high, 0.0)
        return self._replace(shape=shape_json(self.shape["name"], _points(self.shape, heights)), low=0.0)


def cycle_of(
    time_s: np.ndarray,
    values: np.ndarray,
    weight: np.ndarray,
    period_s: float,
    seen: Callable[[np.ndarray], np.ndarray],
    target: np.ndarray,
) -> Cycle:
    """Returns the simplest shape that draws a curve of a given period: the least sum of error and cost of its points.

    Args:
      time_s: [t].
      values: [t] of the curve, its slow trend removed.
      weight: [t], how much each frame counts.
      seen: returns what frames show [t] of values [t, TAPS_S], in the target's unit, where 1 is just noticeable.
      target: [t], what the frames show.
    """

    def error_of(drawn: np.ndarray) -> float:
        return float((np.abs(seen(drawn) - target) * weight).sum() / weight.sum())

    taps_s = time_s[:, None] + TAPS_S
    still = error_of(np.full_like(taps_s, np.median(values[weight > 0])))
    found = []
    for cycle in _candidates(time_s, values, weight, period_s):
        error = error_of(cycle.values(taps_s, period_s))
        phases = np.asarray(cycle.shape["points"])[::2] * _GRID
        off_grid = cycle.shape["name"] == _GATE and np.abs(phases - phases.round()).max() > 1e-6
        cost = _POINT * len(phases) + _OFF_GRID * off_grid
        factor = _SEGMENT if cycle.shape["name"] == _SEGMENTS else 1.0
        found.append((factor * error + cost, cycle._replace(error=error, still=still)))
    return min(found, key=lambda one: one[0])[1]


def _candidates(time_s: np.ndarray, values: np.ndarray, weight: np.ndarray, period_s: float) -> Iterator[Cycle]:
    for shape in _WAVES.values():
        yield Cycle(shape, *_wave(shape, time_s, values, weight, period_s))
    phase = time_s / period_s % 1
    curve = _folded(phase, values, weight)
    for n in (n for n in _STEPS if period_s / n >= _LEAST_STEP_S):
        steps = _pieces(np.arange(n) / n, phase, values, weight, period_s, curve)
        if len(steps) > 1:
            yield from _drawn(_GATE if len({v for *_, v in steps}) == 2 else "Steps", _corners(steps))
    edges = _crossings(curve)
    if 2 <= len(edges) <= MOST_POINTS // 2:
        near = np.round(edges * _GRID) / _GRID
        near = np.unique(np.where(np.abs(near - edges) < _NEAR_S / period_s, near, edges) % 1)
        for chosen in (edges, near):
            yield from _drawn(_GATE, _corners(_two_levels(_pieces(chosen, phase, values, weight, period_s, curve))))
    x = np.concatenate([[0.0], (np.arange(_PHASES) + 0.5) / _PHASES, [1.0]])
    y = np.concatenate([curve[:1], curve, curve[-1:]])
    for most in _SEGMENT_POINTS:
        kept = simplified(x, y, most, _SAME * float(np.ptp(y)))
        yield from _drawn(_SEGMENTS, [(float(x[i]), float(y[i])) for i in kept])


def _drawn(name: str, points: Sequence[tuple[float, float]]) -> Iterator[Cycle]:
    heights = np.array([value for _, value in points])
    low, span = float(heights.min()), float(np.ptp(heights))
    if span > 0 and len(points) <= MOST_POINTS:
        yield Cycle(shape_json(name, [(x, (value - low) / span) for x, value in points]), 0.0, low, low + span)


def _wave(shape, time_s, values, weight, period_s) -> tuple[float, float, float]:
    """Returns (phase, low, high) by least squares on what frames show of the wave."""
    unit, share = _table(shape), weight / weight.sum()
    at = (time_s[:, None] + TAPS_S) / period_s

    def best(phases: np.ndarray) -> tuple[float, float, float]:
        waves = unit[((at + phases[:, None, None]) % 1 * _TABLE).astype(int) % _TABLE] @ TAP_WEIGHTS
        waves_mean, mean = waves @ share, values @ share
        centred = waves - waves_mean[:, None]
        spans = centred @ (share * (values - mean)) / np.maximum(centred**2 @ share, 1e-12)
        errors = (values - mean - spans[:, None] * centred) ** 2 @ share
        i = int(np.where(spans > 0, errors, np.inf).argmin())
        low = mean - spans[i] * waves_mean[i]
        return float(phases[i]), float(low), float(low + spans[i])

    phase = best(np.arange(_PHASES) / _PHASES)[0]
    return best((phase + np.linspace(-1, 1, 21) / _PHASES) % 1)


def _folded(phase: np.ndarray, values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Returns one period [_PHASES]: at each phase the median of the nearest frames."""
    centres = (np.arange(_PHASES) + 0.5) / _PHASES
    off = np.abs((phase - centres[:, None] + 0.5) % 1 - 0.5) + (weight <= 0)
    nearest = np.argsort(off, 1)[:, :5]
    return np.median(values[nearest], 1)


def _pieces(edges, phase, values, weight, period_s, curve) -> list[tuple[float, float, float]]:
    """Returns the (begin, end, value) of pieces between edges in [0, 1). Neighbours of equal value are joined."""
    bounds = sorted({0.0, *edges.tolist(), 1.0})
    margin = _EDGE_S / period_s
    steps: list[tuple[float, float, float]] = []
    wrap = bool(len(edges)) and edges[0] > 0  # the last piece continues in the first
    for begin, end in itertools.pairwise(bounds):
        low = edges[-1] - 1 if wrap and begin == 0 else begin
        high = 1 + edges[0] if wrap and end == 1 else end
        position = (phase - low) % 1
        inner = (weight > 0) & (position >= margin) & (position <= high - low - margin)
        middle = int(((low + high) / 2 % 1) * _PHASES) % _PHASES
        steps.append((begin, end, float(np.median(values[inner])) if inner.sum() > 1 else float(curve[middle])))
    same = _SAME * np.ptp([value for *_, value in steps])
    joined = steps[:1]
    for begin, end, value in steps[1:]:
        before = joined[-1]
        if abs(value - before[2]) <= same:
            share = (end - begin) / (end - before[0])
            joined[-1] = (before[0], end, share * value + (1 - share) * before[2])
        else:
            joined.append((begin, end, value))
    return joined


def _two_levels(steps: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Returns the steps with one level for all high steps and one for all low steps."""
    heights = np.array([value for *_, value in steps])
    above = heights > (heights.max() + heights.min()) / 2
    levels = (float(np.median(heights[~above])) if (~above).any() else 0.0, float(np.median(heights[above])))
    return [(begin, end, levels[int(up)]) for (begin, end, _), up in zip(steps, above, strict=True)]


def _corners(steps: list[tuple[float, float, float]]) -> list[tuple[float, float]]:
    return [point for begin, end, value in steps for point in ((begin, value), (end, value))]


def _crossings(curve: np.ndarray) -> np.ndarray:
    """Returns phases in [0, 1), in ascending order, where a period [_PHASES] crosses the middle of its range."""
    above = curve - (np.percentile(curve, 5) + np.percentile(curve, 95)) / 2
    following = np.roll(above, -1)
    at = np.flatnonzero((above > 0) != (following > 0))
    share = above[at] / (above[at] - following[at])
    return np.sort((at + 0.5 + share) / _PHASES % 1)


def _points(shape: Mapping[str, Any], heights: np.ndarray) -> list[tuple[float, float]]:
    return list(zip(shape["points"][::2], heights.tolist(), strict=True))


def _table(shape: Mapping[str, Any]) -> np.ndarray:
    """Returns [_TABLE] values of one period."""
    return shape_values(shape, _TABLE + 1)[:-1]
