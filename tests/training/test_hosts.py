"""Tests with two real processes: they train as one does, save once, continue in any number, and end together."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

from vjax.data.write_shard import write_shard
from vjax.io.folder_lock import locked
from vjax.training.checkpoint import load_checkpoint
from vjax.training.config import base_config, unpack
from vjax.training.hosts import JoinError, joined
from vjax.training.loop import train

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 240  # long enough for a start on a busy machine; ends a process that hangs
SETTINGS = {"model.mod_embed_dim": 4, "train.batch_size": 8, "train.checkpoint_every": 2}
TWO_DEVICES = {"XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=2"}

# Words that the threads of Gloo print, sometimes into each other's lines and numbers.
GLOO = {"Gloo", "Rank", "is", "connected", "to", "peer", "ranks", "Expected", "number", "of"}

TRAIN_REL, VAL_REL, KNOBS_REL = 1e-5, 1e-4, 1e-2
"""Tolerances of the training losses, the validation losses, and the metrics by module.

Two processes add in another order, which changes a float32 loss by about 1e-7. AdamW divides each gradient by its own
size, even if it is only a rounding error. Batch norm's averages over few steps carry this into the validation. The
largest differences found were 2e-5 of a loss and 7e-4 of a module's metric. The same rows in another order, with other
dropout, change `cont_loss` by 2e-2.
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, schema, random_rows, shard_attributes):
    folder = tmp_path_factory.mktemp("data")
    write_shard(folder / "shard-00000.h5", schema, random_rows(13, seed=1), shard_attributes)
    return folder


def free_port():
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]


def train_alone(dataset, workdir, evaluators=(), **settings):
    """Trains in this process, on its one device."""
    config = base_config(3, "smoke")
    config.update_from_flattened_dict({"data.path": str(dataset), **SETTINGS, **settings})
    return train(unpack(config), workdir, evaluators)


def predicting(snapshot, writer, workdir):
    """An evaluator that uses the model and takes one second."""
    time.sleep(1)
    return {"predicted": snapshot.predict(snapshot.val_rows[:2]).continuous.tolist()}


def start_process(command, environment):
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu"} | TWO_DEVICES | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_command(dataset, workdir, settings, host_flags, environment):
    settings = {"data.path": dataset, **SETTINGS, **settings}
    flags = [*host_flags, *(f"--config.{name}={value}" for name, value in settings.items())]
    return start_process(["scripts/train.py", "--config", "tier3:smoke", "--workdir", workdir, *flags], environment)


def start_two(dataset, workdir, **settings):
    """Starts `vjax train` in two processes with two devices each, connected by flags."""
    flags = ["--coordinator-address", f"localhost:{free_port()}", "--num-processes", "2", "--process-id"]
    return [start_command(dataset, workdir, settings, [*flags, str(i)], {}) for i in range(2)]


def start_two_predicting(dataset, workdir, **settings):
    """Starts two processes that train with the evaluator `predicting`. Only the first process may call it."""
    script = f"""if True:
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_hosts import joined, predicting, train_alone
        with joined("localhost:{free_port()}", 2, int(sys.argv[1])):
            summary = train_alone({str(dataset)!r}, {str(workdir)!r}, [predicting], **{settings!r})
        assert ("predicted" in summary) == (sys.argv[1] == "0")
    """
    return [start_process(["-c", script, str(i)], {}) for i in range(2)]


def start_two_by_slurm(dataset, workdir, **settings):
    """Does the same as `start_two`, connected by the variables that Slurm sets."""
    slurm = {"SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2"}
    slurm["JAX_COORDINATOR_PORT"] = str(free_port())
    own = [slurm | {"SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)} for i in range(2)]
    return [start_command(dataset, workdir, settings, ["--distributed"], variables) for variables in own]


def finish(*processes):
    """Returns (exit code, stdout, stderr) of each. Reads all at once, because a full pipe would block its process."""
    try:
        with ThreadPoolExecutor(len(processes)) as readers:
            printed = list(readers.map(lambda process: process.communicate(timeout=TIMEOUT_S), processes))
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *texts) for process, texts in zip(processes, printed, strict=True)]


def succeed(*processes):
    ended = finish(*processes)
    assert [code for code, _, _ in ended] == [0] * len(ended), ended
    return [out for _, out, _ in ended]


def summary_of(workdir):
    return json.loads((workdir / "summary.json").read_text())


