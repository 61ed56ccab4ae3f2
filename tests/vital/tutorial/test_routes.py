"""Tests of vjax.vital.tutorial.routes, through the steps that contain routes."""

import dataclasses

import pytest

from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route, init
from vjax.vital.tutorial.explain import explain
from vjax.vital.values import with_routes, with_values


def sentences(preset: Preset, *routes: Route) -> list[str]:
    """Those of all steps that make a route."""
    steps = explain(with_routes(preset, *routes)).steps
    return [sentence for step in steps if step.connections for sentence in step.sentences]


FILTER = with_values(init(), {"filter_1_on": 1, "filter_1_cutoff": 60})


@pytest.mark.parametrize(
    ("values", "route", "sentence"),
    [
        (
            {"env_2_attack": 0.376},
            Route("env_2", "filter_1_cutoff", 36 / 128),
            "Drag Envelope 2 onto Filter 1 Cutoff, amount 0.281: +36 semitones (3 octaves), from 262 Hz to 2.1 kHz "
            "within 20 ms.",
        ),
        (
            {"env_2_attack": 0},
            Route("env_2", "filter_1_cutoff", -12 / 128),
            "Drag Envelope 2 onto Filter 1 Cutoff, amount -0.0938: -12 semitones, from 262 Hz to 131 Hz at once.",
        ),
        (
            {"env_2_delay": 0.5},
            Route("env_2", "osc_1_level", 0.2),
            "Drag Envelope 2 onto Oscillator 1 Level, amount 0.2: from 0.5 (-6.0 dB) to 0.823 (-1.7 dB).",
        ),
        (
            {},
            Route("lfo_1", "filter_1_cutoff", 24 / 128, bipolar=True),
            "Drag LFO 1 onto Filter 1 Cutoff and make the route bipolar, amount 0.188: ±12 semitones, between 131 "
            "Hz and 523 Hz.",
        ),
        (
            {},
            Route("lfo_1", "osc_1_level", 1.0),
            "Drag LFO 1 onto Oscillator 1 Level, amount 1: between 0.5 (-6.0 dB) and beyond its maximum of 1 (0 dB).",
        ),
        (
            {},
            Route("lfo_1", "osc_1_level", 0.2, stereo=True),  # up on the left, down on the right
            "Drag LFO 1 onto Oscillator 1 Level and make the route stereo, amount 0.2.",
        ),
        (
            {},
            Route("lfo_1", "osc_1_tune", 0.1, stereo=True),
            "Drag LFO 1 onto Oscillator 1 Tune and make the route stereo, amount 0.1: +20 cents.",
        ),
        (
            {"macro_control_1": 0.5},
            Route("macro_control_1", "filter_1_mix", -0.5),
            "Drag Macro 1 onto Filter 1 Mix, amount -0.5: -50 %.",
        ),
    ],
)
def test_connect_says_how_far_a_route_moves_its_destination(values: dict, route: Route, sentence: str):
    assert sentences(with_values(FILTER, values), route)[-1] == sentence


def test_connect_with_two_routes_to_a_cutoff_states_no_hertz():
    routes = [Route("lfo_1", "filter_1_cutoff", 0.1), Route("lfo_2", "filter_1_cutoff", 0.25)]
    assert sentences(FILTER, *routes) == [
        "Drag LFO 1 onto Filter 1 Cutoff, amount 0.1: +12.8 semitones (1.07 octaves).",
        "Drag LFO 2 onto Filter 1 Cutoff, amount 0.25: +32 semitones (2.67 octaves).",
    ]
    levels = [route._replace(destination="osc_1_level") for route in routes]
    assert sentences(FILTER, *levels)[0].endswith("between 0.5 (-6.0 dB) and 0.651 (-3.7 dB) on its own.")


def test_connect_of_a_route_to_a_route_names_its_ends_and_follows_it():
    routes = [Route("macro_control_2", "modulation_2_amount", 0.25), Route("lfo_1", "filter_1_cutoff", 0.0)]
    assert sentences(FILTER, *routes) == [
        "Drag LFO 1 onto Filter 1 Cutoff; leave the amount at 0, because another route moves it.",
        "Drag Macro 2 onto the amount of the route LFO 1 > Filter 1 Cutoff, amount 0.25: +0.5.",
    ]


def test_connect_of_an_lfo_that_does_not_reach_its_ends_states_what_it_reaches():
    shape = shape_json("", [(0, 0.25), (0.5, 0.5), (1, 0.25)])
    shapes = (shape, *init().lfo_shapes[1:])
    low = dataclasses.replace(FILTER, lfo_shapes=shapes)
    assert sentences(low, Route("lfo_1", "filter_1_cutoff", 48 / 128))[-1] == (
        "Drag LFO 1 onto Filter 1 Cutoff, amount 0.375: +48 semitones (4 octaves), between 523 Hz and 1.0 kHz."
    )


def test_connect_with_power_and_curve_says_to_set_them_in_the_matrix():
    curve = shape_json("Linear", [(0, 0), (0.5, 1), (1, 1)])
    route = Route("velocity", "osc_1_pan", 0.5, power=2.5, curve=curve)
    assert sentences(init(), route)[1:] == [
        "In the matrix, set the power of this route to +2.5 (fast at first).",
        "In the matrix, draw the remap of this route: a curve with 3 points: (0, 0), (0.5, 1), (1, 1).",
    ]
    assert sentences(init(), route)[0] == "Drag Velocity onto Oscillator 1 Pan, amount 0.5."  # it may not reach 1
    straight = route._replace(power=0.0, curve=shape_json("Linear", [(0, 0), (1, 1)]))
    assert sentences(init(), straight)[1:] == []


def test_connect_of_a_source_that_beginners_may_not_know_explains_it():
    assert sentences(init(), Route("stereo", "osc_1_level", 0.2)) == [
        "It is 1 in the left channel and 0 in the right.",
        "Drag Stereo onto Oscillator 1 Level, amount 0.2: from 0.5 (-6.0 dB) to 0.823 (-1.7 dB).",
    ]
