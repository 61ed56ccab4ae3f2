"""Tests of vjax.vital.values."""

import dataclasses

import numpy as np
import pytest

from vjax.sound.routes import N_SLOTS
from vjax.vital.preset import Route, controls, init
from vjax.vital.values import value_of, with_routes, with_values


def test_with_values_knobs_are_native_and_menus_are_options():
    preset = with_values(init(), {"filter_1_cutoff": 77.5, "filter_1_on": 1, "osc_1_transpose": -12})
    assert value_of(preset, "filter_1_cutoff") == pytest.approx(77.5)
    assert value_of(preset, "filter_1_on") == 1
    assert preset.to_json()["settings"]["osc_1_transpose"] == -12
    assert value_of(init(), "filter_1_cutoff") == 60  # the original is as it was


def test_with_values_accepts_the_value_of_every_control():
    names = controls().continuous_names + controls().categorical_names
    again = with_values(init(), {name: value_of(init(), name) for name in names})
    np.testing.assert_allclose(again.continuous, init().continuous, atol=1e-12)
    np.testing.assert_array_equal(again.categorical, init().categorical)


def test_with_values_out_of_range_raises_with_the_name():
    with pytest.raises(ValueError, match=r"filter_1_cutoff is 140; it must lie in \[8, 136\]"):
        with_values(init(), {"filter_1_cutoff": 140})
    with pytest.raises(ValueError, match=r"filter_1_on is 2; it must lie in \[0, 1\]"):
        with_values(init(), {"filter_1_on": 2})
    with pytest.raises(KeyError):
        with_values(init(), {"filter_9_on": 1})


def test_with_routes_fills_empty_slots_and_raises_if_none_is_left():
    first, second = Route("env_2", "filter_1_cutoff", 0.5), Route("lfo_1", "osc_1_level", 0.1)
    preset = with_routes(dataclasses.replace(init(), routes=(None, first, *init().routes[2:])), second, first)
    assert preset.routes[:4] == (second, first, first, None)
    with pytest.raises(ValueError, match="64 routes"):
        with_routes(preset, *[first] * (N_SLOTS - 2))
