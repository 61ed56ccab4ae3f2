"""The numeric form of a Vital sound: names, ranges, option counts, modules, tiers.

A sound is four arrays (`Parameters`), in the order that a `Schema` fixes:

- `continuous`: one `norm` value in [0, 1] per continuous parameter, `norm = (native - minimum) /
  (maximum - minimum)`;
- `categorical`: one menu index per switch, menu, wavetable choice and LFO shape choice;
- `route_index`, `route_value`: at most 64 modulation routes, one per slot of Vital's matrix.

This module imports neither vita nor jax, because spawned data workers load it.
"""

import dataclasses
import functools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vjax.sound.routes import CHANNELS, N_SLOTS, ROUTE_RANGES

N_OSCILLATORS = 3
N_LFOS = 8

WAVETABLE_CHOICES = tuple(f"osc_{i + 1}_wavetable" for i in range(N_OSCILLATORS))
LFO_SHAPE_CHOICES = tuple(f"lfo_{i + 1}_shape" for i in range(N_LFOS))
CATALOG_CHOICES = WAVETABLE_CHOICES + LFO_SHAPE_CHOICES
"""Categorical parameters without a control of the engine: indices into the vocabulary's two catalogs."""

TIERS = (1, 2, 3)

VIEW_CONTROLS = frozenset({"osc_1_view_2d", "osc_2_view_2d", "osc_3_view_2d", "view_spectrogram"})
"""Controls that only change the display of the editor."""

_SLOT_CONTROL = re.compile(r"modulation_(\d+)_(amount|bipolar|bypass|power|stereo)$")
_FROZEN = re.compile(
    r"(beats_per_minute|bypass|oversampling|polyphony|mpe_enabled|legato|mod_wheel|pitch_wheel|pitch_bend_range"
    r"|portamento_.*|voice_priority|voice_override|velocity_track)$"
)
# Inaudible below tier 3: only a modulation route makes them audible (the report, phase 1).
_NEEDS_ROUTES = re.compile(r"(lfo_|random_\d|env_[3-6]_)")


class Parameters(NamedTuple):
    """One sound as numbers. All arrays may carry leading batch axes.

    Attributes:
      continuous: [n_continuous] float32 in [0, 1].
      categorical: [n_categorical] int32 menu indices.
      route_index: [64] int32, `source * n_destinations + destination`, -1 for an empty slot.
      route_value: [64, 4] float32 (amount in [-1, 1], bipolar 0/1, power in [-10, 10], stereo 0/1); 0 where empty.
    """

    continuous: np.ndarray
    categorical: np.ndarray
    route_index: np.ndarray
    route_value: np.ndarray


@dataclasses.dataclass(frozen=True)
class Continuous:
    """A continuous parameter. An `integer` one counts something (voices, semitones) and is rounded when written."""

    name: str
    minimum: float
    maximum: float
    default: float
    integer: bool = False
    frozen: bool = False

    def to_native(self, norm: float) -> float:
        native = self.minimum + float(norm) * (self.maximum - self.minimum)
        return float(round(native)) if self.integer else native

    def to_norm(self, native: float) -> float:
        return (float(native) - self.minimum) / (self.maximum - self.minimum)


@dataclasses.dataclass(frozen=True)
class Categorical:
    """A categorical parameter: a switch, a menu or a catalog choice. Index `i` is the engine's value `minimum + i`."""

    name: str
    minimum: int
    n_options: int
    default: int  # as an index
    frozen: bool = False
    labels: tuple[str, ...] = ()  # Vital names only some options of some menus

    def label(self, index: int) -> str:
        return self.labels[index] if index < len(self.labels) else str(index)


