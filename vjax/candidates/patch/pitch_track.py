"""Tracks the pitch of a sound every 4 ms, which is fine enough for kicks, zaps, arpeggios and vibrato.

Two neighbouring periods are compared at every lag. The windows are as long as the lag. (Praat's windows are three
periods of the lowest pitch.) So a step of 30 ms is tracked as well as a tail at 30 Hz. The second window may be
stretched relative to the first, because the pitch of a kick falls by a third of an octave within a period. The
normalisation by the mean over shorter lags is that of YIN (de Cheveigne and Kawahara, 2002).
"""

from typing import NamedTuple

import numpy as np

from vjax.audio.channels import to_mono

STEP_S = 0.004
LOWEST_HZ, HIGHEST_HZ = 22.0, 2500.0

_AN_OCTAVE = 24  # lags per octave
_HARMONICS = 6  # that a comparison includes: more of them would need more lags
_LEAST_WINDOW_S = 0.006  # shorter windows look periodic by chance
_POINTS = 48  # of a window, at which it is compared
_SLOPES = (-0.4, -0.2, -0.08, 0.08, 0.2)  # octaves per window, besides 0
_SURE = 0.95  # strength from which on no slope is tried
_SLOPE_COST = 0.02
_CANDIDATES = 6
_OCTAVE_COST = 0.03  # twice the period fits as well, so the shorter period is preferred
_JUMP_COST = 0.25  # per octave from a frame to the next
_LEAST_STRENGTH = 0.55
_QUIET_DB = -55.0


class Track(NamedTuple):
    """The pitch over time.

    Attributes:
      time_s: [n], every 4 ms.
      midi: [n], NaN where there is no pitch.
      strength: [n] in [0, 1]: how periodic the sound is; 0 where there is no pitch.
      amplitude: [n], RMS relative to the loudest frame.
    """

    time_s: np.ndarray
    midi: np.ndarray
    strength: np.ndarray
    amplitude: np.ndarray


def pitch_track(audio: np.ndarray, sample_rate: int) -> Track:
    """Returns the pitch track of a sound [channels, samples] or [samples] between 22 and 2500 Hz."""
    mono = to_mono(np.atleast_2d(np.asarray(audio, float)))
    time_s = np.arange(STEP_S, max(len(mono) / sample_rate, 2 * STEP_S), STEP_S)
    amplitude = _amplitude(mono, sample_rate, time_s)
    loud = amplitude > 10 ** (_QUIET_DB / 20)
    midi, strength = np.full(len(time_s), np.nan), np.zeros(len(time_s))
    if loud.any() and np.abs(mono).max() > 0:
        midi[loud], strength[loud] = _followed(mono, sample_rate, time_s[loud])
    return Track(time_s, midi, strength, amplitude)


def _amplitude(mono: np.ndarray, sample_rate: int, time_s: np.ndarray) -> np.ndarray:
    half = round(2.5 * STEP_S * sample_rate)
    sums = np.concatenate([[0], np.cumsum(np.pad(mono, half) ** 2)])
    at = np.minimum(np.round(time_s * sample_rate).astype(int), len(mono) - 1)
    rms = np.sqrt(np.maximum(sums[at + 2 * half] - sums[at], 0))
    return rms / max(rms.max(), 1e-12)


