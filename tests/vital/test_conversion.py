"""Tests of presets of other versions: what vjax writes plays as the engine plays the original."""

import base64
import copy
import json

import numpy as np
import pytest
import vita

from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.isolate import call_isolated
from vjax.engine.pool import prepare_method
from vjax.vital.conversion import converted
from vjax.vital.preset import Preset
from vjax.vital.preset_json import playable_json
from vjax.vital.wavetables import VITAL_VERSION, WavetableCatalog, table_json, table_key

RENDER = RenderConfig(seconds=0.3, note_s=0.2)


@pytest.fixture
def vital_json() -> dict:
    raw = copy.deepcopy(synth.init_preset())
    raw["settings"] |= {"osc_1_random_phase": 0.0}
    return raw


def play(preset: dict) -> np.ndarray:
    """The bare engine without vjax's checks, in a process of its own."""
    engine = vita.Synth()
    assert engine.load_json(json.dumps(preset))
    return engine.render(48, 0.8, RENDER.note_s, RENDER.seconds)


def played(preset: dict) -> np.ndarray:
    return call_isolated(play, preset, timeout_s=60, method=prepare_method())


def quieter(preset: dict, gain: float, version: str) -> dict:
    """The cycles are softer: `full_normalize` makes them loud again since version 0.4.7."""
    for table in preset["settings"]["wavetables"]:
        for keyframe in table["groups"][0]["components"][0]["keyframes"]:
            cycle = np.frombuffer(base64.b64decode(keyframe["wave_data"]), "<f4")
            keyframe["wave_data"] = base64.b64encode((gain * cycle).astype("<f4").tobytes()).decode()
        table["version"] = version
    return preset


@pytest.mark.parametrize(
    "version", ["0.4.6", "1.0.6", *(pytest.param(version, marks=pytest.mark.slow) for version in ("0.3.7", "0.5.0"))]
)
def test_to_json_with_an_old_wavetable_plays_the_same_bits(vital_json, version):
    original = quieter(vital_json, 0.1, version)
    np.testing.assert_array_equal(played(Preset.from_json(original).to_json()), played(original))


def test_to_json_keeps_the_version_of_a_wavetable_only_before_1_0(vital_json):
    for version, written in (("0.4.6", "0.4.6"), ("1.0.6", VITAL_VERSION), ("99999.9.9", VITAL_VERSION)):
        vital_json["settings"]["wavetables"][0]["version"] = version
        found = Preset.from_json(vital_json).to_json()["settings"]["wavetables"]
        assert (found[0]["version"], found[1]["version"]) == (written, VITAL_VERSION)


def test_extended_with_an_old_wavetable_keeps_its_version(vital_json):
    new, _, _ = vital_json["settings"]["wavetables"]
    old = {**new, "version": "0.4.6"}
    assert table_key(old) != table_key(new)
    assert table_key({**new, "version": "1.0.6"}) == table_key(new)
    assert WavetableCatalog((new,)).extended([old]).tables[1]["version"] == "0.4.6"


@pytest.mark.parametrize(
    "version", ["0.4.6", *(pytest.param(version, marks=pytest.mark.slow) for version in ("0.7.0", "0.9.0"))]
)
def test_from_json_before_1_0_plays_the_same_bits(vital_json, version):
    original = {**vital_json, "synth_version": version, "author": "someone"}
    found = Preset.from_json(original)
    assert (found.author, found.to_json()["synth_version"]) == ("someone", VITAL_VERSION)
    np.testing.assert_array_equal(played(found.to_json()), played(original))


def test_converted_since_1_0_is_the_same_object(vital_json):
    assert converted(vital_json) is vital_json


@pytest.mark.parametrize(
    ("part", "kept"),
    [
        *[("lfos", 4), ("wavetables", 0), ("modulations", 0)],
        *(pytest.param(*case, marks=pytest.mark.slow) for case in (("lfos", 0), ("wavetables", 2))),
    ],
)
def test_from_json_with_fewer_parts_plays_as_the_engine_does(vital_json, part, kept):
    if kept:
        del vital_json["settings"][part][kept:]
    else:
        del vital_json["settings"][part]
    np.testing.assert_array_equal(played(Preset.from_json(vital_json).to_json()), played(vital_json))


