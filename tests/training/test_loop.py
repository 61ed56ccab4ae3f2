"""Tests of the whole training loop on real data: logs, summary, exact resume, early stopping, non-finite losses."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vjax.data.layout import DatasetError
from vjax.data.reader import Reader
from vjax.data.store import open_dataset
from vjax.data.stream import split
from vjax.data.write_shard import write_shard
from vjax.evaluation.listen import make_listener
from vjax.evaluation.run_summary import print_summary
from vjax.training.checkpoint import load_checkpoint
from vjax.training.config import as_json, base_config, unpack
from vjax.training.loop import train
from vjax.training.run_log import NonFiniteLossError
from vjax.training.saving import CheckpointError

ROOT = Path(__file__).parents[2]


def configured(dataset, **train_settings):
    config = base_config(3, "smoke")
    config.data.path = str(dataset)
    config.model.mod_embed_dim = 4
    config.posterior.update({"width": 8, "blocks": 1, "least_routes": 1})
    config.disturb.update({"gain_db": 6.0, "noise_db": 40.0, "shift_frames": 1})
    config.train.update({"epochs": 3, "batch_size": 8, "checkpoint_every": 2, **train_settings})
    return config


def plain(dataset, **train_settings):
    """As `configured`, without a modulation head, a posterior and disturbances: it compiles in half the time."""
    config = configured(dataset, **train_settings)
    config.loss.modulation_weight = 0.0
    config.posterior.width = 0
    config.disturb.update({"gain_db": 0.0, "noise_db": 0.0, "shift_frames": 0})
    return config


def numbers(summary: dict) -> dict:
    """Returns the values that must not depend on how often a run was interrupted."""
    return {key: summary[key] for key in ("steps", "epochs", "train", "val", "best_val_loss", "parameters", "rows")}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, schema, random_rows, shard_attributes):
    """Returns (dataset, workdir, summary) of a run without interruption."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    write_shard(folder / "data" / "shard-00000.h5", schema, random_rows(13, seed=1), shard_attributes)
    return folder / "data", folder / "run", train(unpack(configured(folder / "data")), folder / "run")


