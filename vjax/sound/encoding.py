"""Target encoding: a dataset's controls in the form that a model is trained on.

Two kinds of continuous parameters cannot be estimated as numbers, because a value near the true one is still wrong:

- Whole semitones. A value that is one step off is a wrong note. They become categorical parameters with one class per
  semitone, relative to the key that is played. (A sound does not show which key was played, but most oscillators are
  transposed by 0 or by whole octaves.)
- `effect_chain_order`, the number of a permutation. The next number is a different permutation. It becomes one
  continuous parameter per effect, the position among the effects that are on: `chorus_order`, `reverb_order`, ...

Both forms are schemas, so that heads, losses, metrics and checkpoints treat them alike, and
`vital.vocabulary.to_preset` accepts either. A dataset file stores controls, not the encoded form. This module imports
neither vita nor jax.
"""

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence

import numpy as np

from vjax.sound.schema import Categorical, Continuous, Schema

EFFECTS = ("chorus", "compressor", "delay", "distortion", "eq", "filter_fx", "flanger", "phaser", "reverb")
"""Vital's effects in the order of chain number 0."""

CHAIN = "effect_chain_order"
POSITIONS = tuple(f"{effect}_order" for effect in EFFECTS)
"""The continuous parameters that replace CHAIN, one for each of EFFECTS."""

_SEMITONES = re.compile(r"(osc_\d|sample|voice)_transpose$")
_POSITION_IF_OFF = 0.5  # the position of an effect that is off


