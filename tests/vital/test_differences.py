"""Tests of vjax.vital.differences: routes, knobs and menus of two presets."""

import dataclasses
import math

import pytest

from vjax.sound.routes import N_SLOTS
from vjax.vital.differences import OFF, MenuDifference, RouteDifference, preset_difference
from vjax.vital.preset import Preset, Route, controls, init


def _preset(routes: tuple[Route, ...] = (), menus: dict | None = None, **natives: float) -> Preset:
    """The init patch with these native knob values, menu indices and routes."""
    schema, base = controls(), init()
    continuous, categorical = base.continuous.copy(), base.categorical.copy()
    for name, native in natives.items():
        at = schema.position[name]
        continuous[at] = schema.continuous[at].to_norm(native)
    for name, index in (menus or {}).items():
        categorical[schema.position[name]] = index
    slots = (*routes, *[None] * (N_SLOTS - len(routes)))
    return dataclasses.replace(base, continuous=continuous, categorical=categorical, routes=slots)


def test_preset_difference_of_a_preset_to_itself_is_empty():
    preset = _preset((Route("lfo_1", "filter_1_cutoff", 0.5),), {"filter_1_on": 1})
    difference = preset_difference(preset, preset)
    assert difference.found == (RouteDifference("lfo_1", "filter_1_cutoff", 0.5, 0.5),)
    assert (difference.missed, difference.invented, difference.knobs, difference.menus) == ((), (), (), ())
    assert difference.knobs_audible > 20


def test_preset_difference_lists_routes_strongest_first():
    target = _preset(
        (Route("lfo_1", "osc_1_level", 0.2), Route("env_2", "osc_1_pan", -0.4), Route("lfo_2", "volume", 1))
    )
    match = _preset((Route("lfo_1", "osc_1_level", -0.3), Route("lfo_3", "volume", 0.1)))
    difference = preset_difference(target, match)
    assert difference.found == (RouteDifference("lfo_1", "osc_1_level", 0.2, -0.3),)
    assert [(r.source, r.target, r.match) for r in difference.missed] == [("lfo_2", 1, None), ("env_2", -0.4, None)]
    assert difference.invented == (RouteDifference("lfo_3", "volume", None, 0.1),)


def test_preset_difference_ignores_bypassed_and_weaker_equal_routes():
    route = Route("lfo_1", "osc_1_level", 0.2)
    target = _preset((route, route._replace(amount=-0.7), Route("lfo_2", "volume", 1, bypass=True)))
    assert preset_difference(target, init()).missed == (RouteDifference("lfo_1", "osc_1_level", -0.7, None),)


def test_preset_difference_describes_a_route_to_a_route_by_its_target():
    plain, at_it = Route("lfo_1", "osc_1_level", 0.2), Route("macro_control_1", "modulation_1_amount", 0.5)
    other = Route("lfo_2", "volume", 0.1)
    target = _preset((plain, at_it))
    match = _preset((other, plain, at_it._replace(destination="modulation_2_amount")))
    found = preset_difference(target, match).found
    assert found[0] == RouteDifference("macro_control_1", "amount of lfo_1 > osc_1_level", 0.5, 0.5)
    assert len(found) == 2


def test_preset_difference_lists_knobs_largest_first_in_panel_units():
    target = _preset(osc_1_pan=-1.0, env_1_attack=0.5)
    difference = preset_difference(target, _preset(osc_1_pan=1.0, env_1_attack=1.0))
    assert [knob.name for knob in difference.knobs] == ["osc_1_pan", "env_1_attack"]
    assert (difference.knobs[0].target, difference.knobs[0].match) == ("-100 %", "100 %")
    assert (difference.knobs[0].target_norm, difference.knobs[0].match_norm) == (0.0, 1.0)
    assert difference.knobs[1].target == "62.5 ms"
    assert len(preset_difference(target, init(), most_knobs=1).knobs) == 1


@pytest.mark.parametrize("name", ["osc_2_pan", "lfo_1_phase", "filter_fx_mix", "beats_per_minute"])
def test_preset_difference_leaves_out_knobs_inaudible_in_both(name):
    knob = controls().continuous[controls().position[name]]
    difference = preset_difference(_preset(**{name: knob.minimum}), _preset(**{name: knob.maximum}))
    assert difference.knobs == ()


def test_preset_difference_of_a_knob_audible_in_one_preset_is_off_in_the_other():
    target = _preset(osc_2_pan=1.0, menus={"osc_2_on": 1})
    difference = preset_difference(target, init())
    assert [(knob.name, knob.target, knob.match) for knob in difference.knobs] == [("osc_2_pan", "100 %", OFF)]
    assert MenuDifference("osc_2_on", "On", "Off") in difference.menus
    routed = _preset((Route("lfo_1", "osc_1_level", 0.5),), lfo_1_phase=1.0)
    assert [(knob.name, knob.match) for knob in preset_difference(routed, init()).knobs] == [("lfo_1_phase", OFF)]


def test_preset_difference_lists_audible_menus_tables_and_shapes_by_name():
    target = _preset(
        (Route("lfo_1", "osc_1_level", 0.5),), {"filter_1_on": 1, "filter_1_model": 1, "filter_2_model": 2}
    )
    table = {**init().wavetables[0], "name": "Other", "full_normalize": False}
    shape = {**init().lfo_shapes[0], "name": "Ramp", "smooth": True}
    match = dataclasses.replace(
        _preset((Route("lfo_1", "osc_1_level", 0.5),), {"filter_1_on": 1}),
        wavetables=(table, table, table),
        lfo_shapes=(shape,) * 8,
    )
    assert [(menu.name, menu.match) for menu in preset_difference(target, match).menus] == [
        ("filter_1_model", "Analog"),
        ("osc_1_wavetable", "Other"),
        ("lfo_1_shape", "Ramp"),
    ]


def test_preset_difference_lists_codes_as_menus():
    last_chain = float(math.factorial(9) - 1)  # all effects in the opposite order
    natives = {"effect_chain_order": last_chain, "osc_1_transpose_quantize": 2.0, "osc_2_transpose_quantize": 2.0}
    two_effects = {"chorus_on": 1, "reverb_on": 1}
    difference = preset_difference(_preset(menus=two_effects), _preset(menus=two_effects, **natives))
    assert difference.knobs == ()
    assert {(menu.name, menu.target, menu.match) for menu in difference.menus} == {
        ("effect_chain_order", "chorus > reverb", "reverb > chorus"),
        ("osc_1_transpose_quantize", "0", "2"),
    }
    same = preset_difference(_preset(menus=two_effects), _preset(menus=two_effects, effect_chain_order=1.0))
    assert same.menus == ()  # chain 1 exchanges two effects that are off
    alone = preset_difference(init(), _preset(**natives))  # without effects, no order is audible
    assert [menu.name for menu in alone.menus] == ["osc_1_transpose_quantize"]


def test_preset_difference_leaves_out_knobs_that_a_mode_does_not_use():
    """A rate in Hz beside a tempo, a filter's cutoff where the model is formant, and an LFO that moves what is off."""
    routes = (Route("lfo_1", "osc_1_level", 0.5), Route("lfo_2", "osc_2_level", 0.5))
    menus = {"filter_1_on": 1, "filter_1_model": 5}
    target = _preset(routes, menus)
    match = _preset(routes, menus, lfo_1_frequency=5.0, filter_1_cutoff=100.0, lfo_2_phase=0.5, lfo_1_phase=0.5)
    assert [knob.name for knob in preset_difference(target, match).knobs] == ["lfo_1_phase"]