def test_train_writes_a_summary_with_all_results(uninterrupted):
    _, workdir, summary = uninterrupted
    assert json.loads((workdir / "summary.json").read_text()) == summary
    assert summary["steps"] == 3 * (summary["rows"]["train"] // 8)
    assert {"loss", "cont_loss", "cat_loss", "mod_loss", "posterior_loss"} <= summary["train"].keys()
    assert {
        "loss",
        "mod_precision",
        "mod_recall",
        "mod_amount_mae",
        "categorical_accuracy",
        "categorical_majority",
    } <= summary["val"].keys()
    assert summary["parameters"]["total"] == sum(n for name, n in summary["parameters"].items() if name != "total")
    assert summary["samples_per_second"] > 0


def test_train_logs_scalars_under_the_reports_names(uninterrupted):
    _, workdir, summary = uninterrupted
    events = EventAccumulator(str(workdir / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    names = set(events.Tags()["scalars"])
    assert {"train/loss", "train/mod_loss", "val/loss", "val/mod_loss"} <= names
    assert {"val/mod_precision", "val/mod_recall", "val/mod_amount_mae", "val/mse/osc_1"} <= names
    assert [event.step for event in events.Scalars("train/loss")] == list(range(1, summary["steps"] + 1))
    assert events.Scalars("val/loss")[-1].value == pytest.approx(summary["val"]["loss"], rel=1e-6)


def test_train_of_a_finished_run_keeps_results_and_log(uninterrupted):
    dataset, workdir, summary = uninterrupted
    assert numbers(train(unpack(configured(dataset)), workdir)) == numbers(summary)
    events = EventAccumulator(str(workdir / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    assert events.Scalars("train/loss")[-1].step == events.Scalars("val/loss")[-1].step == summary["steps"]


@pytest.mark.slow
def test_train_continued_with_more_rows_keeps_the_route_cells(
    uninterrupted, tmp_path, schema, random_rows, shard_attributes
):
    """More rows have more kinds of routes, but the weights of the posterior are those of the first ones."""
    dataset, workdir, _ = uninterrupted
    shutil.copytree(workdir, tmp_path / "run")
    shutil.copytree(dataset, tmp_path / "data")
    more = {**shard_attributes, "shard": 1}
    write_shard(tmp_path / "data" / "shard-00001.h5", schema, random_rows(13, seed=2), more)
    config = configured(tmp_path / "data")
    config.train.epochs = 4
    summary = train(unpack(config), tmp_path / "run")
    before, after = (load_checkpoint(folder, "latest").model.config for folder in (workdir, tmp_path / "run"))
    assert before == after
    assert summary["rows"]["train"] > 40


@pytest.mark.slow
def test_train_continued_after_a_kill_gives_the_same_bits(uninterrupted, tmp_path):
    """The run gets SIGKILL after its first checkpoint, often while it writes the next one."""
    dataset, _, summary = uninterrupted
    command = [sys.executable, "scripts/train.py", "--config", "configs/tier3.py:smoke", "--workdir", tmp_path / "run"]
    settings = {"data.path": dataset, "model.mod_embed_dim": 4}
    settings |= {"posterior.width": 8, "posterior.blocks": 1, "posterior.least_routes": 1}
    settings |= {"disturb.gain_db": 6.0, "disturb.noise_db": 40.0, "disturb.shift_frames": 1}
    settings |= {"train.epochs": 3, "train.batch_size": 8, "train.checkpoint_every": 2}
    command += [f"--config.{name}={value}" for name, value in settings.items()]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 180
    while not list((tmp_path / "run" / "checkpoints").glob("[0-9]")) and time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "run" / "summary.json").exists()
    continued = train(unpack(configured(dataset)), tmp_path / "run")
    assert numbers(continued) == numbers(summary)


def test_train_continued_within_an_epoch_gives_the_same_bits(uninterrupted, tmp_path):
    """The run ended after step 2 of 3 of its first epoch, as if it had been killed there."""
    dataset, _, summary = uninterrupted
    broken = shutil.copytree(dataset, tmp_path / "broken")
    _, val_rows = split(Reader(open_dataset(dataset)), 0.34, 0)
    with h5py.File(broken / "shard-00000.h5", "r+") as file:
        file["params/continuous"][val_rows[0]] = np.nan  # the first validation, after step 3, raises
    with pytest.raises(NonFiniteLossError, match="validation after step 3"):
        train(unpack(configured(broken)), tmp_path / "run")
    assert [path.name for path in (tmp_path / "run" / "checkpoints").glob("[0-9]")] == ["2"]
    assert numbers(train(unpack(configured(dataset)), tmp_path / "run")) == numbers(summary)


def test_train_with_another_model_is_refused(uninterrupted):
    dataset, workdir, _ = uninterrupted
    config = configured(dataset)
    config.model.width = 8
    before = (workdir / "config.json").read_bytes()
    with pytest.raises(CheckpointError, match=r"model.width is 8, expected 4"):
        train(unpack(config), workdir)
    assert (workdir / "config.json").read_bytes() == before


def test_train_with_another_batch_size_is_refused(uninterrupted):
    """Steps count batches, so with larger batches the run would end at once, at an epoch that it has not reached."""
    dataset, workdir, _ = uninterrupted
    with pytest.raises(CheckpointError, match=r"train.batch_size is 16, expected 8.*choose another --workdir"):
        train(unpack(configured(dataset, batch_size=16)), workdir)


def test_train_writes_its_settings_and_a_log(uninterrupted):
    dataset, workdir, summary = uninterrupted
    assert json.loads((workdir / "config.json").read_text()) == json.loads(
        json.dumps(as_json(unpack(configured(dataset))))
    )
    log = (workdir / "train.log").read_text()
    times = [line[:19] for line in log.splitlines()]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", time) for time in times)
    for step in range(1, summary["steps"] + 1):
        assert re.search(rf" step {step}: loss \d+\.\d+, cont_loss .*, gradient_norm ", log)
    last = f"validation after epoch 3, step {summary['steps']}: loss {summary['val']['loss']:.4f}, "
    assert f"{last}cont_loss " in log
    assert f"; best loss {summary['best_val_loss']:.4f}\n" in log
    assert "data: 39 rows, tier 3" in log


@pytest.mark.slow
def test_train_continued_with_changed_settings_names_them(uninterrupted, tmp_path, capfd):
    dataset, workdir, summary = uninterrupted
    shutil.copytree(workdir, tmp_path / "run")
    config = configured(dataset, epochs=4)
    config.loss.modulation_weight = 1.0
    longer = train(unpack(config), tmp_path / "run")
    assert longer["steps"] == summary["steps"] // 3 * 4
    changes = "changed since the checkpoint: loss.modulation_weight 0.3 -> 1.0; train.epochs 3 -> 4"
    printed = capfd.readouterr()
    assert changes in printed.out
    assert changes in (tmp_path / "run" / "train.log").read_text()
    assert "nan" not in printed.err  # the progress bar
    assert json.loads((tmp_path / "run" / "config.json").read_text())["loss"]["modulation_weight"] == 1.0


@pytest.mark.slow
def test_train_with_an_older_checkpoint_continues(uninterrupted, tmp_path):
    """Older checkpoints store neither the number of rows nor all settings."""
    dataset, workdir, summary = uninterrupted
    shutil.copytree(workdir, tmp_path / "run")
    for metadata in (tmp_path / "run" / "checkpoints").glob("*/meta/metadata"):
        meta = json.loads(metadata.read_text())
        del meta["rows"], meta["settings"]["loss"]["presence"], meta["settings"]["train"]["batch_size"]
        metadata.write_text(json.dumps(meta))
    assert train(unpack(configured(dataset, epochs=4)), tmp_path / "run")["steps"] == summary["steps"] // 3 * 4


def test_train_without_improvement_stops_early(uninterrupted, tmp_path):
    dataset, _, _ = uninterrupted
    config = plain(dataset, epochs=20, patience=1)
    config.optimizer.learning_rate = 1e-9  # nothing can improve
    config.optimizer.warmup_share = 0.0
    summary = train(unpack(config), tmp_path / "run")
    assert summary["stopped_early"]
    assert summary["epochs"] < 20


def test_train_with_a_non_finite_loss_stops_and_names_it(uninterrupted, tmp_path):
    dataset, _, _ = uninterrupted
    broken = tmp_path / "broken.h5"
    with h5py.File(dataset / "shard-00000.h5") as good, h5py.File(broken, "w") as bad:
        for name in good:
            good.copy(name, bad)
        for name, value in good.attrs.items():
            bad.attrs[name] = value
        bad["params/continuous"][:, 3] = np.nan
    with pytest.raises(NonFiniteLossError, match=r"step 1: .*'cont_loss': nan"):
        train(unpack(plain(broken)), tmp_path / "run")


@pytest.fixture(scope="module")
def broken_validation(uninterrupted, tmp_path_factory):
    """Returns (error, workdir) of a run without a modulation loss. One of its validation rows is NaN."""
    dataset, _, _ = uninterrupted
    folder = tmp_path_factory.mktemp("broken_validation")
    config = plain(folder / "broken.h5")
    _, val_rows = split(Reader(open_dataset(dataset)), config.data.val_fraction, config.seed)
    shutil.copy(dataset / "shard-00000.h5", folder / "broken.h5")
    with h5py.File(folder / "broken.h5", "r+") as file:
        file["params/continuous"][val_rows[0]] = np.nan
    with pytest.raises(NonFiniteLossError) as error:
        train(unpack(config), folder / "run")
    return str(error.value), folder / "run"


def test_train_with_a_non_finite_validation_loss_saves_no_checkpoint(broken_validation):
    error, workdir = broken_validation
    assert re.match(r"validation after step 3: .*nan.*Continue from the last checkpoint", error)
    assert [path.name for path in (workdir / "checkpoints").glob("[0-9]")] == ["2"]  # from before


def test_train_with_fewer_epochs_than_done_validates_once(uninterrupted, tmp_path, capsys):
    """The run continues from a checkpoint within an epoch, before its first validation."""
    dataset, _, _ = uninterrupted
    config = plain(dataset, eval_every=3)
    broken = tmp_path / "broken"
    shutil.copytree(dataset, broken)
    _, val_rows = split(Reader(open_dataset(dataset)), config.data.val_fraction, config.seed)
    with h5py.File(broken / "shard-00000.h5", "r+") as file:
        file["params/continuous"][val_rows[0]] = np.nan
    config.data.path = str(broken)
    with pytest.raises(NonFiniteLossError, match="validation after step 9"):
        train(unpack(config), tmp_path / "run")
    config.data.path, config.train.epochs = str(dataset), 1
    summary = train(unpack(config), tmp_path / "run")
    assert summary["steps"] == 8  # of 3
    assert summary["best_val_loss"] == summary["val"]["loss"] > 0
    print_summary(summary, tmp_path / "run")
    printed = capsys.readouterr().out
    assert "all steps are done; raise --config.train.epochs" in printed
    assert "Done: 8 steps" in printed


def test_train_with_too_few_rows_to_render_is_refused_before_rendering(tmp_path):
    config = configured("", batch_size=64)
    with pytest.raises(ValueError, match=r"train.batch_size=64 does not fit data.n=12 rows"):
        train(unpack(config), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_train_without_a_modulation_loss_has_no_modulation_head(broken_validation):
    _, workdir = broken_validation
    assert not load_checkpoint(workdir).model.config.has_modulation


def test_train_with_fewer_rows_than_a_batch_is_refused(uninterrupted, tmp_path):
    dataset, _, _ = uninterrupted
    with pytest.raises(ValueError, match="batch_size=64 does not fit"):
        train(unpack(configured(dataset, batch_size=64)), tmp_path / "run")


def train_on_the_reports_layout(folder: Path, configure, catalog: str = "", channel_axis: bool = True):
    """Returns (summary, printed text) of one epoch with a listener.

    The earlier program wrote 322 knobs, 126 menus, a dense 4 x 32 x 406 matrix, and no schema. The spectrograms have
    the size of the smoke recipe's renders, but the parameters are not those of Vital.
    """
    rng = np.random.default_rng(0)
    modulation = np.zeros((12, 4, 32, 406), np.float32)
    modulation[:, 0, 3, 7] = 0.5
    with h5py.File(folder / "report.h5", "w") as file:
        file["params/continuous"] = rng.random((12, 322), np.float32)
        file["params/categorical"] = rng.integers(0, 2, (12, 126))
        file.create_dataset("params/modulation_t3", data=modulation, chunks=(1, 4, 32, 406), compression="gzip")
        file["features/mel_spectrogram"] = rng.random((12, 1, 128, 44) if channel_axis else (12, 128, 44), np.float32)
        file.attrs["tier"] = 3
        if catalog:
            (folder / "catalog.json").write_text(catalog)
            file.attrs["wavetable_catalog_path"] = "catalog.json"
    config = configure(folder / "report.h5", epochs=1, batch_size=4)
    config.loss.modulation_weight = 0.3
    listener = make_listener(unpack(config).generation, n_sounds=1)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        summary = train(unpack(config), folder / "run", evaluators=[listener])
    assert json.loads((folder / "run" / "summary.json").read_text()) == summary
    return summary, printed.getvalue()


@pytest.fixture(scope="module")
def on_the_reports_layout(tmp_path_factory):
    return train_on_the_reports_layout(tmp_path_factory.mktemp("report"), plain, channel_axis=False)


def test_train_on_the_reports_layout_gives_finite_losses(on_the_reports_layout):
    summary, _ = on_the_reports_layout
    assert "audio_distance" not in summary
    assert np.isfinite(summary["val"]["mod_loss"])
    assert summary["val"]["mod_loss"] > 0


def test_train_on_data_that_cannot_be_rendered_skips_listening(on_the_reports_layout):
    _, printed = on_the_reports_layout
    assert "validation sounds are not rendered: the engine cannot render these data (" in printed
    assert "destination_7" in printed  # not a name of the engine


@pytest.mark.slow
def test_train_with_a_posterior_on_the_reports_layout_gives_finite_losses(tmp_path):
    """The spectrograms have a channel axis, and the catalog has the form of the earlier program."""
    summary, printed = train_on_the_reports_layout(tmp_path, configured, '{"wavetables": []}')
    assert np.isfinite(summary["val"]["mod_loss"])
    assert summary["val"]["mod_loss"] > 0
    assert "validation sounds are not rendered: the engine cannot render these data (" in printed
    assert "not a wavetable catalog: it has no `tables`" in printed


@pytest.mark.slow
def test_train_with_a_catalog_setting_stores_it_in_the_checkpoint(tmp_path):
    """The report's setting `wavetable_catalog` is for data whose stored path does not exist."""
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "report.h5", "w") as file:
        file["params/continuous"] = rng.random((8, 322), np.float32)
        file["params/categorical"] = rng.integers(0, 2, (8, 129))
        file["features/mel_spectrogram"] = rng.random((8, 1, 128, 20), np.float32)
        file.attrs.update({"tier": 1, "wavetable_catalog_path": "nowhere.json"})
    (tmp_path / "catalog.json").write_text('{"tables": [{}, {}]}')
    config = configured(tmp_path / "report.h5", epochs=1, batch_size=4)
    with pytest.raises(DatasetError, match=r"no file at its wavetable_catalog_path nowhere\.json"):
        train(unpack(config), tmp_path / "run")
    config.data.wavetable_catalog = str(tmp_path / "catalog.json")
    train(unpack(config), tmp_path / "run")
    assert load_checkpoint(tmp_path / "run").meta["wavetable_catalog_json"] == '{"tables": [{}, {}]}'


@pytest.mark.slow
def test_train_on_the_target_encoding_predicts_engine_presets(engine_run, engine_vocabulary, tmp_path):
    """Semitones as classes and the effect order as positions: through training, a checkpoint and back."""
    from vjax.inference.predict import Predictor
    from vjax.inference.presets import export_preset
    from vjax.vital.preset import Preset, controls

    config = configured(engine_run / "data", epochs=1, batch_size=2, listen_sounds=0)
    config.data.update({"target_encoding": True, "val_fraction": 0.5})
    config.loss.update({"gate_menus": True, "gate_sources": True})
    summary = train(unpack(config), tmp_path)
    assert np.isfinite(summary["val"]["loss"])
    predictor = Predictor.from_checkpoint(tmp_path, batch_size=1)
    assert "osc_1_transpose" in predictor.schema.categorical_names
    assert "reverb_order" in predictor.schema.continuous_names
    noise = 0.1 * np.random.default_rng(0).normal(size=(1, predictor.samples)).astype(np.float32)
    predicted = predictor.predict(noise)
    preset = export_preset(predicted, predictor.schema, predictor.vocabulary, "predicted")
    index = controls().position["osc_1_transpose"]
    semitones = predicted.parameters.categorical[predictor.schema.position["osc_1_transpose"]] - 48
    assert controls().to_native(preset.continuous)[index] == semitones
    assert Preset.from_json(preset.to_json()).notes == ()
    config.data.target_encoding = False
    with pytest.raises(
        CheckpointError, match=r"data.target_encoding is False, expected True; .*the data's schema is .*, expected"
    ):
        train(unpack(config), tmp_path)
