"""Envelopes that follow the slow movement of a level or a cutoff. They are found by grid search."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from vjax.candidates.patch.cycle import TAP_WEIGHTS
from vjax.vital.laws import envelope

DEEPEST_DB = -60.0
"""Lowest gain, relative to its maximum. Softer counts as silence."""

_ATTACKS_S = np.geomspace(0.001, 1.5, 8)
_DECAYS_S = np.geomspace(0.04, 6.0, 14)
_SUSTAINS = np.array([0.0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0])
_DECAY_POWERS = (-6.0, -4.0, -2.0, 0.0)
_COARSE = 3  # the first search takes every third frame
_SIMPLER_DB, _SLOWER_DB = 0.1, 0.3  # by which a decay, or an attack, must lower the error
_FAST_S, _SLOW_ATTACK = 0.01, 1.3  # an attack slower than this must lower the squared error by this factor
_LEAST_SEMITONES = 4.0  # by which an envelope must move the cutoff
_LEAST_SHARE = 0.3  # of the squared movement that it must explain


class Fade(NamedTuple):
    """An envelope with a linear attack, and what it adds at its peak (semitones; not used for the level)."""

    attack_s: float
    decay_s: float
    sustain: float
    decay_power: float
    amount: float = 0.0

    def values(self, time_s: np.ndarray) -> np.ndarray:
        return np.asarray(_while_on(time_s, *self[:4]))


def seen_db(level: np.ndarray) -> np.ndarray:
    """Returns what frames show, [t] in dB, of `voice_amplitude` values [t, TAPS_S]. The amplitude is their square."""
    return 10 * np.log10(np.maximum(level**4 @ TAP_WEIGHTS, 1e-12))


def level_fade(taps_s: np.ndarray, cycle: np.ndarray, target_db: np.ndarray) -> Fade:
    """Returns the envelope that, multiplied by a cycle [t, TAPS_S], is nearest to a gain [t], at any level."""

    def best(*knobs: Sequence[float] | np.ndarray, every: int = 1) -> tuple[float, ...]:
        grid, seen = _grid(*knobs), target_db[::every]
        levels = np.asarray(_while_on(taps_s[::every], *grid.T[..., None, None])) * cycle[::every]
        off = seen_db(levels) - seen
        loud = seen > DEEPEST_DB + 1
        off = off - np.median(off[:, loud] if loud.any() else off, 1, keepdims=True)
        error = np.abs(np.maximum(seen + off, DEEPEST_DB) - seen).mean(1)
        error += _SIMPLER_DB * (grid[:, 2] < 0.95) + _SLOWER_DB * (grid[:, 0] > _FAST_S)
        return tuple(grid[error.argmin()].tolist())

    attack_s, decay_s, sustain, power = best(_ATTACKS_S, _DECAYS_S, _SUSTAINS, _DECAY_POWERS, every=_COARSE)
    fine = np.linspace(-0.5, 0.5, 5)
    return Fade(
        *best(
            attack_s * (_ATTACKS_S[1] / _ATTACKS_S[0]) ** fine[::2],
            decay_s * (_DECAYS_S[1] / _DECAYS_S[0]) ** fine,
            np.unique(np.clip(sustain + 0.15 * fine, 0, 1)),
            power + 2 * fine[::2],
        )
    )


def cutoff_fade(time_s: np.ndarray, slow: np.ndarray, weight: np.ndarray) -> Fade | None:
    """Returns the envelope that, at some depth, is nearest to a slow movement [t] of the cutoff.

    Returns None if the envelope would hardly move the cutoff, or explains too little of the movement.
    """
    grid = _grid(_ATTACKS_S, _DECAYS_S, [0.0, 1.0], _DECAY_POWERS)
    shapes = np.asarray(_while_on(time_s, *grid.T[..., None]))
    share = weight / weight.sum()
    centred = shapes - (shapes @ share)[:, None]
    rest = slow - slow @ share
    depths = (centred * rest) @ share / np.maximum(centred**2 @ share, 1e-9)
    error = (rest - depths[:, None] * centred) ** 2 @ share
    error = np.where(grid[:, 0] > _FAST_S, _SLOW_ATTACK, 1.0) * error
    best = int(error.argmin())
    reach = abs(depths[best]) * np.ptp(shapes[best][weight > 0])
    if (
        reach < _LEAST_SEMITONES
        or error[best] > (1 - _LEAST_SHARE) * (rest**2 @ share)
        or abs(depths[best]) > 2 * reach
    ):
        return None
    return Fade(*map(float, grid[best]), amount=float(depths[best]))


def _grid(*knobs: Sequence[float] | np.ndarray) -> np.ndarray:
    """Returns all combinations [n, len(knobs)] of the values."""
    return np.stack(np.meshgrid(*knobs, indexing="ij"), -1).reshape(-1, len(knobs))


@jax.jit
def _while_on(time_s, attack_s, decay_s, sustain, decay_power):
    """Returns values [...] of an envelope without note-off."""
    return envelope(time_s, 1e6, 0.0, attack_s, 0.0, decay_s, sustain, 1.0, 0.0, decay_power)
