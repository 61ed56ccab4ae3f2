"""Tests of vjax.vital.vocabulary: numbers to presets and back, replacements of missing parts, and reports."""

import base64
import copy
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import vita
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.data.sampling import sample_block
from vjax.data.sampling_config import SamplingConfig
from vjax.engine import synth
from vjax.sound.routes import N_SLOTS
from vjax.sound.schema import CATALOG_CHOICES, LFO_SHAPE_CHOICES, WAVETABLE_CHOICES, Parameters, Schema
from vjax.sound.slots import canonical_slots
from vjax.vital import preset
from vjax.vital.default_vocabulary import default_vocabulary
from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route, read_preset
from vjax.vital.table_spectra import FRAME_POSITIONS
from vjax.vital.vocabulary import (
    Vocabulary,
    audible_lfos,
    audible_oscillators,
    from_parameters,
    to_parameters,
    to_preset,
)
from vjax.vital.wavetables import VITAL_VERSION, WavetableCatalog, table_json

PRESETS = Path(__file__).parents[1] / "data" / "presets"
VOCABULARY = default_vocabulary()
TABLES, SHAPES = VOCABULARY.wavetables, VOCABULARY.lfo_shapes
VITAL = VOCABULARY.schema()
N_DESTINATIONS = len(VITAL.destinations)
POINTERS = np.flatnonzero(VITAL.destination_slots >= 0)
SYNTH = vita.Synth()


def any_parameters(seed: int) -> Parameters:
    """Everything at random: all knobs, all menus and choices, up to 64 routes in any slots, a third of them pointing
    at slots, of which some are empty and some point back."""
    rng = np.random.default_rng(seed)
    n, n_cells = rng.integers(0, N_SLOTS + 1), len(VITAL.sources) * N_DESTINATIONS
    slots = rng.choice(N_SLOTS, n, replace=False)
    cells = rng.choice(n_cells, n, replace=False)
    chained = rng.random(n) < rng.uniform(0, 0.6)
    cells[chained] = cells[chained] // N_DESTINATIONS * N_DESTINATIONS + rng.choice(POINTERS, chained.sum())
    cells, kept = np.unique(cells, return_index=True)
    index, value = np.full(N_SLOTS, -1, np.int32), np.zeros((N_SLOTS, 4), np.float32)
    index[slots[kept]] = cells
    value[slots] = np.stack(
        [rng.uniform(-1, 1, n), rng.integers(0, 2, n), rng.uniform(-10, 10, n), rng.integers(0, 2, n)], -1
    )
    value[index < 0] = 0
    continuous = rng.random(len(VITAL.continuous), np.float32)
    categorical = rng.integers(0, VITAL.option_counts).astype(np.int32)
    return Parameters(VITAL.to_norm(VITAL.to_native(continuous)), categorical, index, value)


def canonical(parameters: Parameters) -> Parameters:
    return Parameters(*parameters[:2], *canonical_slots(*parameters[2:], VITAL))


def assert_same(found: Parameters, expected: Parameters, atol: float = 0.0) -> None:
    for field in Parameters._fields:
        a, b = getattr(found, field), getattr(expected, field)
        np.testing.assert_allclose(a, b, rtol=0, atol=atol if field == "continuous" else 0, err_msg=field)
        assert a.dtype == b.dtype


def saved_by_the_engine(vital_json: dict) -> dict:
    assert SYNTH.load_json(json.dumps(vital_json))
    return json.loads(SYNTH.to_json())


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_to_parameters_of_a_preset_saved_by_the_engine_is_the_same(seed):
    """Norm to native to norm costs a rounding to float32, at most 2e-7 of a knob's range; all else is exact."""
    parameters = any_parameters(seed)
    saved = saved_by_the_engine(from_parameters(parameters, VITAL, VOCABULARY))
    found, lost = to_parameters(Preset.from_json(saved), VITAL, VOCABULARY)
    assert lost == []
    assert_same(found, canonical(parameters), atol=2e-7)
    VITAL.validate(found)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_to_parameters_of_to_preset_is_the_same(seed):
    """Without the engine there is no rounding."""
    parameters = any_parameters(seed)
    found, lost = to_parameters(to_preset(parameters, VITAL, VOCABULARY), VITAL, VOCABULARY)
    assert lost == []
    assert_same(found, canonical(parameters))


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_to_parameters_of_sampled_presets_is_the_same(tier):
    for draw in sample_block(VITAL, SamplingConfig(tier=tier), seed=1, block=0, size=8):
        made = from_parameters(draw.parameters, VITAL, VOCABULARY)
        found, lost = to_parameters(Preset.from_json(made), VITAL, VOCABULARY)
        assert lost == []
        assert_same(found, draw.parameters, atol=2e-7)


