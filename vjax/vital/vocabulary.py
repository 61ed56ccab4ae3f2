"""The vocabulary that the model's heads can predict, and the conversion of presets to and from it.

A `Preset` holds a sound by value. `Parameters` hold it as numbers: continuous and categorical parameters, routes in
canonical slots, and for each oscillator and LFO an index into the vocabulary's catalogs. The noise sample is always the
init patch's white noise.
"""

import dataclasses
import functools
import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from vjax.engine import synth
from vjax.engine.schema import engine_schema
from vjax.sound.encoding import TargetEncoding
from vjax.sound.routes import CHANNELS, N_SLOTS
from vjax.sound.schema import CATALOG_CHOICES, LFO_SHAPE_CHOICES, WAVETABLE_CHOICES, Parameters, Schema
from vjax.sound.slots import canonical_slots
from vjax.vital import preset, table_spectra
from vjax.vital.lfo_shapes import LfoShapeCatalog, standard_shapes
from vjax.vital.preset import Preset, Route
from vjax.vital.wavetables import WavetableCatalog


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The two catalogs behind the choices of a schema; stored in each dataset and checkpoint as one JSON text."""

    wavetables: WavetableCatalog
    lfo_shapes: LfoShapeCatalog = dataclasses.field(default_factory=standard_shapes)

    def schema(self) -> Schema:
        """The installed engine's schema with these choices."""
        return engine_schema(len(self.wavetables), len(self.lfo_shapes))

    def extended(self, presets: Iterable[Preset]) -> "Vocabulary":
        """This vocabulary with the presets' wavetables of `audible_oscillators` and LFO shapes of `audible_lfos`."""
        tables, shapes = [], []
        for one in presets:
            tables += [one.wavetables[i] for i in audible_oscillators(one)]
            shapes += [one.lfo_shapes[i] for i in audible_lfos(one)]
        return Vocabulary(self.wavetables.extended(tables), self.lfo_shapes.extended(shapes))

    def to_json_string(self) -> str:
        return json.dumps({**self.wavetables.to_json(), "lfo_shapes": self.lfo_shapes.shapes})

    @classmethod
    def from_json_string(cls, text: str) -> "Vocabulary":
        """Reads `to_json_string`'s text, or a bare wavetable catalog's. Raises ValueError for anything else."""
        wavetables = WavetableCatalog.from_json_string(text)
        shapes = json.loads(text).get("lfo_shapes", standard_shapes().shapes[:1])
        if not (isinstance(shapes, list | tuple) and shapes and all(isinstance(shape, dict) for shape in shapes)):
            raise ValueError("not a vocabulary: `lfo_shapes` must be a list of at least one shape")
        return cls(wavetables, LfoShapeCatalog(tuple(shapes)))


def audible_oscillators(one: Preset) -> list[int]:
    """Oscillators (from 0) that are on, whatever they play into. `audible_lfos` gives the reason."""
    position = preset.controls().position
    return [i for i in range(len(WAVETABLE_CHOICES)) if one.categorical[position[f"osc_{i + 1}_on"]]]


def audible_lfos(one: Preset) -> list[int]:
    """LFOs (from 0) that drive a route which is not bypassed, wherever the route ends.

    This is more than `vjax.sound.audibility` calls audible. Catalogs keep these shapes, because crossing two presets
    may make them audible.
    """
    driving = {route.source for route in one.routes if route is not None and not route.bypass}
    return [i for i in range(len(LFO_SHAPE_CHOICES)) if f"lfo_{i + 1}" in driving]


