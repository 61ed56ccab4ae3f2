"""Tests of vjax.search.space: vectors, native values and presets agree."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.search.space import first_steps, make_space
from vjax.vital import preset as vital_preset
from vjax.vital.preset import controls, read_preset

PRESETS = Path(__file__).parents[1] / "data" / "presets"


@pytest.fixture(scope="module")
def space():
    return make_space(read_preset(PRESETS / "Drifting_Pad_1108Redux.vital"))


def test_to_preset_of_the_origin_is_the_preset(space):
    again = space.to_preset(space.origin)
    np.testing.assert_allclose(again.continuous, space.preset.continuous, atol=1e-12)
    before = [route and route.amount for route in space.preset.routes]
    assert [route and route.amount for route in again.routes] == pytest.approx(before)


def test_make_space_lists_the_audible_knobs_and_then_the_amounts(space):
    assert space.size == len(space.names) == len(set(space.names)) == len(space.scale)
    amounts = [name for name in space.names if name.startswith("modulation_")]
    assert len(amounts) == len(space.slots) == 7
    assert list(space.names[-7:]) == amounts


def test_make_space_leaves_out_inaudible_frozen_and_code_parameters():
    init, schema = vital_preset.init(), controls()
    categorical = init.categorical.copy()
    for name in ("reverb_on", "delay_on", "filter_2_on"):
        categorical[schema.position[name]] = 1
    routes = (vital_preset.Route("lfo_1", "osc_1_level", 0.5), vital_preset.Route("lfo_2", "osc_2_level", 0.5))
    preset = dataclasses.replace(init, categorical=categorical, routes=routes + (None,) * 62)
    names = set(make_space(preset).names)
    assert {"osc_1_transpose", "reverb_size", "lfo_1_phase", "modulation_1_amount"} <= names
    silent = {"osc_2_level", "filter_2_cutoff", "lfo_2_phase", "modulation_2_amount", "lfo_1_frequency"}
    assert names.isdisjoint(silent | {"osc_1_transpose_quantize", "effect_chain_order", "polyphony", "volume"})


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_values_of_any_vector_agree_with_to_preset(space, seed):
    norm = np.random.default_rng(seed).uniform(-0.5, 1.5, space.size)
    values, preset = space.values(norm), space.to_preset(norm)
    schema = controls()
    for name, value in values.items():
        if name.startswith("modulation_"):
            assert preset.routes[int(name.split("_")[1]) - 1].amount == pytest.approx(value)
            assert -1 <= value <= 1
        else:
            knob = schema.continuous[schema.position[name]]
            assert knob.minimum - 1e-9 <= value <= knob.maximum + 1e-9
            assert preset.continuous[schema.position[name]] == pytest.approx(knob.to_norm(value))
            assert not knob.integer or value == round(value)
    untouched = np.setdiff1d(np.arange(len(schema.continuous)), space.knobs)
    np.testing.assert_array_equal(preset.continuous[untouched], space.preset.continuous[untouched])


def test_make_space_with_errors_scales_the_steps_by_them(space):
    first, second = space.names[:2]
    errors = {name: 0.1 for name in space.names} | {first: 0.2, second: 0.0001}
    scaled = make_space(space.preset, errors)
    assert scaled.scale[0] == pytest.approx(2)
    assert scaled.scale[1] == 0.25  # limited from below
    assert np.median(scaled.scale) == 1
    np.testing.assert_array_equal(make_space(space.preset).scale, 1)


def test_first_steps_of_integer_knobs_are_half_a_unit(space):
    steps = dict(zip(space.names, first_steps(space, 0.01), strict=True))
    assert steps["osc_1_transpose"] == pytest.approx(0.5 / 96)
    assert steps["osc_1_unison_voices"] == pytest.approx(0.5 / 15)
    assert steps["osc_1_level"] == pytest.approx(0.01)


def test_around_a_preset_with_more_audible_knobs_keeps_the_dimensions():
    """A second unison voice makes its detune audible. A search that returns keeps the dimensions that it began with."""
    init = vital_preset.init()
    space = make_space(init)
    voices = space.names.index("osc_1_unison_voices")
    moved = space.origin.copy()
    moved[voices] = 0.2
    found = space.to_preset(moved)
    assert make_space(found).size > space.size
    again = space.around(found)
    assert again.names == space.names
    assert again.values(again.origin) == space.values(moved)


def test_make_space_with_locks_leaves_out_what_is_locked(space):
    locked = make_space(space.preset, locked=["lfos", "effects"])
    assert set(locked.names) < set(space.names)
    assert not any(name.startswith(("lfo_", "reverb_", "chorus_", "delay_")) for name in locked.names)
    assert locked.names[0].startswith("env_")
