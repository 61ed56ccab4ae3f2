"""Tests of checkpoints: what they contain, which are kept, and that a folder alone is enough for inference."""

import dataclasses
import gc
import json
import shutil
import threading

import jax
import numpy as np
import pytest

from vjax.data.store import digest
from vjax.model.inverse import InverseModel, model_config
from vjax.shipped import MODEL
from vjax.training.checkpoint import Checkpoints, load_checkpoint, make_meta
from vjax.training.config import as_json, base_config, unpack
from vjax.training.saving import CheckpointError
from vjax.training.state import OptimizerConfig, create_state, make_optimizer

UNFINISHED_READS = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""For tests in which Orbax raises an error while it still reads other arrays. Such a test ends with `gc.collect()`."""


@pytest.fixture(scope="module")
def run(data):
    """(fresh state, meta, dataset info) of a tiny model."""
    info, _ = data
    config = model_config(info.schema, True, width=4, stage_sizes=(1, 1), mod_embed_dim=4)
    optimizer = make_optimizer(OptimizerConfig(), 10)
    state = create_state(InverseModel(config), optimizer, 0, info.mel_shape)
    return state, make_meta(info, config, tier=3, settings={"seed": 0}), info


def at_step(state, step: int):
    return state.replace(step=np.int32(step), params=jax.tree.map(lambda leaf: leaf + step, state.params))


def test_make_meta_contains_everything_that_inference_needs(run):
    _, meta, info = run
    assert meta["tier"] == 3
    assert meta["wavetable_catalog_json"] == info.catalog_json
    assert meta["wavetable_catalog_sha256"] == info.catalog_sha256 == digest(info.catalog_json)
    assert (meta["n_mod_sources"], meta["n_mod_destinations"]) == (4, 10)
    assert meta["mod_source_names"] == list(info.schema.sources)
    assert meta["mod_destination_names"] == list(info.schema.destinations)
    assert meta["mel"] == info.mel
    assert meta["render"] == info.render
    assert info.render["note_s"] == 0.1
    assert meta["versions"].keys() == {"vjax", "engine", "jax"}


def test_restore_latest_returns_the_saved_state_bit_for_bit(run, tmp_path):
    state, meta, _ = run
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(at_step(state, 7), meta | {"progress": {"best_val_loss": 1.5}}, val_loss=1.5)
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert checkpoints.latest_step == 7
        restored, restored_meta = checkpoints.restore_latest(state, meta)
    jax.tree.map(np.testing.assert_array_equal, restored, at_step(state, 7))
    assert restored_meta["progress"] == {"best_val_loss": 1.5}


def test_save_keeps_the_best_and_the_latest(run, tmp_path):
    state, meta, _ = run
    with Checkpoints(tmp_path / "c") as checkpoints:
        for step, val_loss in ((1, 3.0), (2, 1.0), (3, 2.0), (4, None), (5, 2.5)):
            checkpoints.save(at_step(state, step), meta, val_loss)
    assert sorted(int(path.name) for path in (tmp_path / "c").iterdir() if path.name.isdigit()) == [2, 5]
    assert load_checkpoint(tmp_path / "c").step == 2
    assert load_checkpoint(tmp_path / "c", "latest").step == 5


def test_load_checkpoint_of_a_moved_folder_predicts_the_same(run, tmp_path):
    state, meta, info = run
    with Checkpoints(tmp_path / "run" / "checkpoints") as checkpoints:
        checkpoints.save(at_step(state, 1), meta, val_loss=1.0)
    shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    restored = load_checkpoint(tmp_path / "elsewhere")
    assert restored.schema == info.schema
    assert restored.meta == json.loads(json.dumps(meta))
    mel = np.random.default_rng(0).random((2, *info.mel_shape), np.float32)
    apply = jax.jit(restored.model.apply)
    found = apply(restored.variables, mel)
    saved = at_step(state, 1)
    expected = apply({"params": saved.params, "batch_stats": saved.batch_stats}, mel)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.slow
@UNFINISHED_READS
def test_load_checkpoint_beside_a_run_that_saves_others_finds_one(run, tmp_path):
    """The run deletes older checkpoints while they are read."""
    state, meta, _ = run
    done = threading.Event()

    def save() -> None:
        try:
            with Checkpoints(tmp_path / "c") as checkpoints:
                for step in range(1, 16):
                    checkpoints.save(at_step(state, step), meta, val_loss=1 / step)
        finally:
            done.set()

    thread = threading.Thread(target=save)
    thread.start()
    found = []
    while not done.is_set():
        if list((tmp_path / "c").glob("[0-9]")):
            found.append(load_checkpoint(tmp_path / "c", "latest").step)
    thread.join()
    gc.collect()
    assert len(set(found)) > 2
    assert load_checkpoint(tmp_path / "c").step == 15


def test_restore_latest_ignores_an_unfinished_save(run, tmp_path):
    """`kill -9` in the middle of a save leaves a step's folder under its temporary name."""
    state, meta, _ = run
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(at_step(state, 1), meta, val_loss=1.0)
    unfinished = tmp_path / "c" / "2.orbax-checkpoint-tmp"
    shutil.copytree(tmp_path / "c" / "1", unfinished)
    (unfinished / "_CHECKPOINT_METADATA").unlink()
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert checkpoints.latest_step == 1
        restored, _ = checkpoints.restore_latest(state, meta)
    assert int(restored.step) == 1
    assert load_checkpoint(tmp_path / "c", "latest").step == 1