def test_from_parameters_values_are_native_and_integers_are_whole():
    parameters = VITAL.default_parameters()
    parameters.continuous[VITAL.position["osc_1_transpose"]] = 0.26  # of -48 to 48
    parameters.continuous[VITAL.position["filter_1_cutoff"]] = 0.25  # of 8 to 136
    parameters.categorical[VITAL.position["delay_tempo"]] = 3  # of 4 to 12
    texts = {"name": "My sound", "author": "me", "style": "Pad", "comments": "made by hand"}
    found = from_parameters(parameters, VITAL, VOCABULARY, **texts)
    assert found["settings"]["osc_1_transpose"] == -23
    assert found["settings"]["filter_1_cutoff"] == 40
    assert found["settings"]["delay_tempo"] == 7
    keys = ("preset_name", "author", "preset_style", "comments", "synth_version")
    assert [found[key] for key in keys] == [*texts.values(), VITAL_VERSION]


def test_from_parameters_keeps_slots_and_catalog_choices():
    parameters = VITAL.default_parameters()
    parameters.route_index[9] = cell("lfo_2", "filter_1_cutoff")
    parameters.route_value[9] = (-0.5, 1, 2, 0)
    choices = (5, 0, 23, 3, 0, 0, 9, 0, 0, 0, 63)
    parameters.categorical[[VITAL.position[choice] for choice in CATALOG_CHOICES]] = choices
    found = from_parameters(parameters, VITAL, VOCABULARY)["settings"]
    assert len(found["modulations"]) == N_SLOTS
    assert found["modulations"][9] == {"source": "lfo_2", "destination": "filter_1_cutoff"}
    assert [found[f"modulation_10_{part}"] for part in ("amount", "bipolar", "power", "stereo")] == [-0.5, 1, 2, 0]
    others = found["modulations"][:9] + found["modulations"][10:]
    assert others == [{"source": "", "destination": ""}] * 63
    assert [table["name"] for table in found["wavetables"]] == [TABLES.names[i] for i in choices[:3]]
    assert found["lfos"] == [SHAPES.shapes[i] for i in choices[3:]]


def test_to_parameters_of_the_init_patch_is_the_default():
    found, lost = to_parameters(preset.init(), VITAL, VOCABULARY)
    assert lost == []
    assert_same(found, VITAL.default_parameters())


def test_from_parameters_result_shares_nothing_with_catalogs_or_init():
    before = copy.deepcopy((synth.init_preset(), TABLES.tables, SHAPES.shapes))
    made = from_parameters(any_parameters(0), VITAL, VOCABULARY)
    made["settings"]["wavetables"][0]["name"] = "changed"
    made["settings"]["wavetables"][1]["groups"].clear()
    made["settings"]["lfos"][0]["points"][0] = 0.5
    made["settings"]["sample"]["name"] = "changed"
    assert (synth.init_preset(), TABLES.tables, SHAPES.shapes) == before


def test_to_preset_with_a_schema_of_another_instrument_raises(schema):
    with pytest.raises(ValueError, match=r"continuous has shape \(322,\); this schema expects \(12,\)"):
        to_preset(VITAL.default_parameters(), schema, VOCABULARY)
    other = Schema.from_json(VITAL.to_json().replace('"osc_1_level"', '"string_1_level"'))
    with pytest.raises(ValueError, match="string_1_level is not a control of vita"):
        to_preset(other.default_parameters(), other, VOCABULARY)


@pytest.mark.parametrize("choice", ["osc_3_wavetable", "lfo_8_shape"])
def test_to_preset_with_a_choice_outside_the_catalog_raises(choice):
    parameters = VITAL.default_parameters()
    parameters.categorical[VITAL.position[choice]] = 23
    small = Vocabulary(TABLES.chosen(range(4)), SHAPES.first(4))
    with pytest.raises(ValueError, match=f"{choice} 23 is not in this catalog of 4; use the schema's own"):
        to_preset(parameters, VITAL, small)


