"""Tests of vjax.vital.tutorial.words."""

import dataclasses

import pytest

from vjax.vital.preset import controls, init
from vjax.vital.tutorial.words import (
    ADVANCED,
    control_title,
    joined,
    label,
    macro_name,
    macro_title,
    module_title,
    one_line,
    source_title,
)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("filter_1_cutoff", "Filter 1 Cutoff"),
        ("filter_fx_mix", "FX Filter Mix"),
        ("osc_2_wave_frame", "Oscillator 2 Wave Frame"),
        ("osc_1_distortion_amount", "Oscillator 1 Wave Morph Amount"),
        ("osc_1_spectral_morph_amount", "Oscillator 1 Spectral Morph Amount"),
        ("reverb_dry_wet", "Reverb Mix"),
        ("delay_aux_tempo", "Delay Second Tempo"),
        ("eq_band_gain", "EQ Band Gain"),
        ("env_3_attack", "Envelope 3 Attack"),
        ("lfo_4_keytrack_tune", "LFO 4 Tune"),
        ("random_1_frequency", "Random LFO 1 Frequency"),
        ("filter_2_keytrack", "Filter 2 Key Track"),
        ("sample_level", "Sample Level"),
        ("voice_transpose", "Voice Transpose"),
        ("volume", "Volume"),
        ("macro_control_2", "Macro 2"),
    ],
)
def test_control_title_names_module_and_control(name: str, title: str):
    assert control_title(init(), name) == title


def test_control_title_of_different_destinations_differs():
    titles = [control_title(init(), name) for name in controls().destinations if not name.startswith("modulation_")]
    assert len(titles) == len(set(titles)) > 250


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("distortion_type", "type"),
        ("osc_3_distortion_type", "wave morph"),
        ("lfo_1_sync_type", "mode"),
        ("random_1_sync_type", "the SYNC button"),
        ("polyphony", "number of voices"),
        ("chorus_voices", "voices"),
    ],
)
def test_label_is_the_name_within_the_module(name: str, text: str):
    assert label(name) == text


def test_module_title_and_source_title():
    assert [module_title(name) for name in ("osc_1", "filter_fx", "eq", "compressor")] == [
        *("Oscillator 1", "FX Filter", "EQ", "Compressor"),
    ]
    preset = dataclasses.replace(init(), macro_names=("Bright\nness\x1b[31m", "MACRO 2", "Macro 3", ""))
    assert [macro_name(preset, number) for number in (1, 2, 3, 4)] == ["Bright ness [31m", "", "", ""]
    assert macro_title(preset, 1) == source_title(preset, "macro_control_1") == "Macro 1 (Bright ness [31m)"
    assert [source_title(preset, name) for name in ("macro_control_2", "env_2", "mod_wheel", "note_in_octave")] == [
        *("Macro 2", "Envelope 2", "Mod Wheel", "Note in Octave"),
    ]


def test_advanced_matches_the_controls_of_that_tab():
    names = [*controls().continuous_names, *controls().categorical_names]
    found = {name for name in names if ADVANCED.fullmatch(name)}
    assert {"osc_1_unison_blend", "osc_2_midi_track", "oversampling", "voice_transpose", "osc_3_frame_spread"} <= found
    assert found.isdisjoint({"osc_1_level", "osc_1_detune_power", "polyphony", "chorus_spread", "voice_amplitude"})
    assert len(found) == 3 * 10 + 6


def test_joined_and_one_line():
    assert [joined(list("abc"[:n])) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
    assert one_line(" a\r\n b\t\x00c ") == "a b c"
