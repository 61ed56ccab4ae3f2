"""Shapes of pitch movement that a musician would use, fitted to a track.

Each function takes times [n] in s, MIDI pitches [n] and weights [n]. It returns the pitch to which the shape is
relative, and the shape; None if no shape fits.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from vjax.candidates.patch.write import simplified

MOST_SEMITONES = 90.0  # by which one route moves the pitch, at most
_GLIDE_POWERS = (-8.0, -4.0, -2.0, 0.0)
_VIBRATO_HZ = (1.2, 12.0)
_LEAST_CYCLES, _LATEST_S = 2.5, 2.0
_MOST_POINTS, _TOLERANCE = 16, 0.2


class Glide(NamedTuple):
    """Starts `semitones_off` from its end and settles after `glide_s`, bent by `power` like an envelope's decay."""

    semitones_off: float
    glide_s: float
    power: float

    def semitones(self, time_s: np.ndarray) -> np.ndarray:
        """Returns semitones [n] at times after note-on."""
        return self.semitones_off * (1 - _bent(np.asarray(time_s, float) / self.glide_s, self.power))


class Steps(NamedTuple):
    """Jumps between pitches.

    Attributes:
      start_s: [n], when each step starts; the first is 0.
      semitones_each: [n], of each step.
      period_s: after which the steps repeat, or None.
      bpm: tempo at which the steps are sixteenths or their multiples; None if none fits.
    """

    start_s: tuple[float, ...]
    semitones_each: tuple[float, ...]
    period_s: float | None = None
    bpm: float | None = None

    def semitones(self, time_s: np.ndarray) -> np.ndarray:
        """Returns semitones [n] at times after note-on."""
        time_s = np.asarray(time_s, float)
        phase_s = time_s % self.period_s if self.period_s else time_s
        at = np.searchsorted(self.start_s, phase_s, side="right") - 1
        return np.asarray(self.semitones_each)[np.maximum(at, 0)]


class Vibrato(NamedTuple):
    """A sine of `rate_hz` that moves the pitch `depth` semitones up and down from `delay_s` on.

    Attributes:
      phase: in [0, 1), where it begins; 0 is the middle on the way up. After a delay it is 0 or 0.5, because the sine
        then starts from the middle.
    """

    rate_hz: float
    depth: float
    delay_s: float = 0.0
    phase: float = 0.0

    def semitones(self, time_s: np.ndarray) -> np.ndarray:
        """Returns semitones [n] at times after note-on."""
        run_s = np.asarray(time_s, float) - self.delay_s
        return np.where(run_s >= 0, self.depth * np.sin(2 * np.pi * (self.rate_hz * run_s + self.phase)), 0.0)


class DrawnCurve(NamedTuple):
    """Straight lines between at most 16 points. They repeat after `period_s` if that is not None."""

    point_s: tuple[float, ...]
    semitones_each: tuple[float, ...]
    period_s: float | None = None

    def semitones(self, time_s: np.ndarray) -> np.ndarray:
        """Returns semitones [n] at times after note-on."""
        time_s = np.asarray(time_s, float)
        return np.interp(time_s % self.period_s if self.period_s else time_s, self.point_s, self.semitones_each)


Shape = Glide | Steps | Vibrato | DrawnCurve


def glide_of(time_s: np.ndarray, midi: np.ndarray, weight: np.ndarray) -> tuple[float, Glide] | None:
    """Returns the glide, in the shape of an envelope's decay, that is nearest to a track."""
    best = (np.inf, 0.0, 0.0, 0.0, 0.0)
    for glide_s in np.geomspace(0.012, max(1.2 * time_s[-1], 0.02), 32):
        for power in _GLIDE_POWERS:
            share = 1 - _bent(time_s / glide_s, power)
            (end, off), error = _robust(np.stack([np.ones_like(share), share], 1), midi, weight)
            if error < best[0] and abs(off) < MOST_SEMITONES:
                best = (error, end, off, glide_s, power)

    def misses(knobs: np.ndarray) -> np.ndarray:
        end, off, log_s, power = knobs
        return np.sqrt(weight) * (midi - end - off * (1 - _bent(time_s / np.exp(log_s), power)))

    _, end, off, glide_s, power = best
    if not off:
        return None
    initial = np.array([end, off, np.log(glide_s), power])
    low = np.array([end - 12, -MOST_SEMITONES, np.log(0.008), -10.0])
    high = np.array([end + 12, MOST_SEMITONES, np.log(max(1.5 * time_s[-1], 0.03)), 1.0])
    end, off, log_s, power = least_squares(misses, np.clip(initial, low, high), bounds=(low, high), loss="soft_l1").x
    return float(end), Glide(float(off), float(np.exp(log_s)), float(power))


