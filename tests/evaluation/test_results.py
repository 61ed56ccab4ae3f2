"""The folder of an evaluation: what a killed run leaves, and what a second one may ask."""

import dataclasses
import json
import math

import pytest

from vjax.audio.metric_names import METRICS
from vjax.evaluation.results import Results, Row, Target, failed_row, start_folder

ROW = Row("a", "nearest", dict.fromkeys(METRICS, 1.5) | {"sot": None}, evals=7, seconds=0.25, label="Rhodesy é")
ROW_B = dataclasses.replace(ROW, target="b")
TARGET = Target("a", "A", "ann", "presets", "a.vital", 48)
SETTINGS = {"path": "presets", "note": 48, "limit": 6, "refine_evals": (100,), "starts": ("nearest",)}


def test_rows_come_back(tmp_path):
    results = Results(tmp_path / "new")
    failed = failed_row("a", "prediction", "silent at note 48")
    results.add(ROW)
    results.add(failed)
    again = Results(tmp_path / "new")
    assert again.rows == results.rows == {("a", "nearest"): ROW, ("a", "prediction"): failed}
    assert again.has("a", "nearest")
    assert not again.has("b", "nearest")
    assert ROW.scored
    assert not failed.scored
    assert set(failed.metrics.values()) == {None}


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_a_line_cut_short_is_not_there_and_the_next_one_is_whole(tmp_path, cut):
    results = Results(tmp_path)
    results.add(ROW)
    whole = (tmp_path / "results.jsonl").read_bytes()
    results.add(dataclasses.replace(ROW, target="b"))
    written = (tmp_path / "results.jsonl").read_bytes()
    (tmp_path / "results.jsonl").write_bytes(written[:-cut])
    again = Results(tmp_path)
    assert again.rows == {("a", "nearest"): ROW} | ({("b", "nearest"): ROW_B} if cut == 1 else {})
    again.add(ROW_B)
    expected = written + written[len(whole) :] if cut == 1 else written  # whole but for its line's end: it is a row
    assert (tmp_path / "results.jsonl").read_bytes() == expected
    assert Results(tmp_path).rows == results.rows


def test_reading_changes_nothing_while_another_writes(tmp_path):
    """A reader comes in the middle of a line, which its writer then finishes."""
    writer = Results(tmp_path)
    writer.add(ROW)
    path = tmp_path / "results.jsonl"
    line = path.read_bytes().replace(b'"a"', b'"b"')
    with open(path, "ab") as file:
        file.write(line[:40])
        file.flush()
        before = path.read_bytes(), path.stat().st_mtime_ns
        assert Results(tmp_path).rows == {("a", "nearest"): ROW}
        assert (path.read_bytes(), path.stat().st_mtime_ns) == before
        file.write(line[40:])
    assert Results(tmp_path).rows == {("a", "nearest"): ROW, ("b", "nearest"): ROW_B}


def test_a_line_that_is_no_row_is_named(tmp_path):
    (tmp_path / "results.jsonl").write_text('{"target": 3}\n')
    with pytest.raises(ValueError, match=r"results.jsonl: line 1 is no row of an evaluation \(.*delete the line"):
        Results(tmp_path)


def test_nan_is_not_written(tmp_path):
    results = Results(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.add(dataclasses.replace(ROW, metrics={"mss": math.nan}))
    assert results.rows == {}


def test_the_same_settings_again(tmp_path):
    start_folder(tmp_path, SETTINGS, [TARGET])
    start_folder(tmp_path, SETTINGS, [TARGET])
    assert json.loads((tmp_path / "settings.json").read_text()) == json.loads(json.dumps(SETTINGS))
    assert [Target(**target) for target in json.loads((tmp_path / "targets.json").read_text())] == [TARGET]


@pytest.mark.parametrize(
    "more", [{"limit": 7}, {"limit": 0}, {"refine_evals": (20, 100)}, {"starts": ("nearest", "prediction")}]
)
def test_more_may_be_asked(tmp_path, more):
    start_folder(tmp_path, SETTINGS, [TARGET])
    start_folder(tmp_path, SETTINGS | more, [TARGET, dataclasses.replace(TARGET, id="b")])
    assert len(json.loads((tmp_path / "targets.json").read_text())) == 2
    (name, value) = next(iter(more.items()))
    stored = json.loads((tmp_path / "settings.json").read_text())[name]
    assert stored == (list(value) if isinstance(value, tuple) else value)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"note": 50}, "with note=48, now it is 50; give another --out, or the same command"),
        ({"limit": 5}, "with limit=6, now it is 5; it may only grow: give --limit 6, or another --out"),
        ({"refine_evals": (50,)}, r"refine_evals=\[100\], now it is \[50\]; it may only grow: name 100 too"),
        ({"starts": ("prediction",)}, r"may only grow: name nearest too in --starts"),
        ({"bank": "elsewhere"}, 'with bank=null, now it is "elsewhere"'),
    ],
)
def test_anything_else_is_refused_by_name_and_changes_nothing(tmp_path, other, message):
    start_folder(tmp_path, SETTINGS, [TARGET])
    before = (tmp_path / "settings.json").read_bytes()
    with pytest.raises(ValueError, match=message):
        start_folder(tmp_path, SETTINGS | other, [])
    assert (tmp_path / "settings.json").read_bytes() == before
    assert len(json.loads((tmp_path / "targets.json").read_text())) == 1


def test_all_targets_may_not_become_few(tmp_path):
    start_folder(tmp_path, SETTINGS | {"limit": 0}, [TARGET])
    with pytest.raises(ValueError, match="with limit=0, now it is 3; it may only grow: give --limit 0"):
        start_folder(tmp_path, SETTINGS | {"limit": 3}, [TARGET])


def test_a_setting_that_is_gone_is_a_difference(tmp_path):
    start_folder(tmp_path, SETTINGS, [TARGET])
    with pytest.raises(ValueError, match="with note=48, now it is null"):
        start_folder(tmp_path, {name: value for name, value in SETTINGS.items() if name != "note"}, [TARGET])
