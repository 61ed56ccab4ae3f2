"""Tests of round trips of people's presets, with the real engine and short renders."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from vjax.audio.distances import mss
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.evaluation.roundtrip import REFERENCE_SEEDS, RoundTrip, as_json, round_trips, summarise, table_row
from vjax.vital import preset as vital_preset
from vjax.vital.default_vocabulary import default_vocabulary
from vjax.vital.preset import Preset, write_preset
from vjax.vital.preset_json import read_json
from vjax.vital.vocabulary import from_parameters, to_parameters

PEOPLE = Path(__file__).parents[1] / "data" / "presets"
RENDER = RenderConfig(seconds=0.4, note_s=0.3)
NOTE = 50


def init_with(**native):
    """The init patch as Vital JSON, with other values of some controls in native units."""
    raw = vital_preset.init().to_json()
    raw["settings"] |= native
    return raw


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets")
    for name in ("Rhodesy", "Chippy_Klassic"):
        shutil.copy(PEOPLE / f"{name}.vital", folder)
    write_preset(folder / "fixed.vital", init_with(osc_1_random_phase=0.0))
    write_preset(folder / "random.vital", init_with())
    write_preset(folder / "fraction.vital", init_with(osc_2_on=0.3))
    write_preset(folder / "silent.vital", init_with(osc_1_on=0.0))
    write_preset(folder / "outside.vital", init_with(osc_1_level=7.0))
    write_preset(folder / "a_little.vital", init_with(osc_1_random_phase=0.0, compressor_low_upper_ratio=1.0047))
    (folder / "broken.vital").write_text('{"settings": {}}')
    (folder / "text.vital").write_text("not a preset")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def trips(files):
    """The round trips by the file's name, in order."""
    found = list(round_trips(files, default_vocabulary(), RENDER, note=NOTE, workers=2))
    assert [trip.file for trip in found] == [str(path) for path in files]
    return {Path(trip.file).stem: trip for trip in found}


@pytest.mark.parametrize("name", ["Rhodesy", "Chippy_Klassic", "fixed", "random"])
def test_round_trips_of_presets_render_to_the_same_bits(trips, name):
    assert trips[name].exact_bits is True
    assert trips[name].exact_db == 0
    assert trips[name].error == ""


def test_round_trips_with_random_phases_have_a_reference_above_zero(trips):
    assert trips["random"].floor_db > 0.05
    assert trips["Chippy_Klassic"].floor_db > 0.05
    assert trips["fixed"].floor_db == pytest.approx(0, abs=1e-3)


def test_round_trips_with_a_value_a_little_out_of_range_has_a_distance_and_a_reason(trips):
    assert trips["a_little"].exact_bits is True
    assert trips["a_little"].exact_reasons == ("compressor_low_upper_ratio 1.0047 clipped to [0, 1]",)
    assert trips["a_little"].error == ""


def test_round_trips_outside_the_vocabulary_have_distances_and_reasons(trips):
    for name in ("Rhodesy", "Chippy_Klassic"):
        assert 0 < trips[name].vocabulary_db < 80
        assert trips[name].reasons
    assert any("wavetable 'The Sine' became 'Sine'" in reason for reason in trips["Rhodesy"].reasons)
    assert any("lfo_1 shape became" in reason for reason in trips["Chippy_Klassic"].reasons)
    assert trips["random"].reasons == ()
    assert trips["random"].vocabulary_db == pytest.approx(0, abs=1e-3), "the vocabulary can represent the init patch"


