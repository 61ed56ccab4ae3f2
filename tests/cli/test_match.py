"""`vjax match`, as a musician calls it and as a script calls it."""

import json
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

import vjax
from vjax.audio.clip import load_clip
from vjax.audio.distances import mss
from vjax.cli.main import main
from vjax.training.checkpoint import Checkpoints, load_checkpoint
from vjax.training.state import TrainState
from vjax.vital.preset import controls, init, read_preset, write_preset

RATE = 44100

FEW = ["--variants", "0", "--no-patch", "--no-resynthesis"]
"""Flags for tests that do not ask which candidates compete."""

pytestmark = pytest.mark.usefixtures("quick_fits")


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
    """A run's folder with a checkpoint whose predictions switch oscillator 1 off."""
    restored = load_checkpoint(engine_run)
    params = restored.variables["params"]
    layer, schema = params["categorical_head"]["Dense_0"], restored.schema
    index = schema.position["osc_1_on"]
    first = sum(schema.option_counts[:index])
    bias = np.array(layer["bias"])
    bias[first : first + 2] = 9, 0
    layer["bias"] = bias
    key = np.zeros(2, np.uint32)
    state = TrainState(np.int32(4), params, restored.variables["batch_stats"], {"none": np.zeros(1)}, key)
    folder = tmp_path_factory.mktemp("silent_run")
    with Checkpoints(folder / "checkpoints") as checkpoints:
        checkpoints.save(state, restored.meta, val_loss=1.0)
    return folder


