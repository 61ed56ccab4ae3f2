"""Linear responses of Vital's filters, with their gain.

They describe the sampled filters and not their analogue models, so they hold up to the highest cutoffs. Each model
saturates in a different way; the laws hold for quiet input. The table gives the mean |error| in dB over the harmonics
of a saw, with drive 0 and a resonance of at most 0.6, by the level of the oscillator:

    model            0.1    0.35          0.707 (the engine's default)
    Digital          0.03   0.03          0.03 until it clips
    Analog 12, 24    0.03   0.12, 0.45    1.0, 3.3
    Ladder 12, 24    0.03   0.42, 0.43    4.3, 4.9
    Dirty 12, 24     0.02   0.37, 0.56    3.7, 4.7
    Diode            0.05   0.41          4.0

At a level of 0.1, the laws hold for all styles, blends and drives. From a resonance of 0.75 on, a Ladder at 24 dB (and
in the notch styles) may oscillate by itself. This is not a response to its input.

Notation: p is the response of one pole, and G its coefficient. r converts a pole's output to its stored state; a loop
with a delay of one sample takes this state as its input. k is the feedback.

Facts from Vital's public source: synth_filter.h, one_pole_filter.h, digital_svf.cpp, sallen_key_filter.cpp (Analog),
dirty_filter.cpp, ladder_filter.cpp, diode_filter.cpp.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

ANALOG, DIRTY, LADDER, DIGITAL, DIODE, FORMANT, COMB, PHASER = range(8)
"""Filter models, as the menu `filter_1_model` numbers them."""

DB_12, DB_24, NOTCH_BLEND, NOTCH_SPREAD, BAND_PEAK_NOTCH = range(5)
"""Filter styles, as the menu `filter_1_style` numbers them (of Analog, Dirty, Ladder and Digital)."""

ENGINE_RATE_HZ = 88200.0
"""Rate of the filters: 44.1 kHz with twofold oversampling."""

_LEAST_POWER = 1e-20  # -200 dB, so that a notch has a finite level and a gradient
_TANH_SLOPE = 2.45550750702956 / 2.44506634652299  # of the engine's approximate tanh at 0
_TINY = 1e-8


class Pole(NamedTuple):
    """One pole at every frequency."""

    p: jax.Array  # low-pass response
    r: jax.Array  # stored state / output
    g: jax.Array  # coefficient G


def note_hz(semitones: ArrayLike) -> jax.Array:
    """Frequency of a MIDI note, or of a cutoff in semitones (69 is 440 Hz)."""
    return 440.0 * 2.0 ** ((jnp.asarray(semitones) - 69) / 12)


def hz_note(frequency_hz: ArrayLike) -> jax.Array:
    """Semitones of a frequency; the inverse of `note_hz`."""
    return 69 + 12 * jnp.log2(jnp.asarray(frequency_hz) / 440.0)


def cutoff_semitones(knob: ArrayLike, keytrack: ArrayLike = 0.0, note: ArrayLike = 60.0, routed: ArrayLike = 0.0):
    """Cutoff in semitones: the control (8 to 136) plus key tracking about note 60 plus routes (`modulation.py`)."""
    return jnp.asarray(knob) + keytrack * (jnp.asarray(note) - 60) + routed


def db_gain(level_db: ArrayLike) -> jax.Array:
    """Linear gain of decibels."""
    return 10 ** (jnp.asarray(level_db) / 20)


def low_pass_gain_db(
    frequency_hz: ArrayLike,
    cutoff_hz: ArrayLike,
    resonance: ArrayLike,
    drive_db: ArrayLike = 0.0,
    model: int = DIGITAL,
    style: int = DB_12,
    rate_hz: float = ENGINE_RATE_HZ,
) -> jax.Array:
    """Gain in dB of a low-pass: `filter_gain_db` at blend 0."""
    return filter_gain_db(frequency_hz, cutoff_hz, resonance, drive_db, 0.0, model, style, rate_hz)


def filter_gain_db(
    frequency_hz: ArrayLike,
    cutoff_hz: ArrayLike,
    resonance: ArrayLike,
    drive_db: ArrayLike = 0.0,
    blend: ArrayLike = 0.0,
    model: int = DIGITAL,
    style: int = DB_12,
    rate_hz: float = ENGINE_RATE_HZ,
) -> jax.Array:
    """Gain in dB of a filter for quiet input, at least -200 dB. See `filter_response`."""
    response = filter_response(frequency_hz, cutoff_hz, resonance, drive_db, blend, model, style, rate_hz)
    power = response.real**2 + response.imag**2
    return 10 * jnp.log10(jnp.maximum(power, _LEAST_POWER))


def filter_response(
    frequency_hz: ArrayLike,
    cutoff_hz: ArrayLike,
    resonance: ArrayLike,
    drive_db: ArrayLike = 0.0,
    blend: ArrayLike = 0.0,
    model: int = DIGITAL,
    style: int = DB_12,
    rate_hz: float = ENGINE_RATE_HZ,
) -> jax.Array:
    """Complex response of a filter for quiet input, its gain included.

    Arrays broadcast; `model` and `style` are fixed at tracing.

    Args:
      frequency_hz: frequencies of the response, below half of `rate_hz`.
      cutoff_hz: see `note_hz` and `cutoff_semitones`.
      resonance: native, 0 to 1. Analog and Dirty use its square root, whose gradient grows without bound near 0.
      drive_db: native, 0 to 20.
      blend: native, 0 (low-pass) to 1 (band-pass) to 2 (high-pass); other meanings in the notch styles.
      model: ANALOG, DIRTY, LADDER, DIGITAL or DIODE.
      style: DB_12, DB_24, NOTCH_BLEND, NOTCH_SPREAD or BAND_PEAK_NOTCH. Diode treats all but DB_12 as DB_24.

    Raises ValueError for another model or style.
    """
    laws = {ANALOG: _analog, DIRTY: _dirty, LADDER: _ladder, DIGITAL: _digital, DIODE: _diode}
    if model not in laws:
        raise ValueError(f"model is {model}; it must be one of {sorted(laws)} (ANALOG, DIRTY, LADDER, DIGITAL, DIODE)")
    if style not in range(5):
        raise ValueError(f"style is {style}; it must be 0 to 4 (DB_12 to BAND_PEAK_NOTCH)")
    blend = jnp.clip(jnp.asarray(blend) - 1, -1, 1)
    drive_db = jnp.asarray(drive_db)
    return laws[model](frequency_hz, cutoff_hz, jnp.clip(resonance, 0, 1), drive_db, blend, style, rate_hz)


def safe_sqrt(x: ArrayLike) -> jax.Array:
    """A square root whose gradient at 0 is 0 and not infinite. Negative numbers count as 0."""
    positive = jnp.asarray(x) > _TINY
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def pole(frequency_hz: ArrayLike, cutoff_hz: ArrayLike, rate_hz: float, ratio: ArrayLike = 1.0) -> Pole:
    """The one pole of all models but Digital and Formant, with its coefficient times `ratio`."""
    x = jnp.pi * jnp.asarray(cutoff_hz) / rate_hz
    g = ratio * jnp.tan(jnp.minimum(x / (1 + x), 0.499 * jnp.pi))
    return pole_of(frequency_hz, jnp.asarray(g), rate_hz)


def pole_of(frequency_hz: ArrayLike, g: jax.Array, rate_hz: float) -> Pole:
    """The one pole of a coefficient G."""
    tangent = jnp.tan(jnp.pi * jnp.asarray(frequency_hz) / rate_hz)
    p = g / (g + (1 - g) * 1j * tangent)
    return Pole(p, 1 - 1j * tangent, g)  # r = 2 / (z + 1)


class _Amounts(NamedTuple):
    """The outputs that a style mixes, and how a style reduces the drive when resonance is high."""

    low: jax.Array
    band: jax.Array
    high: jax.Array
    compensated: ArrayLike  # share of the drive that is divided by the resonance's scale
    boost: ArrayLike  # gain of that share

    def drive(self, drive: jax.Array, compensated: jax.Array) -> jax.Array:
        return drive + self.compensated * (self.boost * compensated - drive)


def _amounts(blend: jax.Array, style: int) -> _Amounts:
    """Of Analog, Dirty and Digital; blend in [-1, 1]."""
    if style == NOTCH_BLEND:
        return _Amounts(jnp.minimum(1 - blend, 1), jnp.zeros_like(blend), jnp.minimum(1 + blend, 1), jnp.abs(blend), 1)
    if style == NOTCH_SPREAD:  # the second stage swaps low and high
        share = (1 + blend) / 2
        return _Amounts(share, jnp.zeros_like(blend), jnp.ones_like(blend), jnp.minimum(1 - blend, 1), 2 - share)
    if style == BAND_PEAK_NOTCH:
        low, band = _band_peak_notch(blend)
        return _Amounts(low, band, low, jnp.minimum(1 - blend, 1), 1)
    return _Amounts(jnp.maximum(-blend, 0), safe_sqrt(1 - blend**2), jnp.maximum(blend, 0), 1, 1)


def _band_peak_notch(blend: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(low = high, band): band-pass at -1, peak at 0, notch at 1."""
    scale = jnp.sqrt(0.5 + 0.5 * jnp.maximum(blend, 0) ** 2)
    return scale * (1 - jnp.maximum(-blend, 0)), 2 * scale * (1 - jnp.maximum(blend, 0))


