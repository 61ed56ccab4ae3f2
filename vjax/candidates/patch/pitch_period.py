"""Finds the time after which a pitch track repeats, and the track of one such period."""

import numpy as np

from vjax.candidates.patch.pitch_shapes import sounds_longest

_SHORTEST_S = 0.06
_LEAST_REPEATS = 1.8
_SAME = 0.5  # semitones
_LEAST_SHARE, _LEAST_RISE = 0.65, 0.3  # share of the sound that repeats; how much more than at some shorter lag
_AS_GOOD = 0.9  # of the best share


def period_of(time_s: np.ndarray, midi: np.ndarray, weight: np.ndarray) -> float | None:
    """Returns the shortest time in s after which a track [n] on an even grid repeats; None if there is none.

    The track must contain at least 1.8 periods.

    Args:
      weight: [n], 0 where there is no pitch.
    """
    sounding = np.flatnonzero(weight > 0)
    midi, weight = midi[: sounding[-1] + 1], weight[: sounding[-1] + 1]
    step_s = float(time_s[1] - time_s[0])
    n = len(midi)
    lags = np.arange(1, int(n / _LEAST_REPEATS))

    def share(lag: int) -> float:
        both = np.minimum(weight[lag:], weight[:-lag])
        return float((both * (np.abs(midi[lag:] - midi[:-lag]) < _SAME)).sum() / max(both.sum(), 1e-9))

    shares = np.array([share(lag) for lag in lags.tolist()])
    least = np.minimum.accumulate(shares) if len(shares) else shares
    allowed = (lags * step_s >= _SHORTEST_S) & (shares >= _LEAST_SHARE) & (shares >= least + _LEAST_RISE)
    if not allowed.any():
        return None
    good = allowed & (shares >= _AS_GOOD * shares[allowed].max())
    first = int(np.flatnonzero(good)[0])
    end = first + max(int(0.1 * first), 3)
    best = lags[first + int(np.argmax(shares[first : end + 1]))]
    # The multiples of a period give it more precisely than the grid.
    times = np.arange(1, max(int((n - 8) / (best + 2)), 1) + 1)
    fine = best + np.linspace(-1.5, 1.5, 61)
    agreement = np.array([np.mean([share(round(k * lag)) for k in times if round(k * lag) < n - 4]) for lag in fine])
    return float(fine[agreement >= agreement.max() - 1e-9].mean() * step_s)


def folded(time_s: np.ndarray, midi: np.ndarray, weight: np.ndarray, period_s: float) -> np.ndarray:
    """Returns the pitch [m] on which most periods agree, from note-on in steps of the grid; NaN where none sounds."""
    step_s = float(time_s[1] - time_s[0])
    m = max(round(period_s / step_s), 1)
    bins = np.round((time_s % period_s) / period_s * m).astype(int) % m
    found = np.full(m, np.nan)
    for at in range(m):
        chosen = (bins == at) & (weight > 0)
        if chosen.any():
            found[at] = sounds_longest(midi[chosen], weight[chosen])
    return found