def strict_json(text):
    """The content of a JSON text, read without NaN, which Python accepts but JSON does not."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_match_writes_a_preset_its_render_and_an_image(sounds, engine_run, tmp_path, capsys):
    out = tmp_path / "new" / "x.vital"
    command = ["match", str(sounds / "saw.wav"), "--checkpoint", str(engine_run), "-o", str(out)]
    installed = tmp_path / "presets"
    installed.mkdir()
    named = ["--name", "My saw", "--style", "Experiment"]
    assert main([*command, *named, *FEW, "--install", str(installed)]) == 0
    printed = capsys.readouterr().out
    assert (installed / "x.vital").read_bytes() == out.read_bytes()
    assert f"installed: {installed / 'x.vital'}" in printed
    files = [out, *(out.with_name(f"x{end}") for end in ("-vjax.wav", "-vjax.png", ".html"))]
    assert sorted(out.parent.iterdir()) == sorted(files)
    assert (read_preset(out).name, read_preset(out).style) == ("My saw", "Experiment")
    assert f"{sounds / 'saw.wav'}: note 57 (A3), estimated from A3 (2" in printed
    assert "semitones to be in tune" in printed
    assert f"the network's prediction ({engine_run}, step 3): menus" in printed
    for what in ("MSS from the written preset to the sound; it plays A3", "between two renders of it"):
        assert f"dB {what}" in printed
    assert f"written: {', '.join(map(str, files))}" in printed


@pytest.mark.parametrize(
    ("sound", "out", "flags", "pages"),
    [
        ("saw.wav", "a.vital", ["--no-page"], []),
        pytest.param("", "presets", [], [], marks=pytest.mark.slow),
        pytest.param("", "presets", ["--page"], ["presets/noise.html", "presets/saw.html"], marks=pytest.mark.slow),
    ],
)
def test_match_writes_pages_for_one_sound_or_with_the_flag(sounds, engine_run, tmp_path, sound, out, flags, pages):
    command = ["match", str(sounds / sound), "--checkpoint", str(engine_run), *FEW]
    assert main([*command, "-o", str(tmp_path / out), *flags]) == 0
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.html")) == pages


def test_match_json_describes_the_files_on_disk(sounds, engine_run, tmp_path, capsys):
    out = tmp_path / "a.vital"
    command = ["match", str(sounds / "saw.wav"), "--checkpoint", str(engine_run), "-o", str(out), "--json"]
    assert main([*command, "--variants", "2", "--no-patch", "--no-resynthesis"]) == 0
    content = strict_json(capsys.readouterr().out)
    assert content["sound"] == str(sounds / "saw.wav")
    assert content["files"] == [str(out), *(str(tmp_path / f"a{end}") for end in ("-vjax.wav", "-vjax.png", ".html"))]
    assert (content["note"], content["note_name"], content["step"]) == (57, "A3", 3)
    assert content["pitch"]["hz"] == pytest.approx(220, rel=0.01)
    preset = read_preset(out)
    assert (content["preset"]["name"], content["preset"]["comments"]) == (preset.name, preset.comments)
    assert content["preset"]["style"] == preset.style
    routes = [(r.source, r.destination, r.amount) for r in preset.routes if r is not None]
    assert [(r["source"], r["destination"], r["amount"]) for r in content["preset"]["routes"]] == routes
    render, _ = soundfile.read(tmp_path / "a-vjax.wav", dtype="float32")
    clip = load_clip(sounds / "saw.wav", RATE, len(render))
    found = float(mss(render.T, clip.stereo(len(render)), RATE))  # with one of the seeds that it is a mean of
    assert content["preset"]["metrics"]["mss"] == pytest.approx(found, rel=0.3)
    losses = [one["loss"] for one in content["candidates"]]
    assert losses == sorted(losses)
    assert content["candidates"][0]["label"] == content["preset"]["label"]
    (route,) = content["prediction"]["routes"]
    assert (route["source"], route["destination"], route["bipolar"]) == ("lfo_1", "osc_1_level", False)
    assert content["prediction"]["menu_probability"]["osc_1_wavetable"] > 0.9
    assert 0 <= content["prediction"]["spread_norm"]["osc_1_level"] < 1


@pytest.mark.slow
def test_match_with_a_bank_writes_its_nearest_preset(sounds, engine_run, tmp_path, capsys):
    """A bank that contains the sound itself. Its preset is nearer than the prediction of an untrained network."""
    command = ["match", str(sounds / "saw.wav"), "--checkpoint", str(engine_run), "--no-tune", "--note", "A3"]
    command += ["--no-resynthesis", "--no-patch"]
    assert main([*command, "--variants", "0", "-o", str(tmp_path / "own.vital"), "--json"]) == 0
    own = strict_json(capsys.readouterr().out)
    assert [one["label"] for one in own["candidates"]] == ["prediction"]
    (tmp_path / "bank").mkdir()
    write_preset(tmp_path / "bank" / "Saw.vital", init())  # a saw
    out = tmp_path / "near.vital"
    assert main([*command, "--bank", str(tmp_path / "bank"), "--variants", "1", "-o", str(out), "--json"]) == 0
    near = strict_json(capsys.readouterr().out)
    assert near["preset"]["label"] == "Saw, fitted"
    assert near["preset"]["metrics"]["mss"] < own["preset"]["metrics"]["mss"]
    found = read_preset(out)
    assert found.wavetables[0]["name"] == "Init (fitted)"
    others = np.array([name != "volume" for name in controls().continuous_names])
    np.testing.assert_array_equal(found.continuous[others], init().continuous[others])
    assert main([*command, "--bank", str(tmp_path / "bank"), "--variants", "1", "--keep-tables", "-o", str(out)]) == 0
    assert read_preset(out).wavetables[0]["name"] == "Init"
    assert "candidates, the closest: Saw\n" in capsys.readouterr().out


@pytest.mark.slow
def test_match_writes_the_preferred_preset_and_the_closest_beside_it(sounds, engine_run, tmp_path, capsys):
    """It also prints the paths and the distances of both."""
    out = tmp_path / "a.vital"
    command = ["match", str(sounds / "saw.wav"), "--checkpoint", str(engine_run), "-o", str(out), "--no-patch"]
    command += ["--variants", "1"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    found = re.search(r"of \d+ candidates, preferred, prediction: (.+)\n +([\d.]+) dB MSS from the written", printed)
    closest = re.search(r"([\d.]+) dB MSS from the closest, written beside it, to the sound: (resynthesis.*)", printed)
    files = [out, tmp_path / "a-vjax.wav", tmp_path / "a-vjax.png", tmp_path / "a.html"]
    files += [tmp_path / "a (closest).vital", tmp_path / "a (closest)-vjax.wav"]
    assert f"written: {', '.join(map(str, files))}" in printed
    assert sorted(tmp_path.iterdir()) == sorted(files)
    for path, name, label, mss_db in (
        (out, "saw", found[1], found[2]),
        (files[4], "saw (closest)", closest[2], closest[1]),
    ):
        preset = read_preset(path)
        assert preset.name == name
        assert f"Method: {label}. Distance to the sound: {mss_db} dB MSS" in preset.comments
    assert float(closest[1]) < float(found[2])
    assert main([*command, "--json"]) == 0  # it replaces its own files
    content = strict_json(capsys.readouterr().out)
    assert content["files"] == [str(path) for path in files]
    assert content["closest"]["comments"] == read_preset(files[4]).comments
    assert (content["preset"]["kind"], content["closest"]["kind"]) == ("prediction", "resynthesis")


def test_match_with_prefer_closest_writes_a_resynthesis(sounds, engine_run, tmp_path, capsys):
    command = ["match", str(sounds / "saw.wav"), "--checkpoint", str(engine_run), "-o", str(tmp_path / "a.vital")]
    command += ["--prefer", "closest", "--no-patch", "--variants", "1"]
    assert main(command) == 0
    printed, progress = capsys.readouterr()
    assert re.search(r"of \d+ candidates, the closest: resynthesis", printed)
    assert not (tmp_path / "a (closest).vital").exists()
    assert re.search(r"\d+\.\d\d dB (prediction|variant)", printed)  # the other candidates are printed below
    assert "playing candidates" in progress
    preset = read_preset(tmp_path / "a.vital")
    assert "osc_1_wave_frame" in {route.destination for route in preset.routes if route}
    assert main([*command, "--keep-tables", "--json"]) == 0
    labels = [one["label"] for one in strict_json(capsys.readouterr().out)["candidates"]]
    assert not any("resynthesis" in label for label in labels)


def test_match_with_only_silent_candidates_fails_and_reports_null(sounds, silent_run, tmp_path, capsys):
    """The sound has no pitch, and the preset is silent."""
    command = ["match", str(sounds / "noise.wav"), "--checkpoint", str(silent_run), "-o", str(tmp_path / "a.vital")]
    command += FEW
    assert main([*command, "--json"]) == 1
    printed, error = capsys.readouterr()
    content = strict_json(printed)
    assert (content["note"], content["preset"]["metrics"]["mss"]) == (60, None)
    assert content["pitch"]["confidence"] < 0.5
    assert "warning: no candidate is audible" in error
    assert main(command) == 1
    printed = capsys.readouterr().out
    assert "nan" not in printed
    assert "note 60 (C4), the default" in printed or "because the sound has no pitch" in printed
    assert "the written preset is silent at note 60" in printed


@pytest.mark.slow
def test_match_with_a_note_and_no_tune_leaves_the_pitch(sounds, engine_run, tmp_path, capsys):
    command = ["match", str(sounds / "saw.wav"), "--checkpoint", str(engine_run), "-o", str(tmp_path / "a.vital")]
    command += FEW
    assert main([*command, "--note", "A2", "--no-tune"]) == 0
    printed = capsys.readouterr().out
    assert "note 45 (A2), given by --note" in printed
    assert "to be in tune" not in printed
    assert main([*command, "--note", "45", "--json"]) == 0
    content = strict_json(capsys.readouterr().out)
    assert content["note_given"]
    assert content["prediction"]["tuned_semitones"] > 6


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A saw at C3 and at C4."""
    folder = tmp_path_factory.mktemp("recordings")
    for name, hz in (("low", 130.81), ("high", 261.63)):
        phase = hz * np.arange(RATE // 2) / RATE
        soundfile.write(folder / f"{name}.wav", 0.4 * (2 * (phase % 1) - 1), RATE)
    return [str(folder / f"{name}.wav") for name in ("low", "high")]


@pytest.mark.slow
@pytest.mark.parametrize("how", [["--note", "C3, 60"], ["--together"]])
def test_match_of_several_recordings_writes_one_preset(recordings, engine_run, tmp_path, monkeypatch, capsys, how):
    monkeypatch.chdir(tmp_path)
    command = ["match", *recordings, "--checkpoint", str(engine_run), "--no-patch", "--no-resynthesis", *how]
    assert main([*command, "--json"]) == 0
    content = strict_json(capsys.readouterr().out)
    assert content["files"][:3] == ["low.vital", "low-vjax.wav", "low-vjax.png"]
    assert [(one["sound"], one["note"]) for one in content["preset"]["recordings"]] == list(
        zip(recordings, (48, 60), strict=True)
    )
    assert len(content["candidates"][0]["each_mss_db"]) == 2
    if "--note" in how:
        assert main(command) == 0
        printed = capsys.readouterr().out
        mss_db = content["preset"]["recordings"][1]["metrics"]["mss"]
        assert f"{mss_db:6.2f} dB MSS to {recordings[1]}, note 60 (C4)" in printed
        assert "means over all recordings" in printed
        result = vjax.match(recordings, ["C3", 60], checkpoint=engine_run, patch=False, resynthesis=False)
        assert result.preset.to_json() == read_preset("low.vital").to_json()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["{low}", "{high}", "--note", "36,48,60"],
            "--note names 3 notes, and the number of sounds is 2; give one note for each",
        ),
        (["{low}", "--note", "36,48"], "--note names 2 notes, and the number of sounds is 1"),
        (["{folder}", "--together"], "is a folder; give the recordings of one instrument as sound files"),
        (["{low}", "--evals", "20", "--seed", "1"], "--evals, --seed has no effect without a search; add --refine"),
        (["{low}", "{high}", "--together", "--refine"], "--refine searches for one recording"),
        (["{low}", "--together"], "there is 1 sound; give the others too, or leave --together out"),
    ],
)
def test_match_of_recordings_with_invalid_flags_is_wrong_usage(recordings, tmp_path, capsys, arguments, message):
    low, high = recordings
    assert main(["match", *(text.format(low=low, high=high, folder=tmp_path) for text in arguments)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_match_in_a_new_process_writes_to_the_current_folder(sounds, engine_run, tmp_path):
    """As a user types it: without --out, and with its JSON piped into a program."""
    command = [sys.executable, "-m", "vjax", "match", str(sounds / "saw.wav"), "--checkpoint", engine_run, "--json"]
    command += FEW
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert strict_json(result.stdout)["files"] == ["saw.vital", "saw-vjax.wav", "saw-vjax.png", "saw.html"]
    assert (tmp_path / "saw.vital").exists()
    assert sorted(path.name for path in sounds.iterdir()) == ["noise.wav", "saw.wav"]  # no new file


def test_match_of_a_folder_called_again_continues(sounds, engine_run, tmp_path, capsys):
    out = tmp_path / "presets"
    command = ["match", str(sounds), "--checkpoint", str(engine_run), "-o", str(out), *FEW]
    assert main([*command, "--limit", "1"]) == 0
    printed, error = capsys.readouterr()
    assert "taking 1 of 2 sounds (--limit)" in error
    assert f"{out}: presets written: 1, existing: 0, failed: 0" in printed
    assert main(command) == 0
    assert f"{out}: presets written: 1, existing: 1, failed: 0" in capsys.readouterr().out
    rows = json.loads((out / "index.json").read_text())
    assert [row["name"] for row in rows] == [str(sounds / "noise.wav"), str(sounds / "saw.wav")]
    for row in rows:
        assert read_preset(row["preset"]).comments.startswith("Made by vjax")
        assert row["mss"] > 0


@pytest.mark.slow
def test_match_of_a_folder_killed_and_called_again_continues(sounds, engine_run, tmp_path, capsys):
    out = tmp_path / "presets"
    arguments = ["match", str(sounds), "--checkpoint", str(engine_run), "-o", str(out)]
    arguments += ["--no-patch", "--no-resynthesis"]
    process = subprocess.Popen([sys.executable, "-m", "vjax", *arguments], stderr=subprocess.DEVNULL)
    deadline_s = time.monotonic() + 180
    while not list(out.glob("*.vital")) and process.poll() is None and time.monotonic() < deadline_s:
        time.sleep(0.02)
    process.kill()
    process.wait()
    existing = {path: path.stat().st_mtime_ns for path in out.glob("*.vital")}
    assert existing
    assert main(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in existing} == existing  # not made again
    assert len(list(out.glob("*.vital"))) == 2
    assert len(json.loads((out / "index.json").read_text())) == 2
    assert not list(out.glob("*.new"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{sounds}/missing.wav", "--checkpoint", "{run}"], 1, "no sound file at .*missing.wav; give a WAV, FLAC"),
        (["{run}/checkpoints/3/metrics/metrics", "--checkpoint", "{run}"], 1, "cannot be read as audio"),
        (
            ["{sounds}/saw.wav", "--checkpoint", "none"],
            1,
            "--checkpoint none: there is no .*, or 'shipped': the",
        ),
        (["{sounds}/saw.wav", "--checkpoint", "{sounds}"], 1, "--checkpoint .*: .* contains no finished checkpoint"),
        (["{sounds}/saw.wav", "--checkpoint", "{run}", "-o", "a.wav"], 2, "a.wav is not the name of a preset; give X"),
        (["{sounds}/saw.wav", "--checkpoint", "{run}", "-o", "folder.vital"], 2, "folder.vital is a folder; give"),
        (["{sounds}/saw.wav", "--checkpoint", "{run}", "-o", "file/a.vital"], 1, "file is a file; file/a.vital cannot"),
        (["a.wav", "--checkpoint", "{run}"], 1, "a.vital exists, and it is not as an earlier match wrote it"),
        (["{sounds}/saw.wav", "--checkpoint", "{run}", "-o", "a.vital"], 1, "a.vital exists, and it is not as an earl"),
        (["b-vjax.wav", "--checkpoint", "{run}", "-o", "b.vital"], 2, "would overwrite b-vjax.wav with its render"),
        (["b (closest)-vjax.wav", "--checkpoint", "{run}", "-o", "b.vital"], 2, "would overwrite b .closest.-vjax.wav"),
        (["{sounds}/saw.wav", "--checkpoint", "{run}", "-o", "c.vital"], 1, "c .closest..vital exists, and it is not"),
        (["{sounds}/saw.wav", "--checkpoint", "{run}", "--install", "no"], 2, "--install: no is not a folder; give"),
        (["{sounds}", "--checkpoint", "{run}", "--install", "-o", "p"], 2, "--install is for one preset"),
        (["{sounds}", "--checkpoint", "{run}", "--name", "x"], 2, "--name and --style are for one preset"),
        (["{sounds}", "--checkpoint", "{run}", "-o", "a.vital"], 2, "a.vital is not a folder; give a folder for"),
    ],
)
def test_match_with_invalid_paths_fails_in_one_line_before_the_work(
    sounds, engine_run, tmp_path, monkeypatch, capsys, arguments, code, message
):
    (tmp_path / "folder.vital").mkdir()
    names = ("file", "a.wav", "a.vital", "b-vjax.wav", "b (closest)-vjax.wav", "c (closest).vital")
    for name in names:
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    assert main(["match", *(text.format(sounds=sounds, run=engine_run) for text in arguments)]) == code
    printed, error = capsys.readouterr()
    assert printed == ""
    assert re.fullmatch(f"vjax match: .*{message}.*\n", error)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "folder.vital"])
    assert (tmp_path / "a.vital").read_text() == ""


