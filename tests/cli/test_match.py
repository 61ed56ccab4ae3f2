"""`vjax match`, as a musician and as a script call it."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from vjax.cli.main import main
from vjax.training.checkpoint import Checkpoints, load_checkpoint
from vjax.training.state import TrainState
from vjax.vital.preset import controls, init, read_preset, write_preset

RATE = 44100


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A saw at A3 and a noise."""
    folder = tmp_path_factory.mktemp("sounds")
    phase = 220 * np.arange(RATE // 2) / RATE
    soundfile.write(folder / "saw.wav", 0.4 * (2 * (phase % 1) - 1), RATE)
    soundfile.write(folder / "noise.wav", np.random.default_rng(0).normal(0, 0.1, (RATE // 2, 2)), RATE)
    return folder


@pytest.fixture(scope="module")
def silent_run(engine_run, tmp_path_factory):
    """The run's folder with another checkpoint: whose answers switch oscillator 1 off."""
    restored = load_checkpoint(engine_run)
    params = restored.variables["params"]
    layer, schema = params["categorical_head"]["Dense_0"], restored.schema
    at = schema.position["osc_1_on"]
    start = sum(schema.option_counts[:at])
    bias = np.array(layer["bias"])
    bias[start : start + 2] = 9, 0
    layer["bias"] = bias
    key = np.zeros(2, np.uint32)
    state = TrainState(np.int32(4), params, restored.variables["batch_stats"], {"none": np.zeros(1)}, key)
    folder = tmp_path_factory.mktemp("silent_run")
    with Checkpoints(folder / "checkpoints") as checkpoints:
        checkpoints.save(state, restored.meta, val_loss=1.0)
    return folder


def strict_json(text):
    """What any other language would read: Python alone knows NaN."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_sound_becomes_a_preset_its_render_and_a_picture(sounds, engine_run, tmp_path, capsys):
    out = tmp_path / "new" / "mine.vital"
    command = ["match", str(sounds / "saw.wav"), "--checkpoint", str(engine_run), "-o", str(out)]
    assert main([*command, "--no-resynthesis"]) == 0
    printed, warned = capsys.readouterr()
    assert warned == ""
    files = [out, out.with_name("mine-vjax.wav"), out.with_name("mine-vjax.png")]
    assert sorted(out.parent.iterdir()) == sorted(files)
    assert read_preset(out).name == "mine"
    assert f"{sounds / 'saw.wav'}: played at note 57, heard A3 (2" in printed
    assert "semitones to be in tune" in printed
    assert f"1 route ({engine_run}, step 3)" in printed
    assert "lfo_1 -> osc_1_level -0.4" in printed
    for what in ("the found preset to the sound", "the init patch to the sound", "the found preset to itself"):
        assert f"dB from {what}" in printed
    assert f"written: {', '.join(map(str, files))}" in printed


def test_the_nearest_start_is_written_and_said(sounds, engine_run, tmp_path, capsys):
    """A folder that holds the very sound: its preset wins over what an untrained network answers."""
    command = ["match", str(sounds / "saw.wav"), "--checkpoint", str(engine_run), "--no-tune", "--note", "57"]
    command.append("--no-resynthesis")
    assert main([*command, "--starts", "0", "-o", str(tmp_path / "own.vital"), "--json"]) == 0
    own = strict_json(capsys.readouterr().out)
    assert (own["start"], own["starts"], own["refined"]) == ("prediction", {}, None)
    (tmp_path / "bank").mkdir()
    write_preset(tmp_path / "bank" / "Mine.vital", init())  # a saw
    out = tmp_path / "near.vital"
    assert main([*command, "--bank", str(tmp_path / "bank"), "--starts", "1", "-o", str(out), "--json"]) == 0
    near = strict_json(capsys.readouterr().out)
    assert near["start"] == min(near["starts"], key=near["starts"].get) == "Mine, fitted"
    assert near["starts"]["Mine, fitted"] < near["starts"]["Mine"]
    assert near["refined"] is None
    assert near["mss_db"] < own["mss_db"]
    found = read_preset(out)
    assert found.wavetables[0]["name"] == "Init (fitted)"
    others = np.array([name != "volume" for name in controls().continuous_names])
    np.testing.assert_array_equal(found.continuous[others], init().continuous[others])
    assert main([*command, "--bank", str(tmp_path / "bank"), "--starts", "1", "--keep-tables", "-o", str(out)]) == 0
    assert read_preset(out).wavetables[0]["name"] == "Init"
    assert re.search(r"the nearest of \d starts is 'Mine'; --refine goes on from there", capsys.readouterr().out)


def test_the_sound_itself_as_a_wavetable_is_nearest_where_nothing_forbids_it(sounds, engine_run, tmp_path, capsys):
    """What an untrained network answers is no match for it."""
    command = ["match", str(sounds / "saw.wav"), "--checkpoint", str(engine_run), "-o", str(tmp_path / "a.vital")]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert re.search(r"the nearest of \d+ starts is 'resynthesis", printed)
    assert re.search(r"--no-resynthesis takes '.+': loss [\d.]+, not [\d.]+", printed)
    found, init_db = (float(re.search(rf"([\d.]+) dB from the {what}", printed)[1]) for what in ("found", "init"))
    assert found < 0.6 * init_db  # whose saw it is, but for its loudness
    preset = read_preset(tmp_path / "a.vital")
    assert preset.name == "a"
    assert {route.destination for route in preset.routes if route} == {"osc_1_wave_frame", "modulation_2_amount"}
    assert main([*command, "--keep-tables", "--json"]) == 0
    assert not any("resynthesis" in start for start in strict_json(capsys.readouterr().out)["starts"])


def test_json_is_one_object_that_any_language_reads(sounds, engine_run, tmp_path, capsys):
    command = ["match", str(sounds / "saw.wav"), "--checkpoint", str(engine_run), "-o", str(tmp_path / "a.vital")]
    assert main([*command, "--json", "--no-resynthesis"]) == 0
    found = strict_json(capsys.readouterr().out)
    assert found["sound"] == str(sounds / "saw.wav")
    assert all(os.path.exists(path) for path in found["files"])
    assert (found["note"], found["step"]) == (57, 3)
    assert found["pitch"]["hz"] == pytest.approx(220, rel=0.01)
    assert found["pitch"]["midi"] == pytest.approx(57, abs=0.2)
    assert found["pitch"]["confidence"] > 0.9
    assert abs(found["tuned_semitones"]) > 1
    assert found["init_db"] > 0
    assert found["floor_db"] > 0
    assert 0 < found["mss_db"] < 80
    (route,) = found["routes"]
    assert (route["source"], route["destination"], route["bipolar"]) == ("lfo_1", "osc_1_level", False)
    assert found["menu_probability"]["osc_1_wavetable"] > 0.9
    assert 0 <= found["spread_norm"]["osc_1_level"] < 1


def test_what_has_no_number_is_null_or_said(sounds, silent_run, tmp_path, capsys):
    """A sound without a pitch, a preset without a sound."""
    command = ["match", str(sounds / "noise.wav"), "--checkpoint", str(silent_run), "-o", str(tmp_path / "a.vital")]
    command.append("--no-resynthesis")
    assert main([*command, "--json"]) == 0
    found = strict_json(capsys.readouterr().out)
    assert (found["note"], found["mss_db"], found["floor_db"]) == (60, None, None)
    assert found["init_db"] > 0
    assert found["pitch"]["confidence"] < 0.5
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "nan" not in printed
    assert "played at note 60, because no " in printed
    assert "silent" in printed


def test_a_note_and_a_tuning_of_ones_own(sounds, engine_run, tmp_path, capsys):
    command = ["match", str(sounds / "saw.wav"), "--checkpoint", str(engine_run), "-o", str(tmp_path / "a.vital")]
    command += ["--starts", "0"]
    assert main([*command, "--note", "45", "--no-tune"]) == 0
    printed = capsys.readouterr().out
    assert "played at note 45, as --note says" in printed
    assert "in tune" not in printed
    assert main([*command, "--note", "45", "--json"]) == 0
    found = strict_json(capsys.readouterr().out)
    assert found["pitch"] is None
    assert found["tuned_semitones"] > 6


def test_in_a_process_of_its_own_beside_the_sound(sounds, engine_run, tmp_path):
    """As it is typed: without --out, and its JSON piped into a program."""
    (tmp_path / "saw.wav").write_bytes((sounds / "saw.wav").read_bytes())
    command = [sys.executable, "-m", "vjax", "match", "saw.wav", "--checkpoint", engine_run, "--json"]
    command.append("--no-resynthesis")
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert strict_json(result.stdout)["files"] == ["saw.vital", "saw-vjax.wav", "saw-vjax.png"]
    assert (tmp_path / "saw.vital").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{sounds}/missing.wav", "--checkpoint", "{run}"], 1, "no sound file at .*missing.wav"),
        (["{sounds}", "--checkpoint", "{run}"], 2, "is a folder; for many sounds: vjax export --audio"),
        (["{run}/checkpoints/3/metrics/metrics", "--checkpoint", "{run}"], 1, "cannot be read as audio"),
        (["{sounds}/saw.wav", "--checkpoint", "none"], 1, "--checkpoint none: there is no checkpoint folder at "),
        (["{sounds}/saw.wav", "--checkpoint", "{sounds}"], 1, "--checkpoint .*: .* holds no finished checkpoint"),
        (["{sounds}/saw.wav", "--checkpoint", "{run}", "-o", "a.wav"], 2, "a.wav is no name of a preset; give X.vital"),
        (["{sounds}/saw.wav", "--checkpoint", "{run}", "-o", "folder.vital"], 2, "folder.vital is a folder; give"),
        (["{sounds}/saw.wav", "--checkpoint", "{run}", "-o", "file/a.vital"], 1, "File exists: 'file'"),
        (["a.wav", "--checkpoint", "{run}"], 2, "a.vital is there, and not from an earlier vjax match; name another"),
        (["b-vjax.wav", "--checkpoint", "{run}", "-o", "b.vital"], 2, "in the place of b-vjax.wav; give it another"),
    ],
)
def test_what_cannot_be_is_one_line_before_the_work(
    sounds, engine_run, tmp_path, monkeypatch, capsys, arguments, code, message
):
    (tmp_path / "folder.vital").mkdir()
    for name in ("file", "a.wav", "a.vital", "b-vjax.wav"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    assert main(["match", *(text.format(sounds=sounds, run=engine_run) for text in arguments)]) == code
    printed, error = capsys.readouterr()
    assert printed == ""
    assert re.fullmatch(f"vjax match: .*{message}.*\n", error)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.vital",
        "a.wav",
        "b-vjax.wav",
        "file",
        "folder.vital",
    ]
    assert (tmp_path / "a.vital").read_text() == ""


@pytest.mark.parametrize("note", ["C3", "128", "-1", "60.5", ""])
def test_a_note_is_a_number_of_the_keyboard(note, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["match", "a.wav", f"--note={note}"])
    assert f"--note: {note!r} is no MIDI note; give a number from 0 to 127, C4 is 60" in capsys.readouterr().err
