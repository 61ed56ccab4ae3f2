"""`vjax evaluate`: the table, the files and the report. A killed evaluation continues."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vjax.audio.metric_names import METRICS, TRAITS
from vjax.cli.main import main
from vjax.evaluation import elsewhere
from vjax.evaluation.results import Results

PRESETS = Path(__file__).parents[1] / "data" / "presets"
SOUNDS = Path(__file__).parents[1] / "data" / "sounds"
METHODS = ["init", "random", "nearest", "prediction", "match", "closest", "nearest+9", "floor"]

pytestmark = pytest.mark.usefixtures("quick_fits", "one_judge_seed")


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    """Three files of two authors, one of them not a preset."""
    folder = tmp_path_factory.mktemp("presets")
    for author, name in (("ann", "FM_Bass1"), ("bob", "Rhodesy")):
        (folder / author).mkdir()
        shutil.copy(PRESETS / f"{name}.vital", folder / author)
    (folder / "bob" / "zero.vital").write_text("")
    return folder


@pytest.fixture(scope="module")
def command(presets, engine_run):
    """A command with a checkpoint of 0.4 s sounds, so that renders are short, and with a real search."""
    arguments = ["--presets", str(presets), "--checkpoint", str(engine_run), "--starts", "nearest", "--workers", "2"]
    return ["evaluate", *arguments, "--no-resynthesis", "--no-patch", "--refine-evals", "9"]


@pytest.fixture(scope="module")
def finished(command, one_judge_seed, tmp_path_factory):
    """The folder of a finished evaluation. Its presets are played elsewhere as recorded and an octave higher."""
    out = tmp_path_factory.mktemp("evaluation")
    with pytest.MonkeyPatch.context() as patched:
        few = {name: elsewhere.CONDITIONS[name] for name in (elsewhere.RECORDED, "octave up")}
        patched.setattr(elsewhere, "CONDITIONS", few)
        patched.setattr(elsewhere, "COLUMNS", (elsewhere.RECORDED, elsewhere.INSTRUMENT, "octave up"))
        assert main([*command, "--out", str(out)]) == 0
        yield out


def test_evaluate_writes_json_csv_and_a_report(finished):
    content = json.loads((finished / "evaluation.json").read_text())
    assert list(content) == ["settings", "targets", "rows", "summary", "turns", "elsewhere", "recordings"]
    assert content["recordings"] == {}
    assert content["settings"]["refine_evals"] == [9]
    assert content["settings"]["render"]["seconds"] == 0.4
    assert {target["author"] for target in content["targets"] if target["author"]} == {"ann", "bob"}
    by_method = {}
    for row in content["rows"]:
        by_method.setdefault(row["method"], {})[row["target"]] = row
    assert list(by_method) == METHODS
    for rows in by_method.values():
        assert set(rows) == {"ann-FM_Bass1", "bob-Rhodesy", "bob-zero"}
        assert "not JSON" in rows["bob-zero"]["error"]
        assert all(rows["bob-Rhodesy"]["metrics"][metric] is not None for metric in METRICS)
    assert list(content["turns"]) == ["nearest", "prediction", "match", "closest", "nearest+9"]
    assert all(found["n"] == 2 and found["kilobytes"] > 10 for found in content["turns"].values())
    assert list(content["elsewhere"]) == ["nearest", "prediction", "match", "closest", "nearest+9", "floor"]
    for described in content["elsewhere"].values():
        assert described["instrument"]["n"] == 2
        assert described["instrument"]["mean"] > 0
    share = content["summary"]["recovered_share"]
    assert list(share) == [*METRICS, *TRAITS]
    assert (share["mss"]["random"], share["mss"]["floor"]) == (0, 1)
    refined = by_method["nearest+9"]["bob-Rhodesy"]
    assert 0 < refined["evals"] <= 9
    assert refined["label"] in ("nearest", "nearest, fitted")
    assert refined["seconds"] > 0
    with open(finished / "evaluation.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["target"], row["method"]) for row in rows] == [(r["target"], r["method"]) for r in content["rows"]]
    (i,) = (i for i, row in enumerate(rows) if (row["target"], row["method"]) == ("bob-Rhodesy", "match"))
    assert float(rows[i]["mss"]) == content["rows"][i]["metrics"]["mss"]
    assert (finished / "report.html").read_text().lstrip().lower().startswith("<!doctype html>")


def test_evaluate_called_again_renders_nothing_and_prints_the_table(finished, command, capsys):
    before = {path: path.stat().st_mtime_ns for path in (finished / "sounds").rglob("*.*")}
    assert main([*command, "--out", str(finished)]) == 0
    printed, warned = capsys.readouterr()
    assert warned == ""
    assert {path: path.stat().st_mtime_ns for path in (finished / "sounds").rglob("*.*")} == before
    lines = printed.splitlines()
    assert lines[0].split()[:3] == ["method", "n", "share"]
    assert [line.split()[0] for line in lines[1 : len(METHODS) + 1]] == METHODS
    assert next(line for line in lines if line.startswith("floor")).split()[1:3] == ["2", "100%"]
    assert any(line.startswith(f"no score: bob-zero ({', '.join(METHODS)}): the target: ") for line in lines)
    assert any(line.split()[:2] == ["MSS", "dB"] and "octave up" in line for line in lines)
    assert any(line.startswith("left out of the bank: ") and "zero.vital: not JSON" in line for line in lines)
    for name in ("evaluation.json", "evaluation.csv", "report.html", "sounds"):
        assert str(finished / name) in lines[-1]


def test_evaluate_json_prints_the_content_of_the_file(finished, command, capsys):
    assert main([*command, "--out", str(finished), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((finished / "evaluation.json").read_text())


@pytest.mark.slow
def test_evaluate_of_several_folders_takes_their_names_as_authors(tmp_path, capsys):
    """The shipped model. The bank contains no preset by ann, so the nearest preset to hers is by bob."""
    for author, name in (("ann", "FM_Bass1"), ("bob", "Rhodesy")):
        (tmp_path / author).mkdir()
        shutil.copy(PRESETS / f"{name}.vital", tmp_path / author)
    arguments = ["--presets", str(tmp_path / "ann"), str(tmp_path / "bob"), "--bank", str(tmp_path / "bob")]
    arguments += ["--no-resynthesis", "--no-patch", "--no-elsewhere", "--checkpoint", "shipped"]
    arguments += ["--out", str(tmp_path / "out")]
    assert main(["evaluate", *arguments, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    found = {(target["id"], target["author"]) for target in content["targets"]}
    assert found == {("ann-FM_Bass1", "ann"), ("bob-Rhodesy", "bob")}
    rows = {(row["target"], row["method"]): row for row in content["rows"]}
    assert rows["ann-FM_Bass1", "nearest"]["label"] == "Rhodesy"
    for method in ("prediction", "match"):
        assert rows["bob-Rhodesy", method]["metrics"]["mss"] < rows["bob-Rhodesy", "init"]["metrics"]["mss"]


def test_evaluate_with_other_settings_fails_in_one_line(finished, command, capsys):
    assert main([*command, "--out", str(finished), "--note", "50"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        f"vjax evaluate: {finished} contains an evaluation with note=48, now it is 50; give another --out"
    )
    assert len(error.splitlines()) == 1


@pytest.mark.slow
def test_evaluate_killed_and_called_again_gives_the_same_scores(finished, command, tmp_path):
    """Killed by SIGKILL as soon as a few rows are written; then continued with a larger limit."""
    base = command[: command.index("--refine-evals")]
    arguments = [sys.executable, "-m", "vjax", *base, "--out", tmp_path / "out", "--limit", "2"]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log, deadline = tmp_path / "out" / "results.jsonl", time.monotonic() + 120
    while not log.exists() or log.read_bytes().count(b"\n") < 4:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out" / "evaluation.json").exists()
    before = Results(tmp_path / "out").rows
    assert main([*base, "--out", str(tmp_path / "out"), "--limit", "3"]) == 0
    rows, whole = Results(tmp_path / "out").rows, Results(finished).rows
    assert before.items() <= rows.items()
    assert set(rows) == {key for key in whole if key[1] != "nearest+9"}
    for key, row in rows.items():
        assert row.error == whole[key].error
        if row.scored:
            assert row.metrics == pytest.approx(whole[key].metrics, rel=1e-3, abs=1e-5)


@pytest.mark.slow
def test_evaluate_of_a_dataset_scores_its_validation_rows(engine_run, tmp_path):
    """They are rendered from their own parameters, with the model's settings. Without a bank there is no share."""
    arguments = ["--dataset", str(engine_run / "data"), "--checkpoint", str(engine_run), "--out", str(tmp_path)]
    assert main(["evaluate", *arguments, "--no-elsewhere"]) == 0
    content = json.loads((tmp_path / "evaluation.json").read_text())
    assert content["elsewhere"] == {}
    assert content["settings"]["source"] == "dataset"
    (target,) = content["targets"]  # one preset of four
    assert target["id"].startswith("row-00000")
    assert target["note"] in (48, 55, 60, 64)
    methods = ["init", "prediction", "match", "closest", "knobs", "patch", "floor"]
    assert [row["method"] for row in content["rows"]] == methods
    assert all(row["metrics"]["mss"] is not None for row in content["rows"])
    assert content["summary"]["recovered_share"]["mss"] == dict.fromkeys(methods)


