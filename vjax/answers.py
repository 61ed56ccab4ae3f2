"""What the model is asked: a dataset's controls in a form in which they can be learnt.

Two kinds of knobs mean nothing to a network whose answer is a number near the truth:

- whole semitones: a 97th of the range beside the note is a wrong note. They become menus, one option a semitone, above
  the key that was held. (A sound does not tell which that was; but most oscillators stand at it, or octaves away.)
- `effect_chain_order`: the number of a permutation, where the next number is another permutation. It becomes one knob
  for each effect, its place among those that are on: `chorus_order`, `reverb_order`, ...

Both forms are schemas: heads, losses, metrics and checkpoints know no difference, and `vital.vocabulary.to_preset`
takes either. A dataset stays in controls; `AnswerForm` turns its rows while they are read. Neither vita nor jax.
"""

import dataclasses
import functools
import re
from collections.abc import Mapping

import numpy as np

from vjax.schema import Categorical, Continuous, Schema

EFFECTS = ("chorus", "compressor", "delay", "distortion", "eq", "filter_fx", "flanger", "phaser", "reverb")
"""Vital's effects in the order of chain number 0."""

ORDER = "effect_chain_order"
_SEMITONES = re.compile(r"(osc_\d|sample|voice)_transpose$")
ORDER_KNOBS = tuple(f"{effect}_order" for effect in EFFECTS)
"""One for each of EFFECTS."""

_NOWHERE = 0.5  # the place of an effect that is off


