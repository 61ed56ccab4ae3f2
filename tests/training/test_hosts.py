"""Two real processes train as one does, save once, go on in any number, and end together."""

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

from vjax.data.store import write_shard
from vjax.training.checkpoint import load_checkpoint
from vjax.training.config import base_config, unpack
from vjax.training.hosts import JoinError, joined
from vjax.training.loop import train

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 240  # for a start on a busy machine; what hangs is caught
SETTINGS = {"model.mod_embed_dim": 4, "train.batch_size": 8, "train.checkpoint_every": 2}
TWO_DEVICES = {"XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=2"}

# What the threads of Gloo print, also into each other's lines and numbers.
GLOO = {"Gloo", "Rank", "is", "connected", "to", "peer", "ranks", "Expected", "number", "of"}

TRAIN_REL, VAL_REL, KNOBS_REL = 1e-5, 1e-4, 1e-2
"""Of the training losses, the validation losses, and all that is measured by module.

Two processes add up in another order, which in float32 changes a loss by some 1e-7. AdamW divides a gradient by its own
size, also one that is nothing but rounding, and validation, by batch norm's averages of few steps, hears of that: seen
were 2e-5 of a loss, 7e-4 of a module. The same rows in another order, with other dropout, change `cont_loss` by 2e-2.
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
    """In this process, with its one device."""
    config = base_config(3, "smoke")
    config.update_from_flattened_dict({"data.path": str(dataset), **SETTINGS, **settings})
    return train(unpack(config), workdir, evaluators)


def predicting(snapshot, writer, workdir):
    """An evaluator that uses the model, and takes its time."""
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
    """`vjax train` in two processes by the flags, with two devices each."""
    flags = ["--coordinator-address", f"localhost:{free_port()}", "--num-processes", "2", "--process-id"]
    return [start_command(dataset, workdir, settings, [*flags, str(i)], {}) for i in range(2)]


def start_two_predicting(dataset, workdir, **settings):
    """Two processes that train with the evaluator `predicting`, which only the first may call."""
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
    """The same by the variables that Slurm sets."""
    slurm = {"SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2"}
    slurm["JAX_COORDINATOR_PORT"] = str(free_port())
    own = [slurm | {"SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)} for i in range(2)]
    return [start_command(dataset, workdir, settings, ["--distributed"], variables) for variables in own]


def finish(*processes):
    """(exit code, stdout, stderr) of each. They are read at once: one with a full pipe would hold up the other."""
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


def assert_same_run(ours, theirs):
    assert [ours[key] for key in ("steps", "epochs", "rows")] == [theirs[key] for key in ("steps", "epochs", "rows")]
    assert ours["train"] == pytest.approx(theirs["train"], rel=TRAIN_REL)
    assert ours["val"] == pytest.approx(theirs["val"], rel=KNOBS_REL)
    losses = ("loss", "cont_loss", "cat_loss", "mod_loss")
    assert [ours["val"][name] for name in losses] == pytest.approx(
        [theirs["val"][name] for name in losses], rel=VAL_REL
    )


@pytest.fixture(scope="module")
def runs(dataset, tmp_path_factory):
    """(run by two processes, run by one, what the two printed)."""
    folder = tmp_path_factory.mktemp("runs")
    printed = succeed(*start_two_by_slurm(dataset, folder / "two"))
    train_alone(dataset, folder / "one")
    return folder / "two", folder / "one", printed


def test_two_processes_train_as_one(runs):
    two, one, _ = runs
    assert_same_run(summary_of(two), summary_of(one))
    assert (summary_of(two)["processes"], summary_of(two)["devices"]) == (2, 4)


def test_only_the_first_writes(runs):
    two, _, (first, second) = runs
    assert "steps: " in first
    assert set(re.findall("[A-Za-z]+", second)) <= GLOO
    assert len(list((two / "tensorboard").iterdir())) == 1
    assert (two / "checkpoints" / "bank.npz").exists()


def test_the_checkpoint_of_two_is_that_of_one(runs):
    two, one, _ = runs
    ours, theirs = load_checkpoint(two, "latest"), load_checkpoint(one, "latest")
    assert ours.step == theirs.step == summary_of(one)["steps"]
    assert not list((two / "checkpoints").glob("*tmp*"))
    ours, theirs = (r.variables["params"]["continuous_head"]["Dense_2"]["kernel"] for r in (ours, theirs))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_either_number_continues_the_run_of_the_other(runs, dataset, tmp_path):
    two, one, _ = runs
    shutil.copytree(two, tmp_path / "two")
    shutil.copytree(one, tmp_path / "one")
    longer = {"train.epochs": 3}
    succeed(*start_two_predicting(dataset, tmp_path / "one", **longer))
    by_two, by_one = summary_of(tmp_path / "one"), train_alone(dataset, tmp_path / "two", [predicting], **longer)
    assert by_two["steps"] > summary_of(one)["steps"]
    assert_same_run(by_two, by_one)
    np.testing.assert_allclose(by_two["predicted"], by_one["predicted"], atol=KNOBS_REL)


def test_if_the_first_is_killed_the_other_ends(dataset, tmp_path):
    first, second = start_two(dataset, tmp_path / "run", **{"train.epochs": 100000})
    deadline = time.monotonic() + TIMEOUT_S
    while not list((tmp_path / "run" / "checkpoints").glob("[0-9]*")) and time.monotonic() < deadline:
        assert first.poll() is None, finish(first, second)
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    _, (code, _, _) = finish(first, second)
    assert code != 0
    assert not (tmp_path / "run" / "summary.json").exists()


def test_a_loss_that_is_not_finite_ends_both(dataset, tmp_path):
    broken = shutil.copytree(dataset, tmp_path / "broken")
    with h5py.File(broken / "shard-00000.h5", "r+") as file:
        file["params/continuous"][:, 3] = np.nan
    for code, _, error in finish(*start_two(broken, tmp_path / "run")):
        assert code == 1, error
        assert re.search(r"step 1: \{.*'cont_loss': nan", error)


def test_a_coordinator_that_does_not_answer_is_named(capfd):
    port = free_port()
    with pytest.raises(JoinError, match=f"no answer from localhost:{port} for 1 s .*Does process 0 run there"):  # noqa: SIM117
        with joined(f"localhost:{port}", 2, 1, timeout_s=1):
            pass
    assert "process 1 of 2: waiting up to 1 s" in capfd.readouterr().err


def test_a_taken_port_is_named():
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(JoinError, match=f"port {port} cannot be opened here"):  # noqa: SIM117
            with joined(f"localhost:{port}", 2, 0):
                pass
