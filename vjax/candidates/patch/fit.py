"""Fits skeletons of patches to a log-mel spectrogram.

Alternating medians give several sets of initial values. Gradient descent begins with each of them. Everything is
compiled once for each length of sound, because note, pitch, skeleton and initial values are data.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from vjax.candidates.patch.factor import Factors, as_a_saw, factor, initial_knobs
from vjax.candidates.patch.model import Axes, Knobs, Skeleton, filter_db, level_db, source_db
from vjax.candidates.patch.spectrogram import FLOOR_DB, Spectrogram
from vjax.io.arrays import Array

FIRST_STEPS, STEPS, MORE_STEPS = 100, 200, 60
"""Steps of descent: from all initial values on half the frames, then from the best of each skeleton; in `refit`."""

_QS = (0.7, 1.5, 4.0)
_DECAYS_S = (0.1, 0.6)
_BELOW_FLOOR = 0.02  # slope of the error below the floor, so that what is too soft still has a gradient
_LONGEST_S, _SHORTEST_S = 8.0, 0.001
_MOST_Q, _LEAST_Q = 8.0, 0.5
_MOST_POWER = 8.0
_ROUGH = 0.01  # weight of a drawn curve's bends
# dB per octave. A darker table leaves the filter less to explain; a brighter table hides what the filter does.
_SAW_SLOPE, _WHITE_SLOPE = -6.0, 0.0
_ODD = 0.03  # weight of a dB of deviation from these slopes
# A filter may lower the loudest band of a table by the second number of dB. The first is the weight of each dB above.
_BURIED, _MOST_BURIED_DB = 0.05, 10.0

_RATES = Knobs(  # Adam's learning rates, by unit
    spectrum_db=np.array(1.5, np.float32),
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
    drawn_cutoff=np.array(1, np.float32),
    drawn_gain_db=np.array(1, np.float32),
    wet_db=0.5,
    t60=0.05,
)


class Fit(NamedTuple):
    """A skeleton with its fitted parameters, and the mean |difference| in dB between the model and the sound."""

    name: str
    skeleton: Skeleton
    knobs: Knobs
    error_db: float


def _skeleton(**on: float) -> Skeleton:
    """Returns the skeleton of a filter that an envelope moves, with the named fields changed."""
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
"""Skeletons by name, the simplest first."""


class Lane(NamedTuple):
    """What one descent is fitted to.

    Attributes:
      sound_db: [t, bands].
      weight: [t], of its frames.
    """

    skeleton: Skeleton
    axes: Axes
    sound_db: Float[Array, "t bands"]
    weight: Float[Array, " t"]


class Descent(NamedTuple):
    """Fitted parameters, their mean |differences| to the sounds in dB [n], and losses [n], which include penalties."""

    knobs: Knobs
    error_db: Float[jax.Array, " n"]
    loss: Float[jax.Array, " n"]


def fit(sound: Spectrogram, axes: Axes) -> list[Fit]:
    """Returns the best fit of each skeleton."""
    return fit_all([sound], [axes])[0]


def fit_all(sounds: Sequence[Spectrogram], axes: Sequence[Axes]) -> list[list[Fit]]:
    """Returns the best fit of each skeleton for each sound, in one call on an accelerator.

    All sounds must have the same length.
    """
    names: list[str] = []
    lanes, initial, owners = [], [], []
    for owner, (sound, its) in enumerate(zip(sounds, axes, strict=True)):
        every_second = its._replace(time_s=its.time_s[::2], below=its.below[::2], share=its.share[::2])
        for name, skeleton, knobs in _initial(sound, its):
            names.append(name)
            owners.append(owner)
            lanes.append(Lane(skeleton, every_second, sound.db[::2], sound.weight[::2]))
            initial.append(knobs)
    first = descend(_stacked(initial), _stacked(lanes), FIRST_STEPS, 1.0)
    best = {}
    for i in np.argsort(-np.asarray(first.loss)):
        best[owners[i], names[i]] = i
    keys = [(owner, name) for owner in range(len(sounds)) for name in SKELETONS]
    chosen = np.array([best[key] for key in keys])
    lanes = [
        Lane(lanes[i].skeleton, axes[owner], sounds[owner].db, sounds[owner].weight)
        for i, (owner, _) in zip(chosen, keys, strict=True)
    ]
    begun = jax.tree.map(lambda field: np.asarray(field)[chosen], first.knobs)
    knobs, errors, _ = jax.tree.map(np.asarray, descend(begun, _stacked(lanes), STEPS, 1.0))
    results: list[list[Fit]] = [[] for _ in sounds]
    for i, (owner, name) in enumerate(keys):
        results[owner].append(Fit(name, lanes[i].skeleton, Knobs(*(field[i] for field in knobs)), float(errors[i])))
    return results


def _initial(sound: Spectrogram, axes: Axes) -> Iterator[tuple[str, Skeleton, Knobs]]:
    """Yields the initial values of each skeleton, from the two filter settings that decompose the sound best."""
    slopes = [(q, steep, 1.0) for steep in (0.0, 1.0) for q in _QS] + [(1.0, 0.0, 0.0)]
    q, steep, filtered = (jnp.asarray(column, jnp.float32) for column in zip(*slopes, strict=True))
    factors = jax.tree.map(np.asarray, _factors(jnp.asarray(sound.db), axes.band, q, steep, filtered))
    ranked = np.argsort(factors.error_db[:-1])
    for name, skeleton in SKELETONS.items():
        for i in ranked[:2] if skeleton.filtered else [len(slopes) - 1]:
            shape = skeleton._replace(steep=slopes[i][1])
            one = Factors(*(field[i] for field in factors))
            for decay_s in _DECAYS_S:
                yield name, shape, initial_knobs(one, shape, slopes[i][0], decay_s, sound, axes)
            if skeleton.filtered:
                saw = as_a_saw(one, *slopes[i][:2], axes)
                yield name, shape, initial_knobs(saw, shape, slopes[i][0], _DECAYS_S[-1], sound, axes)


_factors = jax.jit(jax.vmap(factor, (None, None, 0, 0, 0)))


def refit(fitted: Sequence[tuple[Skeleton, Knobs, Axes]], rendered_db: np.ndarray, sound: Spectrogram) -> list[Knobs]:
    """Returns parameters that take into account how the engine's renders differ from the model.

    The model is fitted to model + (sound - render), where the model in the sum is constant. So its parameters move as
    far as the render must move (output space mapping; Bandler et al., IEEE Trans. MTT 2004).

    Args:
      fitted: the skeletons, their parameters and axes, at most as many as there are `SKELETONS`.
      rendered_db: [n, t, bands], spectrograms of the renders.
    """
    rest = len(SKELETONS) - len(fitted)  # always the same size, so that it is compiled once
    rendered = [*rendered_db, *[rendered_db[-1]] * rest]
    lanes = _stacked(
        [
            Lane(skeleton, axes, sound.db - render, sound.weight)
            for (skeleton, _, axes), render in zip([*fitted, *[fitted[-1]] * rest], rendered, strict=True)
        ]
    )
    knobs = _stacked([one[1] for one in [*fitted, *[fitted[-1]] * rest]])
    found = jax.tree.map(np.asarray, descend(knobs, _mapped(knobs, lanes), MORE_STEPS, 0.3).knobs)
    return [Knobs(*(field[i] for field in found)) for i in range(len(fitted))]


@jax.jit
@jax.vmap
def _mapped(knobs: Knobs, lane: Lane) -> Lane:
    """Returns the lane with the model's level added to its `sound_db`, which is a difference."""
    model = _normalised(level_db(knobs, lane.skeleton, lane.axes), lane.weight)
    return lane._replace(sound_db=model + lane.sound_db)