@dataclasses.dataclass(frozen=True)
class TargetEncoding:
    """Converts controls to the form that a model is trained on, and back.

    Without CHAIN and all switches of EFFECTS in the controls, there are no POSITIONS. Encoding a schema that is already
    encoded changes nothing.

    Attributes:
      controls: the schema of a dataset, or of the engine.
    """

    controls: Schema

    @functools.cached_property
    def schema(self) -> Schema:
        """The schema of the encoded form. Semitones and positions come after all other parameters."""
        controls = self.controls
        continuous = [controls.continuous[i] for i in self._kept]
        if self._has_chain:
            continuous += [Continuous(name, 0.0, 1.0, _POSITION_IF_OFF) for name in POSITIONS]
        semitones = tuple(_semitone_classes(controls.continuous[i]) for i in self._semitones)
        return dataclasses.replace(controls, continuous=tuple(continuous), categorical=controls.categorical + semitones)

    def encode(self, continuous: np.ndarray, categorical: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Converts rows of the controls to rows of `schema`.

        Args:
          continuous: [n, n_continuous] norm.
          categorical: [n, n_categorical] menu indices.

        Returns:
          (continuous, categorical) of `schema`, in the same types.
        """
        at, span = self._semitones, self.controls.span
        classes = np.rint(continuous[:, at].astype(np.float64) * span[at]).astype(categorical.dtype)
        encoded = continuous[:, self._kept]
        if self._has_chain:
            chain = self.controls.position[CHAIN]
            numbers = np.rint(self.controls.minimum[chain] + continuous[:, chain].astype(np.float64) * span[chain])
            positions = effect_positions(numbers.astype(np.int64), self._effects_on(categorical))
            encoded = np.concatenate([encoded, positions.astype(encoded.dtype)], axis=1)
        return encoded, np.concatenate([categorical, classes], axis=1)

    def decode(self, continuous: np.ndarray, categorical: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Converts rows of `schema` to rows of the controls. Effects that are off get their positions in chain 0.

        Args:
          continuous: [n, len(schema.continuous)] norm.
          categorical: [n, len(schema.categorical)] menu indices.
        """
        n_menus, n_kept = len(self.controls.categorical), len(self._kept)
        at, menus = self._semitones, categorical[:, :n_menus]
        decoded = np.empty((len(continuous), len(self.controls.continuous)), continuous.dtype)
        decoded[:, self._kept] = continuous[:, :n_kept]
        decoded[:, at] = categorical[:, n_menus:] / self.controls.span[at]
        if self._has_chain:
            chain, rows = (
                self.controls.position[CHAIN],
                zip(continuous[:, n_kept:], self._effects_on(menus), strict=True),
            )
            numbers = np.array([chain_number(positions, on) for positions, on in rows])
            decoded[:, chain] = (numbers - self.controls.minimum[chain]) / self.controls.span[chain]
        return decoded, menus

    def encode_names(
        self, native: Mapping[str, float], menus: Mapping[str, int]
    ) -> tuple[dict[str, float], dict[str, int]]:
        """Converts (native values, menu indices) of all controls, by name, to those of `schema`."""
        native, menus = dict(native), dict(menus)
        if self._has_chain:
            on = np.array([[menus[f"{effect}_on"] > 0 for effect in EFFECTS]])
            positions = effect_positions(np.array([round(native.pop(CHAIN))]), on)[0]
            native |= dict(zip(POSITIONS, map(float, positions), strict=True))
        for knob in (self.controls.continuous[i] for i in self._semitones):
            semitones = np.clip(native.pop(knob.name), knob.minimum, knob.maximum)
            menus[knob.name] = int(round(semitones) - knob.minimum)
        return native, menus

    def decode_names(
        self, native: Mapping[str, float], menus: Mapping[str, int]
    ) -> tuple[dict[str, float], dict[str, int]]:
        """Converts (native values, menu indices) by name, in either form, to those of the controls."""
        native, menus = dict(native), dict(menus)
        for knob in (self.controls.continuous[i] for i in self._semitones):
            if knob.name in menus:
                native[knob.name] = float(knob.minimum + menus.pop(knob.name))
        if self._has_chain and all(name in native for name in POSITIONS):
            positions = np.array([native.pop(name) for name in POSITIONS])
            native[CHAIN] = float(chain_number(positions, np.array([menus[f"{effect}_on"] > 0 for effect in EFFECTS])))
        return native, menus

    def encode_importance(self, weights: np.ndarray | None) -> np.ndarray | None:
        """Converts [n_continuous] loss weights of the controls to those of `schema`. POSITIONS get CHAIN's weight."""
        if weights is None:
            return None
        positions = [weights[self.controls.position[CHAIN]]] * len(EFFECTS) if self._has_chain else []
        return np.concatenate([weights[self._kept], positions]).astype(weights.dtype)

    def _effects_on(self, categorical: np.ndarray) -> np.ndarray:
        return categorical[:, [self.controls.position[f"{effect}_on"] for effect in EFFECTS]] > 0

    @functools.cached_property
    def _has_chain(self) -> bool:
        return all(name in self.controls.position for name in (CHAIN, *(f"{effect}_on" for effect in EFFECTS)))

    @functools.cached_property
    def _semitones(self) -> list[int]:
        return [i for i, knob in enumerate(self.controls.continuous) if knob.integer and is_semitones(knob.name)]

    @functools.cached_property
    def _kept(self) -> list[int]:
        left_out = {*self._semitones, *([self.controls.position[CHAIN]] if self._has_chain else [])}
        return [i for i in range(len(self.controls.continuous)) if i not in left_out]


def is_semitones(name: str) -> bool:
    """Whether a control transposes by whole semitones."""
    return _SEMITONES.match(name) is not None


def effect_positions(numbers: np.ndarray, on: np.ndarray) -> np.ndarray:
    """The position of each effect in (0, 1), [n, 9] float64, from [n] chain numbers and [n, 9] which effects are on.

    The k-th of m effects that are on (from 0) has position (k + 0.5) / m. An effect that is off has position 0.5.
    """
    rank = chain_ranks(numbers)
    before = (rank[:, None, :] < rank[:, :, None]) & on[:, None, :]
    position = (before.sum(-1) + 0.5) / np.maximum(on.sum(-1, keepdims=True), 1)
    return np.where(on, position, _POSITION_IF_OFF)


def chain_ranks(numbers: np.ndarray | Sequence[int]) -> np.ndarray:
    """The rank of each effect in the chain, from 0, [n, 9] int64, from [n] chain numbers in [0, 9!).

    In the factorial number system, a chain number has one digit for each position in the chain; the lowest digit is
    that of the last position. The digit of a position counts the effects before it that come later in `EFFECTS` than
    the effect at this position. Renders confirm this: chains that differ only in effects
    that are off give equal bits.
    """
    numbers, column = np.asarray(numbers, np.int64), np.arange(len(EFFECTS))
    chain = np.tile(column, (len(numbers), 1))
    for position in range(len(EFFECTS) - 1, -1, -1):
        numbers, later = np.divmod(numbers, position + 1)
        chosen = (position - later)[:, None]  # it moves to this position, and those in between move up
        source = np.where(column == position, chosen, column + ((column >= chosen) & (column < position)))
        chain = np.take_along_axis(chain, source, axis=1)
    return np.argsort(chain, axis=1)


def chain_number(positions: np.ndarray, on: np.ndarray) -> int:
    """The number of a chain that has the effects that are `on`, [9], in the order of their `positions`, [9].

    Effects that are off stay where chain 0 has them, so that the default order always has the number 0.
    """
    played = np.flatnonzero(on)
    chain = np.arange(len(EFFECTS))
    chain[played] = played[np.argsort(positions[played], kind="stable")]
    number = 0
    for position, effect in enumerate(chain):
        number = number * (position + 1) + int((chain[:position] > effect).sum())
    return number


def _semitone_classes(knob: Continuous) -> Categorical:
    low, high = int(knob.minimum), int(knob.maximum)
    return Categorical(
        knob.name,
        minimum=low,
        n_options=high - low + 1,
        default=int(knob.default - low),
        labels=tuple(f"{semitones:+d}" for semitones in range(low, high + 1)),
    )