def cell(source: str, destination: str) -> int:
    return VITAL.sources.index(source) * N_DESTINATIONS + VITAL.destinations.index(destination)


def init_with(routes: dict[int, Route] | None = None, **fields) -> Preset:
    """The init patch with routes by slot (from 0) and other fields."""
    slots = [(routes or {}).get(slot) for slot in range(N_SLOTS)]
    return dataclasses.replace(preset.init(), routes=tuple(slots), **fields)


def listed(parameters: Parameters) -> list[tuple]:
    used = np.flatnonzero(parameters.route_index >= 0)
    return [
        (int(slot), int(parameters.route_index[slot]), *map(float, parameters.route_value[slot]), ) for slot in used
    ]  # fmt: skip


def test_to_parameters_keeps_the_strongest_of_equal_routes():
    """Routes to it follow: the route of slot 8 points at slot 5, which becomes slot 1."""
    routes = {
        2: Route("lfo_1", "osc_1_pan", 0.25),
        5: Route("lfo_1", "osc_1_pan", -0.5, bipolar=True),
        7: Route("lfo_1", "osc_1_pan", 0.125),
        8: Route("lfo_2", "modulation_6_amount", 0.75),
    }
    found, lost = to_parameters(init_with(routes), VITAL, VOCABULARY)
    assert lost == ["route lfo_1 -> osc_1_pan: set twice, the stronger one is kept"] * 2
    assert listed(found) == [
        (0, cell("lfo_1", "osc_1_pan"), -0.5, 1, 0, 0),
        (1, cell("lfo_2", "modulation_1_amount"), 0.75, 0, 0, 0),
    ]


def test_to_parameters_leaves_out_bypassed_routes_and_routes_to_them():
    routes = {
        0: Route("lfo_1", "osc_1_pan", 0.25, bypass=True),
        1: Route("lfo_2", "modulation_1_amount", 0.5),
        2: Route("lfo_3", "osc_1_pan", 0.5, stereo=True, power=-2.0),
    }
    found, lost = to_parameters(init_with(routes), VITAL, VOCABULARY)
    assert lost == []
    assert listed(found) == [(0, cell("lfo_3", "osc_1_pan"), 0.5, 0, -2, 1)]


def test_to_parameters_reports_a_remapped_curve():
    curve = shape_json("", [(0, 1), (0.5, 0.2), (1, 0)])
    found, lost = to_parameters(init_with({4: Route("lfo_1", "osc_1_pan", 0.5, curve=curve)}), VITAL, VOCABULARY)
    assert lost == ["route lfo_1 -> osc_1_pan: the remapped curve became straight"]
    assert listed(found) == [(0, cell("lfo_1", "osc_1_pan"), 0.5, 0, 0, 0)]


def test_to_parameters_reports_a_route_that_the_schema_lacks():
    other = Schema.from_json(VITAL.to_json().replace('"osc_1_pan"', '"osc_1_pun"'))
    found, lost = to_parameters(init_with({0: Route("lfo_1", "osc_1_pan", 0.5)}), other, VOCABULARY)
    assert lost == ["route lfo_1 -> osc_1_pan: not in this schema"]
    assert (found.route_index == -1).all()


@pytest.mark.parametrize(("sample_on", "reported"), [(0, []), (1, ["sample 'Rain' became white noise"])])
def test_to_parameters_reports_a_sample_if_it_is_on(sample_on, reported):
    made = init_with(sample={**preset.init().sample, "name": "Rain"}, categorical=preset.init().categorical.copy())
    made.categorical[preset.controls().position["sample_on"]] = sample_on
    assert to_parameters(made, VITAL, VOCABULARY)[1] == reported


def test_audible_oscillators_and_audible_lfos_are_those_in_use():
    made = init_with(
        {
            0: Route("lfo_3", "osc_1_pan", 0.5),
            1: Route("lfo_8", "lfo_1_phase", 0.0),
            2: Route("lfo_2", "volume", 1.0, bypass=True),
        },
        categorical=preset.init().categorical.copy(),
    )
    made.categorical[preset.controls().position["osc_3_on"]] = 1
    assert audible_oscillators(preset.init()) == [0]
    assert audible_oscillators(made) == [0, 2]
    assert audible_lfos(preset.init()) == []
    assert audible_lfos(made) == [2, 7]


