"""Tests of vjax.sound.schema: counts, ranges, tier masks, validation, and routes in both forms."""

import dataclasses
import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.engine import synth
from vjax.engine.schema import engine_schema
from vjax.sound.routes import CHANNELS, N_SLOTS
from vjax.sound.schema import (
    CATALOG_CHOICES,
    LFO_SHAPE_CHOICES,
    VIEW_CONTROLS,
    WAVETABLE_CHOICES,
    Categorical,
    Continuous,
    Schema,
    check_tier,
)

VITAL = engine_schema(n_wavetables=24, n_lfo_shapes=30)


def test_engine_schema_has_the_counts_of_the_engine():
    assert len(VITAL.continuous) == 322
    assert sum(knob.integer for knob in VITAL.continuous) == 29
    assert len(VITAL.categorical) == 126 + 3 + 8
    assert VITAL.categorical_names[126:] == CATALOG_CHOICES == WAVETABLE_CHOICES + LFO_SHAPE_CHOICES
    assert VITAL.option_counts[126:] == (24,) * 3 + (30,) * 8
    assert (len(VITAL.sources), len(VITAL.destinations)) == (32, 428)
    assert VITAL.engine == synth.VERSION


def test_engine_schema_gives_each_control_one_position():
    """772 controls: the vectors, the view, and five numbers of each slot of the matrix."""
    names = set(VITAL.continuous_names + VITAL.categorical_names[:126])
    slots = {f"modulation_{i + 1}_{part}" for i in range(N_SLOTS) for part in (*CHANNELS, "bypass")}
    assert names | VIEW_CONTROLS | slots == set(synth.control_ranges())
    assert len(names) + len(VIEW_CONTROLS) + len(slots) == len(synth.control_ranges()) == 772
    assert all(VITAL.position[name] == i for i, name in enumerate(VITAL.continuous_names))
    assert all(VITAL.position[name] == i for i, name in enumerate(VITAL.categorical_names))


def test_destination_slots_are_two_for_each_slot():
    """modulation_N_amount and modulation_N_power, N from 1 to 64: two for each slot."""
    slots = VITAL.destination_slots
    assert slots.dtype == np.int32
    assert sorted(slots[slots >= 0].tolist()) == sorted([*range(N_SLOTS)] * 2)
    for destination in np.flatnonzero(slots >= 0):
        name = VITAL.destinations[destination]
        kind = name.rpartition("_")[2]
        assert name == f"modulation_{slots[destination] + 1}_{kind}"
        assert VITAL.slot_destination(destination, int(slots[destination])) == destination
        assert VITAL.destinations[VITAL.slot_destination(destination, 63)] == f"modulation_64_{kind}"
    assert (
        slots[[VITAL.destinations.index(name) for name in ("volume", "osc_1_level", "macro_control_1")]] == -1
    ).all()


def test_option_counts_come_from_the_range_not_from_the_labels():
    style = VITAL.categorical[VITAL.position["filter_1_style"]]
    assert (style.n_options, len(style.labels)) == (10, 5)
    assert style.label(1) == style.labels[1]
    assert style.label(9) == "9"
    assert VITAL.option_counts[VITAL.position["osc_2_wavetable"]] == 24
    tempo = VITAL.categorical[VITAL.position["delay_tempo"]]
    low, high = synth.control_ranges()["delay_tempo"]
    assert (tempo.minimum, tempo.minimum + tempo.n_options - 1) == (low, high) == (4, 12)


def test_default_parameters_equal_the_engine():
    parameters = VITAL.default_parameters()
    VITAL.validate(parameters)
    expected = {control["name"]: control["default"] for control in synth.describe_controls()}
    for knob, native in zip(VITAL.continuous, VITAL.to_native(parameters.continuous), strict=True):
        assert native == pytest.approx(expected[knob.name], rel=1e-6, abs=1e-5), knob.name
    for menu, index in zip(VITAL.categorical[:126], parameters.categorical, strict=False):
        assert menu.minimum + index == expected[menu.name]
    assert (parameters.route_index == -1).all()
    assert [array.dtype for array in parameters] == [np.float32, np.int32, np.int32, np.float32]