@dataclasses.dataclass(frozen=True)
class AnswerForm:
    """Turns rows of a dataset with `schema` into those that the model is asked for, and the schema with them."""

    schema: Schema

    @property
    def answers(self) -> Schema:
        """Knobs of whole semitones as menus (after all others), the order of effects as knobs (after all others)."""
        schema = self.schema
        pitches = [schema.continuous[i] for i in self._pitches]
        knobs = [schema.continuous[i] for i in self._kept]
        if self._ordered:
            knobs += [Continuous(name, 0.0, 1.0, _NOWHERE) for name in ORDER_KNOBS]
        menus = [
            Categorical(
                knob.name,
                minimum=int(knob.minimum),
                n_options=int(knob.maximum - knob.minimum) + 1,
                default=int(knob.default - knob.minimum),
                labels=tuple(f"{semitones:+d}" for semitones in range(int(knob.minimum), int(knob.maximum) + 1)),
            )
            for knob in pitches
        ]
        return dataclasses.replace(schema, continuous=tuple(knobs), categorical=schema.categorical + tuple(menus))

    def __call__(self, continuous: np.ndarray, categorical: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """[n, knobs] norm and [n, menus] of the schema to those of `answers`."""
        schema, pitches = self.schema, self._pitches
        semitones = np.rint(continuous[:, pitches].astype(np.float64) * schema.span[pitches]).astype(categorical.dtype)
        knobs = continuous[:, self._kept]
        if self._ordered:
            at = schema.position[ORDER]
            codes = np.rint(schema.minimum[at] + continuous[:, at].astype(np.float64) * schema.span[at])
            on = categorical[:, [schema.position[f"{effect}_on"] for effect in EFFECTS]] > 0
            knobs = np.concatenate([knobs, effect_places(codes.astype(np.int64), on).astype(knobs.dtype)], axis=1)
        return knobs, np.concatenate([categorical, semitones], axis=1)

    def importance(self, weights: np.ndarray | None) -> np.ndarray | None:
        """A weight for each knob of the schema to one for each of `answers`: the chain's goes to all its places."""
        if weights is None:
            return None
        places = [weights[self.schema.position[ORDER]]] * len(EFFECTS) if self._ordered else []
        return np.concatenate([weights[self._kept], places]).astype(weights.dtype)

    @functools.cached_property
    def _ordered(self) -> bool:
        """Whether the schema holds the chain's number and the switches that say which places of it are heard."""
        return all(name in self.schema.position for name in (ORDER, *(f"{effect}_on" for effect in EFFECTS)))

    @functools.cached_property
    def _pitches(self) -> list[int]:
        return [i for i, knob in enumerate(self.schema.continuous) if knob.integer and _SEMITONES.match(knob.name)]

    @functools.cached_property
    def _kept(self) -> list[int]:
        left_out = {*self._pitches, *([self.schema.position[ORDER]] if self._ordered else [])}
        return [i for i in range(len(self.schema.continuous)) if i not in left_out]


def is_semitones(name: str) -> bool:
    """Whether a control transposes by whole semitones."""
    return _SEMITONES.match(name) is not None


def as_controls(
    native: Mapping[str, float], menus: Mapping[str, int], schema: Schema
) -> tuple[dict[str, float], dict[str, int]]:
    """(native values of knobs, menu indices) by name, in controls, from either form.

    Args:
      schema: what the names are of.
    """
    native, menus = dict(native), dict(menus)
    for name in [name for name in menus if _SEMITONES.match(name)]:
        native[name] = float(schema.categorical[schema.position[name]].minimum + menus.pop(name))
    if all(name in native for name in ORDER_KNOBS):
        places = np.array([native.pop(name) for name in ORDER_KNOBS])
        native[ORDER] = float(chain_number(places, np.array([menus[f"{effect}_on"] > 0 for effect in EFFECTS])))
    return native, menus


def as_answers(native: Mapping[str, float], menus: Mapping[str, int]) -> dict[str, float]:
    """The native values of all knobs by name, with those that only the answers have."""
    on = np.array([[menus[f"{effect}_on"] > 0 for effect in EFFECTS]])
    places = effect_places(np.array([round(native[ORDER])]), on)[0]
    return {**native, **dict(zip(ORDER_KNOBS, map(float, places), strict=True))}


def effect_places(codes: np.ndarray, on: np.ndarray) -> np.ndarray:
    """[n] numbers of chains and [n, 9] which effects are on, to each one's place in (0, 1) [n, 9] float64.

    The k-th of m effects that are on (from 0) stands at (k + 0.5) / m; what is off stands at 0.5.
    """
    rank = chain_ranks(codes)
    before = (rank[:, None, :] < rank[:, :, None]) & on[:, None, :]
    place = (before.sum(-1) + 0.5) / np.maximum(on.sum(-1, keepdims=True), 1)
    return np.where(on, place, _NOWHERE)


def chain_ranks(codes: np.ndarray) -> np.ndarray:
    """[n] numbers of chains in [0, 9!) to the rank of each effect in the chain, from 0: [n, 9] int64.

    The number's factorial digits, the last place's first, say how many of the effects before a place come later in
    `EFFECTS` than the one on it. Held against renders: chains that differ in effects that are off are equal to the bit.
    """
    codes, column = np.asarray(codes, np.int64), np.arange(len(EFFECTS))
    chain = np.tile(column, (len(codes), 1))
    for place in range(len(EFFECTS) - 1, -1, -1):
        codes, later = np.divmod(codes, place + 1)
        chosen = (place - later)[:, None]  # it moves to this place, and those in between move up
        source = np.where(column == place, chosen, column + ((column >= chosen) & (column < place)))
        chain = np.take_along_axis(chain, source, axis=1)
    return np.argsort(chain, axis=1)


def chain_number(places: np.ndarray, on: np.ndarray) -> int:
    """[9] places and [9] which effects are on, to the number of a chain that has those in this order.

    Effects that are off stay where chain 0 has them; so that the plain order has the number 0, whatever is on.
    """
    played = np.flatnonzero(on)
    chain = np.arange(len(EFFECTS))
    chain[played] = played[np.argsort(places[played], kind="stable")]
    number = 0
    for place, effect in enumerate(chain):
        number = number * (place + 1) + int((chain[:place] > effect).sum())
    return number