def test_restore_latest_of_a_checkpoint_without_render_settings_continues(run, tmp_path):
    state, meta, _ = run
    older = {key: value for key, value in meta.items() if key != "render"}
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(at_step(state, 1), older, val_loss=1.0)
    with Checkpoints(tmp_path / "c") as checkpoints:
        restored, found = checkpoints.restore_latest(state, meta)
    assert int(restored.step) == 1
    assert "render" not in found


def test_restore_latest_with_another_model_is_refused(run, tmp_path):
    state, meta, info = run
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(at_step(state, 1), meta, val_loss=1.0)
    wider = InverseModel(model_config(info.schema, True, width=8, stage_sizes=(1, 1), mod_embed_dim=4))
    other = create_state(wider, make_optimizer(OptimizerConfig(), 10), 0, info.mel_shape)
    other_meta = make_meta(info, wider.config, tier=3, settings={})
    with (
        Checkpoints(tmp_path / "c") as checkpoints,
        pytest.raises(CheckpointError, match=r"model.width is 8, expected 4\. Give the expected values, or choose"),
    ):
        checkpoints.restore_latest(other, other_meta)


def test_restore_latest_with_a_refused_setting_also_names_allowed_changes(run, tmp_path):
    state, meta, _ = run
    config = base_config(3, "smoke")
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(at_step(state, 1), meta | {"settings": as_json(unpack(config))}, val_loss=1.0)
    config.train.batch_size, config.train.epochs = 8, 7
    message = r"train.batch_size is 8, expected 4 \(also changed: train.epochs 2 -> 7\)"
    with Checkpoints(tmp_path / "c") as checkpoints, pytest.raises(CheckpointError, match=message):
        checkpoints.restore_latest(state, meta | {"settings": as_json(unpack(config))})


@pytest.mark.parametrize("older", [False, True])
def test_restore_latest_with_data_of_another_catalog_is_refused(run, tmp_path, older):
    """Older checkpoints store no digest. It is computed from the stored catalog."""
    state, meta, info = run
    other = dataclasses.replace(info, catalog_json="{}", catalog_sha256=digest("{}"))
    now = make_meta(
        other,
        model_config(info.schema, True, width=4, stage_sizes=(1, 1), mod_embed_dim=4),
        tier=3,
        settings={"seed": 0},
    )
    saved = {key: value for key, value in meta.items() if not (older and key == "wavetable_catalog_sha256")}
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(at_step(state, 1), saved, val_loss=1.0)
    with Checkpoints(tmp_path / "c") as checkpoints:
        found = f"the data's catalog is {other.catalog_sha256[:12]}, expected {info.catalog_sha256[:12]}"
        with pytest.raises(CheckpointError, match=found):
            checkpoints.restore_latest(state, now)
        assert int(checkpoints.restore_latest(state, meta)[0].step) == 1


def test_restore_latest_without_a_stored_catalog_accepts_one(run, tmp_path):
    state, meta, _ = run
    without = meta | {"wavetable_catalog_json": None, "wavetable_catalog_sha256": None}
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(at_step(state, 1), without, val_loss=1.0)
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert int(checkpoints.restore_latest(state, meta)[0].step) == 1


def test_load_checkpoint_without_a_checkpoint_names_what_is_missing(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        load_checkpoint(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="no finished checkpoint"):
        load_checkpoint(tmp_path / "empty")
    with pytest.raises(CheckpointError, match="'best' or 'latest'"):
        load_checkpoint(tmp_path, "newest")


def test_load_checkpoint_of_a_newer_format_is_refused(run, tmp_path):
    state, meta, _ = run
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(at_step(state, 1), meta | {"format": 99}, val_loss=1.0)
    with pytest.raises(CheckpointError, match="format 99"):
        load_checkpoint(tmp_path / "c")
    with Checkpoints(tmp_path / "c") as checkpoints, pytest.raises(CheckpointError, match="format 99"):
        checkpoints.restore_latest(state, meta)


@UNFINISHED_READS
@pytest.mark.parametrize(
    "change",
    [
        lambda meta: meta.update(mel_shape=[1, 10**6, 10**6]),
        lambda meta: meta["model"].update(width=10**6),
        lambda meta: meta.pop("schema"),
        lambda meta: meta.update(format="new"),
        lambda meta: meta.update(settings=None),
    ],
)
def test_load_checkpoint_with_odd_metadata_is_refused_in_one_line(tmp_path, change):
    """Sizes come from the metadata; nothing is allocated before they are compared with the stored arrays."""
    shutil.copytree(MODEL, tmp_path / "model")
    (path,) = (tmp_path / "model").glob("*/meta/metadata")
    meta = json.loads(path.read_text())
    change(meta)
    path.write_text(json.dumps(meta))
    with pytest.raises(CheckpointError, match=r"model is damaged") as caught:
        load_checkpoint(tmp_path / "model")
    assert "\n" not in str(caught.value)
    gc.collect()
