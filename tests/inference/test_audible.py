"""Tests of vjax.inference.audible: what the rules call silent is silent to the last bit."""

from pathlib import Path

import numpy as np
import pytest

from vjax.inference.audible import CODES, audible_knobs
from vjax.vital import preset as vital_preset
from vjax.vital.engine import RenderConfig
from vjax.vital.live import LivePreset
from vjax.vital.preset import Route, controls, read_preset

PRESETS = sorted((Path(__file__).parents[1] / "data" / "presets").glob("*.vital"))
RENDER = RenderConfig(seconds=0.4, note_s=0.3)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_turning_all_silent_knobs_changes_no_bit(path):
    preset = read_preset(path)
    names, _ = audible_knobs(preset)
    rng = np.random.default_rng(0)
    silent = [k for k in controls().continuous if k.name not in names and not k.frozen and not k.name.endswith(CODES)]
    assert len(silent) > 100
    with LivePreset(preset.to_json(), 48, RENDER) as live:
        as_it_is = live.render({}).audio
        turned = live.render({knob.name: knob.to_native(rng.uniform(0.1, 0.9)) for knob in silent}).audio
        heard = live.render({"osc_1_transpose": 7.0, "osc_2_transpose": 7.0, "osc_3_transpose": 7.0}).audio
    np.testing.assert_array_equal(turned, as_it_is)
    assert not np.array_equal(heard, as_it_is)


def edited(routes=(), **menus):
    """The init patch with routes and menu indices."""
    init = vital_preset.init()
    categorical = init.categorical.copy()
    for name, index in menus.items():
        categorical[controls().position[name]] = index
    slots = tuple(routes) + (None,) * (64 - len(routes))
    return vital_preset.dataclasses.replace(init, categorical=categorical, routes=slots)


def test_a_module_that_is_off_is_silent():
    names, slots = audible_knobs(edited())
    assert "osc_1_level" in names
    assert "env_1_attack" in names
    assert not any(name.startswith(("osc_2_", "reverb_", "filter_1_", "sample_")) for name in names)
    assert slots == ()
    assert "reverb_size" in audible_knobs(edited(reverb_on=1))[0]


def test_a_filter_that_nothing_plays_into_is_silent():
    assert "filter_1_cutoff" in audible_knobs(edited(filter_1_on=1))[0]
    assert "filter_2_cutoff" not in audible_knobs(edited(filter_2_on=1))[0]
    assert "filter_2_cutoff" in audible_knobs(edited(filter_2_on=1, osc_1_destination=2))[0]
    chained = edited(filter_1_on=1, filter_2_on=1, filter_2_filter_input=1)
    assert "filter_2_cutoff" in audible_knobs(chained)[0]


def test_a_source_is_heard_through_what_it_drives():
    lfo = Route("lfo_1", "osc_1_level", 0.5)
    assert "lfo_1_phase" in audible_knobs(edited([lfo]))[0]
    assert "lfo_1_phase" not in audible_knobs(edited([lfo._replace(bypass=True)]))[0]
    assert "lfo_1_phase" not in audible_knobs(edited([lfo._replace(destination="osc_2_level")]))[0]  # which is off
    # A macro that scales the route's amount, and an LFO that drives only the silent LFO 3.
    chained = edited([lfo, Route("macro_control_1", "modulation_1_amount", 0.3), Route("lfo_2", "lfo_3_phase", 1.0)])
    names, slots = audible_knobs(chained)
    assert "macro_control_1" in names
    assert "lfo_2_phase" not in names
    assert slots == (0, 1)


def test_modes_decide_which_rate_is_heard():
    lfo = Route("lfo_1", "osc_1_level", 0.5)
    assert "lfo_1_frequency" not in audible_knobs(edited([lfo], lfo_1_sync=1))[0]
    assert "lfo_1_frequency" in audible_knobs(edited([lfo], lfo_1_sync=0))[0]


def test_codes_are_left_alone():
    names, _ = audible_knobs(edited(reverb_on=1, delay_on=1))
    assert "effect_chain_order" not in names
    assert "osc_1_transpose_quantize" not in names
    assert "osc_1_transpose" in names
