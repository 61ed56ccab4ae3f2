"""A whole `.vital` preset as numbers and parts, read and written without loss.

`Preset` holds a sound by value: its own wavetables, LFO shapes and sample. `vjax.vital.vocabulary` converts it
to what the model's heads can predict.
"""

import copy
import dataclasses
import functools
import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from vjax.engine import synth
from vjax.engine.schema import engine_schema
from vjax.io.atomic import write_file
from vjax.io.file_names import stem_text
from vjax.sound.routes import CHANNELS, N_SLOTS, ROUTE_RANGES
from vjax.sound.schema import CATALOG_CHOICES, N_OSCILLATORS, VIEW_CONTROLS, Schema
from vjax.vital import checks
from vjax.vital.preset_json import EMPTY_ROUTE, checked_json, read_json
from vjax.vital.wavetables import VITAL_VERSION, written_version

_TEXTS = {"preset_name": "name", "author": "author", "preset_style": "style", "comments": "comments"}
_LINE = {"points": [0.0, 1.0, 0.5, 0.0, 1.0, 1.0], "powers": [0.0, 0.0, 0.0], "smooth": False}
# Settings of Vital 1.5 that this engine does not have, at the values of a preset that does not use them.
_UNUSED_IN_1_5 = {
    "custom_warps": [{"name": "Triangle", "num_points": 3, **_LINE}] * 3,
    "random_values": [{"seed": 4}] * 3,
    **{f"osc_{i + 1}_spectral_morph_phase": 0.5 for i in range(N_OSCILLATORS)},
}


class Route(NamedTuple):
    """One modulation route. `curve` is its remapping (a drawn curve as in vital/lfo_shapes.py), None if straight."""

    source: str
    destination: str
    amount: float
    bipolar: bool = False
    power: float = 0.0
    stereo: bool = False
    bypass: bool = False
    curve: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Preset:
    """A sound by value, in the engine's own controls (`controls()`), each in range.

    Attributes:
      continuous: [n_continuous] float64 norm; float64, so that the engine's float32 values are restored bit for bit.
      categorical: [n_menus] int32 menu indices, without the choices from catalogs.
      routes: the route of each slot, from 0, None where it is empty; 64 in all.
      wavetables: of oscillators 1 to 3.
      lfo_shapes: of LFOs 1 to 8.
      sample: of the noise oscillator.
      macro_names: of the four macros.
      other_settings, other: all other content of the file, kept and written back unchanged.
      notes: texts for people: what was clipped on reading, what is kept but not used.
      changes: those of the notes that change the sound: values that this engine does not have.
    """

    continuous: np.ndarray
    categorical: np.ndarray
    routes: tuple[Route | None, ...]
    wavetables: tuple[Mapping[str, Any], ...]
    lfo_shapes: tuple[Mapping[str, Any], ...]
    sample: Mapping[str, Any]
    macro_names: tuple[str, ...] = ("MACRO 1", "MACRO 2", "MACRO 3", "MACRO 4")
    name: str = ""
    author: str = ""
    style: str = ""
    comments: str = ""
    other_settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    other: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, raw: Any) -> "Preset":
        """Reads Vital's JSON (versions to 1.5; the engine converts those before 1.0).

        Values outside a control's range are clipped, and fractional menu values are rounded. Both add a note. Missing
        controls, tables, shapes and routes get their default, as in Vital.

        Raises ValueError, which names the first item that is not valid in a preset, or on which the engine would hang
        or crash; OSError if a preset before 1.0 could not be converted for lack of a process.
        """
        raw = checked_json(raw)
        settings = raw["settings"]
        notes: list[str] = []
        schema = controls()

        def native(name: str, default: float, low: float, high: float) -> float:
            value = settings.get(name, default)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < math.inf:
                raise ValueError(f"{name} is {repr(value)[:60]}; it must be a finite number")
            if not low <= value <= high:
                shown = repr(value) if len(repr(value)) < 30 else f"{repr(value)[:12]}..."
                notes.append(f"{name} {shown} clipped to [{low:g}, {high:g}]")
            return float(min(max(value, low), high))  # float() last: JSON's integers may be larger than any float

        knobs = [native(knob.name, knob.default, knob.minimum, knob.maximum) for knob in schema.continuous]
        categorical = np.zeros(len(schema.categorical), np.int32)
        for i, menu in enumerate(schema.categorical):
            value = native(menu.name, menu.minimum + menu.default, menu.minimum, menu.minimum + menu.n_options - 1)
            categorical[i] = round(value) - menu.minimum
            if value != round(value):
                notes.append(f"{menu.name} {value:g} rounded to {round(value)}")
        routes = tuple(_read_route(settings, slot, native, notes) for slot in range(N_SLOTS))
        other_settings = _other_settings(settings, native, notes)
        changes = tuple(note for note in notes if not note.startswith("route "))
        read_keys = {*_TEXTS, *(f"macro{i + 1}" for i in range(4)), "settings", "synth_version"}
        other = {key: raw[key] for key in raw if key not in read_keys}
        notes += [f"kept aside: {key[:40]}" for key in sorted(other)]
        return cls(
            continuous=(np.array(knobs) - schema.minimum) / schema.span,
            categorical=categorical,
            routes=routes,
            wavetables=tuple(settings["wavetables"]),
            lfo_shapes=tuple(settings["lfos"]),
            sample=settings["sample"],
            macro_names=tuple(str(raw.get(f"macro{i + 1}", f"MACRO {i + 1}")) for i in range(4)),
            other_settings=other_settings,
            other=other,
            notes=tuple(notes),
            changes=changes,
            **{field: str(raw.get(key) or "") for key, field in _TEXTS.items()},
        )

    def to_json(self) -> dict[str, Any]:
        """Vital's JSON, as version 1.5.5: every control of the engine, 64 slots, all parts.

        Raises ValueError for a value that the engine would accept and then render wrongly, or crash on.
        """
        schema = controls()
        settings = dict(synth.init_preset()["settings"])
        # Vital stores float32. The nearest float32 is the value that was read.
        native = (schema.minimum + np.asarray(self.continuous, np.float64) * schema.span).astype(np.float32)
        settings |= dict(zip(schema.continuous_names, native.tolist(), strict=True))
        for menu, index in zip(schema.categorical, self.categorical, strict=True):
            settings[menu.name] = float(menu.minimum + index)
        modulations = []
        for slot, route in enumerate(self.routes, start=1):
            modulations.append(_connection(route))
            empty = Route("", "", 0.0)
            for channel in (*CHANNELS, "bypass"):
                settings[f"modulation_{slot}_{channel}"] = float(getattr(route or empty, channel))
        settings |= copy.deepcopy(dict(self.other_settings))
        settings |= {
            "modulations": modulations,
            "wavetables": [
                {**copy.deepcopy(dict(table)), "version": written_version(table)} for table in self.wavetables
            ],
            "lfos": copy.deepcopy(list(self.lfo_shapes)),
            "sample": dict(self.sample),
        }
        preset = {key: getattr(self, field) for key, field in _TEXTS.items()}
        preset |= {f"macro{i + 1}": name for i, name in enumerate(self.macro_names)}
        preset |= {**copy.deepcopy(dict(self.other)), "synth_version": VITAL_VERSION, "settings": settings}
        synth.validate_preset(preset)
        return preset