def test_from_json_of_to_json_is_equal():
    again = Schema.from_json(VITAL.to_json())
    assert again == VITAL
    assert hash(again) == hash(VITAL)


@pytest.mark.parametrize("text", ["[]", "{}", '{"continuous": [{"nome": 1}]}', "no json"])
def test_from_json_of_other_json_raises(text):
    with pytest.raises(ValueError, match=r"not a vjax schema|Expecting value"):
        Schema.from_json(text)


def test_from_json_with_an_unknown_or_missing_field_names_it():
    raw = json.loads(VITAL.to_json())
    raw["continuous"][0]["colour"] = "red"
    with pytest.raises(ValueError, match="colour"):
        Schema.from_json(json.dumps(raw))
    del raw["continuous"][0]["colour"], raw["destinations"]
    with pytest.raises(ValueError, match="destinations"):
        Schema.from_json(json.dumps(raw))


@settings(deadline=None)
@given(st.floats(0, 1, width=32), st.integers(0, len(VITAL.continuous) - 1))
def test_to_norm_of_to_native_returns_the_norm(norm, column):
    vector = VITAL.default_parameters().continuous
    vector[column] = norm
    knob, native = VITAL.continuous[column], VITAL.to_native(vector)
    assert knob.minimum <= native[column] <= knob.maximum
    assert native[column] == pytest.approx(knob.to_native(norm))  # the two forms agree
    back = VITAL.to_norm(native)
    assert back.dtype == np.float32
    half_step = 0.5 / (knob.maximum - knob.minimum) if knob.integer else 0
    np.testing.assert_allclose(back[column], norm, rtol=1e-6, atol=half_step + 1e-7)
    np.testing.assert_allclose(np.delete(back, column), np.delete(vector, column), atol=1e-7)


def test_to_native_values_by_hand(schema):
    """filter_1_cutoff runs from 8 to 136, osc_1_transpose over integers from -48 to 48."""
    norm = np.full((2, len(schema.continuous)), 0.25, np.float32)
    norm[1, schema.position["osc_1_transpose"]] = 0.26
    native = schema.to_native(norm)
    assert native.shape == norm.shape
    assert native[0, schema.position["filter_1_cutoff"]] == 40
    np.testing.assert_array_equal(native[:, schema.position["osc_1_transpose"]], [-24, -23])


def test_to_native_rounds_integer_knobs_only():
    native = VITAL.to_native(np.full(len(VITAL.continuous), 0.37, np.float32))
    whole = native == np.rint(native)
    np.testing.assert_array_equal(whole, [knob.integer for knob in VITAL.continuous])


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("osc_1_level", "osc_1"),
        ("filter_fx_cutoff", "filter_fx"),
        ("filter_2_cutoff", "filter_2"),
        ("reverb_dry_wet", "reverb"),
        ("eq_low_gain", "eq"),
        ("sample_level", "sample"),
        ("lfo_3_frequency", "lfo_3"),
        ("env_1_attack", "env_1"),
        ("random_4_style", "random_4"),
        ("osc_2_wavetable", "osc_2"),
        ("lfo_8_shape", "lfo_8"),
        ("macro_control_1", "global"),
        ("modulation_12_amount", "global"),
        ("effect_chain_order", "global"),
        ("volume", "global"),
    ],
)
def test_module_of_a_control_is_its_module_or_global(name, module):
    assert VITAL.module(name) == module


@pytest.mark.parametrize("tier", [1, 2])
def test_static_mask_below_tier_3_covers_knobs_that_need_routes(tier):
    mask = VITAL.static_mask(tier)
    for name in ("lfo_1_frequency", "lfo_8_phase", "random_2_frequency", "env_3_attack", "env_6_release"):
        assert mask[VITAL.position[name]], name
    for name in ("env_1_attack", "env_2_attack", "osc_1_level", "filter_fx_cutoff", "volume"):
        assert not mask[VITAL.position[name]], name


