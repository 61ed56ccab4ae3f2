"""`vjax refine` and `vjax match --refine`, also killed and continued."""

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
QUICK = ["--evals", "12", "--variants", "1", "--note", "57", "--no-patch", "--no-resynthesis"]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> Path:
    """Two sounds that differ from the init patch: a sine, and a dull saw that fades out."""
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
        float, re.search(r"searched with 12 renders in \d+ s: loss ([\d.]+) -> ([\d.]+)", printed).groups()
    )
    assert after <= before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "sine-trace.json", "sine-trace.png", "sine-vjax.png", "sine-vjax.wav", "sine.html", "sine.vital"
    ]  # fmt: skip
    assert read_preset(out).name == "sine"
    assert "after a search of 12 renders" in read_preset(out).comments
    content = json.loads((tmp_path / "sine-trace.json").read_text())
    assert content["search"]["evals"] == 12
    assert content["search"]["trace"][-1][1] == pytest.approx(after, abs=1e-3)


@pytest.mark.slow
def test_match_refine_json_contains_the_search(sounds, engine_run, tmp_path, capsys):
    command = ["match", str(sounds / "dull.wav"), "-o", str(tmp_path / "x.vital"), "--checkpoint", str(engine_run)]
    assert main([*command, "--refine", "--json", *QUICK]) == 0
    content = json.loads(capsys.readouterr().out)
    losses = [loss for _, loss in content["search"]["trace"]]
    assert losses == sorted(losses, reverse=True)
    assert content["preset"]["loss"] <= 1.05 * content["candidates"][0]["loss"]


@pytest.mark.slow
def test_refine_of_a_dataset_writes_an_index_and_traces(engine_run, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["refine", "--checkpoint", str(engine_run), "--dataset", str(engine_run / "data"), "--out", str(out)]
    command += ["--evals", "10", "--variants", "0", "--no-patch", "--no-resynthesis", "--workers", "2"]
    assert main([*command, "--limit", "2"]) == 0
    printed = capsys.readouterr().out
    assert f"{out}: presets written: 2, existing: 0, failed: 0" in printed
    with (out / "index.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["name"] for row in rows) == ["row 0", "row 1"]
    for row in rows:
        assert row["evals"] == "10"
        assert read_preset(row["preset"])
    assert (out / "row-000000-target.wav").exists()
    assert (out / "traces.png").stat().st_size > 1000
    assert len(json.loads((out / "traces.json").read_text())) == 2
    assert not list(out.glob("*.part*"))

    assert main([*command, "--targets", "3"]) == 0  # the old name of --limit
    assert "presets written: 1, existing: 2" in capsys.readouterr().out
    assert len(json.loads((out / "traces.json").read_text())) == 3


@pytest.mark.slow
def test_refine_killed_and_called_again_continues_from_its_best_preset(sounds, engine_run, tmp_path, capsys):
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
    content = json.loads((out / "dull-trace.json").read_text())
    # Both candidates, the prediction and the best so far, are rendered again, and equalised in three renders each.
    trace = content["search"]["trace"]
    assert trace[0][0] == reached["evals"] + 2 * (1 + 3)
    assert trace[0][1] <= 1.05 * reached["loss"]  # a variation is rendered a little differently from a preset
    assert content["search"]["evals"] == evals
    assert any(", refined" in one["label"] for one in content["candidates"])
    assert not list(out.glob("*.part*"))


@pytest.mark.slow
def test_match_refine_with_ctrl_c_writes_the_best_preset_so_far(sounds, engine_run, tmp_path, interruptible):
    out = tmp_path / "dull.vital"
    command = [sys.executable, "-m", "vjax", "match", str(sounds / "dull.wav"), "-o", str(out), "--refine"]
    command += ["--checkpoint", str(engine_run), "--evals", "100000", "--variants", "0", "--note", "57"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(interruptible(*command), cwd=ROOT, text=True, start_new_session=True, **pipes)
    searching = b""
    while b"searching" not in searching and process.poll() is None:
        searching += os.read(process.stderr.fileno(), 4096)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the render processes get the signal, too
    printed, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    assert "stopping: finishing the current work" in error
    assert "searched with" in printed
    assert (tmp_path / "dull-trace.json").exists()


def test_refine_with_invalid_flags_fails_with_a_message(engine_run, tmp_path, capsys):
    command = ["refine", "--checkpoint", str(engine_run), "--dataset", str(engine_run / "data"), "--out", str(tmp_path)]
    assert main([*command, "--note", "60"]) == 2
    assert "--note is for sound files" in capsys.readouterr().err
    assert main([*command, "--bank", str(tmp_path / "none"), "--evals", "5"]) == 1
    assert f"there is nothing at {tmp_path / 'none'}; give a folder" in capsys.readouterr().err
