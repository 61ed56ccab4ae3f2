"""The continuous parameters and route amounts of a preset that a search changes, as a vector."""

import dataclasses
import functools
from collections.abc import Collection, Mapping

import numpy as np

from vjax.search.locks import locked_parts
from vjax.vital.audible import audible_of
from vjax.vital.level import VOLUME, is_free
from vjax.vital.preset import Preset, controls

# Integers that are codes (a bitmask of notes, a permutation's number) have no small steps and are not changed.
_CODES = ("transpose_quantize", "effect_chain_order")
_NARROWEST, _WIDEST = 0.25, 4.0  # limits of a parameter's step relative to the median step
_INTEGER_STEP = 0.5  # of one unit: a third of the samples take a neighbouring value, and none is an octave out of tune


@dataclasses.dataclass(frozen=True, eq=False)
class Space:
    """`d` dimensions: audible continuous parameters of a preset in norm units, then route amounts mapped to [0, 1].

    Attributes:
      preset: where the search starts; everything that the search does not change stays as in this preset.
      knobs: [k] positions of the continuous parameters in `Preset.continuous`.
      slots: [d - k] slots of the routes whose amounts change.
      origin: [d] float64, the values of `preset`.
      scale: [d] float64, relative first step sizes, about 1.
    """

    preset: Preset
    knobs: np.ndarray
    slots: np.ndarray
    origin: np.ndarray
    scale: np.ndarray

    @property
    def size(self) -> int:
        return len(self.origin)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """[d] names of the engine's controls."""
        knobs = tuple(controls().continuous_names[i] for i in self.knobs)
        return knobs + tuple(f"modulation_{slot + 1}_amount" for slot in self.slots)

    def around(self, preset: Preset) -> "Space":
        """The same dimensions around another preset that was found in them."""
        amounts = np.array([preset.routes[slot].amount for slot in self.slots])
        origin = np.concatenate([preset.continuous[self.knobs], (amounts + 1) / 2])
        return dataclasses.replace(self, preset=preset, origin=origin)

    def values(self, norm: np.ndarray) -> dict[str, float]:
        """Native values by control name, for `LivePreset.render`. `norm` [d] is clipped to [0, 1], integers rounded."""
        schema, norm = controls(), np.clip(norm, 0, 1)
        knobs = [schema.continuous[i].to_native(value) for i, value in zip(self.knobs, norm, strict=False)]
        amounts = 2 * norm[len(self.knobs) :] - 1
        return dict(zip(self.names, [*knobs, *amounts.tolist()], strict=True))

    def to_preset(self, norm: np.ndarray) -> Preset:
        """The preset with the same values as `values(norm)`."""
        schema, norm = controls(), np.clip(norm, 0, 1)
        continuous = self.preset.continuous.copy()
        for i, value in zip(self.knobs, norm, strict=False):
            knob = schema.continuous[i]
            continuous[i] = knob.to_norm(knob.to_native(value)) if knob.integer else value
        routes = list(self.preset.routes)
        for slot, value in zip(self.slots, norm[len(self.knobs) :], strict=True):
            routes[slot] = routes[slot]._replace(amount=float(2 * value - 1))
        return dataclasses.replace(self.preset, continuous=continuous, routes=tuple(routes))


def make_space(
    preset: Preset, knob_error_norm: Mapping[str, float] | None = None, locked: Collection[str] = ()
) -> Space:
    """The dimensions of a preset. The volume is not one of them unless a route moves it, because samples are levelled.

    Args:
      knob_error_norm: the error of predictions, by continuous parameter (a checkpoint's `knob_error_norm`). Parameters
        that the network predicts well take small steps, others large ones. Without it all steps are equal. Steps are
        relative: `scale` has the median 1 for any size of the errors.
      locked: groups of modules that stay as they are, see `locks.LOCKS`. The space may then have no dimension.
    """
    schema, is_audible = controls(), audible_of(preset)
    locked_knobs, locked_slots = locked_parts(preset, locked)
    searched = is_audible.continuous & ~schema.frozen_continuous()
    searched &= np.array([not name.endswith(_CODES) for name in schema.continuous_names])
    if is_free(preset):
        searched[schema.position[VOLUME]] = False
    knobs, slots = np.flatnonzero(searched & ~locked_knobs), np.flatnonzero(is_audible.routes & ~locked_slots)
    names = [schema.continuous_names[i] for i in knobs]
    routes = [preset.routes[slot] for slot in slots]
    amounts = np.array([route.amount for route in routes if route is not None])
    origin = np.concatenate([preset.continuous[knobs], (amounts + 1) / 2])
    errors = np.array([(knob_error_norm or {}).get(name) or np.nan for name in names] + [np.nan] * len(slots))
    scale = errors / np.nanmedian(errors) if np.isfinite(errors).any() else errors
    scale = np.clip(np.nan_to_num(scale, nan=1.0), _NARROWEST, _WIDEST)
    return Space(preset, knobs, slots, origin, scale)


def first_steps(space: Space, sigma: float) -> np.ndarray:
    """[d] standard deviations of the first generation, norm units: `sigma` times `scale`.

    The step of an integer parameter is half a unit, for any range. A smaller step would hardly ever be rounded to
    another value, and 0.05 of an oscillator's 96 semitones would be five semitones.
    """
    schema = controls()
    integer = np.array([schema.continuous[i].integer for i in space.knobs] + [False] * len(space.slots))
    units = np.concatenate([1 / schema.span[space.knobs], np.ones(len(space.slots))])
    return np.where(integer, _INTEGER_STEP * units, sigma * space.scale)
