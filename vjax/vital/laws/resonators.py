"""Linear responses of Vital's filters that are built of delays, all-passes and vowels: Comb, Phaser and Formant.

They hold for quiet input, like those in filters.py. Their mean error against the engine is within 0.05 dB. Do not
fit the comb's cutoff by gradient descent, because its peaks move as a delay time does. Formant's third style, the vocal
tract, has no closed form and is left out.

Facts from Vital's public source: comb_filter.cpp, memory.h, phaser_filter.h, formant_filter.cpp, formant_manager.h.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from vjax.vital.laws.filters import ENGINE_RATE_HZ, db_gain, note_hz, pole, pole_of, safe_sqrt

COMB_STYLES = tuple(range(6))
"""Styles of Comb: comb, flange and negative flange with a low and a high cut, then the same three with a band."""

_SHORTEST_PERIOD = 2.0  # samples
_NYQUIST = 0.45351473923  # of the rate: the highest cutoff inside the comb's loop
_FLANGE = 0.70710678119  # input gain of the flanges

# Gain in dB, resonance and cutoff in semitones of four formants of each vowel.
_VOWELS = {
    "a": ((-2, 0.66, 75.755), (-8, 0.75, 84.545), (-9, 1, 100.085), (-10, 1, 101.646)),
    "e": ((0, 0.66, 67.35), (-14, 0.75, 92.4), (-4, 1, 99.755), (-14, 1, 103.35)),
    "i": ((0, 0.8, 61.783), (-15, 0.75, 94.05), (-17, 1, 101.038), (-20, 1, 103.618)),
    "o": ((-2, 0.7, 67.35), (-6, 0.75, 79.35), (-14, 1, 99.755), (-14, 1, 101.038)),
    "u": ((0, 0.7, 65.038), (-20, 0.75, 74.37), (-17, 1, 100.409), (-14, 1, 101.646)),
}
# For each style, the vowels at (x, y) = (0, 0), (1, 0), (0, 1), (1, 1).
_CORNERS = ("aiuo", "aoie")


def comb_response(
    frequency_hz: ArrayLike,
    cutoff_semitones: ArrayLike,
    resonance: ArrayLike,
    blend: ArrayLike = 0.0,
    blend_transpose: ArrayLike = 42.0,
    style: int = 0,
    rate_hz: float = ENGINE_RATE_HZ,
) -> jax.Array:
    """Complex response of the model COMB. Arrays broadcast; `style` is one of COMB_STYLES.

    Args:
      cutoff_semitones: pitch of the comb.
      resonance: native, 0 to 1; styles 0 and 3 have no feedback at 0.5, and negative feedback below 0.5.
      blend: native, 0 to 2: dark to bright, or the width of the band.
      blend_transpose: native, 0 to 84 semitones from the pitch to the cut.
    """
    if style not in COMB_STYLES:
        raise ValueError(f"style is {style}; it must be one of {COMB_STYLES}")
    kind, banded = style % 3, style >= 3
    loop = _loop_filter(frequency_hz, cutoff_semitones, blend, blend_transpose, banded, rate_hz)
    period = rate_hz / note_hz(cutoff_semitones)
    if kind == 2:
        period = jnp.maximum(period / 2, _SHORTEST_PERIOD)
    delayed = loop * _read(frequency_hz, jnp.maximum(period, _SHORTEST_PERIOD), rate_hz)
    if kind == 0:
        feedback = 2 * jnp.clip(resonance, 0, 1) - 1
        feedback = feedback / safe_sqrt(jnp.abs(feedback) + 1e-5)
        return (1 - 0.5 * feedback**2) * loop / (1 - feedback * delayed)
    feedback = jnp.clip(resonance, 0, 1)
    sign = 1 if kind == 1 else -1
    return _FLANGE * (1 / (1 + feedback) + sign * delayed / (1 - sign * feedback * delayed))


def _loop_filter(frequency_hz, cutoff_semitones, blend, blend_transpose, banded, rate_hz):
    centre = jnp.asarray(cutoff_semitones) + blend_transpose
    lowest = jnp.asarray(cutoff_semitones) - 48
    if banded:
        half_width = 48 * jnp.asarray(blend)
        high_hz = jnp.clip(note_hz(centre + half_width), 1, rate_hz / 2.1)
        low_hz = jnp.clip(note_hz(jnp.maximum(lowest, centre - half_width)), 1, rate_hz / 2.1)
        low_gain, high_gain = low_hz / high_hz + 1, 0.0
    else:
        high_hz = jnp.clip(note_hz(centre), 1, _NYQUIST * rate_hz)
        low_hz = jnp.clip(note_hz(lowest), 1, _NYQUIST * rate_hz)
        low_gain, high_gain = jnp.clip(2 - jnp.asarray(blend), 0, 1), jnp.clip(blend, 0, 1)
    p = pole(frequency_hz, high_hz, rate_hz).p
    return (low_gain * p + high_gain * (1 - p)) * (1 - pole(frequency_hz, low_hz, rate_hz).p)


def _read(frequency_hz: ArrayLike, period: jax.Array, rate_hz: float) -> jax.Array:
    """Response of a read with cubic interpolation, `period` samples before the previous sample."""
    whole = jnp.round(period)  # not floor: half of the reads lie outside the two samples between which they interpolate
    t = 1 - (period - whole)
    weights = (
        -0.5 * t + t**2 - 0.5 * t**3,
        1 - 2.5 * t**2 + 1.5 * t**3,
        0.5 * t + 2 * t**2 - 1.5 * t**3,
        -0.5 * t**2 + 0.5 * t**3,
    )
    turn = -2j * jnp.pi * jnp.asarray(frequency_hz) / rate_hz
    return jnp.asarray(sum(weight * jnp.exp(turn * (whole + 3 - k)) for k, weight in enumerate(weights)))


def phaser_response(
    frequency_hz: ArrayLike,
    cutoff_hz: ArrayLike,
    resonance: ArrayLike,
    drive_db: ArrayLike = 0.0,
    blend: ArrayLike = 0.0,
    style: int = 0,
    rate_hz: float = ENGINE_RATE_HZ,
) -> jax.Array:
    """Complex response of the model PHASER: 4, 8 or 12 all-pass stages (blend 0, 1, 2), with feedback.

    Args:
      resonance, drive_db, blend: native, 0 to 1, 0 to 20, 0 to 2.
      style: 0, or any other value for the inverted response.
    """
    p, _, g = pole(frequency_hz, cutoff_hz, rate_hz)
    resonance, blend = jnp.clip(resonance, 0, 1), jnp.asarray(blend)
    four = (1 - 2 * p) ** 4
    first, third = jnp.clip(1 - blend, 0, 1), jnp.clip(blend - 1, 0, 1)
    stages = first * four + (1 - first - third) * four**2 + third * four**3
    top, bottom = (pole_of(frequency_hz, part, rate_hz).p for part in (jnp.minimum(20 * g, 0.9), g / 20))
    late = jnp.exp(-2j * jnp.pi * jnp.asarray(frequency_hz) / rate_hz)
    sign = -1 if style else 1
    fed_back = sign * resonance * top * (1 - bottom) * late
    wet = stages * (0.5 * resonance + 1) * db_gain(drive_db) / (1 - fed_back * stages)
    return 0.5 * (1 + sign * wet)


def formant_response(
    frequency_hz: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    resonance: ArrayLike = 0.85,
    transpose: ArrayLike = 0.0,
    spread: ArrayLike = 0.0,
    style: int = 0,
    rate_hz: float = ENGINE_RATE_HZ,
) -> jax.Array:
    """Complex response of the model FORMANT: four band-passes between four vowels.

    Args:
      x, y: native, in [0, 1]. Vowels at (0, 0), (1, 0), (0, 1), (1, 1): a i u o (style 0), a o i e (style 1).
      resonance, transpose, spread: native `filter_1_formant_*`.
    """
    if style not in (0, 1):
        raise ValueError(f"style is {style}; it must be 0 (A I U O) or 1 (A O I E)")
    x, y = jnp.asarray(x), jnp.asarray(y)
    shares = ((1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y)
    corners = np.array([_VOWELS[vowel] for vowel in _CORNERS[style]])  # [vowel, formant, number]
    total = 0.0
    for formant in range(corners.shape[1]):
        gain_db, share, cutoff = (
            sum(s * c for s, c in zip(shares, corners[:, formant, i], strict=True)) for i in range(3)
        )
        cube = jnp.clip(share * resonance, 0, 1) ** 3
        cutoff_hz = note_hz(cutoff + spread * (80 - cutoff) + transpose)
        ratio = jnp.minimum(cutoff_hz / rate_hz, 0.499)
        s = 1j * jnp.tan(jnp.pi * jnp.asarray(frequency_hz) / rate_hz) / jnp.tan(jnp.pi * ratio)
        total += db_gain(jnp.maximum(gain_db, -15)) / (2 * cube + 1) * s / (1 + s / (4 + 26 * cube) + s**2)
    return jnp.asarray(total)