@dataclasses.dataclass(frozen=True)
class Schema:
    """The names and ranges behind every array in vjax, stored in each dataset and checkpoint.

    No other code has fixed counts: `len(schema.continuous)` and similar values set the sizes of arrays and heads.
    """

    continuous: tuple[Continuous, ...]
    categorical: tuple[Categorical, ...]
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    engine: str = ""

    def __post_init__(self):
        names = self.continuous_names + self.categorical_names
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"the schema names {repeated} twice; expected each name once")
        for knob in self.continuous:
            if not knob.minimum < knob.maximum:
                raise ValueError(f"{knob.name}: the range [{knob.minimum}, {knob.maximum}] is empty")
        for menu in self.categorical:
            if not 0 <= menu.default < menu.n_options:
                raise ValueError(f"{menu.name}: default {menu.default} is not one of its {menu.n_options} options")

    @classmethod
    def from_controls(
        cls,
        controls: Sequence[Mapping[str, Any]],
        sources: Sequence[str],
        destinations: Sequence[str],
        n_wavetables: int = 1,
        n_lfo_shapes: int = 1,
        engine: str = "",
    ) -> "Schema":
        """Builds a schema from raw control descriptions (`name, minimum, maximum, default, discrete, labels`).

        A control with option names becomes a categorical parameter, any other a continuous one. A categorical parameter
        has `maximum - minimum + 1` options, because Vital does not name all.
        """
        continuous, categorical = [], []
        for control in controls:
            name = control["name"]
            if _SLOT_CONTROL.match(name) or name in VIEW_CONTROLS:
                continue
            frozen = bool(_FROZEN.match(name))
            low, high, default = control["minimum"], control["maximum"], control["default"]
            if control["labels"]:
                categorical.append(
                    Categorical(
                        name=name,
                        minimum=int(low),
                        n_options=int(high - low) + 1,
                        default=round(default - low),
                        frozen=frozen,
                        labels=tuple(control["labels"]),
                    )
                )
            else:
                continuous.append(Continuous(name, low, high, default, integer=control["discrete"], frozen=frozen))
        categorical += [Categorical(name, 0, n_wavetables, 0) for name in WAVETABLE_CHOICES]
        categorical += [Categorical(name, 0, n_lfo_shapes, 0) for name in LFO_SHAPE_CHOICES]
        return cls(tuple(continuous), tuple(categorical), tuple(sources), tuple(destinations), engine)

    def __hash__(self) -> int:
        return self._hash  # computed once: a schema is the key of many caches

    @functools.cached_property
    def _hash(self) -> int:
        return hash((self.continuous, self.categorical, self.sources, self.destinations, self.engine))

    def __getstate__(self) -> dict[str, Any]:  # without the hash of text, which each process seeds anew
        return {name: value for name, value in self.__dict__.items() if name != "_hash"}

    @functools.cached_property
    def continuous_names(self) -> tuple[str, ...]:
        return tuple(knob.name for knob in self.continuous)

    @functools.cached_property
    def categorical_names(self) -> tuple[str, ...]:
        return tuple(menu.name for menu in self.categorical)

    @functools.cached_property
    def option_counts(self) -> tuple[int, ...]:
        """Number of options of each categorical parameter: the sizes of the categorical heads."""
        return tuple(menu.n_options for menu in self.categorical)

    @functools.cached_property
    def position(self) -> dict[str, int]:
        """The position of each control in its own vector (continuous or categorical), by name."""
        names = (self.continuous_names, self.categorical_names)
        return {name: i for vector in names for i, name in enumerate(vector)}

    @functools.cached_property
    def destination_slots(self) -> np.ndarray:
        """[n_destinations] int32: the slot (from 0) that a `modulation_N_*` destination points at, -1 for others."""
        matches = [_SLOT_CONTROL.match(name) for name in self.destinations]
        return np.array([int(match.group(1)) - 1 if match else -1 for match in matches], np.int32)

    def slot_destination(self, destination: int, slot: int) -> int:
        """The destination of the same kind (amount or power) as `destination` that points at `slot` (from 0)."""
        kind = self.destinations[destination].rpartition("_")[2]
        return self.destinations.index(f"modulation_{slot + 1}_{kind}")

    @functools.cached_property
    def minimum(self) -> np.ndarray:
        return np.array([knob.minimum for knob in self.continuous], np.float64)

    @functools.cached_property
    def span(self) -> np.ndarray:
        return np.array([knob.maximum - knob.minimum for knob in self.continuous], np.float64)

    def to_norm(self, native: np.ndarray) -> np.ndarray:
        """Converts [..., n_continuous] native values to norm, float32."""
        return ((np.asarray(native, np.float64) - self.minimum) / self.span).astype(np.float32)

    def to_native(self, norm: np.ndarray) -> np.ndarray:
        """Converts [..., n_continuous] norm to native values, float64; integer parameters are rounded."""
        native = self.minimum + np.asarray(norm, np.float64) * self.span
        integer = np.array([knob.integer for knob in self.continuous], bool)
        return np.where(integer, np.rint(native), native)

    def default_parameters(self) -> Parameters:
        """The init patch: every control at its default, no route."""
        return Parameters(
            continuous=self.to_norm(np.array([knob.default for knob in self.continuous])),
            categorical=np.array([menu.default for menu in self.categorical], np.int32),
            route_index=np.full(N_SLOTS, -1, np.int32),
            route_value=np.zeros((N_SLOTS, len(CHANNELS)), np.float32),
        )

    def frozen_continuous(self) -> np.ndarray:
        """[n_continuous] bool, True for parameters that are not part of a sound (tempo, wheels, polyphony ...)."""
        return np.array([knob.frozen for knob in self.continuous], bool)

    def frozen_categorical(self) -> np.ndarray:
        """[n_categorical] bool, as `frozen_continuous`."""
        return np.array([menu.frozen for menu in self.categorical], bool)

    def static_mask(self, tier: int) -> np.ndarray:
        """[n_continuous] bool, True where the loss is masked: below tier 3, those that need routes to be audible."""
        check_tier(tier)
        return np.array([tier < 3 and bool(_NEEDS_ROUTES.match(name)) for name in self.continuous_names], bool)

    def module(self, name: str) -> str:
        """The module of a control (`osc_1`, `filter_fx`, `lfo_3`, `reverb`, ...); `global` for the rest."""
        match = _module_prefix(name)
        if match and (match.group(3) or f"{match.group(1)}_on" in self.position):
            return match.group(1)
        return "global"

    def validate(self, parameters: Parameters) -> None:
        """Raises ValueError for the first value that is not valid in a preset; it names control, value and range."""
        n_continuous, n_categorical = len(self.continuous), len(self.categorical)
        shapes = (n_continuous,), (n_categorical,), (N_SLOTS,), (N_SLOTS, len(CHANNELS))
        for field, shape in zip(Parameters._fields, shapes, strict=True):
            found = np.shape(getattr(parameters, field))
            if found != shape:
                raise ValueError(f"{field} has shape {found}; this schema expects {shape}")
        continuous, categorical, route_index, route_value = map(np.asarray, parameters)
        for i in np.flatnonzero(~((continuous >= 0) & (continuous <= 1)))[:1]:  # also catches NaN
            raise ValueError(f"{self.continuous[i].name} is {continuous[i]} norm; it must lie in [0, 1]")
        for i in np.flatnonzero((categorical < 0) | (categorical >= np.array(self.option_counts)))[:1]:
            menu = self.categorical[i]
            raise ValueError(f"{menu.name} is option {categorical[i]}; it has options 0 to {menu.n_options - 1}")
        n_cells = len(self.sources) * len(self.destinations)
        for slot in np.flatnonzero((route_index < -1) | (route_index >= n_cells))[:1]:
            raise ValueError(
                f"slot {slot} routes cell {route_index[slot]}; cells run from 0 to {n_cells - 1}, -1 is none"
            )
        low, high = np.transpose(list(ROUTE_RANGES.values()))
        for slot, channel in np.argwhere(~((route_value >= low) & (route_value <= high)))[:1]:
            raise ValueError(
                f"slot {slot} has {CHANNELS[channel]} {route_value[slot, channel]}; "
                f"it must lie in [{low[channel]:g}, {high[channel]:g}]"
            )

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Schema":
        """Reads `to_json`'s text. Raises ValueError naming a missing or unknown field."""
        raw = json.loads(text)
        try:
            return cls(
                continuous=tuple(Continuous(**knob) for knob in raw["continuous"]),
                categorical=tuple(
                    Categorical(**{**menu, "labels": tuple(menu.get("labels", ()))}) for menu in raw["categorical"]
                ),
                sources=tuple(raw["sources"]),
                destinations=tuple(raw["destinations"]),
                engine=raw.get("engine", ""),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a vjax schema: {error}") from error


@functools.cache
def _module_prefix(name: str) -> re.Match | None:
    return re.match(r"((osc|filter|lfo|env|random)_(\d|fx)|[a-z]+?)_", name)


def check_tier(tier: int) -> None:
    if tier not in TIERS:
        raise ValueError(f"tier {tier} does not exist; choose one of {TIERS}")
