"""Fits skeletons of patches to a log-mel spectrogram: alternate medians first, then descent from several starts.

Everything is compiled once for a length of sound: note, pitch, skeleton and start are data.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vjax.candidates.patch.model import N_FRAMES, Axes, Knobs, Skeleton, level_db, low_pass_db
from vjax.candidates.patch.spectrogram import FLOOR_DB, Spectrogram

FIRST_STEPS, STEPS, MORE_STEPS = 100, 200, 60
"""Of descent: from every start at half the frames, on from the best start of each skeleton, and in `refit`."""

_CUTOFFS = np.linspace(20, 135, 47)  # MIDI pitches that alternate medians choose from
_QS = (0.7, 1.5, 4.0)
_ROUNDS = 6
_BRIGHT = 0.85  # the source begins as a bright one, so that the filter explains what is dark
_DECAYS_S = (0.1, 0.6)
_BELOW_FLOOR = 0.02  # slope of the error below the floor, so that what is too soft finds its way back
_LONGEST_S, _SHORTEST_S = 8.0, 0.001
_MOST_Q, _LEAST_Q = 8.0, 0.5
_MOST_POWER = 8.0
_ROUGH = 0.01  # weight of a drawn curve's bends
# dB an octave: a table that is darker leaves the filter less to explain, a brighter one hides what it does.
_SAW_SLOPE, _WHITE_SLOPE = -6.0, 0.0
_ODD = 0.03  # weight of a dB an octave beyond them

_RATES = Knobs(  # Adam's, by unit
    spectrum_db=1.5,
    attack=0.08,
    decay=0.08,
    sustain=0.1,
    release=0.08,
    decay_power=0.1,
    cutoff=1.0,
    amount=1.0,
    log_q=0.04,
    filter_attack=0.08,
    filter_decay=0.08,
    filter_sustain=0.1,
    filter_release=0.08,
    filter_decay_power=0.1,
    drawn_cutoff=1.0,
    drawn_gain_db=1.0,
    wet_db=0.5,
    t60=0.05,
)


class Factors(NamedTuple):
    """A spectrogram taken apart by `factor`.

    Attributes:
      spectrum_db: [bands].
      cutoff: [t], MIDI pitch.
      gain_db: [t].
      error_db: [], mean |difference|.
    """

    spectrum_db: jax.Array
    cutoff: jax.Array
    gain_db: jax.Array
    error_db: jax.Array


class Fit(NamedTuple):
    """A skeleton with its knobs, and the mean |difference| in dB that the model leaves."""

    name: str
    skeleton: Skeleton
    knobs: Knobs
    error_db: float


def _skeleton(**on: float) -> Skeleton:
    """The one with a filter that an envelope moves, other than that with the parts that are named."""
    return Skeleton(1, 0, 1, 0, 0, 0, 0)._replace(**on)


_DRAWN_FILTER = {"filter_envelope": 0, "drawn_cutoff": 1}
_NO_FILTER = {"filtered": 0, "filter_envelope": 0}
SKELETONS = {
    "envelopes": _skeleton(),
    "envelopes, reverb": _skeleton(reverberant=1),
    "drawn level": _skeleton(drawn_gain=1),
    "drawn level, reverb": _skeleton(drawn_gain=1, reverberant=1),
    "drawn filter": _skeleton(**_DRAWN_FILTER),
    "drawn level and filter": _skeleton(**_DRAWN_FILTER, drawn_gain=1),
    "no filter": _skeleton(**_NO_FILTER),
    "moving table, no filter": _skeleton(**_NO_FILTER, moving=1),
    "moving table": _skeleton(moving=1),
    "moving table, reverb": _skeleton(moving=1, reverberant=1),
    "moving table, drawn level, no filter": _skeleton(**_NO_FILTER, drawn_gain=1, moving=1),
    "moving table, drawn level": _skeleton(drawn_gain=1, moving=1),
}
"""By name, the simplest first."""


def fit(sound: Spectrogram, axes: Axes) -> list[Fit]:
    """The best fit of each skeleton."""
    slopes = [(q, steep, 1.0) for steep in (0.0, 1.0) for q in _QS] + [(1.0, 0.0, 0.0)]
    q, steep, filtered = (jnp.asarray(column, jnp.float32) for column in zip(*slopes, strict=True))
    factors = jax.tree.map(np.asarray, _factors(jnp.asarray(sound.db), axes.band, q, steep, filtered))
    ranked = np.argsort(factors.error_db[:-1])
    names, skeletons, starts = [], [], []
    for name, skeleton in SKELETONS.items():
        for i in ranked[:2] if skeleton.filtered else [len(slopes) - 1]:
            for decay_s in _DECAYS_S:
                shape = skeleton._replace(steep=slopes[i][1])
                names.append(name)
                skeletons.append(shape)
                one = Factors(*(field[i] for field in factors))
                starts.append(_start(one, shape, slopes[i][0], decay_s, sound, axes))
    half, weight = jax.tree.map(jnp.asarray, (sound.db[::2], sound.weight[::2]))
    seen = axes._replace(time_s=axes.time_s[::2], below=axes.below[::2], share=axes.share[::2])
    targets = jnp.broadcast_to(half, (len(names), *half.shape))
    knobs, errors = descend(
        _stacked(starts), _stacked(skeletons), _repeated(seen, len(names)), targets, weight, FIRST_STEPS, 1.0
    )
    best = {}
    for i in np.argsort(-np.asarray(errors)):
        best[names[i]] = i
    chosen = np.array([best[name] for name in SKELETONS])
    skeletons = [skeletons[i] for i in chosen]
    targets = jnp.broadcast_to(jnp.asarray(sound.db), (len(chosen), *sound.db.shape))
    knobs, errors = descend(
        jax.tree.map(lambda field: field[chosen], knobs),
        _stacked(skeletons),
        _repeated(axes, len(chosen)),
        targets,
        jnp.asarray(sound.weight),
        STEPS,
        1.0,
    )
    knobs, errors = jax.tree.map(np.asarray, knobs), np.asarray(errors)
    return [
        Fit(name, skeletons[i], Knobs(*(field[i] for field in knobs)), float(errors[i]))
        for i, name in enumerate(SKELETONS)
    ]


def refit(fits: Sequence[tuple[Skeleton, Knobs, Axes]], rendered_db: np.ndarray, sound: Spectrogram) -> list[Knobs]:
    """Knobs that take into account how the engine's renders differ from the model.

    What a model lacks is added to it as a constant: it is fitted to model + (sound - render), by which its parameters
    move as far as the render has to (output space mapping; Bandler et al., IEEE Trans. MTT 2004).

    Args:
      rendered_db: [n, t, bands], spectrograms of the renders.
    """
    rest = len(SKELETONS) - len(fits)  # one size, compiled once
    padded = [*fits, *[fits[-1]] * rest]
    skeletons, knobs = _stacked([one[0] for one in padded]), _stacked([one[1] for one in padded])
    axes = jax.tree.map(lambda *fields: jnp.stack(fields), *[one[2] for one in padded])
    rendered = np.concatenate([rendered_db, np.repeat(rendered_db[-1:], rest, 0)])
    targets = _mapped(knobs, skeletons, axes, jnp.asarray(sound.weight), jnp.asarray(rendered), jnp.asarray(sound.db))
    found, _ = descend(knobs, skeletons, axes, targets, jnp.asarray(sound.weight), MORE_STEPS, 0.3)
    found = jax.tree.map(np.asarray, found)
    return [Knobs(*(field[i] for field in found)) for i in range(len(fits))]


@jax.jit
def _mapped(knobs, skeletons, axes, weight, rendered_db, sound_db):
    def one(knobs, skeleton, axes, rendered_db):
        return _normalised(level_db(knobs, skeleton, axes), weight) + sound_db - rendered_db

    return jax.vmap(one)(knobs, skeletons, axes, rendered_db)


@jax.jit
def factor(sound_db: jax.Array, band: jax.Array, q: jax.Array, steep: jax.Array, filtered: jax.Array) -> Factors:
    """Spectrum, cutoff and gain of a sound [t, bands] by alternate medians, which minimise mean |dB|.

    Args:
      band: [bands], MIDI pitch of their centres.
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
        chosen = jnp.argmin(errors + 0.5 * (before + after), 1)  # a cutoff moves steadily
        gain = jnp.take_along_axis(gains, chosen[:, None], 1)[:, 0]
        response = responses[chosen]
        spectrum = jnp.nan_to_num(jnp.nanmedian(seen - gain[:, None] - response, 0), nan=2 * FLOOR_DB)
        error = jnp.abs(jnp.maximum(spectrum + response + gain[:, None], FLOOR_DB) - sound_db).mean()
        return spectrum, (jnp.asarray(_CUTOFFS)[chosen], gain, error)

    spectrum, (cutoff, gain, error) = jax.lax.scan(one_round, spectrum, length=_ROUNDS)
    return Factors(spectrum, cutoff[-1], gain[-1], error[-1])


