"""Tests of vjax.vital.tutorial.values, and that its numbers are those of the engine's own panel."""

import re

import numpy as np
import pytest
import vita

from vjax.vital.preset import controls, init
from vjax.vital.tutorial.values import (
    is_switch,
    menu_text,
    native_of,
    native_text,
    power_text,
    shift_text,
    value_text,
)
from vjax.vital.values import with_values


@pytest.mark.parametrize(
    ("name", "native", "text"),
    [
        ("filter_1_cutoff", 60.0, "262 Hz (0 semitones)"),
        ("filter_fx_cutoff", 86.4, "1.2 kHz (+26.4 semitones)"),
        ("filter_2_cutoff", 36.0, "65.4 Hz (-24 semitones)"),
        ("eq_low_cutoff", 69.0, "440 Hz (69 semitones)"),
        ("delay_filter_cutoff", 69.0, "440 Hz (69 semitones)"),
        ("phaser_center", 80.0, "831 Hz (80 semitones)"),
        ("env_2_attack", 0.5, "62.5 ms"),
        ("env_1_sustain", 0.5, "50 % (-12.0 dB)"),
        ("env_2_sustain", 0.5, "50 %"),
        ("env_1_sustain", 0.0, "0 % (silence)"),
        ("env_1_attack_power", 3.0, "+3.0 (fast at first)"),
        ("env_1_decay_power", 3.0, "+3.0 (slow at first)"),
        ("env_1_release_power", 0.0, "0 (straight)"),
        ("osc_1_level", 0.5, "0.25 (-12.0 dB)"),
        ("osc_1_level", 0.005, "0.00003 (-92.0 dB)"),
        ("osc_1_pan", -0.2, "20 % left"),
        ("osc_1_pan", 0.2, "20 % right"),
        ("osc_1_transpose", 12.0, "+12 semitones"),
        ("osc_1_tune", -0.07, "-7 cents"),
        ("osc_1_unison_detune", 4.0, "16 % (at most 32 cents)"),
        ("osc_1_unison_detune", 0.1, "0.01 % (at most 0.02 cents)"),
        ("osc_1_detune_range", 12.0, "12 semitones"),
        ("osc_1_wave_frame", 64.0, "64 of 256"),
        ("osc_1_phase", 0.5, "180°"),
        ("osc_1_transpose_quantize", 0b1000010010001, "C, E, G, with Global Snap"),
        ("osc_1_transpose_quantize", 0b111111111111, "all notes"),
        ("sample_transpose_quantize", 0b1000000000000, "no notes, with Global Snap"),
        ("lfo_1_frequency", 1.0, "2.0 Hz (500 ms)"),
        ("chorus_frequency", -3.0, "0.12 Hz (8 s)"),
        ("delay_frequency", 2.0, "250 ms"),
        ("lfo_1_phase", 0.0301, "3.01 %"),
        ("filter_1_blend", 1.0, "1 (band-pass)"),
        ("filter_1_drive", 4.5, "4.5 dB"),
        ("distortion_drive", 4.5, "+4.5 dB"),
        ("volume", 6400.0, "0 dB"),
        ("volume", 5184.0, "-8 dB"),
        ("beats_per_minute", 2.0, "120 bpm"),
        ("beats_per_minute", 2.0083333, "120.50 bpm"),
        ("compressor_low_upper_ratio", 0.857, "0.857"),
        ("reverb_decay_time", 1.0, "2 s"),
        ("macro_control_1", 0.35, "35 %"),
    ],
)
def test_native_text_has_the_units_of_the_panel(name: str, native: float, text: str):
    assert native_text(init(), name, native) == text


def test_native_text_depends_on_the_preset():
    wide = with_values(init(), {"osc_1_detune_range": 12})
    assert native_text(wide, "osc_1_unison_detune", 4.0) == "16 % (at most 192 cents)"
    comb = with_values(init(), {"filter_1_model": 6})
    assert native_text(comb, "filter_1_blend", 1.0) == "1"


