"""Describes the timbre of a wavetable's cycle by a label and a few numbers."""

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from vjax.vital.wavetables import FRAME

_FLOOR_DB = -60.0  # relative to the strongest harmonic: weaker ones do not count
_PURE = 10 ** (-26 / 10)  # of the power: a smaller rest does not count
_MOST_DENSE = 16
_MISSING_DB = -20.0  # relative to the other harmonics
_MOST_MISSING = 8  # every second to every eighth harmonic
_BRIGHT_DB, _MELLOW_DB = -4.0, -8.5  # per octave
_WEAK_DB = -30.0
_NOISY = 60  # lines within 20 dB of the strongest


class Timbre(NamedTuple):
    """A cycle's timbre.

    Attributes:
      label: `sine-like`, `square-like`, `triangle-like`, `hollow`, `pulse-like`, `saw-like`, `bright`, `mellow`,
        `inharmonic`, `noise-like` or `silent`.
      slope_db: mean change of the harmonics' level per octave; negative if they fall. 0 for a single harmonic.
      missing: n if every n-th harmonic is missing; 0 if none is.
      first: the number of its lowest harmonic. The pitch of the sound is this factor above the oscillator's.
    """

    label: str
    slope_db: float
    missing: int
    first: int


def timbre_of(cycle: np.ndarray, highest: int = FRAME // 2 - 1) -> Timbre:
    """Returns the timbre of a cycle [2048] whose first `highest` harmonics are audible."""
    every = np.abs(np.fft.rfft(cycle))[1:]
    amplitude = every[:highest]
    if not amplitude.max(initial=0) > 1e-6 * every.max():
        return Timbre("silent", 0.0, 0, 1)
    level_db = 20 * np.log10(np.maximum(amplitude / amplitude.max(), 1e-5))
    first = _first(amplitude**2)
    if first == 1 and level_db[:2].max() < _WEAK_DB:
        # There are lines between the harmonics of the sound: the oscillator plays octaves lower than the sound.
        noisy = np.count_nonzero(level_db > -20) > _NOISY
        return Timbre("noise-like" if noisy else "inharmonic", _slope_db(level_db), 0, 1)
    level_db = level_db[first - 1 :: first]
    others = np.sum(10 ** (level_db[1:] / 10)) / 10 ** (level_db[0] / 10)
    if others < _PURE:
        return Timbre("sine-like", 0.0, 0, first)
    slope_db, missing = _slope_db(level_db), _missing(level_db)
    if missing == 2:
        label = "hollow" if slope_db > _BRIGHT_DB else "square-like" if slope_db > _MELLOW_DB else "triangle-like"
    elif missing:
        label = "pulse-like"
    else:
        label = "bright" if slope_db > _BRIGHT_DB else "mellow" if slope_db < _MELLOW_DB else "saw-like"
    return Timbre(label, slope_db, missing, first)


def cycle_at(table: Mapping[str, Any], position: float) -> np.ndarray | None:
    """Returns the cycle [2048] of a wavetable at a position (0 to 256); None for a table that is not plain cycles."""
    frames = cycles_of(table)
    if frames is None:
        return None
    positions, cycles = frames
    at = np.interp(position, positions, np.arange(len(positions)))
    low = int(at)
    high = min(low + 1, len(cycles) - 1)
    return cycles[low] + (at - low) * (cycles[high] - cycles[low])


def cycles_of(table: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns positions [n] (0 to 256) and cycles [n, 2048] of a table; None for a table that is not plain cycles."""
    components = [component for group in table["groups"] for component in group["components"]]
    if len(components) != 1 or components[0].get("type") != "Wave Source":
        return None
    keyframes = sorted(components[0].get("keyframes") or (), key=lambda one: one["position"])
    if not keyframes or any("wave_data" not in one for one in keyframes):
        return None
    cycles = np.stack([np.frombuffer(base64.b64decode(one["wave_data"]), "<f4") for one in keyframes])
    return np.array([one["position"] for one in keyframes]), cycles


def _first(power: np.ndarray) -> int:
    """Returns the greatest n whose multiples have nearly all the power: the number of the lowest audible harmonic."""
    number = np.arange(1, len(power) + 1)
    outside = (power[number % n != 0].sum() for n in range(_MOST_DENSE, 0, -1))
    return next(n for n, rest in zip(range(_MOST_DENSE, 0, -1), outside, strict=True) if rest <= _PURE * power.sum())


def _slope_db(level_db: np.ndarray) -> float:
    """Returns the slope in dB per octave of a line through the harmonics. Each octave has the same weight."""
    number = np.arange(1, len(level_db) + 1)
    audible = level_db > level_db.max() + _FLOOR_DB
    if np.count_nonzero(audible) < 2:
        return 0.0
    octave, weight = np.log2(number[audible]), 1 / number[audible]
    centred = octave - np.average(octave, weights=weight)
    return float(np.sum(weight * centred * level_db[audible]) / np.sum(weight * centred**2))


def _missing(level_db: np.ndarray) -> int:
    """Returns the least n for which every n-th harmonic is missing; 0 if there is none."""
    number = np.arange(1, len(level_db) + 1)
    line_db = _slope_db(level_db) * np.log2(number)
    flat_db = np.maximum(level_db, level_db.max() + _FLOOR_DB) - line_db
    audible = (line_db > _FLOOR_DB - 1.2 * _MISSING_DB) & (number <= 16)  # all higher ones are weak
    for n in range(2, _MOST_MISSING + 1):
        those = (number % n == 0) & audible
        rest = (number % n != 0) & audible
        if those.any() and flat_db[those].max() < np.median(flat_db[rest]) + _MISSING_DB:
            return n
    return 0
