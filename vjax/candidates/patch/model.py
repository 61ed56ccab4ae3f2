"""A patch as a model of a log-mel spectrogram: spectrum x filter x gain, each moved by curves. Differentiable.

    level_db[t, b] = spectrum_db[frame(t), b] + filter_db[b, cutoff(t)] + 40 log10 envelope(t) + drawn_gain_db(t)

and, with a reverb, the power that still lasts from before is added to the power of that.

All terms but the spectrum are closed forms of Vital (`vjax.vital.laws`), taken at the centres of mel bands. A skeleton
says which terms take part, as factors 0 or 1, so that one compiled function fits all skeletons.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vjax.vital.laws import envelope

N_FRAMES = 4
"""Cycles of a moving wavetable."""

N_NODES = 48
"""Of a drawn curve, before it is simplified."""

_LEAST_ENVELOPE = 1e-3  # -120 dB
_LEAST_POWER = 1e-18
_GATE_S = 1e-3  # attack where a drawn curve shapes the level
# A frame shows a window of 25 ms: its level is the mean power under the squared Hann window.
_SPREAD_S = np.array([-0.009, -0.0045, 0.0, 0.0045, 0.009])
_SPREAD_WEIGHT = np.cos(np.pi * _SPREAD_S / 0.025) ** 4 / np.sum(np.cos(np.pi * _SPREAD_S / 0.025) ** 4)


class Skeleton(NamedTuple):
    """Which terms of the model take part: each is 0 or 1.

    Attributes:
      filtered: a low-pass filter; else the spectrum is what sounds.
      steep: 24 dB an octave; else 12.
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
    """What is fitted, without constraints. Times are natural logarithms of seconds, sustains are logits.

    Attributes:
      spectrum_db: [N_FRAMES, bands].
      cutoff: MIDI pitch of the filter while its envelope is at 0.
      amount: semitones that the envelope adds at its peak.
      log_q: natural logarithm of the Q of the filter's first stage.
      drawn_cutoff: [N_NODES], semitones.
      drawn_gain_db: [N_NODES].
      wet_db: power of the reverb's sound relative to the sound before it, of a note that is held for long.
      t60: natural logarithm of the seconds in which the reverb falls by 60 dB.
    """

    spectrum_db: jax.Array
    attack: jax.Array
    decay: jax.Array
    sustain: jax.Array
    release: jax.Array
    decay_power: jax.Array
    cutoff: jax.Array
    amount: jax.Array
    log_q: jax.Array
    filter_attack: jax.Array
    filter_decay: jax.Array
    filter_sustain: jax.Array
    filter_release: jax.Array
    filter_decay_power: jax.Array
    drawn_cutoff: jax.Array
    drawn_gain_db: jax.Array
    wet_db: jax.Array
    t60: jax.Array


class Axes(NamedTuple):
    """Where a spectrogram is sampled, and its note.

    Attributes:
      time_s: [t], centres of frames after note-on.
      band: [bands], or [t, bands] where it moves with the pitch: MIDI pitch of the bands' centres.
      below, share: [t, bands]: the band of the source, at the pitch of its table, that each band shows at each time,
        and how far it is on the way to the next. The pitch moves the source; the filter stays.
      node_s: [N_NODES], times of the drawn curves' nodes.
      frame_s: [N_FRAMES], when the oscillator is at each of its cycles.
      note_s: time from note-on to note-off, seconds.
      tilt: [bands], weights that give a spectrum's slope in dB an octave, over the bands that are audible.
    """

    time_s: jax.Array
    band: jax.Array
    below: jax.Array
    share: jax.Array
    node_s: jax.Array
    frame_s: jax.Array
    note_s: jax.Array
    tilt: jax.Array


def axes_of(
    time_s: np.ndarray, band_hz: np.ndarray, note_s: float, audible: np.ndarray, moved: np.ndarray | None = None
) -> Axes:
    """The axes of a spectrogram. Nodes are close at the onset; cycles are spread evenly.

    Args:
      audible: [bands] bool: where the sound has a spectrum.
      moved: [t], semitones by which the pitch is off that of the table; by default it is steady.
    """
    band = 69 + 12 * np.log2(band_hz / 440)
    moved = np.zeros(len(time_s)) if moved is None else moved
    place = np.interp(band - moved[:, None], band, np.arange(len(band)))
    below = np.minimum(place.astype(int), len(band) - 2)
    octave = np.log2(band_hz)
    off = np.where(audible, octave - octave[audible].mean(), 0)
    onset = np.arange(8) * 0.0125
    end_s = float(time_s[-1])
    floats = (
        place - below,
        np.concatenate([onset, np.linspace(0.1, end_s, N_NODES - len(onset))]),
        np.linspace(0, 0.95 * end_s, N_FRAMES),
        note_s,
        off / max((off**2).sum(), 1e-6),
    )
    at = (jnp.asarray(values, jnp.float32) for values in (time_s, band))
    return Axes(*at, jnp.asarray(below, jnp.int32), *(jnp.asarray(values, jnp.float32) for values in floats))


