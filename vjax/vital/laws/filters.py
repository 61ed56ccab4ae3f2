"""Linear responses of Vital's filters, with their gain.

The laws hold for quiet input (oscillators at a level of 0.1; up to 0.35 with drive 0): each model saturates in a way of
its own above. They follow the filters sample by sample, not their analogue models, so that they hold up to the highest
cutoffs; two cores of the engine run at twice the sample rate by default (`oversampling` 1).

Notation. p is the response of one pole, r turns its output into its stored state (a loop that is fed the state is half
a sample late), G is its coefficient. R is resonance and D drive, both linear.

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
"""Rate of the filters: 44.1 kHz, oversampled twice."""

_LEAST_POWER = 1e-20  # -200 dB, so that a notch has a level and a gradient


class _Pole(NamedTuple):
    """One pole at every frequency."""

    p: jax.Array  # low-pass response
    r: jax.Array  # stored state / output
    g: jax.Array  # coefficient G


def note_hz(semitones: ArrayLike) -> jax.Array:
    """Frequency of a MIDI note or of a cutoff knob in semitones (69 is 440 Hz)."""
    return 440.0 * 2.0 ** ((jnp.asarray(semitones) - 69) / 12)


def hz_note(frequency_hz: ArrayLike) -> jax.Array:
    """Semitones of a frequency; the inverse of `note_hz`."""
    return 69 + 12 * jnp.log2(jnp.asarray(frequency_hz) / 440.0)


def cutoff_semitones(knob: ArrayLike, keytrack: ArrayLike = 0.0, note: ArrayLike = 60.0, routed: ArrayLike = 0.0):
    """Cutoff in semitones: the knob (8 to 136), key tracking about note 60, and what routes add (`modulation.py`)."""
    return jnp.asarray(knob) + keytrack * (jnp.asarray(note) - 60) + routed


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
      frequency_hz: where, below half of `rate_hz`.
      cutoff_hz: see `note_hz` and `cutoff_semitones`.
      resonance: native, 0 to 1.
      drive_db: native, 0 to 20.
      blend: native, 0 (low-pass) to 1 (band-pass) to 2 (high-pass); other meanings in the notch styles.
      model: ANALOG, DIRTY, LADDER, DIGITAL or DIODE.
      style: DB_12 or DB_24.

    Raises ValueError for another model or style.
    """
    laws = {ANALOG: _analog, DIRTY: _dirty, LADDER: _ladder, DIGITAL: _digital, DIODE: _diode}
    if model not in laws:
        raise ValueError(f"model is {model}; it must be one of {sorted(laws)} (ANALOG, DIRTY, LADDER, DIGITAL, DIODE)")
    styles = (DB_12, DB_24)
    if style not in styles:
        raise ValueError(f"style is {style}; it must be one of {list(styles)} for this model")
    blend = jnp.clip(jnp.asarray(blend) - 1, -1, 1)
    drive_db = jnp.asarray(drive_db)
    return laws[model](frequency_hz, cutoff_hz, jnp.clip(resonance, 0, 1), drive_db, blend, style, rate_hz)


def _pole(frequency_hz: ArrayLike, cutoff_hz: ArrayLike, rate_hz: float, ratio: ArrayLike = 1.0) -> _Pole:
    """The one pole of Analog, Dirty, Ladder and Diode, with its coefficient times `ratio`."""
    x = jnp.pi * jnp.asarray(cutoff_hz) / rate_hz
    g = ratio * jnp.tan(jnp.minimum(x / (1 + x), 0.499 * jnp.pi))
    tangent = jnp.tan(jnp.pi * jnp.asarray(frequency_hz) / rate_hz)
    p = g / (g + (1 - g) * 1j * tangent)
    return _Pole(p, 1 - 1j * tangent, g)  # r = 2 / (z + 1)