@functools.cache
def controls() -> Schema:
    """The engine's own controls, without choices from catalogs: the order of `Preset`'s vectors."""
    schema = engine_schema()
    menus = tuple(menu for menu in schema.categorical if menu.name not in CATALOG_CHOICES)
    return dataclasses.replace(schema, categorical=menus)


@functools.cache
def init() -> Preset:
    """The engine's init patch. All callers share it, so its arrays are read-only."""
    patch = dataclasses.replace(Preset.from_json(synth.init_preset()), author="vjax")
    patch.continuous.flags.writeable = patch.categorical.flags.writeable = False
    return patch


def read_preset(path: str | os.PathLike) -> Preset:
    """Reads a `.vital` file; the file's name replaces a missing name. Raises ValueError naming the file."""
    raw = read_json(path)
    try:
        preset = Preset.from_json(raw)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return preset if preset.name else dataclasses.replace(preset, name=stem_text(path))


def write_preset(path: str | os.PathLike, preset: Preset | Mapping[str, Any]) -> None:
    """Writes a `.vital` file, completely or not at all."""
    path = pathlib.Path(path)
    text = json.dumps(preset.to_json() if isinstance(preset, Preset) else preset)
    write_file(path, text)


def _read_route(settings: Mapping[str, Any], slot: int, native, notes: list[str]) -> Route | None:
    entry = settings["modulations"][slot] if slot < len(settings["modulations"]) else {}
    source, destination = entry.get("source", ""), entry.get("destination", "")
    if not source or not destination:
        return None
    sources, destinations = synth.modulation_names()
    if source not in sources or destination not in destinations:
        notes.append(
            f"route {str(source)[:40]} -> {str(destination)[:40]}: unknown name, ignored by Vital too; left out"
        )
        return None
    extra = sorted(entry.keys() - {"source", "destination", "line_mapping"})
    notes += [f"route {source} -> {destination}: unknown key {key[:40]}; left out" for key in extra]
    if "line_mapping" in entry:
        checks.check_curve(entry["line_mapping"], f"the curve of route {source} -> {destination}")
    prefix = f"modulation_{slot + 1}_"
    value = {channel: native(prefix + channel, 0.0, *limits) for channel, limits in ROUTE_RANGES.items()}
    bypass = native(prefix + "bypass", 0.0, 0.0, 1.0)
    return Route(
        source,
        destination,
        amount=value["amount"],
        bipolar=value["bipolar"] >= 0.5,
        power=value["power"],
        stereo=value["stereo"] >= 0.5,
        bypass=bypass >= 0.5,
        curve=entry.get("line_mapping"),
    )


def _other_settings(settings: Mapping[str, Any], native, notes: list[str]) -> dict[str, Any]:
    """Settings without a field in `Preset`: the editor's view, and settings of other versions of Vital."""
    slots = {f"modulation_{slot + 1}_{part}" for slot in range(N_SLOTS) for part in (*CHANNELS, "bypass")}
    own_settings = {*controls().position, *slots, "modulations", "wavetables", "lfos", "sample"}
    other = {key: value for key, value in settings.items() if key not in own_settings}
    for key in sorted(other.keys() - VIEW_CONTROLS):
        if other[key] != _UNUSED_IN_1_5.get(key):
            notes.append(f"kept aside: {key[:40]}, which {synth.VERSION} does not play")
    other |= {key: native(key, 0.0, *synth.control_ranges()[key]) for key in sorted(other.keys() & VIEW_CONTROLS)}
    return other


def _connection(route: Route | None) -> dict[str, Any]:
    if route is None:
        return dict(EMPTY_ROUTE)
    curve = {} if route.curve is None else {"line_mapping": copy.deepcopy(dict(route.curve))}
    return {"source": route.source, "destination": route.destination, **curve}
