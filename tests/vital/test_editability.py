"""Tests of vjax.vital.editability, on presets made by hand and on musicians' presets."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from vjax.candidates.resynthesis.resynthesise import swept_preset
from vjax.engine.config import RenderConfig
from vjax.vital.editability import Editability, editability, macro_is_free
from vjax.vital.preset import Preset, Route, init, read_preset
from vjax.vital.values import with_routes, with_values
from vjax.vital.wavetables import FRAME, table_json

FILTER_1, FILTER_2, BOTH, EFFECTS = range(4)  # options of osc_N_destination
ENV = Route("env_2", "filter_1_cutoff", 0.5)


def with_table(preset: Preset, n_frames: int) -> Preset:
    frames = np.random.default_rng(0).standard_normal((n_frames, FRAME))
    return dataclasses.replace(preset, wavetables=(table_json("many", frames), *preset.wavetables[1:]))


def test_editability_init_patch_is_editable_and_is_counted():
    found = editability(init())
    assert found == Editability(1, 0, 0, 0, 0, cycles=1, macros=0, env_1_alone=True, reasons=())
    assert found.editable


def test_editability_each_exceeded_limit_gives_a_reason():
    many = with_values(
        init(),
        {f"osc_{i}_on": 1 for i in (2, 3)}
        | {"filter_1_on": 1, "filter_2_on": 1, "osc_1_destination": BOTH}
        | {f"{effect}_on": 1 for effect in ("chorus", "delay", "filter_fx", "reverb")},
    )
    many = with_routes(with_table(many, 9), Route("lfo_1", "osc_1_wave_frame", 1.0), *[ENV] * 6)
    found = editability(many)
    assert not found.editable
    assert [reason.split(";")[0] for reason in found.reasons] == [
        "3 oscillators are on",
        "one oscillator passes 2 filters",
        "4 effects are on",
        "7 modulation routes are set",
        "a wavetable moves through 9 cycles",
    ]
    at_the_limit = with_values(many, {"osc_3_on": 0, "filter_2_on": 0, "chorus_on": 0})
    at_the_limit = with_table(dataclasses.replace(at_the_limit, routes=(*many.routes[:6], *[None] * 58)), 8)
    assert editability(at_the_limit).reasons == ()


@pytest.mark.parametrize(
    ("values", "filters"),
    [
        ({"osc_1_destination": FILTER_1}, 1),
        ({"osc_1_destination": EFFECTS}, 0),
        ({"osc_1_destination": EFFECTS, "sample_on": 1, "sample_destination": FILTER_2}, 1),
        ({"osc_1_destination": FILTER_1, "osc_2_on": 1, "osc_2_destination": FILTER_2}, 1),  # two layers
        ({"osc_1_destination": FILTER_1, "filter_2_filter_input": 1}, 2),  # in series
        ({"osc_1_destination": FILTER_2, "filter_2_filter_input": 1}, 1),
        # Filter 1 is off, so that nothing comes from it.
        ({"osc_1_destination": FILTER_1, "filter_1_on": 0, "filter_2_filter_input": 1}, 0),
        ({"osc_1_destination": BOTH}, 2),
        ({"osc_1_on": 0}, 0),
    ],
)
def test_editability_filters_are_counted_for_each_layer(values: dict, filters: int):
    both = {"filter_1_on": 1, "filter_2_on": 1}
    assert editability(with_values(init(), both | values)).filters == filters


@pytest.mark.parametrize(
    ("frame", "routes", "cycles"),
    [
        (40.0, (), 1),
        (0.0, (Route("env_2", "osc_1_wave_frame", 1.0),), 257),
        (0.0, (Route("env_2", "osc_1_wave_frame", -1.0),), 1),  # down from the lowest
        (100.0, (Route("env_2", "osc_1_wave_frame", 10 / 256),), 11),
        (100.0, (Route("lfo_1", "osc_1_wave_frame", 10 / 256, bipolar=True),), 11),
        (0.0, (Route("env_2", "osc_1_wave_frame", 1.0, bypass=True),), 1),
        (0.0, (Route("env_2", "osc_2_wave_frame", 1.0),), 1),
        # A route that another one opens.
        (0.0, (Route("lfo_1", "osc_1_wave_frame", 0.0), Route("env_2", "modulation_1_amount", 0.25)), 129),
    ],
)
def test_editability_counts_cycles_that_frame_and_routes_reach(frame: float, routes: tuple, cycles: int):
    preset = with_routes(with_values(with_table(init(), 257), {"osc_1_wave_frame": frame}), *routes)
    assert editability(preset).cycles == cycles


def test_editability_table_swept_through_a_sound_is_not_editable():
    tables = [np.random.default_rng(0).standard_normal((65, FRAME))]
    found = editability(swept_preset(tables, 0.0, 0.3, RenderConfig(), "sweep"))
    assert found.cycles == 65
    assert not found.editable


def test_editability_macro_needs_a_name_and_a_route_and_is_not_a_sound_route():
    routed = with_routes(init(), Route("macro_control_1", "osc_1_level", 0.1), Route("velocity", "osc_1_level", 0.1))
    assert editability(routed).macros == 0
    named = dataclasses.replace(routed, macro_names=("Brightness", "Movement", "MACRO 3", "MACRO 4"))
    found = editability(named)
    assert (found.macros, found.routes, found.sound_routes) == (1, 2, 0)
    assert [macro_is_free(named, i) for i in range(4)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("route", "alone"),
    [
        (ENV, True),
        (Route("lfo_1", "osc_1_level", 0.5), False),
        (Route("env_3", "voice_amplitude", -0.5), False),
        (Route("random_1", "volume", 0.1), False),
        (Route("lfo_1", "osc_2_level", 0.5), True),  # oscillator 2 is off
        (Route("lfo_1", "osc_1_level", 0.0), True),
        (Route("lfo_1", "osc_1_level", 0.5, bypass=True), True),
        (Route("macro_control_1", "osc_1_level", 0.5), True),
        (Route("velocity", "osc_1_level", 0.5), True),
    ],
)
def test_editability_env_1_alone_is_false_with_a_route_that_moves_a_level(route: Route, alone: bool):
    assert editability(with_routes(init(), route)).env_1_alone is alone


def test_editability_musicians_presets_are_counted():
    files = sorted((Path(__file__).parents[1] / "data" / "presets").glob("*.vital"))
    found = [editability(read_preset(file)) for file in files]
    assert found
    for one in found:
        assert 0 <= one.sound_routes <= one.routes <= 64
        assert one.editable == (
            one.oscillators <= 2 and one.filters <= 1 and one.effects <= 3 and one.routes <= 6 and one.cycles <= 8
        )
