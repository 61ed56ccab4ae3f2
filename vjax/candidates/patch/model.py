"""A patch as a differentiable model of a log-mel spectrogram: spectrum x filter x gain, each moved by curves.

    level_db[t, b] = spectrum_db[frame(t), b] + filter_db[b, cutoff(t)] + 40 log10 envelope(t) + drawn_gain_db(t)

With a reverb, the power that remains from earlier frames is added to the power of this level.

All terms but the spectrum are closed forms of Vital (`vjax.vital.laws`), evaluated at the centres of mel bands. A
skeleton selects the terms by factors 0 or 1, so that one compiled function fits all skeletons.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from vjax.io.arrays import Array
from vjax.vital.laws import envelope

Value = Array | float

N_FRAMES = 4
"""Cycles of a moving wavetable."""

N_NODES = 48
"""Points of a drawn curve before it is simplified."""

_LEAST_ENVELOPE = 1e-3  # -120 dB
_LEAST_POWER = 1e-18
_GATE_S = 1e-3  # attack where a drawn curve shapes the level
# A frame shows a window of 25 ms: its level is the mean power, weighted by the squared Hann window.
_SPREAD_S = np.array([-0.009, -0.0045, 0.0, 0.0045, 0.009])
_SPREAD_WEIGHT = np.cos(np.pi * _SPREAD_S / 0.025) ** 4 / np.sum(np.cos(np.pi * _SPREAD_S / 0.025) ** 4)


class Skeleton(NamedTuple):
    """Which terms of the model take part: each is 0 or 1.

    Attributes:
      filtered: there is a low-pass filter; else the spectrum sounds unfiltered.
      steep: 24 dB per octave; else 12.
      filter_envelope: an envelope moves the cutoff.
      drawn_cutoff: a drawn curve moves the cutoff.
      drawn_gain: a drawn curve shapes the level; the amplitude envelope then only gates.
      moving: the oscillator moves through several cycles.
      reverberant: a reverb follows.
    """

    filtered: float
    steep: float
    filter_envelope: float
    drawn_cutoff: float
    drawn_gain: float
    moving: float
    reverberant: float


class Knobs(NamedTuple):
    """The fitted parameters, without constraints. Times are natural logarithms of seconds, sustains are logits.

    Attributes:
      spectrum_db: [N_FRAMES, bands].
      cutoff: MIDI pitch of the cutoff while the filter's envelope is at 0.
      amount: semitones that the envelope adds at its peak.
      log_q: natural logarithm of the Q of the filter's first stage.
      drawn_cutoff: [N_NODES], semitones.
      drawn_gain_db: [N_NODES].
      wet_db: power of the reverb's output relative to its input, in dB, for a long note.
      t60: natural logarithm of the seconds in which the reverb falls by 60 dB.
    """

    spectrum_db: Array
    attack: Value
    decay: Value
    sustain: Value
    release: Value
    decay_power: Value
    cutoff: Value
    amount: Value
    log_q: Value
    filter_attack: Value
    filter_decay: Value
    filter_sustain: Value
    filter_release: Value
    filter_decay_power: Value
    drawn_cutoff: Array
    drawn_gain_db: Array
    wet_db: Value
    t60: Value


class Axes(NamedTuple):
    """Where a spectrogram is sampled, and its note.

    Attributes:
      time_s: [t], centres of frames after note-on.
      band: MIDI pitch of the bands' centres: [bands], or [t, bands] if they move with the pitch.
      below, share: [t, bands]. `below` is the band of the source, at its table's pitch, that each band shows at each
        time. `share` is the fraction of the way from there to the next band. The pitch moves the source; the filter
        stays.
      node_s: [N_NODES], times of the drawn curves' nodes.
      frame_s: [N_FRAMES], times at which the oscillator is at each of its cycles.
      note_s: time from note-on to note-off, seconds.
      tilt: [bands], weights that give a spectrum's slope in dB per octave over the audible bands; 0 for the others.
    """

    time_s: Float[jax.Array, " t"]
    band: Float[jax.Array, "*t bands"]
    below: Int[jax.Array, "t bands"]
    share: Float[jax.Array, "t bands"]
    node_s: Float[jax.Array, " nodes"]
    frame_s: Float[jax.Array, " frames"]
    note_s: Float[jax.Array, ""]
    tilt: Float[jax.Array, " bands"]


def axes_of(
    time_s: np.ndarray, band_hz: np.ndarray, note_s: float, audible: np.ndarray, moved: np.ndarray | None = None
) -> Axes:
    """Returns the axes of a spectrogram. Nodes are dense at the onset; cycles are spread evenly.

    Args:
      audible: [bands] bool: where the sound has a spectrum.
      moved: [t], semitones by which the pitch differs from the table's; by default the pitch is steady.
    """
    band = 69 + 12 * np.log2(band_hz / 440)
    moved = np.zeros(len(time_s)) if moved is None else moved
    position = np.interp(band - moved[:, None], band, np.arange(len(band)))
    below = np.minimum(position.astype(int), len(band) - 2)
    octave = np.log2(band_hz)
    off = np.where(audible, octave - octave[audible].mean(), 0)
    onset = np.arange(8) * 0.0125
    end_s = float(time_s[-1])

    def float32(values: np.ndarray | float) -> jax.Array:
        return jnp.asarray(values, jnp.float32)

    return Axes(
        time_s=float32(time_s),
        band=float32(band),
        below=jnp.asarray(below, jnp.int32),
        share=float32(position - below),
        node_s=float32(np.concatenate([onset, np.linspace(0.1, end_s, N_NODES - len(onset))])),
        frame_s=float32(np.linspace(0, 0.95 * end_s, N_FRAMES)),
        note_s=float32(note_s),
        tilt=float32(off / max((off**2).sum(), 1e-6)),
    )


def gain_db(knobs: Knobs, skeleton: Skeleton, axes: Axes) -> Float[jax.Array, " t"]:
    """Returns the level [t] in dB of the amplitude envelope and the drawn gain."""
    drawn = skeleton.drawn_gain > 0
    shape = envelope(
        axes.time_s[:, None] + _SPREAD_S,
        axes.note_s,
        0.0,
        jnp.where(drawn, _GATE_S, jnp.exp(knobs.attack)),
        0.0,
        jnp.exp(knobs.decay),
        jnp.where(drawn, 1.0, jax.nn.sigmoid(knobs.sustain)),
        jnp.exp(knobs.release),
        0.0,
        knobs.decay_power,
    )
    power = jnp.sum(jnp.maximum(shape, _LEAST_ENVELOPE) ** 4 * _SPREAD_WEIGHT, 1)
    # From the last node before note-off on, the curve is constant. The fall after note-off belongs to the release.
    last_s = jnp.where(axes.node_s <= axes.note_s - _GATE_S, axes.node_s, 0).max()
    curve = jnp.interp(jnp.minimum(axes.time_s, last_s), axes.node_s, knobs.drawn_gain_db)
    return 10 * jnp.log10(power) + skeleton.drawn_gain * curve


def cutoff_midi(knobs: Knobs, skeleton: Skeleton, axes: Axes) -> Float[jax.Array, " t"]:
    """Returns the MIDI pitch [t] of the cutoff."""
    shape = envelope(
        axes.time_s,
        axes.note_s,
        0.0,
        jnp.exp(knobs.filter_attack),
        0.0,
        jnp.exp(knobs.filter_decay),
        jax.nn.sigmoid(knobs.filter_sustain),
        jnp.exp(knobs.filter_release),
        0.0,
        knobs.filter_decay_power,
    )
    curve = jnp.interp(axes.time_s, axes.node_s, knobs.drawn_cutoff)
    moved = knobs.cutoff + skeleton.filter_envelope * knobs.amount * shape + skeleton.drawn_cutoff * curve
    return jnp.clip(moved, 8, 136)


@jax.jit
def low_pass_db(band: jax.Array, cutoff: jax.Array, q: jax.Array, steep: jax.Array) -> jax.Array:
    """Returns the response in dB at pitches `band` of two poles with `q`; if `steep`, of two more with a Q of 1.

    This is the low-pass of the Digital and Analog filters without the warp near half the sample rate. It is
    `vjax.vital.laws.low_pass_gain_db` in terms of Q, so that one fit serves both filters.
    """
    x2 = 2 ** (jnp.clip(band - cutoff, -120, 120) / 6)
    first = (1 - x2) ** 2 + x2 / q**2
    second = (1 - x2) ** 2 + x2
    return -10 * (jnp.log10(jnp.maximum(first, 1e-9)) + steep * jnp.log10(jnp.maximum(second, 1e-9)))


def filter_db(knobs: Knobs, skeleton: Skeleton, axes: Axes) -> Float[jax.Array, "t bands"]:
    """Returns the response [t, bands] of the filter in dB."""
    cutoff = cutoff_midi(knobs, skeleton, axes)[:, None]
    return skeleton.filtered * low_pass_db(axes.band, cutoff, jnp.exp(knobs.log_q), skeleton.steep)


def frame_shares(axes: Axes) -> Float[jax.Array, "t frames"]:
    """Returns the shares [t, N_FRAMES] of the cycles in the sound. They are linear between the times of two cycles."""
    at = jnp.interp(axes.time_s, axes.frame_s, jnp.arange(N_FRAMES, dtype=jnp.float32))
    return jnp.maximum(1 - jnp.abs(at[:, None] - jnp.arange(N_FRAMES)), 0)


def source_db(knobs: Knobs, skeleton: Skeleton, axes: Axes) -> Float[jax.Array, "t bands"]:
    """Returns the level [t, bands] of the oscillator in dB, at its pitch."""
    mean = knobs.spectrum_db.mean(0)
    spectra = mean + skeleton.moving * (knobs.spectrum_db - mean)
    level = _to_db(frame_shares(axes) @ 10 ** (spectra / 10))
    lower, upper = (jnp.take_along_axis(level, axes.below + i, 1) for i in (0, 1))
    return lower + axes.share * (upper - lower)


def reverberated(power: jax.Array, knobs: Knobs, skeleton: Skeleton, axes: Axes) -> jax.Array:
    """Returns power [t, bands] plus the power that a reverb adds to it."""
    kept = 10 ** (-6 * (axes.time_s[1] - axes.time_s[0]) / jnp.exp(knobs.t60))

    def step(tail, power):
        tail = kept * tail + (1 - kept) * power
        return tail, tail

    _, tails = jax.lax.scan(step, jnp.zeros_like(power[0]), power)
    return power + skeleton.reverberant * 10 ** (knobs.wet_db / 10) * tails


def passed_db(knobs: Knobs, skeleton: Skeleton, axes: Axes) -> jax.Array:
    """Returns the level [t, bands] in dB that filter, gain and reverb give to a steady line of 0 dB."""
    dry_db = filter_db(knobs, skeleton, axes) + gain_db(knobs, skeleton, axes)[:, None]
    return _to_db(reverberated(10 ** (dry_db / 10), knobs, skeleton, axes))


def level_db(knobs: Knobs, skeleton: Skeleton, axes: Axes) -> jax.Array:
    """Returns the log-mel spectrogram [t, bands] of a patch, see the module's docstring."""
    moving_db = source_db(knobs, skeleton, axes) + filter_db(knobs, skeleton, axes)
    dry_db = moving_db + gain_db(knobs, skeleton, axes)[:, None]
    return _to_db(reverberated(10 ** (dry_db / 10), knobs, skeleton, axes))


def _to_db(power: jax.Array) -> jax.Array:
    return 10 * jnp.log10(power + _LEAST_POWER)