CRAGGY = shape_json("Craggy", [(0, 0.1), (0.2, 0.9), (0.3, 0.2), (0.8, 0.75), (1, 0)])


def with_part(parts: tuple, i: int, part: dict) -> tuple:
    return (*parts[:i], part, *parts[i + 1 :])


def test_to_parameters_finds_parts_by_content():
    """With any name, in float32 or not, in use or not."""
    shape = {**SHAPES.shapes[SHAPES.names.index("Attack Decay")], "name": "Triangle"}
    shape["points"] = np.float32(shape["points"]).tolist()
    table = {**TABLES.tables[50], "name": "Init", "author": "me", "version": "1.0.6"}
    made = init_with(
        lfo_shapes=with_part(preset.init().lfo_shapes, 4, shape),
        wavetables=with_part(preset.init().wavetables, 2, table),
    )
    found, lost = to_parameters(made, VITAL, VOCABULARY)
    assert lost == []
    assert found.categorical[VITAL.position["lfo_5_shape"]] == SHAPES.names.index("Attack Decay")
    assert found.categorical[VITAL.position["osc_3_wavetable"]] == 50


def test_to_parameters_replaces_a_missing_shape_in_use_by_the_nearest():
    saw = shape_json("Triangle", [(0, 0), (0.5, 0.54), (1, 1)])  # 0.02 from a saw
    made = init_with({0: Route("lfo_2", "osc_1_pan", 0.5)}, lfo_shapes=(saw,) * 8)
    found, lost = to_parameters(made, VITAL, VOCABULARY)
    assert lost == ["lfo_2 shape became 'Saw Up' (0.02 away)"]
    chosen = found.categorical[[VITAL.position[choice] for choice in LFO_SHAPE_CHOICES]]
    assert chosen.tolist() == [0, SHAPES.names.index("Saw Up"), 0, 0, 0, 0, 0, 0]
    found, lost = to_parameters(made, VITAL, VOCABULARY, stand_in=False)
    assert lost == ["lfo_2 shape became 'Triangle' (1.00 away)"]
    assert found.categorical[VITAL.position["lfo_2_shape"]] == 0


def test_to_parameters_with_a_schema_without_lfo_shapes_reports_entry_0():
    """As in datasets that are older than these choices."""
    menus = tuple(menu for menu in VITAL.categorical if menu.name not in LFO_SHAPE_CHOICES)
    older = dataclasses.replace(VITAL, categorical=menus)
    saw = SHAPES.shapes[SHAPES.names.index("Saw Up")]
    made = init_with({0: Route("lfo_2", "osc_1_pan", 0.5)}, lfo_shapes=(saw,) * 8)
    found, lost = to_parameters(made, older, VOCABULARY)
    assert lost == ["lfo_2 shape became 'Triangle' (0.33 away)"]  # a third: |2 phase - phase|, then |2 - 3 phase|
    assert to_preset(found, older, VOCABULARY).lfo_shapes == (SHAPES.shapes[0],) * 8


def shuffled(frames: np.ndarray, seed: int) -> np.ndarray:
    """[n, 2048]: the same magnitudes, each harmonic turned by an angle of its own, the same in all frames."""
    spectrum = np.fft.rfft(frames)
    turned = np.exp(1j * np.random.default_rng(seed).uniform(0, 2 * np.pi, spectrum.shape[1]))
    return np.fft.irfft(spectrum * turned, frames.shape[1])


def frames_of(table: dict) -> np.ndarray:
    keyframes = table["groups"][0]["components"][0]["keyframes"]
    return np.stack([np.frombuffer(base64.b64decode(keyframe["wave_data"]), "<f4") for keyframe in keyframes])


def strange(name: str, frames: np.ndarray) -> dict:
    """A table that no catalog contains. It is not normalised, so that other phases do not change the level."""
    return {**table_json(name, frames), "full_normalize": False}


def frame_norm(parameters: Parameters, oscillator: int) -> float:
    return float(parameters.continuous[VITAL.position[f"osc_{oscillator}_wave_frame"]])