@pytest.fixture(scope="module")
def recorded(presets, engine_run, one_judge_seed, tmp_path_factory):
    """(command, out) of a finished evaluation of three recordings of two classes; two of them are takes."""
    folder = tmp_path_factory.mktemp("recorded")
    for name in ("keys/rhodes.wav", "keys/again.wav", "bass/bass.wav"):
        (folder / "sounds" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOUNDS / name.replace("again", "rhodes").split("/")[1], folder / "sounds" / name)
    (folder / "takes.csv").write_text(
        "file,class,known_midi_note,take_of\nkeys/again.wav,e-piano,,keys/rhodes.wav\nkeys/rhodes.wav,e-piano,C4,\n"
    )
    command = ["evaluate", "--audio", str(folder / "sounds"), "--index", str(folder / "takes.csv")]
    command += ["--checkpoint", str(engine_run), "--bank", str(presets), "--no-resynthesis", "--no-patch"]
    command += ["--workers", "2", "--out", str(folder / "out")]
    assert main(command) == 0
    return command, folder / "out"


@pytest.mark.slow
def test_evaluate_of_recordings_has_classes_takes_pitches_and_failures(recorded):
    _, out = recorded
    content = json.loads((out / "evaluation.json").read_text())
    rows = {(row["target"], row["method"]): row for row in content["rows"]}
    methods = ["init", "random", "nearest", "prediction", "match", "closest"]
    assert {target for target, method in rows if method == "take"} == {"keys-again.wav", "keys-rhodes.wav"}
    assert rows["keys-rhodes.wav", "take"]["metrics"]["mss"] == 0  # the takes are the same file
    assert {method for target, method in rows if target == "bass-bass.wav"} == set(methods)
    found = content["recordings"]
    assert [(one["class"], one["n"]) for one in found["classes"]] == [("bass", 1), ("e-piano", 2), ("all sounds", 3)]
    keys = found["classes"][1]
    assert list(keys["methods"]) == [*methods, "take"]
    scores = sorted(rows[name, "match"]["metrics"]["mss"] for name in ("keys-again.wav", "keys-rhodes.wav"))
    assert keys["methods"]["match"]["mss"]["median"] == pytest.approx(sum(scores) / 2, rel=1e-4)
    assert keys["methods"]["take"]["pitch"]["n"] == 2
    assert keys["note"]["n"] == 1
    assert found["judged"] == "match"
    assert {one["target"] for one in found["failures"]} <= {target["id"] for target in content["targets"]}
    with open(out / "evaluation.csv", newline="") as file:
        classes = {(row["target"], row["class"], row["known_note"]) for row in csv.DictReader(file)}
    assert classes == {
        ("keys-again.wav", "e-piano", ""),
        ("keys-rhodes.wav", "e-piano", "60"),
        ("bass-bass.wav", "bass", ""),
    }