_factors = jax.jit(jax.vmap(factor, (None, None, 0, 0, 0)))


@jax.jit
def descend(
    knobs: Knobs, skeletons: Skeleton, axes: Axes, sounds_db: jax.Array, weight: jax.Array, steps, rate
) -> tuple[Knobs, jax.Array]:
    """Fitted knobs and their mean |differences| in dB [n], from knobs, skeletons and axes with a leading n.

    Args:
      sounds_db: [n, t, bands].
      weight: [t], of the frames.
      steps, rate: how many, and a factor of Adam's learning rates; both are data, so nothing is compiled anew.
    """
    optimizer = optax.scale_by_adam(b1=0.8, b2=0.95)

    def one(knobs, skeleton, axes, sound_db):
        def step(i, carry):
            knobs, state = carry
            gradient = jax.tree.map(jnp.nan_to_num, jax.grad(_loss)(knobs, skeleton, axes, sound_db, weight))
            updates, state = optimizer.update(gradient, state)
            now = -rate * 0.5 * (1 + jnp.cos(jnp.pi * i / steps))
            updates = jax.tree.map(lambda update, scale: now * scale * update, updates, _RATES)
            return optax.apply_updates(knobs, updates), state

        knobs, _ = jax.lax.fori_loop(0, steps, step, (knobs, optimizer.init(knobs)))
        model = jnp.maximum(_normalised(level_db(knobs, skeleton, axes), weight), FLOOR_DB)
        return knobs, (jnp.abs(model - sound_db).mean(1) * weight).sum() / weight.sum()

    return jax.vmap(one)(knobs, skeletons, axes, sounds_db)