def test_to_parameters_replaces_missing_tables_by_the_nearest_in_sound():
    """Of three oscillators, one still on a single cycle, one moving, one off.

    The still one plays frame 3 of 7 of "FM" (position 128) at its own position 0: the frame knob must follow. The
    moving one is all of "Sync". The catalog has no spectra of these two yet.
    """
    fm, sync = (frames_of(TABLES.tables[TABLES.names.index(name)]) for name in ("FM 1:2", "Sync Saw"))
    silent = np.random.default_rng(3).uniform(-1, 1, (1, 2048))
    tables = (shuffled(fm[3:4], seed=1), shuffled(sync, seed=2), silent)
    made = init_with(
        {0: Route("lfo_1", "osc_2_wave_frame", 0.5), 1: Route("lfo_1", "osc_1_wave_frame", 0.5, bypass=True)},
        wavetables=tuple(map(strange, ("Still", "Moving", "Silent"), tables)),
        categorical=preset.init().categorical.copy(),
        continuous=preset.init().continuous.copy(),
    )
    made.categorical[preset.controls().position["osc_2_on"]] = 1
    made.continuous[preset.controls().position["osc_2_wave_frame"]] = 0.25
    vocabulary = Vocabulary(TABLES.extended([strange("FM", fm), strange("Sync", sync)]), SHAPES)
    found, lost = to_parameters(made, vocabulary.schema(), vocabulary)
    choices = found.categorical[[VITAL.position[choice] for choice in WAVETABLE_CHOICES]]
    assert [vocabulary.wavetables.names[i] for i in choices] == ["FM", "Sync", "Init"]
    assert (frame_norm(found, 1), frame_norm(found, 2)) == (0.5, 0.25)
    first, second = lost
    assert first.startswith("oscillator 1: wavetable 'Still' became 'FM' at frame 128 (0.")
    assert second.startswith("oscillator 2: wavetable 'Moving' became 'Sync' (0.")
    assert first.endswith(" dB away)")


def test_to_parameters_compares_a_still_oscillator_at_its_frame():
    """Its table goes from a saw to a square; the knob is at the square."""
    frames = shuffled(frames_of(TABLES.tables[TABLES.names.index("Saw to Square")]), seed=4)
    made = init_with(
        wavetables=with_part(preset.init().wavetables, 0, strange("Morph", frames[[0, 4]])),
        continuous=preset.init().continuous.copy(),
    )
    made.continuous[preset.controls().position["osc_1_wave_frame"]] = 1.0
    found, (text,) = to_parameters(made, VITAL, VOCABULARY)
    name = TABLES.names[found.categorical[VITAL.position["osc_1_wavetable"]]]
    assert name in ("Square", "Saw to Square", "Sine to Square", "Pulse Width")  # each contains a square
    assert f"became {name!r} at frame {round(256 * frame_norm(found, 1))} (0." in text


def test_to_parameters_without_stand_in_chooses_entry_0():
    noise = np.random.default_rng(3).uniform(-1, 1, (1, 2048))
    made = init_with(wavetables=(table_json("N" * 100, noise),) * 3)
    found, lost = to_parameters(made, VITAL, VOCABULARY, stand_in=False)
    assert lost == [f"oscillator 1: wavetable '{'N' * 40}' became 'Init'"]
    assert found.categorical[VITAL.position["osc_1_wavetable"]] == 0


_PATHS = sorted(PRESETS.glob("*.vital"))
MUSICIANS = [*_PATHS[:2], *(pytest.param(path, marks=pytest.mark.slow) for path in _PATHS[2:])]


@pytest.mark.parametrize("path", MUSICIANS, ids=lambda path: path.stem)
def test_to_parameters_of_musicians_presets_keeps_knobs_and_menus(path):
    """Knobs and menus are kept. Each part in use that the catalogs lack is reported once."""
    one = read_preset(path)
    found, lost = to_parameters(one, VITAL, VOCABULARY)
    VITAL.validate(found)
    again = to_preset(found, VITAL, VOCABULARY)
    replaced = {o for o in audible_oscillators(one) if TABLES.find(one.wavetables[o]) is None}
    reshaped = {i for i in audible_lfos(one) if SHAPES.find(one.lfo_shapes[i]) is None}
    assert len(lost) == len(replaced) + len(reshaped)
    frames = [preset.controls().position[f"osc_{o + 1}_wave_frame"] for o in replaced]
    np.testing.assert_allclose(
        np.delete(again.continuous, frames), np.delete(one.continuous, frames), rtol=0, atol=1e-7
    )
    np.testing.assert_array_equal(again.categorical, one.categorical)
    again_found, again_lost = to_parameters(again, VITAL, VOCABULARY)
    assert again_lost == []
    assert_same(again_found, found)