def test_static_mask_at_tier_3_is_empty():
    assert not VITAL.static_mask(3).any()


@pytest.mark.parametrize("tier", [0, 4])
def test_check_tier_with_an_unknown_tier_raises(tier):
    for function in (check_tier, VITAL.static_mask):
        with pytest.raises(ValueError, match=rf"tier {tier} does not exist; choose one of \(1, 2, 3\)"):
            function(tier)


def test_frozen_controls_are_not_part_of_a_sound():
    knobs = {k.name for k, frozen in zip(VITAL.continuous, VITAL.frozen_continuous(), strict=True) if frozen}
    menus = {m.name for m, frozen in zip(VITAL.categorical, VITAL.frozen_categorical(), strict=True) if frozen}
    assert {"beats_per_minute", "bypass", "polyphony", "mod_wheel", "pitch_wheel", "portamento_time"} <= knobs
    assert {"oversampling", "mpe_enabled", "legato", "voice_priority"} <= menus
    assert (len(knobs), len(menus)) == (9, 7)
    assert not {"volume", "macro_control_1", "voice_transpose", "effect_chain_order"} & knobs


def test_schema_with_contradictory_fields_raises(schema):
    knob, menu = schema.continuous[1], schema.categorical[0]
    for fields, message in (
        ({"continuous": (knob, knob)}, "names .'env_1_attack'. twice"),
        ({"continuous": (Continuous("flat", 1.0, 1.0, 1.0),)}, r"flat: the range \[1\.0, 1\.0\] is empty"),
        ({"categorical": (dataclasses.replace(menu, default=6),)}, "filter_1_model: default 6 is not one of its 6"),
        ({"categorical": (Categorical("env_1_attack", 0, 2, 0),)}, "twice"),
    ):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(schema, **fields)


@pytest.mark.parametrize(
    ("field", "index", "value", "message"),
    [
        ("continuous", 3, math.nan, r"filter_1_cutoff is nan norm; it must lie in \[0, 1\]"),
        ("continuous", 7, 1.25, r"osc_1_level is 1\.25 norm; it must lie in \[0, 1\]"),
        ("continuous", 0, -0.5, r"beats_per_minute is -0\.5 norm"),
        ("categorical", 0, 6, "filter_1_model is option 6; it has options 0 to 5"),
        ("categorical", 5, -1, "osc_1_wavetable is option -1; it has options 0 to 3"),
        ("route_index", 2, 40, "slot 2 routes cell 40; cells run from 0 to 39, -1 is none"),
        ("route_index", 63, -2, "slot 63 routes cell -2"),
        ("route_value", (5, 0), -1.5, r"slot 5 has amount -1\.5; it must lie in \[-1, 1\]"),
        ("route_value", (5, 1), 2, r"slot 5 has bipolar 2\.0; it must lie in \[0, 1\]"),
        ("route_value", (5, 2), 11, r"slot 5 has power 11\.0; it must lie in \[-10, 10\]"),
        ("route_value", (5, 3), math.nan, r"slot 5 has stereo nan; it must lie in \[0, 1\]"),
    ],
)
def test_validate_names_control_value_and_range(schema, field, index, value, message):
    parameters = schema.default_parameters()
    schema.validate(parameters)
    getattr(parameters, field)[index] = value
    with pytest.raises(ValueError, match=message):
        schema.validate(parameters)


@pytest.mark.parametrize(
    ("field", "shape"),
    [("continuous", (11,)), ("categorical", (1, 6)), ("route_index", (63,)), ("route_value", (64, 3))],
)
def test_validate_names_a_wrong_shape(schema, field, shape):
    expected = np.shape(getattr(schema.default_parameters(), field))
    parameters = schema.default_parameters()._replace(**{field: np.zeros(shape)})
    with pytest.raises(ValueError, match=re.escape(f"{field} has shape {shape}; this schema expects {expected}")):
        schema.validate(parameters)