def gain_db(knobs: Knobs, skeleton: Skeleton, axes: Axes) -> jax.Array:
    """[t]: level of the amplitude envelope and of the drawn gain."""
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
    # From the last node before note-off on the curve stays: what follows is the release's, and not a drop in the curve.
    last_s = jnp.where(axes.node_s <= axes.note_s - _GATE_S, axes.node_s, 0).max()
    curve = jnp.interp(jnp.minimum(axes.time_s, last_s), axes.node_s, knobs.drawn_gain_db)
    return 10 * jnp.log10(power) + skeleton.drawn_gain * curve


def cutoff_midi(knobs: Knobs, skeleton: Skeleton, axes: Axes) -> jax.Array:
    """[t]: MIDI pitch of the cutoff."""
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
    """Response in dB of two poles with `q` at pitches `band`, and where `steep` of two more with a Q of 1.

    Digital's and Analog's low-pass without the warp near half the rate: `vjax.vital.laws.low_pass_gain_db` in terms of
    Q, so that one fit serves both.
    """
    x2 = 2 ** (jnp.clip(band - cutoff, -120, 120) / 6)
    first = (1 - x2) ** 2 + x2 / q**2
    second = (1 - x2) ** 2 + x2
    return -10 * (jnp.log10(jnp.maximum(first, 1e-9)) + steep * jnp.log10(jnp.maximum(second, 1e-9)))


def filter_db(knobs: Knobs, skeleton: Skeleton, axes: Axes) -> jax.Array:
    """[t, bands]."""
    cutoff = cutoff_midi(knobs, skeleton, axes)[:, None]
    return skeleton.filtered * low_pass_db(axes.band, cutoff, jnp.exp(knobs.log_q), skeleton.steep)


def frame_shares(axes: Axes) -> jax.Array:
    """[t, N_FRAMES]: shares of the cycles in what sounds, linear between the times of two."""
    at = jnp.interp(axes.time_s, axes.frame_s, jnp.arange(N_FRAMES, dtype=jnp.float32))
    return jnp.maximum(1 - jnp.abs(at[:, None] - jnp.arange(N_FRAMES)), 0)


def source_db(knobs: Knobs, skeleton: Skeleton, axes: Axes) -> jax.Array:
    """[t, bands] of the oscillator, at its pitch."""
    mean = knobs.spectrum_db.mean(0)
    spectra = mean + skeleton.moving * (knobs.spectrum_db - mean)
    level = _to_db(frame_shares(axes) @ 10 ** (spectra / 10))
    lower, upper = (jnp.take_along_axis(level, axes.below + i, 1) for i in (0, 1))
    return lower + axes.share * (upper - lower)


def reverberated(power: jax.Array, knobs: Knobs, skeleton: Skeleton, axes: Axes) -> jax.Array:
    """Power [t, bands] with what a reverb adds to it."""
    kept = 10 ** (-6 * (axes.time_s[1] - axes.time_s[0]) / jnp.exp(knobs.t60))

    def step(tail, power):
        tail = kept * tail + (1 - kept) * power
        return tail, tail

    _, tails = jax.lax.scan(step, jnp.zeros_like(power[0]), power)
    return power + skeleton.reverberant * 10 ** (knobs.wet_db / 10) * tails


def passed_db(knobs: Knobs, skeleton: Skeleton, axes: Axes) -> jax.Array:
    """[t, bands]: what comes after the oscillator, filter, gain and reverb, makes of a steady line."""
    dry_db = filter_db(knobs, skeleton, axes) + gain_db(knobs, skeleton, axes)[:, None]
    return _to_db(reverberated(10 ** (dry_db / 10), knobs, skeleton, axes))


def level_db(knobs: Knobs, skeleton: Skeleton, axes: Axes) -> jax.Array:
    """[t, bands]: the log-mel spectrogram of a patch, see the module."""
    moving_db = source_db(knobs, skeleton, axes) + filter_db(knobs, skeleton, axes)
    dry_db = moving_db + gain_db(knobs, skeleton, axes)[:, None]
    return _to_db(reverberated(10 ** (dry_db / 10), knobs, skeleton, axes))


def _to_db(power: jax.Array) -> jax.Array:
    return 10 * jnp.log10(power + _LEAST_POWER)
