"""`vjax export`, and the script of a checkout."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vjax.cli.main import main

ROOT = Path(__file__).parents[2]
RATE = 44100


@pytest.fixture
def sounds(tmp_path):
    """A folder of two sounds; a test may add a file that is not a sound."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    for name, hz in (("a", 220), ("b", 330)):
        phase = hz * np.arange(RATE // 2) / RATE
        soundfile.write(folder / f"{name}.wav", 0.4 * (2 * (phase % 1) - 1), RATE)
    return folder


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_export_of_a_folder_writes_presets_and_returns_1_if_a_file_fails(sounds, engine_run, tmp_path, capsys):
    command = ["export", "--checkpoint", str(engine_run), "--audio", str(sounds), "--out", str(tmp_path / "out")]
    assert main([*command, "--note", "57", "--batch-size", "2", "--workers", "2"]) == 0
    printed = capsys.readouterr().out
    assert f"{tmp_path / 'out'}: presets written: 2, existing: 0, failed: 0\n" in printed
    assert re.search(r"^  median MSS +\d+\.\d\d dB$", printed, re.MULTILINE)
    expected = [f"{name}{end}" for name in "ab" for end in ("-vjax.png", "-vjax.wav", ".vital")]
    assert names_in(tmp_path / "out") == sorted([*expected, "index.csv", "index.json"])

    (sounds / "text.wav").write_text("not a sound")
    assert main(command) == 1
    printed, error = capsys.readouterr()
    assert printed.startswith(f"{tmp_path / 'out'}: presets written: 0, existing: 2, failed: 1\n")
    assert error.count("text.wav cannot be read as audio") == 1


@pytest.mark.slow
def test_export_script_writes_the_same_preset_as_the_command(sounds, engine_run, tmp_path, capsys):
    arguments = ["--checkpoint", str(engine_run), "--audio", str(sounds / "a.wav"), "--presets-only", "--out"]
    script = [sys.executable, ROOT / "scripts" / "export.py", *arguments, tmp_path / "script" / "a.vital"]
    result = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert main(["export", *arguments, str(tmp_path / "command" / "a.vital"), "--batch-size", "32"]) == 0
    assert names_in(tmp_path / "script") == names_in(tmp_path / "command") == ["a.vital"]
    assert (tmp_path / "script" / "a.vital").read_bytes() == (tmp_path / "command" / "a.vital").read_bytes()
    printed = capsys.readouterr().out
    assert result.stdout.replace(str(tmp_path / "script"), str(tmp_path / "command")) == printed


def test_export_of_a_dataset_writes_targets_and_a_tensorboard_log(engine_run, tmp_path, capsys):
    command = ["export", "--checkpoint", str(engine_run), "--dataset", str(engine_run / "data"), "--no-tune"]
    assert main([*command, "--limit", "1", "--out", str(tmp_path / "out"), "--tensorboard", str(tmp_path / "tb")]) == 0
    assert "presets written: 1" in capsys.readouterr().out
    ends = ("-target.wav", "-vjax.png", "-vjax.wav", ".vital")
    assert names_in(tmp_path / "out") == sorted(["index.csv", "index.json", *(f"row-000000{end}" for end in ends)])
    assert len(names_in(tmp_path / "tb")) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--audio", "{sounds}", "--presets-only", "--tensorboard", "tb"], 2, "--presets-only renders nothing"),
        (["--dataset", "{run}/data", "--note", "60"], 2, "--note is for sound files"),
        (["--audio", "{sounds}", "--checkpoint", "nowhere"], 1, "--checkpoint nowhere: there is no checkpoint folder"),
        (["--audio", "nowhere"], 1, "there is nothing at nowhere; give sound files, or folders"),
        (["--dataset", "nowhere"], 1, "there is no dataset at nowhere"),
    ],
)
def test_export_with_invalid_paths_or_flags_fails_in_one_line(
    sounds, engine_run, tmp_path, monkeypatch, capsys, arguments, code, message
):
    monkeypatch.chdir(tmp_path)
    arguments = [text.format(sounds=sounds, run=engine_run) for text in arguments]
    if "--checkpoint" not in arguments:
        arguments += ["--checkpoint", str(engine_run)]
    assert main(["export", *arguments, "--out", "out"]) == code
    printed, error = capsys.readouterr()
    assert printed == ""
    assert re.fullmatch(f"vjax export: {message}.*\n", error)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("what", [[], ["--audio", "a", "--dataset", "b"]])
def test_export_without_either_audio_or_a_dataset_is_wrong_usage(what, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["export", *what, "--out", "x"])
    assert "--audio" in capsys.readouterr().err