@jax.jit
def descend(knobs: Knobs, lanes: Lane, steps, rate) -> Descent:
    """Fits parameters to lanes. Both have a leading axis of n.

    `steps` and `rate`, a factor on Adam's learning rates, are data, so that other values need no new compilation.
    """
    optimizer = optax.scale_by_adam(b1=0.8, b2=0.95)

    def one(knobs, lane):
        def step(i, carry):
            knobs, state = carry
            gradient = jax.tree.map(jnp.nan_to_num, jax.grad(_loss)(knobs, lane))
            updates, state = optimizer.update(gradient, state)
            now = -rate * 0.5 * (1 + jnp.cos(jnp.pi * i / steps))
            updates = jax.tree.map(lambda update, scale: now * scale * update, updates, _RATES)
            return optax.apply_updates(knobs, updates), state

        knobs, _ = jax.lax.fori_loop(0, steps, step, (knobs, optimizer.init(knobs)))
        model = jnp.maximum(_normalised(level_db(knobs, lane.skeleton, lane.axes), lane.weight), FLOOR_DB)
        error_db = (jnp.abs(model - lane.sound_db).mean(1) * lane.weight).sum() / lane.weight.sum()
        return Descent(knobs, error_db, _loss(knobs, lane))

    return jax.vmap(one)(knobs, lanes)


