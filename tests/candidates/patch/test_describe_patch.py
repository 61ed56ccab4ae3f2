"""Tests of the description of a patch: it follows the values in the preset, and in part the renders of the engine."""

import dataclasses

import numpy as np
import pytest

from vjax.candidates.patch.describe_patch import describe
from vjax.candidates.patch.finish import finished
from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route
from vjax.vital.values import with_routes, with_values

NOTE = 48
RATE = 44100


def line(preset: Preset, start: str, note: int = NOTE, velocity: float = 0.8) -> str:
    """Returns the line of the description that begins with `start`; empty if there is none."""
    return next((text for text in describe(preset, note, velocity).splitlines() if text.startswith(start)), "")


def test_describe_plain_patch_names_all_parts(by_hand):
    assert describe(by_hand.patches["vibrato"], NOTE) == (
        "Oscillator 1: a saw-like table (-6 dB an octave, odd and even harmonics), level -18.2 dB.\n"
        "Filter 1: Digital 24 dB low-pass, resonance 50 %, cutoff starting at 2.4 kHz, falling to 509 Hz in 300 ms, "
        "after note-off to 262 Hz in 150 ms (envelope 2) at C3.\n"
        "Loudness (envelope 1): attack 5 ms, decay 500 ms to -6.2 dB, release 150 ms.\n"
        "LFO 1 ('Sine', 5.0 Hz) moves oscillator 1 tune by +-20 cents."
    )


@pytest.mark.parametrize(
    ("values", "start", "expected"),
    [
        ({"osc_1_transpose": -12}, "Oscillator 1", "12 semitones down"),
        ({"osc_1_tune": 0.25}, "Oscillator 1", "25 cents up"),
        ({"osc_1_unison_voices": 7, "osc_1_unison_detune": 4.472}, "Oscillator 1", "7 unison voices within +-40 cents"),
        ({"osc_1_pan": -0.5}, "Oscillator 1", "50 % to the left"),
        ({"osc_1_level": 1.0}, "Oscillator 1", "level 0 dB"),
        ({"sample_on": 1, "sample_level": 0.1}, "Noise", "White Noise, level -40.0 dB"),
        ({"filter_1_model": 0, "filter_1_style": 0}, "Filter 1", "Analog 12 dB low-pass"),
        ({"filter_1_blend": 1.0}, "Filter 1", "24 dB band-pass"),
        ({"filter_1_blend": 2.0}, "Filter 1", "24 dB high-pass"),
        ({"filter_1_blend": 0.5}, "Filter 1", "24 dB between low-pass and band-pass"),
        ({"filter_1_model": 6}, "Filter 1", "comb"),
        ({"filter_1_resonance": 0.72}, "Filter 1", "resonance 72 %"),
        ({"filter_1_drive": 6.0}, "Filter 1", "drive +6.0 dB"),
        ({"filter_1_cutoff": 69.0}, "Filter 1", "starting at 4.0 kHz, falling to 856 Hz"),
        ({"env_2_decay": 1.0}, "Filter 1", "falling to 509 Hz in 1.0 s"),
        ({"env_2_attack": 0.2**0.25}, "Filter 1", "rising from 262 Hz to 2.4 kHz in 200 ms, falling to 509 Hz"),
        ({"env_2_sustain": 0.0}, "Filter 1", "falling to 262 Hz in 300 ms (envelope 2)"),
        ({"filter_1_cutoff": 130.0}, "Filter 1", "starting at 21.1 kHz, after note-off to"),  # as high as it goes
        ({"env_1_attack": 0.5**0.25}, "Loudness", "attack 500 ms"),
        ({"env_1_sustain": 1.0}, "Loudness", "full sustain, release 150 ms"),
        ({"env_1_sustain": 0.0}, "Loudness", "decay 500 ms to silence"),
        ({"reverb_on": 1, "reverb_dry_wet": 0.3, "reverb_decay_time": 1.0}, "Effects", "reverb (mix 30 %, T60 2.5 s)"),
        ({"chorus_on": 1, "chorus_sync": 0, "chorus_frequency": 0.0}, "Effects", "chorus (mix 50 %, 1.0 Hz"),
        ({"distortion_on": 1, "distortion_drive": 12.0}, "Effects", "distortion (mix 100 %, soft clip, +12.0 dB)"),
        ({"eq_on": 1, "eq_high_gain": 3.0}, "Effects", "eq (low 0 dB, band 0 dB, high +3.0 dB)"),
        ({"eq_on": 1}, "Effects", "eq (flat)"),
        ({"filter_1_on": 0}, "Filter 1", ""),
        ({"osc_1_destination": 3}, "Filter 1", ""),  # past the filter
        ({"osc_1_on": 0}, "Oscillator 1", ""),
    ],
)
def test_describe_with_changed_values_follows_them(by_hand, values: dict, start: str, expected: str):
    text = line(with_values(by_hand.patches["filtered"], values), start)
    assert expected in text if expected else text == ""


