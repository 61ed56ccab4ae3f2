"""Tests of what the page shows of a preset."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from vjax.vital.preset import init, read_preset
from vjax.vital.values import with_values
from vjax.vital.wavetables import table_json
from vjax.web.inside import inside

PRESETS = sorted((Path(__file__).parents[1] / "data" / "presets").glob("*.vital"))


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_inside_of_a_musicians_preset_is_json_with_its_parts(path):
    found = inside(read_preset(path), 60, 1.5, 2.0)
    json.dumps(found, allow_nan=False)
    names = [part["name"] for part in found["parts"]]
    assert any(name.startswith("Oscillator") for name in names)
    assert "Loudness (envelope 1)" in names
    for drawing in found["drawings"]:
        assert min(drawing["values"]) >= -0.01
        assert max(drawing["values"]) <= 1.01
    assert found["steps"][0]["title"] == "Start"
    assert any(step["title"] == "Envelope 1 (loudness)" for step in found["steps"])
    assert "envelope 1" in [drawing["name"] for drawing in found["drawings"]]


def test_inside_of_a_pad_has_its_macros_and_its_largest_route_first():
    pad = next(path for path in PRESETS if path.stem.startswith("Drifting"))
    found = inside(read_preset(pad), 60, 1.5, 2.0)
    assert "UNSTABLE" in [macro["name"] for macro in found["macros"]]
    amounts = [abs(float(route["amount"].removesuffix(" %"))) for route in found["routes"]]
    assert amounts == sorted(amounts, reverse=True)
    assert not found["editable"]
    assert found["reasons"]


def test_inside_draws_a_low_pass_that_falls_above_its_cutoff():
    path = next(path for path in PRESETS if path.stem == "FM_Bass1")  # cutoff 2.6 kHz, resonance 50 %
    drawings = inside(read_preset(path), 60, 1.5, 2.0)["drawings"]
    values = next(one["values"] for one in drawings if one["name"] == "filter 2 at rest")
    at = {hz: values[round(159 * math.log10(hz / 20) / 3)] for hz in (100, 2600, 10000)}
    assert at[2600] > at[100] > at[10000]


def test_inside_draws_the_whole_wavetable_and_where_it_plays():
    cycles = np.outer(np.linspace(0, 0.5, 40), np.sin(2 * np.pi * np.arange(2048) / 2048))
    tables = (table_json("Fade", cycles), *init().wavetables[1:])
    preset = with_values(dataclasses.replace(init(), wavetables=tables), {"osc_1_wave_frame": 64.0})
    (table,) = inside(preset, 60, 1.5, 2.0)["tables"]
    assert (table["name"], table["cycles"], table["moves"]) == ("oscillator 1: Fade", 40, False)
    assert table["at"] == pytest.approx(0.25, abs=0.01)
    frames = np.array(table["frames"])
    assert frames.shape == (24, 64)
    assert np.abs(frames).max(1) == pytest.approx(np.linspace(0, 1, 24), abs=0.02)