def to_preset(parameters: Parameters, schema: Schema, vocabulary: Vocabulary, **texts: str) -> Preset:
    """Converts `parameters` to a preset.

    Args:
      parameters: one sound, without batch axes.
      schema: names and ranges of the vectors; must describe the installed engine's controls, or their target encoding
        (`vjax.sound.encoding`).
      vocabulary: the catalogs of the choices.
      texts: `name`, `author`, `style`, `comments`.

    Raises:
      ValueError: a value outside the schema, or a name that the engine lacks.
    """
    schema.validate(parameters)
    controls, init = preset.controls(), preset.init()
    menus = dict(zip(schema.categorical_names, map(int, parameters.categorical), strict=True))
    choices = {name: menus.pop(name, 0) for name in CATALOG_CHOICES}
    for name, size in (*((n, len(vocabulary.wavetables)) for n in WAVETABLE_CHOICES),
                       *((n, len(vocabulary.lfo_shapes)) for n in LFO_SHAPE_CHOICES)):  # fmt: skip
        if choices[name] >= size:
            raise ValueError(f"{name} {choices[name]} is not in this catalog of {size}; use the schema's own")
    native = dict(zip(schema.continuous_names, schema.to_native(parameters.continuous), strict=True))
    native, menus = _encoding().decode_names(native, menus)
    unknown = sorted((native.keys() | menus.keys()) - controls.position.keys())
    if unknown:
        raise ValueError(f"{unknown[0]} is not a control of {synth.VERSION}; expected a schema of this engine")
    continuous, categorical = init.continuous.copy(), init.categorical.copy()
    for name, value in native.items():
        continuous[controls.position[name]] = controls.continuous[controls.position[name]].to_norm(value)
    for name, index in menus.items():
        categorical[controls.position[name]] = index
    return dataclasses.replace(
        init,
        continuous=continuous,
        categorical=categorical,
        routes=tuple(
            _route(*pair, schema) for pair in zip(parameters.route_index, parameters.route_value, strict=True)
        ),
        wavetables=tuple(vocabulary.wavetables.tables[choices[name]] for name in WAVETABLE_CHOICES),
        lfo_shapes=tuple(vocabulary.lfo_shapes.shapes[choices[name]] for name in LFO_SHAPE_CHOICES),
        **texts,
    )


def from_parameters(parameters: Parameters, schema: Schema, vocabulary: Vocabulary, **texts: str) -> dict[str, Any]:
    """`to_preset` as Vital's JSON, ready to render or to write."""
    return to_preset(parameters, schema, vocabulary, **texts).to_json()


def to_parameters(
    one: Preset, schema: Schema, vocabulary: Vocabulary, stand_in: bool = True
) -> tuple[Parameters, list[str]]:
    """Returns the parameters nearest to a preset, and a list of what they cannot represent.

    The entry nearest in sound replaces a wavetable or LFO shape that the vocabulary lacks. If no route moves the frame
    of the oscillator, the nearest single cycle replaces its wavetable, and the frame parameter is set to that cycle. Of
    several routes between the same two names, the strongest is kept. Bypassed routes are silent and left out. Slots
    become canonical.

    Args:
      stand_in: False replaces everything that is missing by entry 0, and does not start the engine.
    """
    lost: list[str] = []
    controls = preset.controls()
    menus = dict(zip(controls.categorical_names, map(int, one.categorical), strict=True))
    native = dict(zip(controls.continuous_names, controls.minimum + one.continuous * controls.span, strict=True))
    encoded_native, encoded_menus = _encoding().encode_names(native, menus)
    native, menus = native | encoded_native, menus | encoded_menus  # the schema may use either form
    continuous = [
        knob.to_norm(np.clip(native.get(knob.name, knob.default), knob.minimum, knob.maximum))
        for knob in schema.continuous
    ]
    categorical = schema.default_parameters().categorical
    for i, menu in enumerate(schema.categorical):
        if menu.name in menus:
            categorical[i] = min(menus[menu.name], menu.n_options - 1)
    route_index, route_value = _routes(one, schema, lost)
    parameters = Parameters(np.clip(continuous, 0, 1).astype(np.float32), categorical, route_index, route_value)
    _choose_shapes(one, schema, vocabulary.lfo_shapes, parameters, stand_in, lost)
    _choose_tables(one, schema, vocabulary.wavetables, parameters, stand_in, lost)
    sample_on = one.categorical[controls.position["sample_on"]]
    if sample_on and one.sample.get("name") != preset.init().sample["name"]:
        lost.append(f"sample {one.sample.get('name', '')!r} became white noise")
    return parameters, lost


@functools.cache
def _encoding() -> TargetEncoding:
    return TargetEncoding(preset.controls())


def _choose_shapes(one, schema, catalog: LfoShapeCatalog, parameters: Parameters, stand_in: bool, lost: list[str]):
    in_use = audible_lfos(one)
    for lfo, choice in enumerate(LFO_SHAPE_CHOICES):
        available = catalog if choice in schema.position else catalog.first(1)  # an older schema has no such choice
        index = available.find(one.lfo_shapes[lfo])
        if index is None and lfo in in_use:
            index, distance = available.nearest(one.lfo_shapes[lfo]) if stand_in else (0, 1.0)
            lost.append(f"lfo_{lfo + 1} shape became {available.names[index]!r} ({distance:.2f} away)")
        if choice in schema.position:
            parameters.categorical[schema.position[choice]] = index or 0


