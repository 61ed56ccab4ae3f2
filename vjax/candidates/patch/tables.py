"""Wavetables in closed form: how strong each harmonic is, given how the filter and the gain change over time.

The power of a line is P(t) = S G(t) e, where G is the power gain of filter and level and e is exponential noise. The
most likely S is the mean of P / G. Where G is small, P is noise from elsewhere. So each moment is weighted by G:
S = sum P / sum G.
"""

from collections.abc import Callable

import numpy as np

from vjax.candidates.resynthesis.fit_table import filled_upwards, n_lines
from vjax.vital.wavetables import FRAME

Moved = Callable[[np.ndarray], np.ndarray]

_WINDOW = 4096
_HOP = 1024
_LEAST_GAIN = 1e-4  # of the highest gain: below it, a line would be estimated from noise
_MOST_BOOST = 1e4  # of a line's power relative to the highest gain of all lines: more would be inaudible noise
_ROUNDS = 30


def line_powers(
    audio: np.ndarray, sample_rate: int, frequency_hz: float, moved: Moved
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (times [t] in s, powers [t, n]) of the harmonics of a pitch in a sound [samples].

    Args:
      moved: maps times [t] to the semitones by which the pitch differs from `frequency_hz`.
    """
    n = n_lines(frequency_hz, sample_rate)
    window_size = _WINDOW if frequency_hz > 25 else 2 * _WINDOW
    window = np.hanning(window_size)
    padded = np.pad(audio, (window_size // 2, window_size))
    starts = np.arange(0, len(audio), _HOP)
    power = np.abs(np.fft.rfft(np.stack([padded[at : at + window_size] for at in starts]) * window)) ** 2
    sums = np.concatenate([np.zeros((len(power), 1)), np.cumsum(power, 1)], 1)
    time_s = starts / sample_rate
    edge_hz = (np.arange(1, n + 2) - 0.5) * frequency_hz * 2 ** (moved(time_s)[:, None] / 12)
    edges = np.minimum(np.ceil(edge_hz * window_size / sample_rate).astype(int), power.shape[1])
    lines = np.maximum(np.diff(np.take_along_axis(sums, edges, 1)), 0)
    return time_s, lines / (window_size * (window**2).sum() / 4)


def solve(powers: np.ndarray, gains: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Returns the powers [frames, n] of the lines of each cycle.

    Args:
      powers: [t, n], of the sound.
      gains: [t, n], power gains of filter and level.
      shares: [t, frames], of the cycles at each time.
    """
    gains = np.where(gains >= _LEAST_GAIN * gains.max(0), gains, 0)
    spectra = np.broadcast_to(
        powers.sum(0) / np.maximum(gains.sum(0), 1e-20), (shares.shape[1], powers.shape[1])
    ).copy()
    most = _MOST_BOOST * powers.max(0) / np.maximum(gains.max(), 1e-20)
    if shares.shape[1] == 1:
        return np.minimum(spectra, most)
    # Multiplicative steps that minimise the Kullback-Leibler divergence of NMF with fixed activations (Lee and Seung).
    weight = np.einsum("tk,tn->kn", shares, gains)
    for _ in range(_ROUNDS):
        model = (shares @ spectra) * gains
        ratio = np.where(gains > 0, powers / np.maximum(model, 1e-20), 0)
        spectra *= np.einsum("tk,tn->kn", shares, gains * ratio) / np.maximum(weight, 1e-20)
    return np.minimum(spectra, most)


def cycles(powers: np.ndarray, seed: int = 0) -> np.ndarray:
    """Returns cycles [frames, 2048] float32 whose harmonics from 1 up have powers [frames, n] and random phases."""
    n = powers.shape[1]
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, FRAME // 2 - 1)
    spectra = np.zeros((len(powers), FRAME // 2 + 1), complex)
    spectra[:, 1 : n + 1] = np.sqrt(powers) * np.exp(1j * phase[:n])
    table = np.fft.irfft(spectra, FRAME).astype(np.float32) * (FRAME / 2)
    return filled_upwards(table, n, phase)


def with_correction(powers: np.ndarray, frequency_hz: float, band_hz: np.ndarray, step_db: np.ndarray) -> np.ndarray:
    """Returns powers [frames, n] changed by `step_db` [frames, bands], interpolated between the bands' centres."""
    line = np.log2((np.arange(powers.shape[1]) + 1) * frequency_hz)
    steps = np.stack([np.interp(line, np.log2(band_hz), step) for step in step_db])
    return powers * 10 ** (steps / 10)