def _two_poles(p: jax.Array, low: ArrayLike, band: ArrayLike, high: ArrayLike) -> jax.Array:
    return jnp.asarray(low * p**2 + band * p * (1 - p) + high * (1 - p) ** 2)


def _second_stage(p: jax.Array, mix: _Amounts, style: int) -> jax.Array:
    """The mix of Analog's and Dirty's last two poles. Notch spread swaps low and high."""
    low, high = (mix.high, mix.low) if style == NOTCH_SPREAD else (mix.low, mix.high)
    return _two_poles(p, low, mix.band, high)


def _digital(frequency_hz, cutoff_hz, resonance, drive_db, blend, style, rate_hz):
    ratio = jnp.minimum(jnp.asarray(cutoff_hz) / rate_hz, 0.499)
    s = 1j * jnp.tan(jnp.pi * jnp.asarray(frequency_hz) / rate_hz) / jnp.tan(jnp.pi * ratio)
    mix = _amounts(blend, style)
    damping = 1 / (0.5 + 15.5 * resonance**3)
    low, high = (mix.high, mix.low) if style == NOTCH_SPREAD else (mix.low, mix.high)
    response = (low + mix.band * s + high * s**2) / (1 + damping * s + s**2)
    if style != DB_12:  # the first stage has a damping of 1, but computes its high-pass with that of the second
        response *= (mix.low + (mix.band + mix.high * (1 - damping)) * s + mix.high * s**2) / (1 + s + s**2)
    drive = db_gain(drive_db)
    return response * mix.drive(drive, drive / (2 * resonance**3 + 1)) / jnp.sqrt(drive)


