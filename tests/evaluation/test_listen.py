"""Tests of a small demo with the real engine: it renders data, trains, and renders predictions."""

import contextlib
import dataclasses
import io
import json

import jax
import numpy as np
import pytest
import soundfile
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vjax.audio.distances import mss
from vjax.audio.metric_names import METRICS
from vjax.cli.main import main
from vjax.data.generate import GenerationConfig
from vjax.data.reader import Reader, sample_parameters
from vjax.data.store import open_dataset
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.evaluation.listen import ROWS, make_listener
from vjax.inference.decode import decode
from vjax.training.checkpoint import load_checkpoint
from vjax.training.config import base_config, unpack
from vjax.training.loop import Snapshot
from vjax.training.writer import Writer
from vjax.vital.default_vocabulary import vocabulary_of
from vjax.vital.preset_json import read_json
from vjax.vital.vocabulary import from_parameters

COMMAND = ["train", "--config", "tier3:smoke", "--workdir"]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """(workdir, printed text) of `vjax train` with the smoke recipe, which renders its data."""
    workdir = tmp_path_factory.mktemp("smoke")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main([*COMMAND, str(workdir)]) == 0
    return workdir, printed.getvalue()


def test_train_prints_its_files_and_reference_rows(smoke):
    workdir, printed = smoke
    for name in ("checkpoints", "summary.json", "config.json", "train.log", "tensorboard", "listen"):
        assert str(workdir / name) in printed
        assert (workdir / name).exists()
    summary = json.loads((workdir / "summary.json").read_text())
    assert list(summary["audio_distance"]) == list(METRICS)
    for metric, rows in summary["audio_distance"].items():
        assert all(np.isfinite(distance) and distance >= 0 for distance in rows.values()), metric
    mss = summary["audio_distance"]["mss"]
    assert mss["floor"] < mss["random"]
    # After two steps the prediction is silent. It is reported and has no score.
    assert summary["silent_predictions"] == 1
    assert "prediction" not in mss
    assert "distance: 1 predictions" in printed
    val = summary["val"]
    assert 0 < val["categorical_majority"] < 1
    assert f"{val['categorical_accuracy']:.1%}, majority class {val['categorical_majority']:.1%}" in printed
    assert "(0 %)" in printed
    assert "(100 %)" in printed


def test_train_writes_sounds_images_and_presets(smoke):
    workdir, _ = smoke
    for name in ("target", "prediction"):
        audio, sample_rate = soundfile.read(workdir / "listen" / f"0-{name}.wav")
        assert sample_rate == 44100
        assert audio.shape == (22050, 2)
    target, _ = soundfile.read(workdir / "listen" / "0-target.wav")
    assert np.abs(target).max() > 1e-3
    with Image.open(workdir / "listen" / "0-mel.png") as image:
        width, height = image.size
        assert image.mode == "RGB"
        assert width > height > 100  # target and prediction side by side
    events = EventAccumulator(str(workdir / "tensorboard"))
    events.Reload()
    assert {"val/audio/0/target", "val/audio/0/prediction"} <= set(events.Tags()["audio"])
    assert "val/audio/0/comparison" in events.Tags()["images"]
    summary = json.loads((workdir / "summary.json").read_text())
    for metric, rows in summary["audio_distance"].items():
        for row, distance in rows.items():
            assert events.Scalars(f"val/audio/{metric}_{row}")[-1].value == pytest.approx(distance, rel=1e-5)


@pytest.mark.slow
def test_train_checkpoint_alone_reproduces_the_written_preset(smoke):
    """Weights, schema and catalog are those of the checkpoint. The preset equals the one that training wrote."""
    workdir, _ = smoke
    restored = load_checkpoint(workdir, "latest")
    reader = Reader(open_dataset(workdir / "data"))
    written = read_json(workdir / "listen" / "0-prediction.vital")
    vocabulary = vocabulary_of(restored.meta["wavetable_catalog_json"])
    render = RenderConfig(**restored.meta["render"])
    rows = [i for i in range(len(reader)) if _is_target(reader[i], restored.schema, vocabulary, render, workdir)]
    assert len(rows) == 1
    prediction = jax.jit(restored.model.apply)(restored.variables, reader[rows[0]].mel[None])
    (parameters,) = decode(prediction, restored.schema)
    again = from_parameters(parameters, restored.schema, vocabulary, name="prediction", comments="written by vjax")
    for part in ("modulations", "wavetables", "lfos"):
        assert again["settings"][part] == written["settings"][part]
    for name, value in written["settings"].items():
        if isinstance(value, float):
            assert again["settings"][name] == pytest.approx(value, rel=1e-3, abs=1e-3), name