@pytest.mark.slow
def test_evaluate_of_recordings_called_again_measures_nothing_and_prints_the_tables(recorded, capsys):
    command, out = recorded
    before = {path: path.stat().st_mtime_ns for path in (*out.glob("*.jsonl"), *out.rglob("*.wav"))}
    assert {path.name for path in before} >= {"results.jsonl", "turns.jsonl", "pitches.jsonl", "causes.jsonl"}
    assert main(command) == 0
    printed = capsys.readouterr().out.splitlines()
    assert {path: path.stat().st_mtime_ns for path in before} == before
    for title in ("Recordings by class: MSS dB", "Recordings by class: RSE", "Right pitch"):
        following = printed[printed.index(title) + 2 :]
        assert any(line.startswith("e-piano ") for line in following[:2])
    with open(out / "report.html", encoding="utf-8") as page:
        assert '"title":"Recordings by class: MSS dB","head":["class","n","init"' in page.read()


@pytest.mark.slow
def test_evaluate_of_recordings_with_other_takes_fails_in_one_line(recorded, tmp_path, capsys):
    command, _ = recorded
    (tmp_path / "none.csv").write_text("file,class\nkeys/rhodes.wav,keys\n")
    at = command.index("--index") + 1
    assert main([*command[:at], str(tmp_path / "none.csv"), *command[at + 1 :]]) == 1
    assert "contains an evaluation with takes_sha256=" in capsys.readouterr().err


