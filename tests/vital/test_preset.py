"""Tests of vjax.vital.preset: reading and writing without loss, also through the real engine, and notes."""

import copy
import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import vita
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.sound.routes import N_SLOTS
from vjax.sound.schema import VIEW_CONTROLS
from vjax.vital import preset
from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route, controls, init, read_preset, write_preset
from vjax.vital.preset_json import read_json
from vjax.vital.wavetables import VITAL_VERSION, table_json

PRESETS = sorted((Path(__file__).parents[1] / "data" / "presets").glob("*.vital"))
each_preset = pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
SHORT = RenderConfig(seconds=0.4, note_s=0.3)
SYNTH = vita.Synth()
SOURCES, DESTINATIONS = synth.modulation_names()


def saved_by_the_engine(vital_json: dict) -> dict:
    assert SYNTH.load_json(json.dumps(vital_json))
    return json.loads(SYNTH.to_json())


def assert_same(found: Preset, expected: Preset) -> None:
    for field in dataclasses.fields(Preset):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if field.name == "wavetables":  # writing makes their version the newest, if it is 1.0 or later
            a, b = ([{**table, "version": ""} for table in tables] for tables in (a, b))
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, err_msg=field.name)
            assert a.dtype == b.dtype
        else:
            same = a == b  # separate, so that pytest prints no diff of a megabyte
            assert same, field.name


@pytest.fixture
def vital_json() -> dict:
    return copy.deepcopy(synth.init_preset())


def route(vital_json: dict, slot: int, source: str, destination: str, **numbers: float) -> None:
    vital_json["settings"]["modulations"][slot - 1] = {"source": source, "destination": destination}
    vital_json["settings"] |= {f"modulation_{slot}_{part}": value for part, value in numbers.items()}


def native_values(rng: np.random.Generator) -> dict[str, float]:
    """A float32 value for every knob, a whole one for every menu."""
    values = {}
    for knob in controls().continuous:
        value = rng.choice([rng.uniform(knob.minimum, knob.maximum), knob.minimum, knob.maximum, 0.0, knob.default])
        values[knob.name] = float(np.float32(min(max(value, knob.minimum), knob.maximum)))
    for menu in controls().categorical:
        values[menu.name] = float(menu.minimum + rng.integers(menu.n_options))
    return values


def any_json(seed: int) -> dict:
    """Everything at random: controls, routes in any slots with all their parts, shapes, texts, unknown keys."""
    rng = np.random.default_rng(seed)
    made = copy.deepcopy(synth.init_preset())
    made["settings"] |= native_values(rng) | {name: 1.0 for name in VIEW_CONTROLS}
    for slot in rng.choice(N_SLOTS, rng.integers(0, N_SLOTS + 1), replace=False):
        route(
            made,
            int(slot) + 1,
            str(rng.choice(SOURCES)),
            str(rng.choice(DESTINATIONS)),
            amount=float(np.float32(rng.uniform(-1, 1))),
            power=float(np.float32(rng.uniform(-10, 10))),
            bipolar=float(rng.integers(2)),
            stereo=float(rng.integers(2)),
            bypass=float(rng.integers(2)),
        )
        if rng.random() < 0.3:
            curve = shape_json("", [(0, 1), (0.25 * rng.integers(1, 4), 0.5), (1, 0)], bend=float(rng.integers(-9, 9)))
            made["settings"]["modulations"][slot]["line_mapping"] = curve
    made["settings"]["lfos"][3] = shape_json("Mine", [(0, 0.5), (0.5, 0.25), (1, 0)], bend=-3, smooth=True)
    made["settings"]["wavetables"][1] = table_json("Noise", rng.uniform(-1, 1, (2, 2048)))
    made |= {"author": "me", "comments": "ä♪", "macro2": f"M {seed}", "synth_version": VITAL_VERSION}
    made |= {"preset_name": "Name", "preset_style": "Pad", "tags": ["new", seed]}
    made["settings"]["custom_warps"] = [{"name": "Mine"}]
    return made


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_to_json_of_from_json_is_the_same(seed):
    raw = any_json(seed)
    before = copy.deepcopy(raw)
    one = Preset.from_json(raw)
    written = one.to_json()
    same = raw == before
    assert same
    for table in raw["settings"]["wavetables"]:
        table["version"] = VITAL_VERSION
    same = json.loads(json.dumps(written, allow_nan=False)) == raw
    assert same
    assert_same(Preset.from_json(written), one)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_to_json_is_loaded_by_the_engine_without_change(seed):
    written = Preset.from_json(any_json(seed)).to_json()
    saved = saved_by_the_engine(written)
    for name in synth.control_ranges():
        assert np.float32(saved["settings"][name]) == np.float32(written["settings"][name]), name
    assert set(written["settings"]) - set(saved["settings"]) == {"custom_warps"}
    assert set(saved["settings"]) <= set(written["settings"])
    again, one = Preset.from_json(saved), Preset.from_json(written)
    np.testing.assert_array_equal(again.continuous, one.continuous)
    np.testing.assert_array_equal(again.categorical, one.categorical)
    assert [route and route[:-1] for route in again.routes] == [route and route[:-1] for route in one.routes]
    for a, b in zip(again.routes, one.routes, strict=True):
        curves = [route and route.curve and (route.curve["points"], route.curve["powers"]) for route in (a, b)]
        assert curves[0] == curves[1]
    assert again.wavetables[1]["groups"] == one.wavetables[1]["groups"]
    assert again.lfo_shapes == one.lfo_shapes