def test_train_checkpoint_contains_render_settings_and_catalog(smoke):
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
    target, _ = soundfile.read(workdir / "listen" / "0-target.wav")
    return np.allclose(audio.T, target, atol=1e-4)


@pytest.mark.slow
def test_train_called_again_keeps_the_finished_run(smoke):
    workdir, _ = smoke
    before = json.loads((workdir / "summary.json").read_text())
    assert main([*COMMAND, str(workdir)]) == 0
    after = json.loads((workdir / "summary.json").read_text())
    for key in ("steps", "val", "audio_distance"):
        assert after[key] == before[key]


def test_listener_rows_are_the_metrics_of_renders(engine_run, tmp_path):
    """The model's predictions are audible. The test computes the metrics again, step by step."""
    info, restored = open_dataset(engine_run / "data"), load_checkpoint(engine_run)
    reader, render = Reader(info), RenderConfig(**info.render)
    train_rows, val_rows = np.array([0, 1]), np.array([2, 3])
    apply = jax.jit(restored.model.apply)

    def predict(rows):
        return jax.device_get(apply(restored.variables, np.stack([reader[row].mel for row in rows])))

    snapshot = Snapshot(info, reader, train_rows, val_rows, predict, step=3, epoch=1, last=True)
    listener = make_listener(GenerationConfig(), n_sounds=2, workers=2)  # 2 s where the data's sounds have 0.4 s
    with Writer(tmp_path / "tensorboard") as writer:
        found = listener(snapshot, writer, tmp_path)
    assert found["silent_predictions"] == 0
    assert list(found["audio_distance"]) == list(METRICS)
    assert all(list(rows) == list(ROWS) for rows in found["audio_distance"].values())

    vocabulary, presets = vocabulary_of(info.catalog_json), []
    for row in range(4):
        presets.append(from_parameters(sample_parameters(reader[row], info.schema), info.schema, vocabulary))
    predicted = [from_parameters(one, info.schema, vocabulary) for one in decode(predict(val_rows), info.schema)]
    notes = [(int(reader[row].midi_note),) for row in range(4)]
    expected = {name: [] for name in ROWS}
    with RenderPool(render, workers=2) as pool:
        sounds = [pool.render(RenderJob(*job)).audio[0] for job in zip(presets, notes, strict=True)]
        for row, preset in zip(val_rows, predicted, strict=True):
            to_train = [float(mss(sounds[other], sounds[row])) for other in train_rows]
            mel_distances = [np.abs(reader[other].mel - reader[row].mel).mean() for other in train_rows]
            again = [pool.render(RenderJob(presets[row], notes[row], seed)).audio[0] for seed in (1, 2, 3)]
            expected["random"].append(np.median(to_train))
            expected["nearest"].append(to_train[int(np.argmin(mel_distances))])
            expected["prediction"].append(mss(pool.render(RenderJob(preset, notes[row])).audio[0], sounds[row]))
            expected["floor"].append(np.mean([mss(sound, sounds[row]) for sound in again]))
    for name, values in expected.items():
        assert found["audio_distance"]["mss"][name] == pytest.approx(np.mean(values), rel=1e-3, abs=1e-4), name


@pytest.mark.slow
def test_listener_without_dataset_render_settings_uses_the_recipe(engine_run, tmp_path, capsys):
    info, restored = open_dataset(engine_run / "data"), load_checkpoint(engine_run)
    render, info = RenderConfig(**info.render), dataclasses.replace(info, render={})
    reader, apply = Reader(info), jax.jit(restored.model.apply)

    def predict(rows):
        return jax.device_get(apply(restored.variables, np.stack([reader[row].mel for row in rows])))

    snapshot = Snapshot(info, reader, np.array([0, 1]), np.array([2, 3]), predict, step=3, epoch=1, last=True)
    with Writer(tmp_path / "tensorboard", log=tmp_path / "train.log") as writer:
        assert make_listener(GenerationConfig(), n_sounds=1, workers=1)(snapshot, writer, tmp_path) == {}
        for printed in (capsys.readouterr().out, (tmp_path / "train.log").read_text()):
            assert "those of a render of 2.0 s would be (1, 128, 173); set config.generation.render to match" in printed
        found = make_listener(GenerationConfig(render=render), n_sounds=1, workers=1)(snapshot, writer, tmp_path)
    assert "mss" in found["audio_distance"]


def test_listener_with_no_sounds_returns_nothing(engine_run, tmp_path):
    info = open_dataset(engine_run / "data")
    snapshot = Snapshot(info, Reader(info), np.array([0, 1]), np.array([2, 3]), None, step=3, epoch=1, last=True)
    listener = make_listener(GenerationConfig(), n_sounds=0)
    assert listener(snapshot, None, tmp_path) == {}
    assert not list(tmp_path.iterdir())
