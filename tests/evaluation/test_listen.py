"""The demo in small: render, train, listen - with the real engine from end to end, through the script."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vjax.data.reader import Reader, sample_parameters
from vjax.data.store import open_dataset
from vjax.inference.predict import decode
from vjax.training.checkpoint import load_checkpoint
from vjax.training.config import base_config, unpack
from vjax.vital.default_vocabulary import vocabulary_of
from vjax.vital.engine import RenderConfig
from vjax.vital.pool import RenderJob, RenderPool
from vjax.vital.preset import read_json
from vjax.vital.vocabulary import from_parameters

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """(workdir, what was printed) of scripts/train.py on the smoke recipe, which renders its own data."""
    workdir = tmp_path_factory.mktemp("smoke")
    command = [sys.executable, "scripts/train.py", "--config", "configs/tier3.py:smoke", "--workdir", workdir]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return workdir, result.stdout


def test_the_script_says_where_things_are_and_between_which_rows_it_stands(smoke):
    workdir, printed = smoke
    for name in ("checkpoints", "summary.json", "tensorboard", "listen"):
        assert str(workdir / name) in printed
        assert (workdir / name).exists()
    for row in ("random", "nearest", "prediction", "floor"):
        assert json.loads((workdir / "summary.json").read_text())["log_mel_distance"][row] >= 0
    assert "(0 %)" in printed
    assert "(100 %)" in printed


def test_sounds_pictures_and_presets_are_written(smoke):
    workdir, _ = smoke
    for name in ("target", "prediction"):
        audio, sample_rate = soundfile.read(workdir / "listen" / f"0-{name}.wav")
        assert sample_rate == 44100
        assert audio.shape == (22050, 2)
    target, _ = soundfile.read(workdir / "listen" / "0-target.wav")
    assert np.abs(target).max() > 1e-3
    with Image.open(workdir / "listen" / "0-mel.png") as picture:
        width, height = picture.size
        assert picture.mode == "RGB"
        assert width > height > 100  # target and prediction side by side
    events = EventAccumulator(str(workdir / "tensorboard"))
    events.Reload()
    assert {"val/audio/0/target", "val/audio/0/prediction"} <= set(events.Tags()["audio"])
    assert "val/audio/0/comparison" in events.Tags()["images"]
    assert "val/audio/log_mel_nearest" in events.Tags()["scalars"]


def test_the_checkpoint_alone_writes_the_preset_that_was_heard(smoke):
    """Weights, schema and catalog from the checkpoint; the rendering equals the WAV that training wrote."""
    workdir, _ = smoke
    restored = load_checkpoint(workdir, "latest")
    reader = Reader(open_dataset(workdir / "data"))
    written = read_json(workdir / "listen" / "0-prediction.vital")
    vocabulary = vocabulary_of(restored.meta["wavetable_catalog_json"])
    render = RenderConfig(**restored.meta["render"])
    rows = [i for i in range(len(reader)) if _is_target(reader[i], restored.schema, vocabulary, render, workdir)]
    assert len(rows) == 1
    prediction = restored.model.apply(restored.variables, reader[rows[0]].mel[None])
    (answer,) = decode(prediction, restored.schema)
    again = from_parameters(answer, restored.schema, vocabulary, name="prediction", comments="written by vjax")
    for part in ("modulations", "wavetables", "lfos"):
        assert again["settings"][part] == written["settings"][part]
    for name, value in written["settings"].items():
        if isinstance(value, float):
            assert again["settings"][name] == pytest.approx(value, rel=1e-3, abs=1e-3), name


def test_the_checkpoint_tells_how_its_sounds_were_played_and_carries_all_choices(smoke):
    workdir, _ = smoke
    info, meta = open_dataset(workdir / "data"), load_checkpoint(workdir).meta
    assert RenderConfig(**meta["render"]) == unpack(base_config(3, "smoke")).generation.render
    assert meta["render"] == info.render
    assert meta["wavetable_catalog_json"] == info.catalog_json
    assert vocabulary_of(meta["wavetable_catalog_json"]).schema() == info.schema


def _is_target(sample, schema, vocabulary, render, workdir) -> bool:
    preset = from_parameters(sample_parameters(sample, schema), schema, vocabulary, name="target")
    with RenderPool(render, workers=1) as pool:
        audio = pool.render(RenderJob(preset, (int(sample.midi_note),))).audio[0]
    heard, _ = soundfile.read(workdir / "listen" / "0-target.wav")
    return np.allclose(audio.T, heard, atol=1e-4)


def test_a_second_call_finds_the_run_finished(smoke):
    workdir, _ = smoke
    before = json.loads((workdir / "summary.json").read_text())
    command = [sys.executable, "scripts/train.py", "--config", "configs/tier3.py:smoke", "--workdir", workdir]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    after = json.loads((workdir / "summary.json").read_text())
    for key in ("steps", "val", "log_mel_distance"):
        assert after[key] == before[key]