@settings(deadline=None, max_examples=200)
@given(st.integers(0, len(controls().continuous) - 1), st.data())
def test_to_json_keeps_every_float32_value_of_a_knob(i, data):
    """To the bit, except for values so near 0 that their norm as a double equals that of 0."""
    knob = controls().continuous[i]
    value = np.float32(data.draw(st.floats(np.float32(knob.minimum), np.float32(knob.maximum), width=32)))
    raw = copy.deepcopy(synth.init_preset())
    raw["settings"][knob.name] = float(value)
    found = np.float32(Preset.from_json(raw).to_json()["settings"][knob.name])
    if value == 0 or abs(value) > 1e-6 * (knob.maximum - knob.minimum):
        assert found == value
    else:
        assert found == pytest.approx(value, abs=1e-15 * (knob.maximum - knob.minimum))


@each_preset
def test_to_json_of_a_musicians_file_is_complete(path):
    raw, one = read_json(path), read_preset(path)
    written = one.to_json()
    init_json = synth.init_preset()
    assert set(written) == set(init_json)
    assert set(written["settings"]) == set(init_json["settings"])
    assert set(raw["settings"]) <= set(written["settings"])
    for name in synth.control_ranges():
        original = raw["settings"].get(name, init_json["settings"][name])
        assert np.float32(written["settings"][name]) == np.float32(original), name
    assert written["settings"]["modulations"] == raw["settings"]["modulations"]
    assert written["settings"]["lfos"] == raw["settings"]["lfos"]
    assert written["settings"]["sample"] == raw["settings"]["sample"]
    for table, original in zip(written["settings"]["wavetables"], raw["settings"]["wavetables"], strict=True):
        assert table == {**original, "version": VITAL_VERSION}
    for key in ("author", "comments", "preset_style", "macro1", "macro2", "macro3", "macro4"):
        assert written[key] == raw.get(key, init_json[key]), key
    assert written["preset_name"] == (raw.get("preset_name") or path.stem)
    assert written["synth_version"] == VITAL_VERSION
    assert one.notes == ()
    assert_same(Preset.from_json(written), one)


def test_to_json_of_musicians_files_renders_the_same_bits():
    originals = [read_json(path) for path in PRESETS]
    rewritten = [read_preset(path).to_json() for path in PRESETS]
    with RenderPool(SHORT, workers=2) as pool:
        renderings = list(pool.map(RenderJob(one, (48,), seed=1) for one in (*originals, *rewritten)))
    assert [rendering.error for rendering in renderings] == [""] * 2 * len(PRESETS)
    for path, first, second in zip(PRESETS, renderings, renderings[len(PRESETS) :], strict=False):
        assert np.abs(first.audio).max() > 1e-3, path.stem
        np.testing.assert_array_equal(first.audio, second.audio, err_msg=path.stem)