def _normalised(level_db: jax.Array, weight: jax.Array) -> jax.Array:
    """Relative to its maximum, as MSS compares it: what is too soft at its loudest is too loud everywhere else."""
    return level_db - jnp.where(weight[:, None] > 0, level_db, -jnp.inf).max()


def _loss(knobs: Knobs, skeleton: Skeleton, axes: Axes, sound_db: jax.Array, weight: jax.Array) -> jax.Array:
    model = _normalised(level_db(knobs, skeleton, axes), weight)
    model = jnp.maximum(model, FLOOR_DB) + _BELOW_FLOOR * jnp.minimum(model - FLOOR_DB, 0)
    error = jnp.sqrt((model - sound_db) ** 2 + 0.25) - 0.5  # |difference|, smooth at 0
    fit = (error.mean(1) * weight).sum() / weight.sum()
    bends = [
        (skeleton.drawn_gain, knobs.drawn_gain_db),
        (skeleton.drawn_cutoff, knobs.drawn_cutoff),
    ]
    rough = sum(_ROUGH * on * jnp.abs(jnp.diff(curve, 2)).mean() for on, curve in bends)
    slope = (knobs.spectrum_db @ axes.tilt).mean()
    odd = skeleton.filtered * _ODD * (jax.nn.relu(_SAW_SLOPE - slope) + jax.nn.relu(slope - _WHITE_SLOPE))
    return fit + rough + odd + _beyond_limits(knobs)


def _beyond_limits(knobs: Knobs) -> jax.Array:
    times = (knobs.attack, knobs.decay, knobs.release, knobs.filter_attack, knobs.filter_decay, knobs.filter_release)
    limits = [(time, np.log(_SHORTEST_S), np.log(_LONGEST_S)) for time in times]
    limits += [(power, -_MOST_POWER, _MOST_POWER) for power in (knobs.decay_power, knobs.filter_decay_power)]
    limits += [(knobs.t60, np.log(0.1), np.log(8.0)), (0.1 * knobs.wet_db, -3.0, 0.3)]
    limits += [(knobs.log_q, np.log(_LEAST_Q), np.log(_MOST_Q)), (0.1 * knobs.cutoff, 0.8, 13.6)]
    return sum(jax.nn.relu(low - value) + jax.nn.relu(value - high) for value, low, high in limits)


def _start(factors: Factors, skeleton: Skeleton, q: float, decay_s: float, sound: Spectrogram, axes: Axes) -> Knobs:
    """Knobs that curves taken apart by medians suggest."""
    time_s, gain, cutoff = sound.time_s, factors.gain_db, factors.cutoff
    held = time_s < float(axes.note_s)
    loudest_db = gain.max()
    attack_s = max(float(time_s[np.argmax(gain > loudest_db - 6)]), 0.004)
    audible = held & (gain > loudest_db - 50)
    moves = cutoff[audible] if audible.any() else cutoff
    first, last = float(np.median(moves[:5])), float(np.median(moves[-10:]))
    rising = bool(skeleton.filter_envelope) and last > first
    base = first if rising else last if skeleton.filter_envelope else float(np.median(moves))
    sustain = float(np.clip(10 ** ((np.median(gain[held][-10:]) - loudest_db) / 40), 0.02, 0.98))
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


def _repeated(axes: Axes, n: int) -> Axes:
    return jax.tree.map(lambda field: jnp.broadcast_to(field, (n, *field.shape)), axes)


def _stacked(trees: Sequence):
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf, jnp.float32) for leaf in leaves]), *trees)