def _followed(mono: np.ndarray, sample_rate: int, time_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (midi [n], strength [n]) of the best path through the candidate lags of each frame."""
    lags_s, bands = _lags(), {}
    for octave in range(int(np.ceil(np.log2(2 * HIGHEST_HZ / LOWEST_HZ)))):
        bands[octave] = _low_passed(mono, sample_rate, _HARMONICS * 2 * HIGHEST_HZ / 2**octave)

    def differences(frames: np.ndarray, slope: float) -> np.ndarray:
        found = [
            _difference(bands[i // _AN_OCTAVE], sample_rate, time_s[frames], lag_s, slope)
            for i, lag_s in enumerate(lags_s)
        ]
        return np.stack(found, 1)

    difference = differences(np.arange(len(time_s)), 0.0)
    shorter = np.cumsum(difference * lags_s, 1) / np.cumsum(
        lags_s
    )  # the mean over lags, which are spaced evenly in log
    best = difference / np.maximum(shorter, 1e-6)
    allowed = lags_s >= 1 / HIGHEST_HZ
    unsure = np.flatnonzero((1 - best[:, allowed]).max(1) < _SURE)
    for slope in _SLOPES if len(unsure) else ():
        sloped = differences(unsure, slope) / np.maximum(shorter[unsure], 1e-6) + _SLOPE_COST
        best[unsure] = np.minimum(best[unsure], sloped)
    position, strength = _candidates(1 - best, allowed)
    return _path(position, strength, lags_s)


def _lags() -> np.ndarray:
    octaves = np.log2(2 * HIGHEST_HZ / LOWEST_HZ)
    return 2.0 ** (np.arange(int(octaves * _AN_OCTAVE)) / _AN_OCTAVE) / (2 * HIGHEST_HZ)


def _low_passed(mono: np.ndarray, sample_rate: int, cutoff_hz: float) -> np.ndarray:
    size = len(mono) + int(0.1 * sample_rate)
    hz = np.fft.rfftfreq(size, 1 / sample_rate)
    return np.fft.irfft(np.fft.rfft(mono, size) / (1 + (hz / cutoff_hz) ** 8), size)[: len(mono)]


def _difference(signal: np.ndarray, sample_rate: int, time_s: np.ndarray, lag_s: float, slope: float) -> np.ndarray:
    """Returns [n]: 1 - normalised correlation of the windows before and after each time, one period apart in phase.

    It is 1 where a window is not inside the signal.

    Args:
      slope: octaves by which the pitch rises in a window.
    """
    width = max(1.0, _LEAST_WINDOW_S / lag_s)  # periods
    phase = np.linspace(-width / 2, width / 2, _POINTS)
    rise = slope / width * np.log(2)  # of the logarithm of the frequency, per period

    def seconds(phase: np.ndarray) -> np.ndarray:
        return lag_s * (np.log1p(np.maximum(rise * phase, -0.95)) / rise if rise else phase)

    first, second = seconds(phase - 0.5), seconds(phase + 0.5)
    inside = (time_s + first[0] >= 0) & (time_s + second[-1] < (len(signal) - 2) / sample_rate)
    found = np.ones(len(time_s))
    if inside.any():
        a, b = (_at(signal, (time_s[inside, None] + offset) * sample_rate) for offset in (first, second))
        energy = np.sqrt((a**2).sum(1) * (b**2).sum(1))
        found[inside] = 1 - (a * b).sum(1) / np.maximum(energy, 1e-20)
    return found


def _at(signal: np.ndarray, index: np.ndarray) -> np.ndarray:
    whole = index.astype(int)
    share = index - whole
    return (1 - share) * signal[whole] + share * signal[whole + 1]


def _candidates(strength: np.ndarray, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (position [n, k], strength [n, k]) of the highest peaks of each frame.

    The position is the index of the lag, with a fraction. The strength is -inf if a frame has fewer peaks.
    """
    peaks = np.zeros(strength.shape, bool)
    peaks[:, 1:-1] = (strength[:, 1:-1] > strength[:, :-2]) & (strength[:, 1:-1] >= strength[:, 2:])
    cost = _OCTAVE_COST * np.arange(strength.shape[1]) / _AN_OCTAVE
    ranked = np.where(peaks & allowed, strength - cost, -np.inf)
    chosen = np.argsort(-ranked, 1)[:, :_CANDIDATES]
    frames = np.arange(len(strength))[:, None]
    middle = np.clip(chosen, 1, strength.shape[1] - 2)
    before, here, after = (strength[frames, middle + step] for step in (-1, 0, 1))
    bend = np.minimum(before - 2 * here + after, -1e-9)
    offset = np.clip(0.5 * (before - after) / bend, -0.5, 0.5)
    value = here - 0.25 * (before - after) * offset
    return middle + offset, np.where(np.isfinite(ranked[frames, chosen]), value, -np.inf)


def _path(position: np.ndarray, strength: np.ndarray, lags_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (midi [n], strength [n]) of the path with high strength and few jumps (Viterbi).

    Frames where its strength is low have no pitch.
    """
    n, k = position.shape
    own = np.where(np.isfinite(strength), strength - _OCTAVE_COST * position / _AN_OCTAVE, -1.0)
    total, back = own[0], np.zeros((n, k), int)
    for i in range(1, n):
        jumps = np.abs(position[i][:, None] - position[i - 1]) / _AN_OCTAVE
        scores = total - _JUMP_COST * np.minimum(jumps, 2)
        back[i] = scores.argmax(1)
        total = scores.max(1) + own[i]
    at = np.zeros(n, int)
    at[-1] = total.argmax()
    for i in range(n - 1, 0, -1):
        at[i - 1] = back[i][at[i]]
    frames = np.arange(n)
    chosen, value = position[frames, at], strength[frames, at]
    hz = 2 * HIGHEST_HZ / 2 ** (chosen / _AN_OCTAVE)
    pitched = value >= _LEAST_STRENGTH
    midi = np.where(pitched, 69 + 12 * np.log2(hz / 440), np.nan)
    return midi, np.where(pitched, np.clip(value, 0, 1), 0.0)
