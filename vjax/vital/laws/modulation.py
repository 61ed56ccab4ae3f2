"""Laws of Vital's modulation: routes and LFOs. The mean error against the engine is within 1 % of their range.

Facts from Vital's public source: modulation_connection_processor.cpp, synth_module.cpp, synth_lfo.cpp,
line_generator.cpp, operators.cpp (`TempoChooser`).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from vjax.vital.laws.envelopes import power_scale
from vjax.vital.laws.filters import note_hz

Real = jax.Array | np.ndarray | float

SECONDS, TEMPO, DOTTED, TRIPLET, KEYTRACK = range(5)
"""Menu `lfo_N_sync`: what sets the frequency."""

TRIGGER, SYNC, ENVELOPE, SUSTAIN_ENVELOPE, LOOP_POINT, LOOP_HOLD = range(6)
"""Menu `lfo_N_sync_type`: how the phase runs."""

_CYCLES_A_BEAT = np.array([0.0, *(2.0**k for k in range(-7, 5))])  # of the menu `lfo_N_tempo`, from "Freeze"
_SHORTEST_HALF_LIFE_S = 2e-4  # a shorter one means no smoothing


@jax.jit
def shape_route(source: ArrayLike, amount: ArrayLike, bipolar: ArrayLike = 0, power: ArrayLike = 0.0) -> jax.Array:
    """The value that a route adds to its destination, as a share of the control's range (see `route_to`).

    A stereo route adds the negative value in the right channel.

    Args:
      source: value in [0, 1] of the modulation source.
      amount: native, -1 to 1.
      bipolar: 0, or 1 if the middle of the source's range adds nothing.
      power: native, -10 to 10; a positive one rises fast at first.
    """
    shifted = (1 + jnp.asarray(bipolar)) * jnp.clip(source, 0, 1) - bipolar
    bent = jnp.sign(shifted) * power_scale(jnp.abs(shifted), -jnp.asarray(power))
    return jnp.clip(amount, -1, 1) * bent * (1 - 0.5 * jnp.asarray(bipolar))


def route_to(knob: ArrayLike, minimum: ArrayLike, maximum: ArrayLike, *shaped: ArrayLike) -> jax.Array:
    """The native value of a control after routes, each as `shape_route` returns it.

    Routes add to the native value, before its scale (the square of a level, the fourth power of a time, 2^x of a rate).
    They may move it beyond its range.
    """
    return jnp.asarray(knob) + (jnp.asarray(maximum) - minimum) * sum(shaped)


def lfo_frequency_hz(knob: ArrayLike) -> jax.Array:
    """Frequency of a native `lfo_N_frequency`, -7 to 9, where `lfo_N_sync` is SECONDS."""
    return 2.0 ** jnp.asarray(knob)


def tempo_frequency_hz(tempo: ArrayLike, beats_per_second: ArrayLike = 2.0, sync: ArrayLike = TEMPO) -> jax.Array:
    """Frequency of a `lfo_N_tempo` (menu index: 0 freezes, 8 is a quarter note) where sync is TEMPO, DOTTED or TRIPLET.

    Delays, choruses, flangers and phasers have the same menu. The control `beats_per_minute` holds beats per second.
    """
    factor = jnp.select([jnp.asarray(sync) == DOTTED, jnp.asarray(sync) == TRIPLET], [2 / 3, 3 / 2], 1.0)
    return jnp.asarray(_CYCLES_A_BEAT)[jnp.asarray(tempo)] * jnp.asarray(beats_per_second) * factor


def keytrack_frequency_hz(note: ArrayLike, transpose: ArrayLike = -12.0, tune: ArrayLike = 0.0) -> jax.Array:
    """Frequency of an LFO whose sync is KEYTRACK: of the note, with `lfo_N_keytrack_transpose` and `_tune`."""
    return note_hz(jnp.asarray(note) + transpose + tune)


def lfo_phase(
    time_s: Real,
    frequency_hz: Real,
    phase: ArrayLike = 0.0,
    sync_type: int = TRIGGER,
    note_s: Real = jnp.inf,
    delay_s: Real = 0.0,
) -> jax.Array:
    """Phase in [0, 1] of an LFO `time_s` after the note began.

    Args:
      phase: native `lfo_N_phase`, in [0, 1]: where the LFO starts, or loops (LOOP_POINT, LOOP_HOLD), or
        waits (SUSTAIN_ENVELOPE). `lfo_N_stereo` adds half of its value in the left channel and subtracts it in the
        right.
      sync_type: fixed at tracing. SYNC runs as TRIGGER does, but from the song's start.
      note_s: note length in seconds.
      delay_s: native `lfo_N_delay_time`.

    Raises ValueError for another `sync_type`.
    """
    if sync_type not in range(6):
        raise ValueError(f"sync_type is {sync_type}; it must be 0 to 5 (TRIGGER to LOOP_HOLD)")
    phase = jnp.asarray(phase)

    def run(time_s: Real) -> jax.Array:
        return jnp.asarray(frequency_hz * jnp.maximum(time_s - delay_s, 0))

    if sync_type in (TRIGGER, SYNC):
        return (run(time_s) + phase) % 1
    if sync_type == ENVELOPE:
        return jnp.minimum(run(time_s) + phase, 1)
    if sync_type == LOOP_POINT:
        length = 1 - phase
        beyond = run(time_s) - 1
        looped = jnp.where(length > 0, phase + beyond % jnp.where(length > 0, length, 1), 1.0)
        return jnp.where(beyond < 0, 1 + beyond, looped)
    while_on = run(jnp.minimum(time_s, note_s))
    if sync_type == SUSTAIN_ENVELOPE:
        while_on = jnp.minimum(while_on, phase)
    else:
        while_on = jnp.where(phase > 0, while_on % jnp.where(phase > 0, phase, 1), jnp.minimum(while_on, 1))
    released = run(jnp.maximum(time_s, note_s)) - run(note_s)
    return jnp.minimum(while_on + jnp.where(jnp.asarray(time_s) > note_s, released, 0.0), 1)


@functools.partial(jax.jit, static_argnames="smooth")
def lfo_value(phase: ArrayLike, points: ArrayLike, powers: ArrayLike, smooth: bool = False) -> jax.Array:
    """Value in [0, 1] of a drawn shape at `phase`, differentiable in the points and powers.

    Args:
      points: [n, 2] of (phase, height), phases rising from 0 to 1, height 0 at the top, as in a preset's `lfos`.
      powers: [n] bends of the segments; the last one has none.
      smooth: whether half cosines ease each segment.
    """
    x, y = jnp.moveaxis(jnp.asarray(points), -1, 0)
    phase = jnp.asarray(phase)
    segment = jnp.clip(jnp.searchsorted(x, phase, side="right") - 1, 0, x.shape[0] - 2)
    width = x[segment + 1] - x[segment]
    share = jnp.where(width > 0, (phase - x[segment]) / jnp.where(width > 0, width, 1), 1.0)
    share = jnp.clip(share, 0, 1)
    if smooth:
        share = 0.5 - 0.5 * jnp.cos(jnp.pi * share)
    bent = power_scale(share, jnp.asarray(powers)[segment])
    return 1 - (y[segment] + bent * (y[segment + 1] - y[segment]))


def lfo_fade(time_s: ArrayLike, fade_s: ArrayLike, delay_s: ArrayLike = 0.0) -> jax.Array:
    """Factor in [0, 1] for an LFO's value, where `lfo_N_smooth_mode` is off.

    Before `delay_s` it is 0. With smoothing on, an LFO waits at its first value instead, and there is no fade. (This
    holds for controls that move at audio rate: levels, pitches, cutoffs. The other controls fade from the LFO's first
    value, not from 0.)
    """
    return jnp.clip((jnp.asarray(time_s) - delay_s) / jnp.maximum(fade_s, 1e-6), 0, 1)


def smooth_half_life_s(knob: ArrayLike) -> jax.Array:
    """Half-life of a native `lfo_N_smooth_time`, -10 to 4, where `lfo_N_smooth_mode` is on (1.1 ms by default)."""
    return 0.2 * 2.0 ** jnp.asarray(knob)


def smooth_values(values: ArrayLike, step_s: float, half_life_s: Real) -> jax.Array:
    """[..., n] values of an LFO after smoothing, which starts at 0. The values are `step_s` apart."""
    kept = jnp.where(half_life_s > _SHORTEST_HALF_LIFE_S, 0.5 ** (step_s / half_life_s), 0.0)
    values = jnp.asarray(values)

    def then(first, second):
        return first[0] * second[0], first[1] * second[0] + second[1]

    return jax.lax.associative_scan(then, (jnp.broadcast_to(kept, values.shape), (1 - kept) * values), axis=-1)[1]
