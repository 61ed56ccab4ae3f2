"""Decomposes a log-mel spectrogram into spectrum, filter and gain by alternating medians.

A fit begins with the result.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vjax.candidates.patch.model import N_FRAMES, Axes, Knobs, Skeleton, low_pass_db
from vjax.candidates.patch.spectrogram import FLOOR_DB, Spectrogram
from vjax.io.arrays import Array

_CUTOFFS = np.linspace(20, 135, 47)  # MIDI pitches that the alternating medians choose from
_ROUNDS = 6
_SAW_DB = 6.0  # by which a saw falls per octave
_BRIGHT = 0.85  # quantile: the source begins bright, so that the filter explains dark frames


class Factors(NamedTuple):
    """A spectrogram decomposed by `factor`.

    Attributes:
      spectrum_db: [bands].
      cutoff: [t], MIDI pitch.
      gain_db: [t].
      error_db: [], mean |difference|.
    """

    spectrum_db: Array
    cutoff: Array
    gain_db: Array
    error_db: Array


@jax.jit
def factor(sound_db: jax.Array, band: jax.Array, q: jax.Array, steep: jax.Array, filtered: jax.Array) -> Factors:
    """Decomposes a sound [t, bands] into spectrum, cutoff and gain by alternating medians, which minimise mean |dB|.

    Args:
      band: [bands], MIDI pitch of the bands' centres.
      q, steep, filtered: [], of the filter, see `vjax.candidates.patch.model`.
    """
    seen = jnp.where(sound_db > FLOOR_DB + 0.1, sound_db, jnp.nan)
    responses = filtered * low_pass_db(band, _CUTOFFS[:, None], q, steep)  # [cutoffs, bands]
    level = jnp.nanmax(seen, 1, keepdims=True)
    spectrum = jnp.nan_to_num(jnp.nanquantile(seen - level, _BRIGHT, axis=0), nan=FLOOR_DB)

    def one_round(spectrum, _):
        rest = seen[:, None] - spectrum - responses  # [t, cutoffs, bands]
        gains = jnp.nan_to_num(jnp.nanmedian(rest, -1), nan=FLOOR_DB)
        errors = jnp.abs(jnp.maximum(spectrum + responses + gains[..., None], FLOOR_DB) - sound_db[:, None]).mean(-1)
        before = jnp.concatenate([errors[:1], errors[:-1]])
        after = jnp.concatenate([errors[1:], errors[-1:]])
        chosen = jnp.argmin(errors + 0.5 * (before + after), 1)  # neighbours count, because a cutoff moves steadily
        gain = jnp.take_along_axis(gains, chosen[:, None], 1)[:, 0]
        response = responses[chosen]
        spectrum = jnp.nan_to_num(jnp.nanmedian(seen - gain[:, None] - response, 0), nan=2 * FLOOR_DB)
        error = jnp.abs(jnp.maximum(spectrum + response + gain[:, None], FLOOR_DB) - sound_db).mean()
        return spectrum, (jnp.asarray(_CUTOFFS)[chosen], gain, error)

    spectrum, (cutoff, gain, error) = jax.lax.scan(one_round, spectrum, length=_ROUNDS)
    return Factors(spectrum, cutoff[-1], gain[-1], error[-1])


def as_a_saw(factors: Factors, q: float, steep: float, axes: Axes) -> Factors:
    """Moves a part of the spectrum into the filter, so that the source falls as nearly as possible like a saw.

    If a filter does not move, the sound does not show which part is the filter's and which is the source's. Musicians
    use bright sources.
    """
    audible = np.asarray(axes.tilt) != 0
    band = np.asarray(axes.band)
    middle = float(np.median(factors.cutoff))
    responses = np.asarray(low_pass_db(axes.band, _CUTOFFS[:, None], q, steep))
    played = factors.spectrum_db + responses[int(np.argmin(np.abs(_CUTOFFS - middle)))]
    rest = (played - responses + _SAW_DB * (band - band[0]) / 12)[:, audible]
    misses = np.abs(rest - np.median(rest, 1, keepdims=True)).mean(1)
    best = int(np.argmin(misses))
    return factors._replace(
        spectrum_db=played - responses[best],
        cutoff=np.clip(factors.cutoff + _CUTOFFS[best] - middle, _CUTOFFS[0], _CUTOFFS[-1]),
    )


def initial_knobs(
    factors: Factors, skeleton: Skeleton, q: float, decay_s: float, sound: Spectrogram, axes: Axes
) -> Knobs:
    """Returns the initial parameters that the decomposed curves suggest."""
    time_s, gain, cutoff = sound.time_s, factors.gain_db, factors.cutoff
    while_on = time_s < float(axes.note_s)
    loudest_db = gain.max()
    attack_s = max(float(time_s[np.argmax(gain > loudest_db - 6)]), 0.004)
    audible = while_on & (gain > loudest_db - 50)
    moves = cutoff[audible] if audible.any() else cutoff
    first, last = float(np.median(moves[:5])), float(np.median(moves[-10:]))
    rising = bool(skeleton.filter_envelope) and last > first
    base = first if rising else last if skeleton.filter_envelope else float(np.median(moves))
    sustain = float(np.clip(10 ** ((np.median(gain[while_on][-10:]) - loudest_db) / 40), 0.02, 0.98))
    node_s = np.asarray(axes.node_s)
    return Knobs(
        spectrum_db=np.tile(factors.spectrum_db + loudest_db, (N_FRAMES, 1)),
        attack=np.log(attack_s),
        decay=np.log(decay_s),
        sustain=np.log(sustain / (1 - sustain)),
        release=np.log(0.2),
        decay_power=-2.0,
        cutoff=base,
        amount=last - first if rising else max(first - last, 0) + 2,
        log_q=np.log(q),
        filter_attack=np.log(0.3 if rising else 0.005),
        filter_decay=np.log(decay_s),
        filter_sustain=0.0,
        filter_release=np.log(0.3),
        filter_decay_power=-2.0,
        drawn_cutoff=skeleton.drawn_cutoff * (np.interp(node_s, time_s, cutoff) - base),
        drawn_gain_db=skeleton.drawn_gain * np.interp(node_s, time_s, np.maximum(gain - loudest_db, -60)),
        wet_db=-10.0,
        t60=np.log(1.0),
    )