def _analog(frequency_hz, cutoff_hz, resonance, drive_db, blend, style, rate_hz):
    p, _, g = pole(frequency_hz, cutoff_hz, rate_hz)
    mix = _amounts(blend, style)
    k = (2.15 * safe_sqrt(resonance) + 1.1 * resonance * drive_db / 36) / jnp.maximum(1, 0.18 * g + 0.97)
    at_once = k * (g - g**2)  # the part of the loop without delay, which is solved before the saturation
    response = _second_stage(p, mix, style) * _TANH_SLOPE / (1 - at_once - _TANH_SLOPE * (k * p * (1 - p) - at_once))
    if style != DB_12:
        response *= _two_poles(p, mix.low, mix.band, mix.high) / (1 - p * (1 - p))
    drive, scale = db_gain(drive_db), 2 * resonance + 1
    return response * jnp.sqrt(mix.drive(drive, drive / scale) / scale)


def _dirty(frequency_hz, cutoff_hz, resonance, drive_db, blend, style, rate_hz):
    p, r, g = pole(frequency_hz, cutoff_hz, rate_hz)
    mix = _amounts(blend, style)
    tuned = jnp.clip(safe_sqrt(resonance) / jnp.maximum(1, 0.5 * g + 0.97), 0, 1)
    k = 0.1 + 2.05 * tuned + 0.05 * drive_db / 36
    drive = 1 + 2 * (db_gain(drive_db) - 1)
    drive = mix.drive(drive, drive / (0.5 * k**2 + 1))
    feed = k / (1 - k * (g - g**2))
    loop = _TANH_SLOPE * feed / (1 + g) * r * p * (1 - p - g)
    response = _second_stage(p, mix, style) * _TANH_SLOPE * (drive + feed) / (1 - loop) / (k**2 + 1)
    if style != DB_12:  # its feedback reads a state that is never written, so there is no feedback
        response *= _two_poles(p, mix.low, mix.band, mix.high) / (1 - g + g**2)
    return response


