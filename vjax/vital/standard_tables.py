"""Wavetables computed from formulas: the engine's init saw and the usual shapes of synthesizers."""

import functools

import numpy as np

from vjax.vital.wavetables import FRAME, WavetableCatalog, table_json


@functools.cache
def standard_catalog() -> WavetableCatalog:
    """The engine's init saw and 23 tables computed here: single cycles, then tables of several cycles."""
    phase = np.arange(FRAME) / FRAME
    single = {
        "Sine": _harmonics([1.0]),
        "Triangle": 1 - 4 * np.abs(phase - 0.5),
        "Square": _pulse(phase, 0.5),
        "Pulse 25": _pulse(phase, 0.25),
        "Pulse 10": _pulse(phase, 0.1),
        "Half Sine": np.abs(np.sin(np.pi * phase)),
        "Organ": _harmonics([1, 0.8, 0.6, 0.5, 0, 0.3, 0, 0.4]),
        "Odd": _harmonics([1, 0, 0.5, 0, 0.35, 0, 0.25, 0, 0.2]),
        "Bell": _harmonics([1, 0, 0, 0.6, 0, 0, 0, 0, 0.5, 0, 0, 0, 0, 0, 0.3]),
        "Fifth": _harmonics([0, 1, 0.7, 0.4, 0, 0.4, 0, 0.2]),
    }
    saw = 1 - 2 * phase
    # Shifted by half a cycle, in float32: equals the engine's table bit for bit, so that users' init tables are found.
    init = np.roll(1 - np.arange(FRAME, dtype=np.float32) * np.float32(2 / (FRAME - 1)), FRAME // 2)
    moving = {
        "Sine to Saw": [_harmonics(1 / np.arange(1, n + 1)) for n in (1, 2, 4, 10, 100)],
        "Saw to Square": [(1 - mix) * saw + mix * _pulse(phase, 0.5) for mix in np.linspace(0, 1, 5)],
        "Sine to Square": [_harmonics((np.arange(1, n + 1) % 2) / np.arange(1, n + 1)) for n in (1, 3, 7, 15, 99)],
        "Pulse Width": [_pulse(phase, width) for width in np.linspace(0.5, 0.05, 6)],
        "Sync Saw": [1 - 2 * np.mod(ratio * phase, 1) for ratio in np.linspace(1, 4, 7)],
        "Sync Sine": [np.sin(2 * np.pi * np.mod(ratio * phase, 1)) for ratio in np.linspace(1, 4, 7)],
        "FM 1:1": [np.sin(2 * np.pi * phase + index * np.sin(2 * np.pi * phase)) for index in np.linspace(0, 6, 7)],
        "FM 1:2": [np.sin(2 * np.pi * phase + index * np.sin(4 * np.pi * phase)) for index in np.linspace(0, 6, 7)],
        "FM 1:7": [np.sin(2 * np.pi * phase + index * np.sin(14 * np.pi * phase)) for index in np.linspace(0, 3, 7)],
        "Fold": [np.sin(np.pi / 2 * gain * np.sin(2 * np.pi * phase)) for gain in np.linspace(1, 9, 7)],
        "Harmonic Sweep": [_harmonics([0.0] * (n - 1) + [1.0]) for n in (1, 2, 3, 4, 5, 6, 8)],
        "Resonance": [_resonance(peak) for peak in (1, 2, 4, 7, 12, 20, 32)],
        "Vowels": [_vowel(formants) for formants in _VOWEL_FORMANTS_HZ],
    }
    tables = [table_json("Init", init[None])]
    tables += [table_json(name, _normalised(cycle)[None]) for name, cycle in single.items()]
    tables += [table_json(name, np.stack([_normalised(c) for c in cycles])) for name, cycles in moving.items()]
    return WavetableCatalog(tuple(tables))


# First three formants of a man's "heed, head, had, hod, who'd": Peterson and Barney, JASA 24 (1952), table II.
_VOWEL_FORMANTS_HZ = ((270, 2290, 3010), (530, 1840, 2480), (660, 1720, 2410), (730, 1090, 2440), (300, 870, 2240))


def _normalised(cycle: np.ndarray) -> np.ndarray:
    cycle = cycle - cycle.mean()
    return cycle / np.abs(cycle).max()


def _pulse(phase: np.ndarray, width: float) -> np.ndarray:
    return np.where(phase < width, 1.0, -1.0)


def _harmonics(amplitudes) -> np.ndarray:
    """A sum of sines: `amplitudes[k]` belongs to harmonic k + 1."""
    phase = np.arange(FRAME) / FRAME
    orders = np.arange(1, len(amplitudes) + 1)
    return np.asarray(amplitudes, float) @ np.sin(2 * np.pi * orders[:, None] * phase)


def _resonance(peak: float) -> np.ndarray:
    orders = np.arange(1, 65)
    return _harmonics(1 / orders + 3 * np.exp(-((orders - peak) ** 2) / 2) / orders**0.25)


def _vowel(formants_hz: tuple[int, ...], pitch_hz: float = 110.0) -> np.ndarray:
    """A pulse train at `pitch_hz` through resonances of 120 Hz bandwidth, each 6 dB below the one before."""
    frequency_hz = pitch_hz * np.arange(1, 41)
    gain = sum(0.5**i / (1 + ((frequency_hz - formant) / 60) ** 2) for i, formant in enumerate(formants_hz))
    return _harmonics(gain + 0.003)