def test_to_parameters_of_a_musicians_preset_keeps_a_chain():
    """macro_control_1 drives the amount of random_1 -> osc_1_wave_frame, which is 0 by itself."""
    one = read_preset(PRESETS / "Drifting_Pad_1108Redux.vital")
    found, _ = to_parameters(one, VITAL, VOCABULARY, stand_in=False)
    again = to_preset(found, VITAL, VOCABULARY)
    (chain,) = (route for route in again.routes if route and route.destination.startswith("modulation_"))
    assert (chain.source, chain.amount) == ("macro_control_1", pytest.approx(0.34409451))
    target = again.routes[int(chain.destination.split("_")[1]) - 1]
    assert target == Route("random_1", "osc_1_wave_frame", 0.0)


def test_extended_adds_new_parts_in_use():
    chippy, pad = (read_preset(PRESETS / f"{name}.vital") for name in ("Chippy_Klassic", "Drifting_Pad_1108Redux"))
    hidden = init_with(
        {0: Route("lfo_1", "osc_1_pan", 0.5)},
        wavetables=with_part(preset.init().wavetables, 1, table_json("Off", np.sin(np.arange(2048.0) ** 2)[None])),
        lfo_shapes=(CRAGGY, {**CRAGGY, "powers": [1.0] * 5}, *preset.init().lfo_shapes[2:]),
    )
    small = Vocabulary(TABLES.chosen([0, 1]), SHAPES.first(2))
    grown = small.extended([chippy, pad, hidden])
    assert grown.wavetables.tables[:2] == small.wavetables.tables
    assert [grown.wavetables.find(table) for table in (chippy.wavetables[0], pad.wavetables[0])] == [2, 3]
    assert grown.wavetables.find(hidden.wavetables[1]) is None
    assert len(grown.wavetables) == 4
    assert [grown.lfo_shapes.find(shape) for shape in (chippy.lfo_shapes[0], CRAGGY)] == [2, 3]
    assert len(grown.lfo_shapes) == 4
    assert np.isnan(grown.wavetables.spectra[2:]).all()
    schema = grown.schema()
    assert schema.option_counts[schema.position["osc_1_wavetable"]] == 4
    assert schema.option_counts[schema.position["lfo_1_shape"]] == 4
    assert to_parameters(chippy, schema, grown)[1] == []


def test_from_json_string_of_to_json_string_is_equal():
    missing = np.full((1, *TABLES.spectra.shape[1:]), np.nan, np.float32)
    tables = WavetableCatalog(TABLES.tables[:3], np.concatenate([TABLES.spectra[:2], missing]))
    for one in (Vocabulary(tables, SHAPES), Vocabulary(TABLES.chosen([4]), SHAPES.first(1)), VOCABULARY):
        again = Vocabulary.from_json_string(one.to_json_string())
        assert again.wavetables.tables == one.wavetables.tables
        assert again.lfo_shapes == one.lfo_shapes
        np.testing.assert_allclose(again.wavetables.spectra, one.wavetables.spectra, atol=0.0501)  # NaN where NaN
        assert again.to_json_string() == one.to_json_string()


def test_from_json_string_of_a_bare_catalog_has_only_the_triangle():
    """As in datasets that are older than LFO shapes."""
    old = Vocabulary.from_json_string(TABLES.chosen([0, 7]).to_json_string())
    assert old.wavetables.names == (TABLES.names[0], TABLES.names[7])
    assert old.lfo_shapes == SHAPES.first(1)


@pytest.mark.parametrize("shapes", ["5", "[]", '"Saw"', "[3]", "null", "{}"])
def test_from_json_string_with_invalid_shapes_raises(shapes):
    with pytest.raises(ValueError, match="not a vocabulary: `lfo_shapes` must be a list of at least one shape"):
        Vocabulary.from_json_string(f'{{"tables": [{{}}], "lfo_shapes": {shapes}}}')


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"tables": []}', '{"lfo_shapes": []}'])
def test_from_json_string_of_other_text_raises(text):
    with pytest.raises(ValueError, match="not a wavetable catalog"):
        Vocabulary.from_json_string(text)


def test_frame_positions_span_the_range_of_the_knob():
    assert (FRAME_POSITIONS[0], FRAME_POSITIONS[-1]) == synth.control_ranges()["osc_1_wave_frame"]