def test_describe_cutoff_follows_note_keyboard_and_velocity(by_hand):
    tracked = by_hand.patch(values={"filter_1_cutoff": 69.0, "filter_1_keytrack": 0.5})
    assert "cutoff 440 Hz at C4, following the keyboard by 50 %" in line(tracked, "Filter", 60)
    assert "cutoff 880 Hz at C6" in line(tracked, "Filter", 84)
    soft = with_routes(by_hand.patch(values={"filter_1_cutoff": 45.0}), Route("velocity", "filter_1_cutoff", 24 / 128))
    assert "cutoff 440 Hz" in line(soft, "Filter", velocity=1.0)
    assert "cutoff 220 Hz" in line(soft, "Filter", velocity=0.5)


def test_describe_falling_and_bipolar_routes_names_the_cutoffs_reached(by_hand):
    closes = by_hand.patch(Route("env_2", "filter_1_cutoff", -12 / 128), values={"filter_1_cutoff": 69.0})
    assert "starting at 220 Hz, rising to 357 Hz" in line(closes, "Filter")
    both = by_hand.patch(Route("env_2", "filter_1_cutoff", 24 / 128, bipolar=True), values={"filter_1_cutoff": 69.0})
    assert "starting at 880 Hz" in line(both, "Filter")
    assert "after note-off to 220 Hz" in line(both, "Filter")


def test_describe_drawn_curves_names_range_and_duration(by_hand):
    once = {"lfo_1_sync": 0, "lfo_1_sync_type": 2, "lfo_1_frequency": -1.0, "filter_1_cutoff": 57.0}
    curve = shape_json("Cutoff", [(0, 0.5), (0.5, 1), (1, 0)])
    preset = by_hand.patch(by_hand.route("lfo_1", "filter_1_cutoff", 24 / 128), values=once)
    drawn = dataclasses.replace(preset, lfo_shapes=(curve, *preset.lfo_shapes[1:]))
    assert "cutoff drawn from 440 Hz to 220 Hz in 2.0 s, between 220 Hz and 880 Hz (LFO 1) at C3" in line(
        drawn, "Filter"
    )
    assert line(drawn, "LFO") == ""
    loud = by_hand.patch(by_hand.route("lfo_1", "voice_amplitude", 1.0), values=once | {"voice_amplitude": 0.0})
    assert line(loud, "LFO") == "LFO 1 ('Triangle', once in 2.0 s) draws the loudness."


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (Route("lfo_1", "osc_1_level", 0.5), "moves oscillator 1 level up by 50 % of its range."),
        (Route("lfo_1", "filter_1_cutoff", -0.25), "moves filter 1 cutoff down by 32 semitones."),
        (Route("lfo_1", "osc_1_transpose", 12 / 96, bipolar=True), "moves oscillator 1 transpose by +-6 semitones."),
        (Route("lfo_1", "osc_1_tune", 0.1, bypass=True), ""),
    ],
)
def test_describe_other_routes_names_their_depth(by_hand, route: Route, expected: str):
    assert line(by_hand.patch(route), "LFO 1").endswith(expected)
    assert bool(line(by_hand.patch(route), "LFO 1")) == bool(expected)


def test_describe_moving_table_names_both_ends(by_hand):
    saw = by_hand.cycle(1 / np.arange(1, 60))
    moving = by_hand.with_cycles(by_hand.patch(Route("env_2", "osc_1_wave_frame", 1.0)), by_hand.cycle([1]), saw)
    assert "a sine-like table, moving to a saw-like table (-6 dB an octave" in line(moving, "Oscillator 1")