def _choose_tables(one, schema, catalog: WavetableCatalog, parameters: Parameters, stand_in: bool, lost: list[str]):
    missing = []
    for oscillator, choice in enumerate(WAVETABLE_CHOICES):
        # The report's 126 menus have no choice.
        available = catalog if choice in schema.position else catalog.chosen([0])
        index = available.find(one.wavetables[oscillator])
        if choice in schema.position:
            parameters.categorical[schema.position[choice]] = index or 0
        elif index is None and oscillator in audible_oscillators(one):
            name = available.names[0]
            lost.append(f"oscillator {oscillator + 1}: wavetable {_name(one, oscillator)} became {name!r}")
            continue
        if index is None and oscillator in audible_oscillators(one):
            missing.append(oscillator)
    if not (missing and stand_in):
        lost += [f"oscillator {o + 1}: wavetable {_name(one, o)} became {catalog.names[0]!r}" for o in missing]
        return
    catalog = table_spectra.with_spectra(catalog)
    moved = {route.destination for route in one.routes if route is not None and not route.bypass}
    frames = {o: f"osc_{o + 1}_wave_frame" for o in missing}
    still = {o: one.continuous[preset.controls().position[frames[o]]] * 256 for o in missing if frames[o] not in moved}
    positions = [(*table_spectra.FRAME_POSITIONS, still.get(o, 0.0)) for o in missing]
    found = table_spectra.table_spectra([one.wavetables[o] for o in missing], positions)
    for oscillator, spectrum in zip(missing, found, strict=True):
        at = ""
        if oscillator in still:
            index, frame, distance = table_spectra.nearest_cycle(catalog, spectrum[-1])
            parameters.continuous[schema.position[frames[oscillator]]] = frame / 256
            at = f" at frame {frame}"
        else:
            index, distance = table_spectra.nearest_table(catalog, spectrum[:-1])
        parameters.categorical[schema.position[WAVETABLE_CHOICES[oscillator]]] = index
        lost.append(
            f"oscillator {oscillator + 1}: wavetable {_name(one, oscillator)} became {catalog.names[index]!r}{at} "
            f"({distance:.1f} dB away)"
        )


def _name(one: Preset, oscillator: int) -> str:
    return repr(str(one.wavetables[oscillator].get("name", ""))[:40])


def _route(cell: int, value: np.ndarray, schema: Schema) -> Route | None:
    if cell < 0:
        return None
    source, destination = divmod(int(cell), len(schema.destinations))
    amount, bipolar, power, stereo = map(float, value)
    return Route(schema.sources[source], schema.destinations[destination], amount, bipolar >= 0.5, power, stereo >= 0.5)


def _routes(one: Preset, schema: Schema, lost: list[str]) -> tuple[np.ndarray, np.ndarray]:
    sources = {name: i for i, name in enumerate(schema.sources)}
    destinations = {name: i for i, name in enumerate(schema.destinations)}
    route_index = np.full(N_SLOTS, -1, np.int32)
    route_value = np.zeros((N_SLOTS, len(CHANNELS)), np.float32)
    holder: dict[int, int] = {}  # cell -> the slot that keeps it
    for slot, route in enumerate(one.routes):
        if route is None or route.bypass:
            continue
        label = f"route {route.source} -> {route.destination}"
        if route.source not in sources or route.destination not in destinations:
            lost.append(f"{label}: not in this schema")
            continue
        cell = sources[route.source] * len(destinations) + destinations[route.destination]
        if cell in holder:
            lost.append(f"{label}: set twice, the stronger one is kept")
            if abs(route.amount) <= abs(route_value[holder[cell], 0]):
                continue
            route_index[holder[cell]], route_value[holder[cell]] = -1, 0.0
        holder[cell] = slot
        route_index[slot] = cell
        route_value[slot] = (route.amount, route.bipolar, route.power, route.stereo)
        if route.curve is not None:
            lost.append(f"{label}: the remapped curve became straight")
    return canonical_slots(route_index, route_value, schema)