def test_native_text_of_every_knob_contains_the_number_of_the_engine():
    """Or the same number in other units: percent, milliseconds, cents."""
    synth = vita.Synth()  # the handles need it
    handles = synth.get_controls()
    other = re.compile(r"\w+_(quantize|power|pan)|effect_chain_order")  # words, not numbers
    for knob in controls().continuous:
        for part in (0.2, 0.45, 0.8):
            handles[knob.name].set(knob.minimum + part * (knob.maximum - knob.minimum))
            engine = float(re.match(r"-?[\d.]+", handles[knob.name].get_text()).group())
            text = native_text(init(), knob.name, handles[knob.name].value())
            numbers = [float(number) for number in re.findall(r"[-+]?\d+\.?\d*", text)]
            scales = np.array([1, 100, 1000])
            near = [np.isclose(number, scales * engine, rtol=0.02, atol=0.06).any() for number in numbers]
            assert any(near) or other.fullmatch(knob.name), (knob.name, text, engine)


@pytest.mark.parametrize(
    ("values", "name", "text"),
    [
        ({"osc_2_on": 1}, "osc_2_on", "on"),
        ({"lfo_1_tempo": 9}, "lfo_1_tempo", "1/8"),
        ({"delay_tempo": 4}, "delay_tempo", "1/4"),  # the engine names no option of it after 1/4
        ({"osc_2_distortion_type": 8}, "osc_2_distortion_type", "FM from Oscillator 3"),
        ({"osc_2_distortion_type": 12}, "osc_2_distortion_type", "RM from Sample"),
        ({"osc_2_distortion_type": 4}, "osc_2_distortion_type", "Bend"),
        ({"osc_1_destination": 10}, "osc_1_destination", "FX Filter"),
        ({"osc_1_destination": 9}, "osc_1_destination", "EQ"),
        ({"filter_1_model": 6, "filter_1_style": 3}, "filter_1_style", "Band Spread Comb"),
        ({"lfo_1_smooth_mode": 0}, "lfo_1_smooth_mode", "Fade In"),
        ({"lfo_1_sync_type": 5}, "lfo_1_sync_type", "Loop Hold"),
    ],
)
def test_menu_text_is_the_option_of_the_panel(values: dict, name: str, text: str):
    preset = with_values(init(), values)
    assert menu_text(preset, name) == value_text(preset, name) == text


def test_native_of_is_the_value_that_vital_stores():
    preset = with_values(init(), {"delay_tempo": 4, "osc_1_level": 0.25})
    settings = preset.to_json()["settings"]
    assert native_of(preset, "delay_tempo") == settings["delay_tempo"] == 8
    assert native_of(preset, "osc_1_level") == settings["osc_1_level"] == 0.25
    assert is_switch("delay_on")
    assert not is_switch("delay_tempo")
    assert not is_switch("osc_1_level")


@pytest.mark.parametrize(
    ("name", "shift", "text"),
    [
        ("filter_1_cutoff", 36.0, "+36 semitones (3 octaves)"),
        ("filter_1_cutoff", -4.3, "-4.3 semitones"),
        ("osc_1_transpose", 12.0, "+12 semitones"),
        ("osc_1_tune", 0.25, "+25 cents"),
        ("osc_1_wave_frame", -89.0, "-89 frames"),
        ("filter_1_mix", 0.3, "+30 %"),
        ("flanger_dry_wet", 0.25, "+50 %"),
        ("osc_1_phase", 0.5, "+180°"),
        ("eq_low_gain", 3.0, "+3.0 dB"),
        ("delay_tempo", 2.6, "+2.6 steps of the menu"),
        ("phaser_mod_depth", 12.0, "+12 semitones"),
        ("osc_1_level", 0.5, None),
        ("lfo_1_frequency", 2.0, None),
        ("env_1_attack", 1.0, None),
        ("volume", 100.0, None),
        ("voice_amplitude", -0.5, None),
    ],
)
def test_shift_text_exists_for_linear_scales(name: str, shift: float, text: str | None):
    assert shift_text(name, shift) == text


def test_power_text_names_the_direction():
    assert power_text(3.0) == "+3.0 (fast at first)"
    assert power_text(-3.0) == "-3.0 (slow at first)"