def test_from_json_of_a_preset_saved_by_the_engine_has_no_notes():
    saved = saved_by_the_engine(init().to_json())
    assert saved["synth_version"] == "99999.9.9"
    found = Preset.from_json(saved)
    assert found.notes == ()
    assert found.to_json()["synth_version"] == VITAL_VERSION
    assert {table["version"] for table in found.to_json()["settings"]["wavetables"]} == {VITAL_VERSION}
    np.testing.assert_array_equal(found.continuous, init().continuous)


def test_to_json_result_shares_nothing_with_the_preset(vital_json):
    route(vital_json, 1, "lfo_1", "osc_1_pan", amount=0.5)
    vital_json["settings"]["modulations"][0]["line_mapping"] = shape_json("", [(0, 1), (1, 0)])
    one = Preset.from_json(vital_json | {"tags": ["a"]})
    before = copy.deepcopy(one.to_json())
    written = one.to_json()
    written["tags"].append("b")
    written["settings"]["lfos"][0]["points"][0] = 0.5
    written["settings"]["modulations"][0]["line_mapping"]["points"][0] = 0.5
    written["settings"]["wavetables"][0]["groups"].clear()
    written["settings"]["sample"]["name"] = "other"
    assert one.to_json() == before


def test_to_json_with_an_invalid_value_raises():
    i = controls().position["osc_1_level"]
    for value in (1.1, -0.1, math.nan):
        continuous = init().continuous.copy()
        continuous[i] = value
        with pytest.raises(ValueError, match=r"osc_1_level is .* \[0\.0, 1\.0\]"):
            dataclasses.replace(init(), continuous=continuous).to_json()
    routes = (Route("lfo_99", "osc_1_pan", 0.5), *init().routes[1:])
    with pytest.raises(ValueError, match="modulation slot 1: source 'lfo_99' does not exist"):
        dataclasses.replace(init(), routes=routes).to_json()


def native(one: Preset, name: str) -> float:
    i = controls().position[name]
    return float(controls().minimum[i] + one.continuous[i] * controls().span[i])


def menu_value(one: Preset, name: str) -> int:
    i = controls().position[name]
    return int(one.categorical[i]) + controls().categorical[i].minimum


def test_from_json_with_values_out_of_range_clips_them_with_a_note(vital_json):
    vital_json["settings"] |= {"osc_1_level": 1.5, "filter_1_model": 99, "osc_2_transpose": -(10**400)}
    vital_json["settings"]["osc_3_view_2d"] = -4.0
    route(vital_json, 1, "lfo_1", "osc_1_level", amount=-3.0, power=11.0, bypass=2.0)
    found = Preset.from_json(vital_json)
    assert native(found, "osc_1_level") == 1
    assert native(found, "osc_2_transpose") == -48
    assert menu_value(found, "filter_1_model") == synth.control_ranges()["filter_1_model"][1]
    assert found.routes[0] == Route("lfo_1", "osc_1_level", -1.0, power=10.0, bypass=True)
    assert found.to_json()["settings"]["osc_3_view_2d"] == 0
    assert sorted(found.notes) == [
        "filter_1_model 99 clipped to [0, 7]",
        "modulation_1_amount -3.0 clipped to [-1, 1]",
        "modulation_1_bypass 2.0 clipped to [0, 1]",
        "modulation_1_power 11.0 clipped to [-10, 10]",
        "osc_1_level 1.5 clipped to [0, 1]",
        "osc_2_transpose -10000000000... clipped to [-48, 48]",
        "osc_3_view_2d -4.0 clipped to [0, 2]",
    ]


def test_from_json_with_fractional_menu_values_rounds_them_with_a_note(vital_json):
    vital_json["settings"] |= {"filter_1_model": 1.75, "delay_tempo": 7.0}
    found = Preset.from_json(vital_json)
    assert menu_value(found, "filter_1_model") == 2
    assert menu_value(found, "delay_tempo") == 7
    assert found.notes == ("filter_1_model 1.75 rounded to 2",)