def _ladder(frequency_hz, cutoff_hz, resonance, drive_db, blend, style, rate_hz):
    p, r, g = pole(frequency_hz, jnp.minimum(cutoff_hz, 20000.0), rate_hz)
    drive = db_gain(drive_db)
    k = resonance if style == DB_12 else jnp.sin(0.5 * jnp.pi * resonance)
    k = 0.001 + 4.099 * k + 5 * resonance * drive_db / 36
    tuned = 1.66 * g
    loop = r * (p**4 + tuned * p**3 + tuned**2 * p**2 + tuned**3 * p)
    gain = drive / jnp.sqrt(1 + (drive - 1) * (0.25 if style == DB_24 else 0.5))
    boost = 1 + (resonance if style == DB_12 else jnp.sin(resonance)) * (1 - jnp.maximum(blend, 0))
    if style == NOTCH_SPREAD:
        boost = 1.0
    if style == BAND_PEAK_NOTCH:
        boost = 1 + (boost - 1) * jnp.minimum(1 - blend, 1)
    top = _ladder_taps(p, blend, style) * gain * boost
    return _TANH_SLOPE * top / (1 + _TANH_SLOPE * k * loop)


def _ladder_taps(p: jax.Array, blend: jax.Array, style: int) -> jax.Array:
    if style == DB_24:
        low, band, high = jnp.maximum(-blend, 0), 1 - jnp.abs(blend), jnp.maximum(blend, 0)
        return low * p**4 - band * (p * (1 - p)) ** 2 + high * (1 - p) ** 4
    if style == BAND_PEAK_NOTCH:
        low, band = _band_peak_notch(blend)
        return _two_poles(p, low, band, low)
    if style == DB_12:
        low, band, high, *_ = _amounts(blend, style)
        return _two_poles(p, low, band, high)
    low, high = jnp.minimum(1 - blend, 1), jnp.minimum(1 + blend, 1)
    if style == NOTCH_BLEND:
        return (high * (1 - p) ** 2 + low * p**2) ** 2
    return high * (1 - 4 * p + 8 * p**2 - 8 * p**3 + 4 * p**4) + 4 * low * (p * (1 - p)) ** 2


def _diode(frequency_hz, cutoff_hz, resonance, drive_db, blend, style, rate_hz):
    p, r, _ = pole(frequency_hz, cutoff_hz, rate_hz)
    share = (blend + 1) / 2
    high = pole(frequency_hz, cutoff_hz, rate_hz, 0.5 if style == DB_12 else 2.0 ** (8 * share - 9)).p
    high_pass = (1 - high) ** 2 / (1 - high * (1 - high))
    if style == DB_12:
        high_pass = 1 + share**2 * (high_pass - 1)
    block = 1 - pole(frequency_hz, 20.0, rate_hz).p  # keeps direct current out of the loop
    k = 0.7 + 16.3 * resonance**3
    rp2 = r * p**2
    ladder = 0.5 * p**4 / ((4 - 3 * rp2) / (_TANH_SLOPE * block) - rp2 * (2 - rp2) / _TANH_SLOPE + 0.5 * k * r * p**4)
    return high_pass * ladder * (0.5 * k + 1) * jnp.sqrt(db_gain(drive_db))
