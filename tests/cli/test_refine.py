"""`vjax refine`, `vjax match --refine`, and runs that are killed."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vjax.cli.main import main
from vjax.vital.preset import read_preset

ROOT = Path(__file__).parents[2]
RATE = 44100
QUICK = ["--evals", "25", "--variants", "1", "--note", "57", "--no-patch", "--no-resynthesis"]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> Path:
    """Two sounds that the init patch is not: a sine and a dull saw, fading out."""
    folder = tmp_path_factory.mktemp("sounds")
    t_s = np.arange(RATE // 2) / RATE
    soundfile.write(folder / "sine.wav", 0.3 * np.sin(2 * np.pi * 220 * t_s), RATE)
    dull = sum(np.sin(2 * np.pi * k * 220 * t_s) / k**2 for k in range(1, 8)) * np.exp(-4 * t_s)
    soundfile.write(folder / "dull.wav", 0.3 * dull, RATE)
    return folder


def test_match_refine_prints_and_writes_its_search(sounds, engine_run, tmp_path, capsys):
    out = tmp_path / "sine.vital"
    command = ["match", str(sounds / "sine.wav"), "-o", str(out), "--checkpoint", str(engine_run), "--refine", *QUICK]
    assert main(command) == 0
    printed = capsys.readouterr().out
    before, after = map(
        float, re.search(r"searched with 25 renders in \d+ s: loss ([\d.]+) -> ([\d.]+)", printed).groups()
    )
    assert after <= before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "sine-trace.json", "sine-trace.png", "sine-vjax.png", "sine-vjax.wav", "sine.vital"
    ]  # fmt: skip
    assert read_preset(out).name == "sine"
    assert "after a search of 25 renders" in read_preset(out).comments
    told = json.loads((tmp_path / "sine-trace.json").read_text())
    assert told["search"]["evals"] == 25
    assert told["search"]["trace"][-1][1] == pytest.approx(after, abs=1e-3)


def test_match_refine_as_json_has_the_search(sounds, engine_run, tmp_path, capsys):
    command = ["match", str(sounds / "dull.wav"), "-o", str(tmp_path / "x.vital"), "--checkpoint", str(engine_run)]
    assert main([*command, "--refine", "--json", *QUICK]) == 0
    told = json.loads(capsys.readouterr().out)
    losses = [loss for _, loss in told["search"]["trace"]]
    assert losses == sorted(losses, reverse=True)
    assert told["preset"]["loss"] <= 1.05 * told["candidates"][0]["loss"]


def test_refine_of_a_dataset_leaves_an_index_and_traces(engine_run, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["refine", "--checkpoint", str(engine_run), "--dataset", str(engine_run / "data"), "--out", str(out)]
    assert main([*command, "--limit", "2", "--evals", "20", "--variants", "0", "--workers", "2"]) == 0
    printed = capsys.readouterr().out
    assert f"{out}: presets written: 2, were there: 0, failed: 0" in printed
    with (out / "index.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["name"] for row in rows) == ["row 0", "row 1"]
    for row in rows:
        assert row["evals"] == "20"
        assert read_preset(row["preset"])
    assert (out / "row-000000-target.wav").exists()
    assert (out / "traces.png").stat().st_size > 1000
    assert len(json.loads((out / "traces.json").read_text())) == 2
    assert not list(out.glob("*.part*"))

    assert main([*command, "--targets", "3", "--evals", "20", "--variants", "0"]) == 0  # the flag's earlier name
    assert "presets written: 1, were there: 2" in capsys.readouterr().out
    assert len(json.loads((out / "traces.json").read_text())) == 3


def test_a_killed_run_goes_on_from_its_best(sounds, engine_run, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["--checkpoint", str(engine_run), "--audio", str(sounds / "dull.wav"), "--out", str(out)]
    arguments += ["--note", "57", "--variants", "0", "--no-tune"]
    command = [sys.executable, "scripts/refine.py", *arguments, "--evals", "100000"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    state = out / "dull.part.json"
    try:
        deadline_s = time.monotonic() + 120
        while not (state.exists() and (out / "dull.part.vital").exists()) and time.monotonic() < deadline_s:
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    reached = json.loads(state.read_text())
    evals = reached["evals"] + 30
    assert main(["refine", *arguments, "--evals", str(evals)]) == 0
    told = json.loads((out / "dull-trace.json").read_text())
    # Both candidates, the prediction and the best so far, are played anew, and equalised in three renders each.
    trace = told["search"]["trace"]
    assert trace[0][0] == reached["evals"] + 2 * (1 + 3)
    assert trace[0][1] <= 1.05 * reached["loss"]  # a variation is rendered a little otherwise than a preset
    assert told["search"]["evals"] == evals
    assert any(", refined" in one["label"] for one in told["candidates"])
    assert not list(out.glob("*.part*"))


def test_ctrl_c_judges_what_was_found(sounds, engine_run, tmp_path, interruptible):
    out = tmp_path / "dull.vital"
    command = [sys.executable, "-m", "vjax", "match", str(sounds / "dull.wav"), "-o", str(out), "--refine"]
    command += ["--checkpoint", str(engine_run), "--evals", "100000", "--variants", "0", "--note", "57"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(interruptible(*command), cwd=ROOT, text=True, start_new_session=True, **pipes)
    searching = b""
    while b"searching" not in searching and process.poll() is None:
        searching += os.read(process.stderr.fileno(), 4096)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the render processes hear it too
    printed, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    assert "stopping: finishing what is under way" in error
    assert "searched with" in printed
    assert (tmp_path / "dull-trace.json").exists()


def test_what_cannot_be_is_told(engine_run, tmp_path, capsys):
    command = ["refine", "--checkpoint", str(engine_run), "--dataset", str(engine_run / "data"), "--out", str(tmp_path)]
    assert main([*command, "--note", "60"]) == 2
    assert "--note is for sound files" in capsys.readouterr().err
    assert main([*command, "--bank", str(tmp_path / "none"), "--evals", "5"]) == 1
    assert "holds no .vital file" in capsys.readouterr().err