def test_from_json_with_missing_controls_uses_their_defaults(vital_json):
    """As in Vital: files of older versions lack some."""
    names = ("osc_1_level", "filter_1_model", "delay_tempo", "modulation_1_amount", "modulation_9_bypass")
    for name in (*names, *VIEW_CONTROLS):
        del vital_json["settings"][name]
    vital_json["settings"]["modulations"] = []
    found = Preset.from_json(vital_json)
    assert_same(found, dataclasses.replace(Preset.from_json(synth.init_preset()), other_settings=found.other_settings))
    assert found.to_json() == Preset.from_json(synth.init_preset()).to_json()


def test_from_json_keeps_remapped_curves_and_bypassed_routes(vital_json):
    curve = shape_json("", [(0, 1), (0.25, 0.5), (1, 0)], bend=3)
    route(vital_json, 64, "lfo_1", "osc_1_pan", amount=0.5, stereo=1.0, bypass=1.0)
    vital_json["settings"]["modulations"][63]["line_mapping"] = curve
    found = Preset.from_json(vital_json)
    assert found.routes[63] == Route("lfo_1", "osc_1_pan", 0.5, stereo=True, bypass=True, curve=curve)
    assert found.routes[:63] == (None,) * 63
    assert found.notes == ()
    written = found.to_json()["settings"]
    assert written["modulations"][63]["line_mapping"] == curve
    assert written["modulation_64_bypass"] == 1
    saved = saved_by_the_engine(found.to_json())["settings"]["modulations"][63]["line_mapping"]
    assert (saved["points"], saved["powers"]) == (curve["points"], curve["powers"])


def test_from_json_keeps_all_routes_between_the_same_names(vital_json):
    for slot, amount in ((1, 0.5), (2, 0.25)):
        route(vital_json, slot, "lfo_1", "osc_1_pan", amount=amount)
    found = Preset.from_json(vital_json)
    assert found.routes[:2] == (Route("lfo_1", "osc_1_pan", 0.5), Route("lfo_1", "osc_1_pan", 0.25))


@pytest.mark.parametrize("name", ["lfo_9", "x" * 10**5, ["lfo_1"], {"lfo_1": 1}, 5])
@pytest.mark.parametrize("end", ["source", "destination"])
def test_from_json_leaves_out_a_route_of_an_unknown_name_with_a_note(vital_json, end, name):
    """Vital ignores it as well."""
    route(vital_json, 1, "lfo_1", "osc_1_pan", amount=0.5)
    vital_json["settings"]["modulations"][0][end] = name
    found = Preset.from_json(vital_json)
    assert found.routes == (None,) * N_SLOTS
    (note,) = found.notes
    assert note.startswith("route ")
    assert note.endswith(": unknown name, ignored by Vital too; left out")
    assert len(note) < 150


@pytest.mark.parametrize(
    "entry", [{}, {"source": "lfo_1"}, {"source": "lfo_1", "destination": ""}, {"destination": "volume"}]
)
def test_from_json_with_an_incomplete_route_has_no_route(vital_json, entry):
    vital_json["settings"]["modulations"][0] = entry
    found = Preset.from_json(vital_json)
    assert (found.routes, found.notes) == ((None,) * N_SLOTS, ())


def test_from_json_keeps_unknown_keys_with_a_note(vital_json):
    vital_json["settings"]["osc_4_level"] = 0.5
    vital_json |= {"tuning": {"name": "Just", "scale": [0, 2, 4]}, "tags": []}
    found = Preset.from_json(vital_json)
    assert sorted(found.notes) == [
        "kept aside: osc_4_level, which vita 0.1.0 does not play",
        "kept aside: tags",
        "kept aside: tuning",
    ]
    written = found.to_json()
    assert written["settings"]["osc_4_level"] == 0.5
    assert (written["tuning"], written["tags"]) == (vital_json["tuning"], [])
    assert saved_by_the_engine(written)["settings"].get("osc_4_level") is None