def test_describe_macros_and_velocity_names_what_they_change(by_hand):
    done = finished(by_hand.patches["filtered"], NOTE)
    assert line(done, "Macros") == (
        "Macros: Brightness: filter 1 cutoff up by 36 semitones; Movement: envelope 2 on filter 1 cutoff from 38 "
        "semitones to 70 semitones; Release: envelope 1 release from 150 ms to 1.5 s; Space: reverb mix from 0 % to "
        "40 %."
    )
    assert line(done, "Velocity") == (
        "Velocity: filter 1 cutoff up by 16 semitones, loudness by +5.7 dB from velocity 0.2 to 1."
    )
    assert line(by_hand.patches["filtered"], "Macros") == line(by_hand.patches["filtered"], "Velocity") == ""


def test_describe_finished_patch_keeps_its_cutoff(by_hand):
    before = by_hand.patches["filtered"]
    assert line(finished(before, NOTE), "Filter") == line(before, "Filter")


def test_finished_preset_contains_comment_name_and_style(by_hand):
    plucked = with_values(by_hand.patches["plucked"], {"env_1_decay": 1.0})
    done = finished(plucked, 36)
    assert (done.name, done.style) == ("Plucked saw bass", "Bass")
    assert done.comments == describe(done, 36)
    assert finished(plucked, 36, name="kick").name == "kick"


@pytest.mark.parametrize(
    ("values", "note", "name", "style"),
    [
        ({}, 60, "Saw lead", "Lead"),
        ({"env_1_sustain": 0.0, "env_1_decay": 1.0}, 60, "Plucked saw keys", "Keys"),
        ({"env_1_sustain": 0.0, "env_1_decay": 0.1**0.25}, 60, "Saw hit", "Percussion"),
        ({"env_1_attack": 0.5**0.25}, 36, "Swelling saw pad", "Pad"),
        ({"osc_1_on": 0, "sample_on": 1}, 60, "Noise effect", "SFX"),
    ],
)
def test_finished_name_and_style_follow_envelope_and_note(by_hand, values, note, name, style):
    done = finished(by_hand.patch(values=values), note)
    assert (done.name, done.style) == (name, style)


def test_finished_with_a_drawn_loudness_takes_the_style_from_it(by_hand):
    drawn = {"voice_amplitude": 0.0, "lfo_1_frequency": 0.0}
    preset = by_hand.patch(Route("lfo_1", "voice_amplitude", 1.0), values=drawn)  # a triangle
    assert finished(preset, 60).style == "Keys"


def test_describe_table_of_another_kind_names_it(by_hand):
    preset = by_hand.patch()
    table = {**preset.wavetables[0], "name": "Strange", "groups": []}
    strange = dataclasses.replace(preset, wavetables=(table, *preset.wavetables[1:]))
    assert "the table 'Strange'" in line(strange, "Oscillator 1")


def test_describe_dense_table_names_the_periods_in_a_cycle(by_hand):
    dense = np.zeros(400)
    dense[3::4] = 1 / np.arange(1, 101)
    preset = by_hand.with_cycles(by_hand.patch(values={"osc_1_transpose": -24}), by_hand.cycle(dense))
    expected = "a saw-like table (-6 dB an octave, odd and even harmonics) of 4 periods a cycle, 24 semitones down"
    assert expected in line(preset, "Oscillator 1")


def test_describe_effect_with_a_mix_of_0_names_the_macro_that_raises_it(by_hand):
    assert "reverb (mix 0 % until Space is turned up, T60 2.5 s)" in finished(by_hand.patches["filtered"], 48).comments


def test_describe_filter_that_is_fully_open_names_one_cutoff(by_hand):
    values = {"filter_1_cutoff": 136.0}
    assert "cutoff 21.1 kHz at" in line(with_values(by_hand.patches["filtered"], values), "Filter 1")


def test_describe_flat_table_has_a_slope_without_a_sign(by_hand):
    flat = by_hand.with_cycles(by_hand.patches["filtered"], by_hand.cycle([*([1.0] * 9), 0.995, *([0.99] * 90)]))
    assert "(0 dB an octave" in line(flat, "Oscillator 1")
