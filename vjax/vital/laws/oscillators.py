"""Vital's oscillators: unison, frame, level, pan and volume. Within 0.05 dB and 0.1 cents of the engine.

Facts from Vital's public source: synth_oscillator.cpp (`setPhaseIncMults`, `setAmplitude`, `stereoBlend`), futils.h.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from vjax.vital.laws.envelopes import power_scale


def unison_cents(
    voices: int, detune: ArrayLike, detune_power: ArrayLike = 1.5, detune_range: ArrayLike = 2.0
) -> jax.Array:
    """[..., pairs, 2] cents of detuning in the left and the right channel: each pair has one voice in each.

    Args:
      voices: 1 to 16, fixed at tracing. An odd count has its first pair at 0 cents, one voice in both channels.
      detune, detune_power, detune_range: native values, 0 to 10, -5 to 5, 0 to 48; they broadcast.
    """
    pairs = np.arange((voices + 1) // 2)
    position = (2 * pairs + (voices % 2 == 0)) / max(1, voices - 1)
    detune, detune_power, detune_range = (jnp.asarray(knob)[..., None] for knob in (detune, detune_power, detune_range))
    cents = detune_range * detune**2 * power_scale(position, detune_power)
    return jnp.stack([-cents, cents], -1) * np.where(pairs % 2, -1.0, 1.0)[:, None]


def unison_gains(voices: int, blend: ArrayLike = 0.8) -> jax.Array:
    """[..., pairs] linear amplitude of each pair of unison voices; the powers of the pairs sum to 1.

    Args:
      voices: 1 to 16, fixed at tracing.
      blend: native, 0 (the middle pair alone) to 1.
    """
    blend = jnp.asarray(blend)[..., None]
    pairs = (voices + 1) // 2
    if pairs == 1:
        return jnp.ones_like(blend)
    middle, others = 1 - 0.6 * blend, 0.6 * (1 - (1 - blend) ** 2)
    gains = jnp.concatenate([middle, jnp.repeat(others, pairs - 1, -1)], -1)
    return gains / jnp.linalg.norm(gains, axis=-1, keepdims=True)


def stereo_shares(spread: ArrayLike = 1.0) -> tuple[jax.Array, jax.Array]:
    """Linear gains of (the own channel, the other channel) at a `stereo_spread` in [0, 1]; at 0 both are equal."""
    angle = 0.25 * jnp.pi * (1 + jnp.asarray(spread))
    return jnp.sin(angle), jnp.cos(angle)


def played_frame(wave_frame: ArrayLike) -> jax.Array:
    """The frame that a native `osc_N_wave_frame` (0 to 256) plays: the nearest one, without interpolation."""
    return jnp.round(jnp.clip(wave_frame, 0, 256)).astype(int)


def level_gain(knob: ArrayLike) -> jax.Array:
    """Linear gain of a native `osc_N_level` or `sample_level`, 0 to 1: its square."""
    return jnp.maximum(knob, 0) ** 2


def pan_gains(pan: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Linear gains of (left, right) at a native pan in [-1, 1]; both are 1 in the middle."""
    angle = 0.25 * jnp.pi * jnp.clip(pan, -1, 1)
    return jnp.sqrt(2.0) * jnp.sin(0.25 * jnp.pi - angle), jnp.sqrt(2.0) * jnp.sin(0.25 * jnp.pi + angle)


def volume_db(knob: ArrayLike) -> jax.Array:
    """Gain in dB of a native `volume`, 0 to 7399.44: its square root minus 80."""
    return jnp.sqrt(jnp.maximum(knob, 1e-6)) - 80


def volume_knob(level_db: ArrayLike) -> jax.Array:
    """The native `volume` of a gain in dB, -80 to 6.02; the inverse of `volume_db`."""
    return (jnp.asarray(level_db) + 80) ** 2