def _mix(blend: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(low, band, high) of the 12 and 24 dB styles, blend in [-1, 1]."""
    band = jnp.sqrt(jnp.maximum(1 - blend**2, 1e-12))  # not 0: the root has no gradient there
    return jnp.maximum(-blend, 0), band, jnp.maximum(blend, 0)


def _gain_of(drive_db: jax.Array) -> jax.Array:
    return 10 ** (drive_db / 20)


def _digital(frequency_hz, cutoff_hz, resonance, drive_db, blend, style, rate_hz):
    ratio = jnp.minimum(jnp.asarray(cutoff_hz) / rate_hz, 0.499)
    s = 1j * jnp.tan(jnp.pi * jnp.asarray(frequency_hz) / rate_hz) / jnp.tan(jnp.pi * ratio)
    low, band, high = _mix(blend)
    top = low + band * s + high * s**2
    response = top / (1 + s / (0.5 + 15.5 * resonance**3) + s**2)
    if style == DB_24:
        response *= top / (1 + s + s**2)
    return response * jnp.sqrt(_gain_of(drive_db)) / (2 * resonance**3 + 1)


def _two_poles(p: jax.Array, low: ArrayLike, band: ArrayLike, high: ArrayLike) -> jax.Array:
    return low * p**2 + band * p * (1 - p) + high * (1 - p) ** 2


def _safe_root(x: jax.Array) -> jax.Array:
    """A square root with a finite gradient at 0."""
    return jnp.sqrt(jnp.maximum(x, 1e-8))


def _analog(frequency_hz, cutoff_hz, resonance, drive_db, blend, style, rate_hz):
    p, _, g = _pole(frequency_hz, cutoff_hz, rate_hz)
    top = _two_poles(p, *_mix(blend))
    k = (2.15 * _safe_root(resonance) + 1.1 * resonance * drive_db / 36) / jnp.maximum(1, 0.18 * g + 0.97)
    response = top / (1 - k * p * (1 - p))
    if style == DB_24:
        response *= top / (1 - p * (1 - p))
    return response * jnp.sqrt(_gain_of(drive_db)) / (2 * resonance + 1)


def _ladder(frequency_hz, cutoff_hz, resonance, drive_db, blend, style, rate_hz):
    p, r, g = _pole(frequency_hz, jnp.minimum(cutoff_hz, 20000.0), rate_hz)
    low, band, high = _mix(blend)
    drive = _gain_of(drive_db)
    if style == DB_12:
        top = _two_poles(p, low, band, high)
        k, boost, softening = resonance, 1 + resonance, 0.5
    else:
        top = low * p**4 + (1 - jnp.abs(blend)) * -((p - p**2) ** 2) + high * (1 - p) ** 4
        k, boost, softening = jnp.sin(0.5 * jnp.pi * resonance), 1 + jnp.sin(resonance), 0.25
    k = 0.001 + 4.099 * k + 5 * resonance * drive_db / 36
    boost = boost + (1 - boost) * high
    tuned = 1.66 * g
    loop = r * (p**4 + tuned * p**3 + tuned**2 * p**2 + tuned**3 * p)
    return top / (1 + k * loop) * drive * boost / jnp.sqrt((drive - 1) * softening + 1)


def _dirty(frequency_hz, cutoff_hz, resonance, drive_db, blend, style, rate_hz):
    p, r, g = _pole(frequency_hz, cutoff_hz, rate_hz)
    top = _two_poles(p, *_mix(blend))
    tuned = jnp.clip(_safe_root(resonance) / jnp.maximum(1, 0.5 * g + 0.97), 0, 1)
    k = 0.1 + 2.05 * tuned + 0.05 * drive_db / 36
    drive = (1 + 2 * (_gain_of(drive_db) - 1)) / (0.5 * k**2 + 1)
    feed = k / (1 - k * (g - g**2))
    loop = feed / (1 + g) * r * p * (1 - p - g)
    response = top * (drive + feed) / (1 - loop) / (k**2 + 1)
    if style == DB_24:
        response *= top / (1 - p * (1 - p))
    return response


def _diode(frequency_hz, cutoff_hz, resonance, drive_db, blend, style, rate_hz):
    p, r, _ = _pole(frequency_hz, cutoff_hz, rate_hz)
    share = (blend + 1) / 2
    ratio = 0.5 if style == DB_12 else 2.0 ** (8 * share - 9)
    high = _pole(frequency_hz, cutoff_hz, rate_hz, ratio).p
    high_pass = (1 - high) ** 2 / (1 - high * (1 - high))
    if style == DB_12:
        high_pass = 1 + share**2 * (high_pass - 1)
    block = 1 - _pole(frequency_hz, 20.0, rate_hz).p  # keeps direct current out of the loop
    k = 0.7 + 16.3 * resonance**3
    rp2 = r * p**2
    ladder = 0.5 * p**4 / ((4 - 3 * rp2) / block - rp2 * (2 - rp2) + 0.5 * k * r * p**4)
    return high_pass * ladder * (0.5 * k + 1) * jnp.sqrt(_gain_of(drive_db))
