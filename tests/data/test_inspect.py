"""Tests of `vjax inspect`: it counts the content of a dataset and finds every kind of invalid row."""

import dataclasses
import json
from collections import Counter

import h5py
import numpy as np
import pytest

from vjax.cli.inspect_dataset import main
from vjax.data.inspection import format_report, inspect_dataset
from vjax.data.write_shard import write_shard
from vjax.sound.routes import dense_routes
from vjax.sound.schema import Categorical


def test_inspect_dataset_with_valid_rows_counts_them(tiny_dataset, schema, random_rows):
    report = inspect_dataset(tiny_dataset)
    assert (report["rows"], report["presets"], report["shards"], report["tier"]) == (39, 13, 2, 3)
    assert report["notes"] == {48: 13, 60: 13, 72: 13}
    assert report["valid"]
    assert not report["problems"]
    assert report["bytes"] == sum(path.stat().st_size for path in tiny_dataset.iterdir())
    assert report["datasets"]["features/mel_spectrogram"]["shape"] == [39, 1, 128, 20]
    assert report["datasets"]["features/mel_spectrogram"]["chunks"] == [1, 1, 128, 20]
    index = np.concatenate([random_rows(8, seed=1)["modulation/index"], random_rows(5, seed=2)["modulation/index"]])[
        ::3
    ]
    assert report["routes_per_preset"] == dict(sorted(Counter((index >= 0).sum(1).tolist()).items()))
    names = Counter(
        f"{schema.sources[cell // 10]} -> {schema.destinations[cell % 10]}" for cell in index[index >= 0].tolist()
    )
    assert dict(report["commonest_routes"]).items() <= names.items()
    assert report["commonest_routes"][0][1] == max(names.values())


def test_inspect_dataset_describes_the_catalog_by_its_choices(
    tiny_dataset, schema, random_rows, shard_attributes, tmp_path
):
    report = inspect_dataset(tiny_dataset)
    assert report["catalog"] == "14 B of JSON, 4 tables for each oscillator"
    assert "catalog of wavetables and LFO shapes: 14 B of JSON, 4 tables for each oscillator\n" in format_report(report)
    shaped = dataclasses.replace(schema, categorical=(*schema.categorical, Categorical("lfo_1_shape", 0, 7, 0)))
    rows = random_rows(2)
    rows["params/categorical"] = np.pad(rows["params/categorical"], [(0, 0), (0, 1)], constant_values=6)
    write_shard(tmp_path / "shaped.h5", shaped, rows, shard_attributes)
    report = inspect_dataset(tmp_path / "shaped.h5")
    assert report["catalog"] == "14 B of JSON, 4 tables for each oscillator, 7 shapes for each LFO"
    assert report["valid"]
    rows["params/categorical"][3, -1] = 7
    write_shard(tmp_path / "none.h5", shaped, rows, shard_attributes | {"catalog": None})
    report = inspect_dataset(tmp_path / "none.h5")
    assert report["catalog"] is None
    assert report["examples"] == ["row 3: no such menu option: lfo_1_shape is 7, of 7 options"]


def test_inspect_dataset_with_dense_routes_counts_the_same_routes(tiny_dataset):
    sparse = inspect_dataset(tiny_dataset)
    for path in tiny_dataset.iterdir():
        with h5py.File(path, "r+") as file:
            routes = zip(file["modulation/index"][...], file["modulation/value"][...], strict=True)
            file["params/modulation_t3"] = np.stack([dense_routes(index, value, 4, 10) for index, value in routes])
            del file["modulation"]
    dense = inspect_dataset(tiny_dataset)
    assert dense["modulation"] == "dense"
    assert dense["valid"]
    assert dense["routes_per_preset"] == sparse["routes_per_preset"]
    assert dense["commonest_routes"][0][1] == sparse["commonest_routes"][0][1]


@pytest.mark.parametrize(
    ("name", "where", "value", "kind", "detail"),
    [
        ("params/continuous", (4, 8), np.nan, "knob outside [0, 1]", "osc_1_transpose is nan"),
        ("params/continuous", (4, 0), 1.5, "knob outside [0, 1]", "beats_per_minute is 1.5"),
        ("params/categorical", (4, 0), 6, "no such menu option", "filter_1_model is 6, of 6 options"),
        ("params/categorical", (4, 2), -1, "no such menu option", "osc_1_on is -1"),
        ("metadata/midi_note", (4,), 128, "note outside 0 to 127", "128"),
        ("features/mel_spectrogram", (4, 0, 3, 3), np.inf, "mel not finite", "1 cells"),
        ("features/mel_spectrogram", (4, 0, 3, 3), -1, "mel below 0", "-1.0"),
        ("features/mel_spectrogram", (4,), 0, "silent", "loudest mel cell 0"),
        ("modulation/index", (4, 63), 40, "no such route", "cell 40, of 40"),
        ("modulation/index", (4, 63), -7, "no such route", "cell -7, of 40"),
        ("modulation/index", (4, slice(60, 64)), 12, "repeated route", "lfo_1 -> filter_1_cutoff"),
    ],
)
def test_inspect_dataset_with_an_invalid_row_reports_it(tiny_dataset, name, where, value, kind, detail):
    with h5py.File(tiny_dataset / "shard-00001.h5", "r+") as file:
        file[name][where] = value
    report = inspect_dataset(tiny_dataset)
    assert not report["valid"]
    assert report["problems"] == {kind: 1}
    assert report["examples"][0].startswith(f"row 28: {kind}: ")  # row 4 of the second shard
    assert detail in report["examples"][0]
    assert f"INVALID: 1 x {kind}" in format_report(report)


@pytest.mark.parametrize(("channel", "value", "name"), [(0, 1.5, "amount"), (1, np.nan, "bipolar"), (2, -11, "power")])
def test_inspect_dataset_with_a_route_value_out_of_range_reports_it(tiny_dataset, channel, value, name):
    with h5py.File(tiny_dataset / "shard-00000.h5", "r+") as file:
        file["modulation/index"][2] = [12] + [-1] * 63
        file["modulation/value"][2] = 0
        file["modulation/value"][2, 0, channel] = value
    report = inspect_dataset(tiny_dataset)
    assert report["examples"] == [
        f"row 2: route value out of range: lfo_1 -> filter_1_cutoff has {name} {float(value)}"
    ]


def test_inspect_prints_a_report_and_returns_an_exit_code(tiny_dataset, capsys):
    assert main([str(tiny_dataset)]) == 0
    printed = capsys.readouterr().out
    for expected in ("39 rows of 13 presets in 2 file(s)", "48 x 13", "routes per preset:", "->", "valid: every row"):
        assert expected in printed
    assert main([str(tiny_dataset), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["presets"] == 13
    with h5py.File(tiny_dataset / "shard-00000.h5", "r+") as file:
        file["params/continuous"][0, 0] = 2
    assert main([str(tiny_dataset)]) == 1
    assert "INVALID: 1 x knob outside [0, 1]" in capsys.readouterr().out
    with h5py.File(tiny_dataset / "shard-00000.h5", "r+") as file:
        del file["params/categorical"]
    assert main([str(tiny_dataset), "--json"]) == 1
    assert "has no dataset params/categorical" in json.loads(capsys.readouterr().out)["error"]


def test_inspect_help_shows_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "vjax inspect runs/demo/data" in capsys.readouterr().out