@pytest.mark.parametrize("note", ["H3", "128", "-1", "60.5", ""])
def test_match_with_an_impossible_note_names_it(note, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["match", "a.wav", f"--note={note}"])
    assert repr(note) in capsys.readouterr().err


@pytest.mark.slow
def test_match_by_command_api_batch_and_evaluation_writes_the_same_bytes(sounds, engine_run, tmp_path, monkeypatch):
    """All four call the same function."""
    monkeypatch.setenv("VJAX_DEBUG", "1")
    sound, checkpoint = str(sounds / "saw.wav"), ["--checkpoint", str(engine_run)]
    (tmp_path / "one").mkdir()
    shutil.copy(sound, tmp_path / "one")
    assert main(["match", sound, *checkpoint, "-o", str(tmp_path / "command.vital")]) == 0
    vjax.match(sound, checkpoint=engine_run).save(tmp_path / "api.vital")
    report = vjax.match_many(tmp_path / "one", tmp_path / "batch", checkpoint=engine_run)
    assert len(report.written) == 1
    audio = ["evaluate", "--audio", str(tmp_path / "one"), *checkpoint, "--out", str(tmp_path / "evaluation")]
    assert main([*audio, "--no-elsewhere"]) == 0
    (evaluated,) = (tmp_path / "evaluation" / "sounds").rglob("match.vital")
    array, rate = soundfile.read(sound, dtype="float32", always_2d=True)
    vjax.match(array.T, sample_rate=rate, name="saw", checkpoint=engine_run).save(tmp_path / "array.vital")
    files = [tmp_path / "command.vital", tmp_path / "api.vital", tmp_path / "batch" / "saw.vital", evaluated]
    assert len({path.read_bytes() for path in [*files, tmp_path / "array.vital"]}) == 1