def test_evaluate_without_any_score_returns_1(engine_run, tmp_path, capsys):
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "a.wav").write_text("not a sound")
    arguments = ["--audio", str(tmp_path / "sounds"), "--checkpoint", str(engine_run), "--out", str(tmp_path / "out")]
    assert main(["evaluate", *arguments]) == 1
    printed, warned = capsys.readouterr()
    assert "no score: a.wav (init, prediction, match, closest, knobs, patch): the target: " in printed
    assert "no --bank, so no random and nearest presets" in warned
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["summary"]["n_targets"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--presets", "{tmp}/nowhere"], "there is nothing at {tmp}/nowhere; give a folder"),
        (["--presets", "{tmp}"], "{tmp} contains no .vital file; give a folder of presets"),
        (["--audio", "{tmp}/nowhere"], "there is nothing at {tmp}/nowhere; give a sound file"),
        (["--dataset", "{tmp}/nowhere"], "{tmp}/nowhere"),
        (["--presets", "{tmp}", "--checkpoint", "{tmp}"], "--checkpoint {tmp}: {tmp} contains no finished checkpoint"),
    ],
)
def test_evaluate_with_invalid_paths_fails_in_one_line_before_the_work(tmp_path, capsys, arguments, message):
    command = [text.format(tmp=tmp_path) for text in arguments]
    assert main(["evaluate", *command, "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert message.format(tmp=tmp_path) in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the arguments --presets --audio --dataset --listen is required"),
        (["--presets", "a", "--audio", "b"], "not allowed with argument --presets"),
        (["--presets", "a", "--index", "b"], "--index describes the sounds of --audio; give both, or neither"),
        (["--presets", "a", "--refine-evals", "100,zero"], "expected an integer, got 'zero'"),
        (["--presets", "a", "--refine-evals", "0"], "expected 1 or more, got 0"),
        (
            ["--presets", "a", "--starts", "nearest,worst"],
            "no search starts from 'worst'; choose from prediction,nearest,best",
        ),
    ],
)
def test_evaluate_with_invalid_flags_is_wrong_usage(capsys, arguments, message):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["evaluate", *arguments])
    assert message in capsys.readouterr().err


def test_evaluate_tui_without_a_dataset_names_the_new_command(tmp_path, capsys):
    assert main(["evaluate", "--presets", str(tmp_path), "--tui"]) == 2
    assert "--tui needs --checkpoint and --dataset; use vjax browse" in capsys.readouterr().err
