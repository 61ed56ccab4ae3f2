"""Tests of vjax.vital.tutorial.contents: wavetables, curves and samples in words."""

import base64
import dataclasses

import numpy as np
import pytest

from vjax.vital.lfo_shapes import shape_json, standard_shapes
from vjax.vital.preset import init
from vjax.vital.standard_tables import standard_catalog
from vjax.vital.tutorial.contents import is_init_table, is_straight, sample_text, shape_text, table_text
from vjax.vital.wavetables import FRAME, table_json

TABLES = dict(zip(standard_catalog().names, standard_catalog().tables, strict=True))
SAW = 1 - 2 * np.arange(FRAME) / FRAME
SINE = np.sin(2 * np.pi * np.arange(FRAME) / FRAME)
SQUARE = np.where(np.arange(FRAME) < FRAME // 2, 1.0, -1.0)


def lines(*shapes) -> dict:
    keyframes = [{"position": 128 * i, "line": shape} for i, shape in enumerate(shapes)]
    return {"name": "drawn", "groups": [{"components": [{"type": "Line Source", "keyframes": keyframes}]}]}


@pytest.mark.parametrize(
    ("table", "low", "high", "text"),
    [
        (TABLES["Sine"], 0, 0, "1 frame, like a sine"),
        (TABLES["Init"], 0, 256, "1 frame, like a saw (-6 dB an octave)"),
        (TABLES["Square"], 7, 7, "1 frame, like a square (-6 dB an octave)"),
        (TABLES["Triangle"], 0, 0, "1 frame, like a triangle (-12 dB an octave)"),
        (table_json("x", np.stack([SINE, SAW])), 0, 256, "2 frames, from a sine to a saw"),
        (table_json("x", np.stack([SINE, SAW])), 0, 0, "2 frames, like a sine"),
        (table_json("x", np.stack([SINE, SAW])), 256, 256, "2 frames, like a saw (-6 dB an octave)"),
        (table_json("x", np.stack([SINE, SAW])), 30, 30, "2 frames, between a sine and a saw"),
        (
            table_json("x", np.stack([SINE, SAW, SQUARE])),
            100,
            256,
            "3 frames, from a sine to a square, by way of a saw",
        ),
        (table_json("x", np.stack([SINE, SAW, SINE])), 0, 256, "3 frames, like a sine at both ends, by way of a saw"),
        (table_json("x", np.stack([SAW, SAW])), 0, 256, "2 frames, like a saw"),
        (table_json("x", np.zeros((1, FRAME))), 0, 0, "1 frame, like silence"),
        (table_json("x", np.tile(SAW[::3], 3)[None, :FRAME]), 0, 0, None),
        (lines(shape_json("", [(0, 0), (1, 1)])), 0, 0, "1 frame, like a saw (-6 dB an octave)"),
    ],
)
def test_table_text_names_frames_and_spectrum(table: dict, low: float, high: float, text: str | None):
    found = table_text(table, low, high)
    assert found == text or (text is None and found.startswith("1 frame, like "))


@pytest.mark.parametrize(
    ("kinds", "text"),
    [
        (["Audio File Source"], "made from an audio file"),
        (["Wave Source", "Wave Warp"], "made in Vital's wavetable editor from Wave Source, Wave Warp"),
        (["Line Source"], "made in Vital's wavetable editor from Line Source"),  # Vital 1.0.6 writes no keyframes
    ],
)
def test_table_text_of_other_tables_names_how_they_are_made(kinds: list[str], text: str):
    assert table_text({"groups": [{"components": [{"type": kind} for kind in kinds]}]}, 0, 256) == text


def audio(cycles: np.ndarray, **others) -> dict:
    """A table that is an audio file of whole cycles."""
    data = base64.b64encode(np.rint(32000 * cycles).astype("<i2").tobytes()).decode()
    ends = [0.0, float(FRAME * (len(cycles) - 1))]
    keyframes = [{"position": 256 * i, "start_position": start} for i, start in enumerate(ends)]
    component = {"type": "Audio File Source", "audio_file": data, "window_size": 2048.0, "keyframes": keyframes}
    return {"name": "x", "groups": [{"components": [component | {"fade_style": 3, "phase_style": 0} | others]}]}


@pytest.mark.parametrize(
    ("table", "low", "high", "text"),
    [
        (audio(np.stack([SINE] * 3)), 0, 256, "made from an audio file, like a sine"),
        (audio(np.stack([SINE, SINE, SAW])), 0, 256, "made from an audio file"),
        (audio(np.stack([SINE, SINE, SAW])), 0, 64, "made from an audio file, like a sine"),
        (audio(np.stack([SINE, SINE, SAW])), 256, 256, "made from an audio file, like a saw"),
        (audio(SINE[None], fade_style=0), 0, 0, "made from an audio file"),  # not played as it is
        (audio(SINE[None], window_size=0.0), 0, 0, "made from an audio file"),
        (audio(SINE[None], window_size=5000.0), 0, 0, "made from an audio file"),
    ],
)
def test_table_text_of_an_audio_file_names_one_spectrum(table: dict, low: float, high: float, text: str):
    assert table_text(table, low, high) == text


def test_is_init_table_compares_the_cycle_and_not_the_name():
    def with_table(table: dict):
        return dataclasses.replace(init(), wavetables=(table, *init().wavetables[1:]))

    assert is_init_table(init(), 0)
    assert is_init_table(with_table({**TABLES["Init"], "name": "Other", "version": "1.0.7"}), 0)
    assert not is_init_table(with_table({**TABLES["Init"], "full_normalize": False}), 0)
    assert not is_init_table(with_table({**TABLES["Sine"], "name": "Init"}), 0)
    assert not is_init_table(with_table(TABLES["Sine to Saw"]), 0)
    assert is_init_table(with_table(TABLES["Sine"]), 1)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (shape_json("", [(0, 0), (0.5, 1), (1, 0)], smooth=True), "a sine"),
        (shape_json("", [(0, 1), (0, 0), (0.5, 0), (0.5, 1), (1, 1)]), None),
        (shape_json("", [(0, 1), (0.5, 1), (0.5, 0), (1, 0), (1, 1)]), "a square"),
        (shape_json("", [(0, 0), (1, 1), (1, 0)]), "a rising saw"),
        (shape_json("", [(0, 1), (1, 0)]), "a falling saw"),
        (shape_json("", [(0, 1), (0.25, 0.5), (1, 0)]), "a curve with 3 points: (0, 1), (0.25, 0.5), (1, 0)"),
        (shape_json("", [(0, 1), (1, 0)], bend=4), "a curve with 2 points: (0, 1), (1, 0), some segments bent"),
        (shape_json("", [(0, 1), (1, 0)], smooth=True), "a smooth curve with 2 points: (0, 1), (1, 0)"),
        (standard_shapes().shapes[standard_shapes().names.index("Gate 8")], "a curve with 32 points"),
    ],
)
def test_shape_text_names_vitals_own_shapes_and_lists_few_points(shape: dict, text: str | None):
    found = shape_text(shape)
    assert found == text or (text is None and found.startswith("a curve with 5 points: "))


def test_is_straight_ignores_points_on_the_line():
    assert is_straight(shape_json("", [(0, 0), (0.3, 0.3), (1, 1)]))
    assert not is_straight(shape_json("", [(0, 0), (0.3, 0.4), (1, 1)]))
    assert not is_straight(shape_json("", [(0, 0), (1, 1)], bend=1))


def test_sample_text_names_length_and_channels():
    sample = {"name": "Vinyl", "length": 66150, "sample_rate": 44100, "samples": ""}
    assert sample_text(sample) == "'Vinyl' (1.5 s, mono)"
    assert sample_text({**sample, "name": "", "samples_stereo": "AA"}) == "'without a name' (1.5 s, stereo)"
