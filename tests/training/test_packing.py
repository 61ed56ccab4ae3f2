"""Tests of packed checkpoints: they predict like the original, are a quarter of its size, and contain no paths."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vjax.cli.main import main
from vjax.inference.predict import Predictor
from vjax.io.folder_lock import locked
from vjax.shipped import MODEL
from vjax.training.checkpoint import load_checkpoint
from vjax.training.packing import pack
from vjax.training.saving import CheckpointError


def test_pack_rounds_weights_to_bfloat16(engine_run, tmp_path):
    packed = pack(engine_run, tmp_path / "model")
    before, after = load_checkpoint(engine_run), load_checkpoint(tmp_path / "model")
    assert after.step == packed.step == before.step
    assert after.meta == before.meta
    assert jax.tree.structure(after.variables) == jax.tree.structure(before.variables)
    for path, leaf in jax.tree.leaves_with_path(after.variables):
        (original,) = (b for p, b in jax.tree.leaves_with_path(before.variables) if p == path)
        assert leaf.dtype == original.dtype == jnp.float32
        is_weight = path[0].key == "params"
        expected = original.astype(jnp.bfloat16).astype(jnp.float32) if is_weight else original
        np.testing.assert_array_equal(leaf, expected)
    assert packed.parameters == sum(leaf.size for leaf in jax.tree.leaves(before.variables["params"]))
    assert not packed.bank


def test_pack_keeps_predictions_close_to_the_original(engine_run, tmp_path):
    pack(engine_run, tmp_path / "model")
    noise = 0.1 * np.random.default_rng(0).normal(size=(1, 17640)).astype(np.float32)
    folders = (tmp_path / "model", engine_run)
    packed, original = (Predictor.from_checkpoint(folder, batch_size=1).predict(noise) for folder in folders)
    np.testing.assert_allclose(packed.parameters.continuous, original.parameters.continuous, atol=0.02)
    assert np.mean(packed.parameters.categorical == original.parameters.categorical) > 0.95


def test_pack_includes_the_bank_and_removes_paths(engine_run, tmp_path):
    from vjax.training.checkpoint import Checkpoints
    from vjax.training.state import OptimizerConfig, create_state, make_optimizer

    restored = load_checkpoint(engine_run)
    settings = {"data": {"path": "/somewhere/private", "presets": "/home/me", "val_fraction": 0.1}, "seed": 4}
    state = create_state(
        restored.model, make_optimizer(OptimizerConfig(), 10), 0, tuple(restored.meta["mel_shape"][-3:])
    )
    with Checkpoints(tmp_path / "run" / "checkpoints") as checkpoints:
        checkpoints.save(state.replace(step=np.int32(7)), {**restored.meta, "settings": settings}, val_loss=1.0)
    (tmp_path / "run" / "checkpoints" / "bank.npz").write_bytes(b"a bank")
    assert main(["pack", str(tmp_path / "run"), "--out", str(tmp_path / "model"), "--credit", "By Ann."]) == 0
    assert (tmp_path / "model" / "bank.npz").read_bytes() == b"a bank"
    assert (tmp_path / "model" / "bank-credit.txt").read_text() == "By Ann.\n"
    meta = load_checkpoint(tmp_path / "model").meta
    assert meta["settings"] == {"data": {"path": "", "presets": "", "val_fraction": 0.1}, "seed": 4}
    everything = b"".join(file.read_bytes() for file in (tmp_path / "model").rglob("*") if file.is_file())
    assert b"private" not in everything
    assert str(tmp_path).encode() not in everything  # Orbax writes the path of a save into a file
    assert str(Path.home()).encode() + b"/" not in everything.replace(b"a bank", b"")
    again = pack(tmp_path / "model", tmp_path / "again")
    assert again.bank
    assert (tmp_path / "again" / "bank-credit.txt").read_text() == "By Ann.\n"
    assert main(["pack", str(tmp_path / "run"), "--out", str(tmp_path / "bare"), "--no-bank"]) == 0
    assert not (tmp_path / "bare" / "bank.npz").exists()


def test_pack_stores_two_bytes_per_weight(engine_run, tmp_path):
    packed = pack(engine_run, tmp_path / "model")
    assert sum(file.stat().st_size for file in (tmp_path / "model").rglob("d/*")) < 2.2 * packed.parameters
    assert packed.bytes_after < packed.bytes_before


def test_pack_with_a_missing_checkpoint_or_full_folder_is_refused(engine_run, tmp_path, capsys):
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        pack(tmp_path / "nowhere", tmp_path / "model")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text(json.dumps({}))
    assert main(["pack", str(engine_run), "--out", str(tmp_path / "full")]) == 1
    assert "is not empty; choose another --out" in capsys.readouterr().err


@pytest.mark.parametrize("exists", [False, True])
def test_pack_into_a_folder_that_another_command_writes_is_refused(engine_run, tmp_path, exists, capsys):
    out = tmp_path / "model"
    if exists:
        out.mkdir()
    with locked(out, beside=True):
        assert main(["pack", str(engine_run), "--out", str(out)]) == 1
    assert f"vjax pack: {out} is in use: process " in capsys.readouterr().err
    assert main(["pack", str(engine_run), "--out", str(out)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_pack_onto_a_full_disk_names_the_folder_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**6))
    assert main(["pack", str(MODEL), "--out", str(tmp_path / "new")]) == 1
    line = capsys.readouterr().err
    assert line.startswith(f"vjax pack: {tmp_path}: the checkpoint could not be saved: it takes ")
    assert "MB, and 1.0 MB are free" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_pack_onto_a_disk_that_becomes_full_prints_one_line_and_leaves_nothing(tmp_path):
    """Orbax's threads print pages of tracebacks, and write on after the error."""

    limited = ["bash", "-c", "trap '' XFSZ; ulimit -f 1000; exec \"$@\"", "bash"]  # 1 MB a file
    command = [*limited, sys.executable, "-m", "vjax", "pack", "shipped", "--out", str(tmp_path / "packed")]
    done = subprocess.run(command, capture_output=True, text=True)
    reason = f"vjax pack: {tmp_path}: the checkpoint could not be saved: File too large. Earlier ones are whole"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(reason), done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
