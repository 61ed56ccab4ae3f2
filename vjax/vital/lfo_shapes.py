"""LFO shapes, and the catalog for the `lfo_N_shape` choices.

A shape is the JSON object of a preset's `lfos` array: `num_points`, `points` (x0, y0, x1, y1 ... in [0, 1], where y = 0
is the top, value 1), `powers` (the bend of each segment) and `smooth`.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

RESOLUTION = 512
"""Number of samples of a cycle at which shapes are compared."""


def shape_json(name: str, points: Sequence[tuple[float, float]], bend: float = 0.0, smooth: bool = False) -> dict:
    """A shape through `points` (phase, value), both in [0, 1], phases rising from 0 to 1.

    `bend` is Vital's power of every segment: 0 straight, positive starts slowly, negative fast.
    """
    return {
        "name": name,
        "num_points": len(points),
        "points": [float(number) for phase, value in points for number in (phase, 1 - value)],
        "powers": [float(bend)] * len(points),
        "smooth": smooth,
    }


def shape_values(shape: Mapping[str, Any], n: int = RESOLUTION) -> np.ndarray:
    """[n] float64 values in [0, 1] over one cycle, as Vital draws them.

    Between two points, t is the share of the way. A half cosine eases t if the shape is `smooth`. Then t is bent by
    (exp(p t) - 1) / (exp(p) - 1) with the first point's power p (Vital's source, line_generator.cpp and futils.h).
    """
    count = int(shape["num_points"])
    x, y = np.asarray(shape["points"], float)[: 2 * count].reshape(-1, 2).T
    phase = np.linspace(0, 1, n)
    segment = np.clip(np.searchsorted(x, phase, side="right") - 1, 0, count - 2)
    width = x[segment + 1] - x[segment]
    t = np.clip(np.where(width > 0, (phase - x[segment]) / np.where(width > 0, width, 1), 1.0), 0, 1)
    if shape.get("smooth"):
        t = 0.5 - 0.5 * np.cos(np.pi * t)
    power = np.asarray(shape["powers"], float)[segment]
    bent = np.abs(power) >= 0.01  # below it Vital draws a straight line
    safe = np.where(bent, np.clip(power, -80, 80), 1.0)
    t = np.where(bent, np.expm1(safe * t) / np.expm1(safe), t)
    return 1 - (y[segment] + t * (y[segment + 1] - y[segment]))


def shape_key(shape: Mapping[str, Any]) -> str:
    """A shape's identity: a hash of its curve, without its name (which stays "Triangle" after editing)."""
    count = int(shape["num_points"])
    drawn = {  # in float32, as Vital saves it
        "points": np.float32(shape["points"][: 2 * count]).tolist(),
        "powers": np.float32(shape["powers"][: count - 1]).tolist(),  # the last point has no segment
        "smooth": bool(shape.get("smooth")),
    }
    return hashlib.sha256(json.dumps(drawn, sort_keys=True).encode()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class LfoShapeCatalog:
    """An ordered set of LFO shapes; a choice is an index into `shapes`. Entry 0 is the init patch's triangle."""

    shapes: tuple[dict[str, Any], ...]

    def __len__(self) -> int:
        return len(self.shapes)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(str(shape.get("name", "")) for shape in self.shapes)

    @functools.cached_property
    def _positions(self) -> dict[str, int]:
        return {shape_key(shape): i for i, shape in reversed(list(enumerate(self.shapes)))}

    @functools.cached_property
    def _curves(self) -> np.ndarray:
        return np.stack([shape_values(shape) for shape in self.shapes])

    def find(self, shape: Mapping[str, Any]) -> int | None:
        """The index of the entry with the same curve, or None."""
        return self._positions.get(shape_key(shape))

    def nearest(self, shape: Mapping[str, Any]) -> tuple[int, float]:
        """(index of the entry with the least mean |difference| over a cycle, that difference in [0, 1])."""
        distances = np.abs(self._curves - shape_values(shape)).mean(1)
        best = int(distances.argmin())
        return best, float(distances[best])

    def first(self, n: int) -> "LfoShapeCatalog":
        """The first `n` entries."""
        return LfoShapeCatalog(self.shapes[:n])

    def extended(self, shapes: Iterable[Mapping[str, Any]], threshold: float = 0.0) -> "LfoShapeCatalog":
        """This catalog with the shapes that it does not contain yet, in the order given.

        With a `threshold`, a shape whose mean |difference| to an entry is at most that is not added.
        """
        grown = self
        for shape in shapes:
            if grown.find(shape) is None and grown.nearest(shape)[1] > threshold:
                grown = LfoShapeCatalog((*grown.shapes, dict(shape)))
        return grown


@functools.cache
def standard_shapes() -> LfoShapeCatalog:
    """The init triangle and the usual LFO shapes of hardware synthesizers, computed here."""

    def steps(*values: float) -> list[tuple[float, float]]:
        n = len(values)
        return [point for i, v in enumerate(values) for point in ((i / n, v), ((i + 1) / n, v))]

    def gates(pattern: str) -> list[tuple[float, float]]:
        return steps(*(float(mark == "x") for mark in pattern))

    # NumPy guarantees the stream of raw bits.
    random = (np.random.PCG64(1).random_raw(16) >> np.uint64(11)) / 2.0**53
    shapes = [
        shape_json("Triangle", [(0, 0), (0.5, 1), (1, 0)]),
        shape_json("Sine", [(0, 0), (0.5, 1), (1, 0)], smooth=True),
        shape_json("Saw Up", [(0, 0), (1, 1)]),
        shape_json("Saw Down", [(0, 1), (1, 0)]),
        shape_json("Square", steps(1, 0)),
        shape_json("Square Late", steps(0, 1)),
        shape_json("Pulse 25", gates("x...")),
        shape_json("Pulse 75", gates("xxx.")),
        shape_json("Pluck", [(0, 1), (1, 0)], bend=-4),
        shape_json("Snap", [(0, 1), (1, 0)], bend=-12),
        shape_json("Hold and Fall", [(0, 1), (1, 0)], bend=4),
        shape_json("Swell", [(0, 0), (1, 1)], bend=4),
        shape_json("Duck", [(0, 0), (1, 1)], bend=-4),
        shape_json("Ease Up", [(0, 0), (1, 1)], smooth=True),
        shape_json("Ease Down", [(0, 1), (1, 0)], smooth=True),
        shape_json("Attack Decay", [(0, 0), (0.1, 1), (1, 0)], bend=-3),
        shape_json("Trapezoid", [(0, 0), (0.125, 1), (0.5, 1), (0.625, 0), (1, 0)]),
        shape_json("Twice Triangle", [(0, 0), (0.25, 1), (0.5, 0), (0.75, 1), (1, 0)]),
        shape_json("Twice Down", [(0, 1), (0.5, 0), (0.5, 1), (1, 0)]),
        shape_json("Four Down", [(x, v) for i in range(4) for x, v in ((i / 4, 1), ((i + 1) / 4, 0))]),
        shape_json("Stairs Up 4", steps(0, 1 / 3, 2 / 3, 1)),
        shape_json("Stairs Down 4", steps(1, 2 / 3, 1 / 3, 0)),
        shape_json("Stairs Up 8", steps(*np.linspace(0, 1, 8))),
        shape_json("Gate 4", gates("x.x.x.x.")),
        shape_json("Gate 8", gates("x.x.x.x.x.x.x.x.")),
        shape_json("Gate 3-3-2", gates("x..x..x.")),
        shape_json("Steps 8", steps(*random[:8])),
        shape_json("Steps 16", steps(*random)),
        shape_json("Wander 8", [(i / 8, random[i % 8]) for i in range(9)], smooth=True),
        shape_json("Full", [(0, 1), (1, 1)]),
    ]
    return LfoShapeCatalog(tuple(shapes))