def test_from_json_notes_vital_1_5_settings_only_when_they_are_used(vital_json):
    triangle = {"name": "Triangle", "num_points": 3, "points": [0.0, 1.0, 0.5, 0.0, 1.0, 1.0], "smooth": False}
    unused = {
        "custom_warps": [{**triangle, "powers": [0.0, 0.0, 0.0]} for _ in range(3)],
        "random_values": [{"seed": 4}, {"seed": 4}, {"seed": 4}],
        **{f"osc_{i}_spectral_morph_phase": 0.5 for i in (1, 2, 3)},
    }
    vital_json["settings"] |= copy.deepcopy(unused)
    found = Preset.from_json(vital_json)
    assert found.notes == ()
    assert {key: found.to_json()["settings"][key] for key in unused} == unused
    used = {"osc_2_spectral_morph_phase": 0.25, "random_values": [{"seed": 4}, {"seed": 9}, {"seed": 4}]}
    vital_json["settings"] |= used
    vital_json["settings"]["custom_warps"][1]["smooth"] = True
    found = Preset.from_json(vital_json)
    assert found.notes == tuple(
        f"kept aside: {key}, which {synth.VERSION} does not play"
        for key in ("custom_warps", "osc_2_spectral_morph_phase", "random_values")
    )
    assert {key: found.to_json()["settings"][key] for key in used} == used


def test_from_json_keeps_texts_and_macro_names(vital_json):
    texts = {"preset_name": "Häuser ♪", "author": "me", "preset_style": "Pad", "comments": "two\nlines"}
    macros = {"macro1": "UNSTABLE", "macro2": "", "macro3": "MACRO 3", "macro4": "é"}
    found = Preset.from_json(vital_json | texts | macros)
    assert (found.name, found.author, found.style, found.comments) == tuple(texts.values())
    assert found.macro_names == tuple(macros.values())
    written = found.to_json()
    assert {key: written[key] for key in (*texts, *macros)} == texts | macros
    for key in (*texts, *macros):
        del vital_json[key]
    found = Preset.from_json(vital_json)
    assert (found.name, found.author, found.style, found.comments) == ("",) * 4
    assert found.macro_names == ("MACRO 1", "MACRO 2", "MACRO 3", "MACRO 4")


@pytest.mark.parametrize("given_name", [None, "", "Other"])
def test_read_preset_without_a_name_takes_the_file_name(tmp_path, vital_json, given_name):
    vital_json["preset_name"] = given_name
    write_preset(tmp_path / "My sound.vital", vital_json)
    assert read_preset(tmp_path / "My sound.vital").name == (given_name or "My sound")


def test_read_preset_of_a_written_file_is_equal(tmp_path):
    one = Preset.from_json(any_json(3))
    write_preset(tmp_path / "sound.vital", one)
    assert_same(read_preset(tmp_path / "sound.vital"), one)
    write_preset(tmp_path / "json.vital", one.to_json())
    assert (tmp_path / "json.vital").read_bytes() == (tmp_path / "sound.vital").read_bytes()


def test_write_preset_that_fails_leaves_the_old_file(tmp_path, vital_json):
    path = tmp_path / "sound.vital"
    write_preset(path, vital_json)
    before = path.read_bytes()
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_preset(path, vital_json | {"author": object()})
    assert path.read_bytes() == before
    (tmp_path / "sound.vital.partial").write_text("left by a killed writer")
    write_preset(path, vital_json | {"author": "me"})
    assert read_preset(path).author == "me"
    assert [entry.name for entry in tmp_path.iterdir()] == ["sound.vital"]


def test_write_preset_replaces_the_file_at_once(tmp_path, vital_json):
    """A reader that holds the old file open keeps reading the old one, because the new file replaces it."""
    path = tmp_path / "sound.vital"
    write_preset(path, vital_json)
    with open(path) as old:
        write_preset(path, vital_json | {"author": "me"})
        assert json.load(old) == vital_json
    assert read_preset(path).author == "me"


def test_init_is_the_engines_patch_with_author_vjax():
    assert init().author == "vjax"
    assert init().to_json() == {**Preset.from_json(synth.init_preset()).to_json(), "author": "vjax"}
    assert preset.init() is init()