def vibrato_of(time_s: np.ndarray, midi: np.ndarray, weight: np.ndarray) -> tuple[float, Vibrato] | None:
    """Returns the delayed sine that is nearest to a track and runs for at least two and a half cycles."""
    best = (np.inf, 0.0, 0.0)
    length_s = time_s[-1]
    rates = np.geomspace(*_VIBRATO_HZ, 90)
    for delay_s in np.arange(0, np.clip(length_s, 0.05, _LATEST_S), 0.05):
        for rate_hz in rates[rates * (length_s - delay_s) >= _LEAST_CYCLES]:
            _, error = _robust(_waves(time_s, rate_hz, delay_s), midi, weight, rounds=1)
            if error < best[0]:
                best = (error, rate_hz, delay_s)
    if not best[1]:
        return None
    step = rates[1] / rates[0]
    trials = []
    for rate_hz in best[1] * step ** np.linspace(-1, 1, 9):
        for delay_s in np.maximum(best[2] + np.linspace(-0.05, 0.05, 11), 0):
            trials.append((_robust(_waves(time_s, rate_hz, delay_s), midi, weight), rate_hz, delay_s))
    (knobs, _), rate_hz, delay_s = min(trials, key=lambda one: one[0][1])

    def misses(knobs: np.ndarray) -> np.ndarray:
        return np.sqrt(weight) * (midi - _waves(time_s, knobs[3], delay_s) @ knobs[:3])

    middle, cosine, sine, rate_hz = least_squares(misses, [*knobs, rate_hz], loss="soft_l1", f_scale=0.1).x
    phase = np.arctan2(cosine, sine) / (2 * np.pi) % 1
    if delay_s * rate_hz < 0.5:
        delay_s, phase = 0.0, (phase - rate_hz * delay_s) % 1
    else:
        begins = round(2 * phase) / 2
        delay_s, phase = delay_s - (phase - begins) / rate_hz, begins % 1
    return float(middle), Vibrato(float(rate_hz), float(np.hypot(cosine, sine)), float(delay_s), float(phase))


def drawn_of(
    time_s: np.ndarray, midi: np.ndarray, weight: np.ndarray, period_s: float | None = None
) -> tuple[float, DrawnCurve]:
    """Returns a track, or one period of it, as lines between at most 16 points.

    The points are relative to the pitch that sounds longest.
    """
    reference = sounds_longest(midi, weight)
    curve = smoothed(midi - reference, 5)
    points = simplified(time_s, curve, _MOST_POINTS - 1, _TOLERANCE)
    point_s, each = [float(time_s[i]) for i in points], [float(curve[i]) for i in points]
    if point_s[0] > 0:
        point_s, each = [0.0, *point_s], [each[0], *each]
    return reference, DrawnCurve(tuple(point_s), tuple(each), period_s)


def sounds_longest(midi: np.ndarray, weight: np.ndarray) -> float:
    """Returns the pitch on which most of the weight agrees, within 0.25 semitones."""
    near = np.abs(midi[:, None] - midi) < 0.25
    middle = midi[int(np.argmax(near @ weight))]
    chosen = np.abs(midi - middle) < 0.25
    return float(np.average(midi[chosen], weights=weight[chosen]))


def smoothed(values: np.ndarray, width: int) -> np.ndarray:
    """Returns the running median of an odd width."""
    padded = np.pad(values, width // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, width), -1)


def _bent(share: np.ndarray, power: float) -> np.ndarray:
    """Computes Vital's `power_scale` in NumPy, of a share that is clipped to [0, 1]."""
    share = np.clip(share, 0, 1)
    return share if abs(power) < 0.01 else np.expm1(power * share) / np.expm1(power)


def _waves(time_s: np.ndarray, rate_hz: float, delay_s: float) -> np.ndarray:
    angle = 2 * np.pi * rate_hz * (time_s - delay_s)
    on = time_s >= delay_s
    return np.stack([np.ones_like(time_s), np.cos(angle) * on, np.sin(angle) * on], 1)


def _robust(basis: np.ndarray, values: np.ndarray, weight: np.ndarray, rounds: int = 3) -> tuple[np.ndarray, float]:
    """Returns (coefficients, weighted mean |residual|) of least squares, repeated with less weight for outliers."""
    found, miss = _solved(basis, values, weight)
    for _ in range(rounds - 1):
        found, miss = _solved(basis, values, weight / np.maximum(miss, 0.05))
    return found, float(np.average(miss, weights=weight))


def _solved(basis: np.ndarray, values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (coefficients, |residuals|) of weighted least squares."""
    weighted = basis * weight[:, None]
    normal = weighted.T @ basis + 1e-9 * np.eye(basis.shape[1])
    found = np.linalg.solve(normal, weighted.T @ values)
    return found, np.abs(values - basis @ found)
