"""Tests of vjax.vital.knob_text against the engine's own texts."""

import re

import pytest
import vita

from vjax.vital.knob_text import knob_text, panel_value
from vjax.vital.preset import controls

_UNITS = {"secs": "s", "semitones": "st", "v": "", "voices": ""}  # the engine's unit: vjax's unit, where they differ


def test_panel_value_of_every_knob_equals_the_engine():
    synth = vita.Synth()
    handles = synth.get_controls()
    for knob in controls().continuous:
        for part in (0.1, 0.5, 0.9):
            handles[knob.name].set(knob.minimum + part * (knob.maximum - knob.minimum))
            number, unit = re.fullmatch(r"(-?[\d.]+)\s*(.*)", handles[knob.name].get_text()).groups()
            value, shown_unit = panel_value(knob.name, handles[knob.name].value())
            assert value == pytest.approx(float(number), rel=1e-3, abs=2e-6), knob.name
            assert unit == "" or shown_unit == _UNITS.get(unit, unit), knob.name


@pytest.mark.parametrize(
    ("name", "native", "text"),
    [
        ("env_1_attack", 1.5, "5.06 s"),
        ("env_1_attack", 0.5, "62.5 ms"),
        ("env_1_attack", 0.0, "0 ms"),
        ("env_1_attack", 0.01, "0 ms"),
        ("volume", 5473.04, "-6.02 dB"),
        ("filter_1_cutoff", 60.0, "0 st"),
        ("osc_1_phase", 0.5, "180°"),
        ("osc_1_tune", -0.00001, "0 cents"),
        ("osc_1_pan", -0.125, "-12.5 %"),
        ("osc_1_wave_frame", 123.4, "123"),
        ("lfo_1_frequency", 1.0, "500 ms"),
        ("osc_1_unison_voices", 7.0, "7"),
    ],
)
def test_knob_text_has_about_three_digits_and_the_unit(name, native, text):
    assert knob_text(name, native) == text
