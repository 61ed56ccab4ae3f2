"""Tests of the folder of an evaluation: killed runs, and the settings of a second run."""

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


def test_results_read_again_contain_the_added_rows(tmp_path):
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
def test_results_with_an_unfinished_line_ignores_it_and_appends_a_whole_line(tmp_path, cut):
    results = Results(tmp_path)
    results.add(ROW)
    whole = (tmp_path / "results.jsonl").read_bytes()
    results.add(dataclasses.replace(ROW, target="b"))
    written = (tmp_path / "results.jsonl").read_bytes()
    (tmp_path / "results.jsonl").write_bytes(written[:-cut])
    again = Results(tmp_path)
    assert again.rows == {("a", "nearest"): ROW} | ({("b", "nearest"): ROW_B} if cut == 1 else {})
    again.add(ROW_B)
    expected = written + written[len(whole) :] if cut == 1 else written  # only the line end is missing: it is a row
    assert (tmp_path / "results.jsonl").read_bytes() == expected
    assert Results(tmp_path).rows == results.rows


def test_results_read_during_a_write_does_not_change_the_file(tmp_path):
    """Another process reads the file while the writer is in the middle of a line."""
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


def test_results_with_an_invalid_line_raises_its_number(tmp_path):
    (tmp_path / "results.jsonl").write_text('{"target": 3}\n')
    with pytest.raises(ValueError, match=r"results.jsonl: line 1 is not a row of an evaluation \(.*delete the line"):
        Results(tmp_path)


def test_results_add_with_nan_raises(tmp_path):
    results = Results(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.add(dataclasses.replace(ROW, metrics={"mss": math.nan}))
    assert results.rows == {}


def test_start_folder_with_the_same_settings_keeps_the_folder(tmp_path):
    start_folder(tmp_path, SETTINGS, [TARGET])
    start_folder(tmp_path, SETTINGS, [TARGET])
    assert json.loads((tmp_path / "settings.json").read_text()) == json.loads(json.dumps(SETTINGS))
    assert [Target(**target) for target in json.loads((tmp_path / "targets.json").read_text())] == [TARGET]


def test_target_of_an_older_folder_has_no_class():
    older = {"id": "a", "name": "A", "author": "", "source": "audio", "path": "a.wav", "note": 48}
    assert (Target(**older).sound_class, Target(**older).known_note) == ("", None)


@pytest.mark.parametrize(
    "more", [{"limit": 7}, {"limit": 0}, {"refine_evals": (20, 100)}, {"starts": ("nearest", "prediction")}]
)
def test_start_folder_with_larger_limits_updates_the_settings(tmp_path, more):
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
def test_start_folder_with_other_settings_raises_and_changes_nothing(tmp_path, other, message):
    start_folder(tmp_path, SETTINGS, [TARGET])
    before = (tmp_path / "settings.json").read_bytes()
    with pytest.raises(ValueError, match=message):
        start_folder(tmp_path, SETTINGS | other, [])
    assert (tmp_path / "settings.json").read_bytes() == before
    assert len(json.loads((tmp_path / "targets.json").read_text())) == 1


@pytest.mark.parametrize(("name", "digest"), [("path", "sha256"), ("bank", "bank_sha256")])
def test_start_folder_with_a_moved_folder_of_the_same_content_continues(tmp_path, name, digest):
    start_folder(tmp_path, SETTINGS | {name: "/a", digest: "12"}, [TARGET])
    start_folder(tmp_path, SETTINGS | {name: "/b", digest: "12"}, [TARGET])
    with pytest.raises(ValueError, match=f'with {name}="/b", now it is "/c"'):
        start_folder(tmp_path, SETTINGS | {name: "/c", digest: "34"}, [])


def test_start_folder_with_a_moved_checkpoint_of_the_same_weights_continues(tmp_path):
    model = {"checkpoint": "/a/shipped", "weights_sha256": "12"}
    start_folder(tmp_path, SETTINGS | model, [TARGET])
    start_folder(tmp_path, SETTINGS | model | {"checkpoint": "/b/shipped"}, [TARGET])
    with pytest.raises(ValueError, match='with checkpoint="/b/shipped", now it is "/a/shipped"'):
        start_folder(tmp_path, SETTINGS | model | {"weights_sha256": "34"}, [])
    with pytest.raises(ValueError, match='with checkpoint="/b/shipped", now it is null'):
        start_folder(tmp_path, SETTINGS | {"checkpoint": None}, [])


def test_start_folder_with_settings_that_changed_no_row_continues(tmp_path):
    """The order of the metrics is only that of the tables, and without a search its settings have no effect."""
    given = SETTINGS | {"refine_evals": (), "metrics": ("mss", "rse"), "refine": {"sigma": 0.1}}
    start_folder(tmp_path, given, [TARGET])
    start_folder(tmp_path, given | {"metrics": ("rse", "mss"), "refine": {"sigma": 0.2}}, [TARGET])
    start_folder(tmp_path, given | {"refine": {"sigma": 0.3}, "refine_evals": (100,)}, [TARGET])
    with pytest.raises(ValueError, match="with refine="):
        start_folder(tmp_path, given | {"refine": {"sigma": 0.4}, "refine_evals": (100,)}, [TARGET])
    with pytest.raises(ValueError, match="with metrics="):
        start_folder(
            tmp_path, given | {"refine": {"sigma": 0.3}, "refine_evals": (100,), "metrics": ("mss",)}, [TARGET]
        )


def test_start_folder_with_a_limit_after_all_targets_raises(tmp_path):
    start_folder(tmp_path, SETTINGS | {"limit": 0}, [TARGET])
    with pytest.raises(ValueError, match="with limit=0, now it is 3; it may only grow: give --limit 0"):
        start_folder(tmp_path, SETTINGS | {"limit": 3}, [TARGET])


def test_start_folder_without_an_earlier_setting_raises(tmp_path):
    start_folder(tmp_path, SETTINGS, [TARGET])
    with pytest.raises(ValueError, match="with note=48, now it is null"):
        start_folder(tmp_path, {name: value for name, value in SETTINGS.items() if name != "note"}, [TARGET])