def _normalised(level_db: Float[jax.Array, "t bands"], weight: Float[Array, " t"]) -> Float[jax.Array, "t bands"]:
    """Returns a level relative to its maximum, as MSS compares it.

    If the model is too soft at its maximum, it is then too loud everywhere else.
    """
    return level_db - jnp.where(weight[:, None] > 0, level_db, -jnp.inf).max()


def _loss(knobs: Knobs, lane: Lane) -> jax.Array:
    skeleton, axes, sound_db, weight = lane
    model = _normalised(level_db(knobs, skeleton, axes), weight)
    model = jnp.maximum(model, FLOOR_DB) + _BELOW_FLOOR * jnp.minimum(model - FLOOR_DB, 0)
    error = jnp.sqrt((model - sound_db) ** 2 + 0.25) - 0.5  # |difference|, smooth at 0
    fit = (error.mean(1) * weight).sum() / weight.sum()
    bends = [
        (skeleton.drawn_gain, knobs.drawn_gain_db),
        (skeleton.drawn_cutoff, knobs.drawn_cutoff),
    ]
    rough = sum(_ROUGH * on * jnp.abs(jnp.diff(curve, 2)).mean() for on, curve in bends)
    odd = _ODD * _oddness_db(knobs, axes) + _BURIED * jax.nn.relu(_buried_db(knobs, skeleton, axes) - _MOST_BURIED_DB)
    return fit + rough + skeleton.filtered * odd + _beyond_limits(knobs)


def _buried_db(knobs: Knobs, skeleton: Skeleton, axes: Axes) -> jax.Array:
    """Returns by how many dB the filter at its most open lowers the table's maximum. The volume must compensate it."""
    source = source_db(knobs, skeleton, axes)
    return source.max() - (source + filter_db(knobs, skeleton, axes)).max()


def _oddness_db(knobs: Knobs, axes: Axes) -> jax.Array:
    """Returns the mean |deviation| of a table's spectrum from a line that falls like a saw's, or less steeply.

    The filter explains the rest. Without this penalty, filter and table exchange roles. A table that contains a closed
    filter sounds wrong at other notes.
    """
    audible = axes.tilt != 0
    octave = axes.tilt / (axes.tilt**2).sum()
    spectrum = knobs.spectrum_db.mean(0)
    slope = jnp.clip(spectrum @ axes.tilt, _SAW_SLOPE, _WHITE_SLOPE)
    rest = jnp.where(audible, spectrum - slope * octave, 0)
    rest = jnp.where(audible, rest - rest.sum() / audible.sum(), 0)
    return jnp.abs(rest).sum() / audible.sum()


def _beyond_limits(knobs: Knobs) -> jax.Array:
    times = (knobs.attack, knobs.decay, knobs.release, knobs.filter_attack, knobs.filter_decay, knobs.filter_release)
    limits = [(time, np.log(_SHORTEST_S), np.log(_LONGEST_S)) for time in times]
    limits += [(power, -_MOST_POWER, _MOST_POWER) for power in (knobs.decay_power, knobs.filter_decay_power)]
    limits += [(knobs.t60, np.log(0.1), np.log(8.0)), (0.1 * knobs.wet_db, -3.0, 0.3)]
    limits += [(knobs.log_q, np.log(_LEAST_Q), np.log(_MOST_Q)), (0.1 * knobs.cutoff, 0.8, 13.6)]
    return jnp.asarray(sum(jax.nn.relu(low - value) + jax.nn.relu(value - high) for value, low, high in limits))


def _stacked(trees: Sequence):
    """Stacks trees in NumPy, because JAX would compile each of many small operations just for this."""
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf, _dtype(leaf)) for leaf in leaves]), *trees)


def _dtype(leaf) -> type:
    return np.int32 if np.ndim(leaf) and np.issubdtype(np.asarray(leaf).dtype, np.integer) else np.float32
