"""Tests of benchmarks/recordings.py: right pitches, tables, and runs that continue."""

import importlib
import sys
from pathlib import Path

import pytest

from vjax.audio.metric_names import METRICS
from vjax.evaluation.benchmark_summary import evaluation
from vjax.evaluation.results import Results, Row, Target
from vjax.io.json_lines import read_lines

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))  # as for a script that runs there
recordings = importlib.import_module("recordings")

SOUND = Path(__file__).parents[1] / "data" / "sounds" / "bass.wav"
EDITING = {"editable": True, "oscillators": 2, "filters": 1, "effects": 1, "routes": 3, "cycles": 1, "macros": 4}


def test_right_pitch_octave_errors_have_the_right_class_and_none_is_wrong():
    found = recordings.right_pitch([0.1, -0.5, 12.2, -24.4, 6.0, 11.4, None, 0.0])
    assert found == {"n": 8, "class": 5 / 8, "octave": 3 / 8}
    assert recordings.right_pitch([]) == {"n": 0, "class": None, "octave": None}


def test_print_table_missing_values_are_left_out_of_medians(capsys):
    targets = [Target(name, f"{name}.wav", "", "audio", f"{name}.wav", 48) for name in "abc"]
    rows = {
        (name, method): Row(name, method, dict.fromkeys(METRICS, value), seconds=60.0, editing=EDITING)
        for name, value in zip("ab", (1.0, 4.0), strict=True)
        for method in ("match", "closest")
    }
    line = {"again": 0.5, "velocity_db": 6.0, "velocity_octaves": 0.25}
    played = [
        line | {"sound": "a", "pitch_errors": {"match": 0.0}, "mss_2_6": 3.0},
        line | {"sound": "b", "pitch_errors": {}, "mss_2_6": None},
    ]
    recordings.print_table(evaluation({}, targets, rows, ("match", "closest")), played)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["a.wav", "-", "1.00", "1.00", *["-"] * 3, "0.50", "0.00", "3.00", "6.00", "0.25", "60.00"]
    assert lines[3] == ["c.wav", *["-"] * 12]
    assert lines[4] == ["median", "-", "2.50", "2.50", *["-"] * 3, "0.50", "0.00", "3.00", "6.00", "0.25", "60.00"]
    assert ["match", "1", "100%", "100%"] in lines
    assert ["match", "2", "100%", "100%", "2", "1", "1", "3", "1"] in lines


def test_measure_stopped_run_continues(engine_run, tmp_path):
    recordings.measure([SOUND], tmp_path, checkpoint=str(engine_run))
    (row,) = read_lines(tmp_path / "recordings.jsonl")
    assert row["again"] >= 0
    assert row["velocity_db"] > 1  # velocity 1.0 is louder than 0.2
    assert set(row["pitch_errors"]) <= set(recordings.METHODS)
    written = Results(tmp_path).rows["bass.wav", "match"]
    assert written.editing["oscillators"] >= 1
    assert (tmp_path / "report.html").exists()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jsonl")}
    recordings.measure([SOUND], tmp_path, checkpoint=str(engine_run))
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jsonl")}
    with pytest.raises(ValueError, match="checkpoint"):
        recordings.measure([SOUND], tmp_path)