def test_from_json_with_a_component_without_keyframes_plays_as_the_engine_does(vital_json):
    vital_json["settings"]["wavetables"][0]["groups"][0]["components"].append(
        {"type": "Wave Folder", "interpolation": 1, "interpolation_style": 1}
    )
    np.testing.assert_array_equal(played(Preset.from_json(vital_json).to_json()), played(vital_json))


def test_playable_json_clips_a_little_and_plays_the_same_bits(vital_json):
    vital_json["settings"] |= {"compressor_on": 1.0, "compressor_low_upper_ratio": 1.0047, "osc_1_level": 7.0}
    vital_json["settings"]["modulations"][0] = {"source": "lfo_99", "destination": "osc_1_pan"}
    found = playable_json(vital_json)
    assert found["settings"]["compressor_low_upper_ratio"] == 1
    assert found["settings"]["osc_1_level"] == 7, "the engine plays it louder"
    np.testing.assert_array_equal(played(found), played(vital_json))
    found["settings"]["osc_1_level"] = 1.0
    synth.validate_preset(found)


SILENT_LFO = {"name": "x", "num_points": 0, "points": [], "powers": [], "smooth": False}


def with_last_keyframe_at(position: float):
    """A change of settings: the first oscillator's table gets a second cycle, at a position."""

    def change(settings: dict) -> None:
        table = table_json("Two", np.stack([np.sin(2 * np.pi * n * np.arange(2048) / 2048) for n in (1, 3)]))
        table["groups"][0]["components"][0]["keyframes"][1]["position"] = position
        settings["wavetables"][0] = table
        settings["osc_1_wave_frame"] = 200.0

    return change


def with_remapping(settings: dict, shape: dict) -> None:
    with_lfo(settings, ONE_POINT)
    settings["modulations"][0]["line_mapping"] = shape


def with_lfo(settings: dict, shape: dict) -> None:
    settings["modulations"][0] = {"source": "lfo_1", "destination": "osc_1_level"}
    settings |= {"modulation_1_amount": -0.7, "lfo_1_tempo": 11.0}
    settings["lfos"][0] = shape


ONE_POINT = SILENT_LFO | {"num_points": 1, "points": [0, 0.4], "powers": [0]}
NO_ROUTE = {"source": "", "destination": ""}
FAR_POINTS = SILENT_LFO | {"num_points": 3, "points": [-0.2, 1.3, 0.5, -1.5, 1.7, 10], "powers": [0, 3, 0]}
UNUSUAL = {
    "keyframe at 300": with_last_keyframe_at(300),
    "keyframe at 1024": with_last_keyframe_at(1024),
    "keyframe at -7": with_last_keyframe_at(-7),
    "keyframe at 100.7": with_last_keyframe_at(100.7),
    "LFO with far points": lambda settings: with_lfo(settings, FAR_POINTS),
    "remapping with far points": lambda settings: with_remapping(settings, FAR_POINTS),
    "true": lambda settings: settings.update(osc_2_on=True, osc_1_on=False),
    "empty modulations": lambda settings: settings["modulations"].extend([NO_ROUTE] * 9),
    "LFO of no point": lambda settings: with_lfo(settings, SILENT_LFO),
    "LFO of one point": lambda settings: with_lfo(settings, ONE_POINT),
    "table without groups": lambda settings: settings["wavetables"][0].update(groups=[]),
    "table without components": lambda settings: settings["wavetables"][0].update(groups=[{"components": []}]),
    "empty sample": lambda settings: settings.update(
        sample_on=1.0, sample={**settings["sample"], "length": 0, "samples": ""}
    ),
}


QUICK = ("keyframe at 300", "LFO with far points", "true", "LFO of no point", "table without components")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(change, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, change in UNUSUAL.items()
    ],
)
def test_from_json_with_unusual_parts_plays_as_the_engine_does(vital_json, change):
    change(vital_json["settings"])
    expected = played(vital_json)
    assert np.abs(expected).max() < np.inf
    found = Preset.from_json(json.loads(json.dumps(vital_json)))
    assert not found.notes
    np.testing.assert_array_equal(played(found.to_json()), expected)