def test_round_trips_numbers_are_distances_of_renders(trips, files):
    """The test computes the distances again, step by step."""
    raw = read_json(next(path for path in files if path.stem == "Rhodesy"))
    vocabulary = default_vocabulary()
    schema = vocabulary.schema()
    parameters, _ = to_parameters(Preset.from_json(raw), schema, vocabulary)
    converted = from_parameters(parameters, schema, vocabulary)
    jobs = [RenderJob(raw, (NOTE,)), RenderJob(converted, (NOTE,))]
    jobs += [RenderJob(raw, (NOTE,), seed) for seed in REFERENCE_SEEDS]
    with RenderPool(RENDER, workers=2) as pool:
        original, *others = (rendering.audio[0] for rendering in pool.map(jobs))
    vocabulary_db, *reference_db = (float(mss(other, original)) for other in others)
    assert trips["Rhodesy"].vocabulary_db == pytest.approx(vocabulary_db, rel=1e-3)
    assert trips["Rhodesy"].floor_db == pytest.approx(np.mean(reference_db), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("silent", "the preset is silent at this note, so it has no distance"),
        ("outside", "osc_1_level is 7.0; it must lie in"),
        ("broken", "broken.vital: "),
        ("text", "text.vital: not JSON"),
    ],
)
def test_round_trips_without_a_distance_have_an_error(trips, name, reason):
    trip = trips[name]
    assert reason in trip.error
    assert (trip.floor_db, trip.exact_db, trip.vocabulary_db) == (None, None, None)
    row = table_row(trip)
    assert row.startswith(name)
    assert trip.error in row


def test_round_trips_of_a_fractional_switch_have_a_distance_and_a_reason(trips):
    """For the engine, each switch that is not 0 is on. A `Preset` rounds its value."""
    trip = trips["fraction"]
    assert trip.exact_bits is False
    assert trip.exact_db > 1
    assert trip.exact_reasons == ("osc_2_on 0.3 rounded to 0",)


def test_round_trips_with_clipping_have_an_exact_reason(trips):
    assert trips["outside"].exact_reasons == ("osc_1_level 7.0 clipped to [0, 1]",)


def test_table_row_contains_numbers_and_reasons(trips):
    row = table_row(trips["Chippy_Klassic"])
    trip = trips["Chippy_Klassic"]
    name, *numbers = row.split()[:4]
    assert name == "Chippy_Klassic"
    shown = (trip.floor_db, trip.exact_db, trip.vocabulary_db)
    assert [float(number) for number in numbers] == pytest.approx(shown, abs=0.0051)
    assert all(reason in row for reason in trip.reasons)
    mute = dataclasses.replace(trip, vocabulary_db=None, exact_reasons=("x clipped",))
    assert "silent" in table_row(mute)
    assert "exact: x clipped" in table_row(mute)


def test_summarise_returns_counts_and_medians():
    trips = [
        RoundTrip("a", floor_db=1.0, exact_db=0.0, exact_bits=True, vocabulary_db=3.0),
        RoundTrip("b", floor_db=2.0, exact_db=0.5, exact_bits=False, vocabulary_db=5.0),
        RoundTrip("c", floor_db=6.0, exact_db=0.0, exact_bits=True, vocabulary_db=None, error="silent"),
        RoundTrip("d", error="not a preset"),
    ]
    summary = summarise(trips)
    assert (summary["presets"], summary["failed"], summary["exact_to_the_bit"]) == (4, 1, 2)
    assert summary["floor_db"] == {"median": 2.0, "mean": 3.0, "worst": 6.0, "p95": 5.6}
    assert summary["vocabulary_db"]["median"] == 4.0
    assert summarise(trips[3:]) == {"presets": 1, "failed": 1, "exact_to_the_bit": 0}


def test_as_json_is_standard_json_with_all_numbers_and_reasons(trips):
    def fail(constant):
        raise AssertionError(f"{constant} is not JSON")

    content = json.loads(as_json(list(trips.values()), {"note": NOTE}), parse_constant=fail)
    assert content["settings"] == {"note": NOTE}
    assert content["summary"]["presets"] == len(trips)
    for trip in trips.values():
        stored = content["presets"][trip.file]
        for field in ("floor_db", "exact_db", "exact_bits", "vocabulary_db", "error"):
            assert stored[field] == getattr(trip, field)
        for field in ("reasons", "exact_reasons"):
            assert stored[field] == list(getattr(trip, field))