def assert_same_run(found, expected):
    assert [found[key] for key in ("steps", "epochs", "rows")] == [expected[key] for key in ("steps", "epochs", "rows")]
    assert found["train"] == pytest.approx(expected["train"], rel=TRAIN_REL)
    assert found["val"] == pytest.approx(expected["val"], rel=KNOBS_REL)
    losses = ("loss", "cont_loss", "cat_loss", "mod_loss")
    assert [found["val"][name] for name in losses] == pytest.approx(
        [expected["val"][name] for name in losses], rel=VAL_REL
    )


@pytest.fixture(scope="module")
def runs(dataset, tmp_path_factory):
    """Returns (folder of a run in two processes, folder of a run in one, output of the two processes)."""
    folder = tmp_path_factory.mktemp("runs")
    printed = succeed(*start_two_by_slurm(dataset, folder / "two"))
    train_alone(dataset, folder / "one")
    return folder / "two", folder / "one", printed


def test_train_in_two_processes_equals_train_in_one(runs):
    two, one, _ = runs
    assert_same_run(summary_of(two), summary_of(one))
    assert (summary_of(two)["processes"], summary_of(two)["devices"]) == (2, 4)


def test_train_in_two_processes_writes_only_in_the_first(runs):
    two, _, (first, second) = runs
    assert "steps: " in first
    assert set(re.findall("[A-Za-z]+", second)) <= GLOO
    assert len(list((two / "tensorboard").iterdir())) == 1
    assert (two / "checkpoints" / "bank.npz").exists()


def test_train_in_two_processes_saves_the_checkpoint_of_one(runs):
    two, one, _ = runs
    by_two, by_one = load_checkpoint(two, "latest"), load_checkpoint(one, "latest")
    assert by_two.step == by_one.step == summary_of(one)["steps"]
    assert not list((two / "checkpoints").glob("*tmp*"))
    found, expected = (r.variables["params"]["continuous_head"]["Dense_2"]["kernel"] for r in (by_two, by_one))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_train_continued_with_another_number_of_processes_gives_the_same_run(runs, dataset, tmp_path):
    two, one, _ = runs
    shutil.copytree(two, tmp_path / "two")
    shutil.copytree(one, tmp_path / "one")
    longer = {"train.epochs": 3}
    succeed(*start_two_predicting(dataset, tmp_path / "one", **longer))
    by_two, by_one = summary_of(tmp_path / "one"), train_alone(dataset, tmp_path / "two", [predicting], **longer)
    assert by_two["steps"] > summary_of(one)["steps"]
    assert_same_run(by_two, by_one)
    np.testing.assert_allclose(by_two["predicted"], by_one["predicted"], atol=KNOBS_REL)


def test_train_with_a_killed_leader_ends_the_other_process(dataset, tmp_path):
    first, second = start_two(dataset, tmp_path / "run", **{"train.epochs": 100000})
    deadline = time.monotonic() + TIMEOUT_S
    while not list((tmp_path / "run" / "checkpoints").glob("[0-9]*")) and time.monotonic() < deadline:
        assert first.poll() is None, finish(first, second)
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    _, (code, _, _) = finish(first, second)
    assert code != 0
    assert not (tmp_path / "run" / "summary.json").exists()


def test_train_in_two_processes_in_a_workdir_in_use_ends_both(dataset, tmp_path):
    with locked(tmp_path / "run"):
        (code, _, printed), (other_code, _, _) = finish(*start_two(dataset, tmp_path / "run"))
    assert code == 1
    assert f"{tmp_path / 'run'} is in use: process {os.getpid()} on " in printed
    assert other_code != 0


def test_train_in_two_processes_with_a_non_finite_loss_ends_both(dataset, tmp_path):
    broken = shutil.copytree(dataset, tmp_path / "broken")
    with h5py.File(broken / "shard-00000.h5", "r+") as file:
        file["params/continuous"][:, 3] = np.nan
    for code, _, error in finish(*start_two(broken, tmp_path / "run")):
        assert code == 1, error
        assert re.search(r"step 1: \{.*'cont_loss': nan", error)


def test_joined_without_a_responding_coordinator_names_its_address(capfd):
    port = free_port()
    with pytest.raises(JoinError, match=f"localhost:{port} did not respond within 1 s .*Check that process 0 runs"):  # noqa: SIM117
        with joined(f"localhost:{port}", 2, 1, timeout_s=1):
            pass
    assert "process 1 of 2: waiting up to 1 s" in capfd.readouterr().err


def test_joined_with_a_port_in_use_names_it():
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(JoinError, match=f"port {port} cannot be opened here"):  # noqa: SIM117
            with joined(f"localhost:{port}", 2, 0):
                pass
