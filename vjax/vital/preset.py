"""Between Vital's own JSON (`.vital`) and the numbers of `vjax.schema`.

`Parameters` say a sound in the vocabulary of the model's heads: knobs, menus, a wavetable of the catalog per
oscillator, and routes. LFO shapes and the noise sample stay at the engine's init patch.
"""

import copy
import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from vjax.schema import CHANNELS, N_OSCILLATORS, N_SLOTS, WAVETABLE_CHOICES, Parameters, Schema
from vjax.vital import engine
from vjax.vital.wavetables import VITAL_VERSION, WavetableCatalog

MAX_BYTES = 64 * 2**20
"""The largest preset file read; musicians' largest is under 3 MB."""


def read_preset(path: str | os.PathLike) -> dict[str, Any]:
    """Reads a `.vital` file. Raises ValueError naming the file and what it lacks."""
    path = pathlib.Path(path)
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size} bytes is no Vital preset; the limit is {MAX_BYTES}")
    try:
        preset = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # ValueError: also wrong encodings and endless numbers
        raise ValueError(f"{path}: not JSON, so not a Vital preset ({error})") from error
    settings = preset.get("settings") if isinstance(preset, dict) else None
    if not isinstance(settings, dict):
        raise ValueError(f"{path}: no `settings` object, so not a Vital preset")
    for name in ("modulations", "wavetables"):
        entries = settings.get(name, [])
        if not (isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)):
            raise ValueError(f"{path}: `{name}` is no list of objects, so not a Vital preset")
    return preset


def write_preset(path: str | os.PathLike, preset: Mapping[str, Any]) -> None:
    """Writes a `.vital` file; the file appears whole or not at all."""
    path = pathlib.Path(path)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(preset))
    os.replace(partial, path)


def from_parameters(
    parameters: Parameters, schema: Schema, catalog: WavetableCatalog, name: str = "", comments: str = ""
) -> dict[str, Any]:
    """Vital JSON that plays `parameters`.

    Args:
      parameters: one sound, without batch axes.
      schema: names and ranges of the vectors; must describe the installed engine's controls.
      catalog: what the wavetable choices choose from.

    Raises:
      ValueError: a value outside the schema, or a name that the engine does not know.
    """
    schema.validate(parameters)
    preset = copy.deepcopy(engine.init_preset())
    settings = preset["settings"]
    menus = dict(zip(schema.categorical_names, map(int, parameters.categorical), strict=True))
    tables = [menus.pop(choice, 0) for choice in WAVETABLE_CHOICES]
    if max(tables) >= len(catalog):
        raise ValueError(
            f"wavetable choice {max(tables)} is not in this catalog of {len(catalog)}; use the schema's own"
        )
    values = dict(zip(schema.continuous_names, map(float, schema.to_native(parameters.continuous)), strict=True))
    values |= {menu.name: float(menu.minimum + menus[menu.name]) for menu in schema.categorical if menu.name in menus}
    unknown = sorted(values.keys() - engine.control_ranges().keys())
    if unknown:
        raise ValueError(f"{unknown[0]} is no control of {engine.VERSION}: this schema is of another instrument")
    settings.update(values)
    for slot, (cell, route) in enumerate(zip(parameters.route_index, parameters.route_value, strict=True)):
        used = cell >= 0
        source, destination = divmod(int(cell), len(schema.destinations)) if used else (0, 0)
        settings["modulations"][slot] = {
            "source": schema.sources[source] if used else "",
            "destination": schema.destinations[destination] if used else "",
        }
        for channel, value in zip(CHANNELS, route, strict=True):
            settings[f"modulation_{slot + 1}_{channel}"] = float(value) if used else 0.0
    settings["wavetables"] = [copy.deepcopy(catalog.tables[index]) for index in tables]
    preset |= {"preset_name": name, "comments": comments, "author": "vjax", "synth_version": VITAL_VERSION}
    engine.validate_preset(preset)
    return preset


def to_parameters(preset: Mapping[str, Any], schema: Schema, catalog: WavetableCatalog) -> tuple[Parameters, list[str]]:
    """The numbers nearest to a preset, and a list of what they could not hold.

    Values outside a control's range are clipped; missing ones take their default, as in Vital. Of several routes
    between the same two names the strongest stays; bypassed routes are silent and left out.

    Raises:
      ValueError: a value that is no finite number.
    """
    settings, lost = preset["settings"], []

    def native(name: str, default: float, low: float, high: float) -> float:
        value = settings.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < math.inf:
            raise ValueError(f"{name} is {value!r}; it must be a finite number")
        if not low <= value <= high:
            lost.append(f"{name} {value} clipped to [{low}, {high}]")
        return float(min(max(value, low), high))  # float() last: JSON's integers may be larger than any float

    continuous = schema.to_norm(np.array([native(k.name, k.default, k.minimum, k.maximum) for k in schema.continuous]))
    categorical = np.zeros(len(schema.categorical), np.int32)
    for i, menu in enumerate(schema.categorical):
        if menu.name not in WAVETABLE_CHOICES:
            last = menu.minimum + menu.n_options - 1
            value = native(menu.name, menu.minimum + menu.default, menu.minimum, last)
            categorical[i] = round(value) - menu.minimum
    for oscillator, table in enumerate(settings.get("wavetables", ())[:N_OSCILLATORS]):
        index = catalog.find(table)
        if index is None:
            lost.append(f"oscillator {oscillator + 1}: wavetable {table.get('name', '')!r} is not in the catalog")
        categorical[schema.position[WAVETABLE_CHOICES[oscillator]]] = index or 0
    route_index, route_value = _read_routes(settings, schema, native, lost)
    return Parameters(np.clip(continuous, 0, 1), categorical, route_index, route_value), lost


def _read_routes(settings, schema: Schema, native, lost: list[str]) -> tuple[np.ndarray, np.ndarray]:
    sources = {name: i for i, name in enumerate(schema.sources)}
    destinations = {name: i for i, name in enumerate(schema.destinations)}
    route_index = np.full(N_SLOTS, -1, np.int32)
    route_value = np.zeros((N_SLOTS, len(CHANNELS)), np.float32)
    holder: dict[int, int] = {}  # cell -> the slot that keeps it
    for slot, route in enumerate(settings.get("modulations", ())[:N_SLOTS]):
        source, destination = str(route.get("source", "")), str(route.get("destination", ""))
        prefix = f"modulation_{slot + 1}_"
        if not source or not destination or native(prefix + "bypass", 0.0, 0.0, 1.0) >= 0.5:
            continue
        if source not in sources or destination not in destinations:
            lost.append(f"route {source} -> {destination}: no such name")
            continue
        ranges = {"amount": (-1.0, 1.0), "bipolar": (0.0, 1.0), "power": (-10.0, 10.0), "stereo": (0.0, 1.0)}
        value = [native(prefix + channel, 0.0, *ranges[channel]) for channel in CHANNELS]
        cell = sources[source] * len(destinations) + destinations[destination]
        if cell in holder:
            lost.append(f"route {source} -> {destination}: twice, the stronger one kept")
            if abs(value[0]) <= abs(route_value[holder[cell], 0]):
                continue
            route_index[holder[cell]], route_value[holder[cell]] = -1, 0.0
        holder[cell] = slot
        route_index[slot], route_value[slot] = cell, value
        if "line_mapping" in route:
            lost.append(f"route {source} -> {destination}: remapped curve made straight")
    return route_index, route_value
