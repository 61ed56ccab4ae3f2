"""`vjax train`: the flags for several processes go together. What they do: tests/training/test_hosts.py."""

import os
import subprocess
import sys

import pytest

from vjax.cli.train import main

ADDRESS = ["--coordinator-address", "localhost:9876"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--process-id", "1"], "--coordinator-address and --num-processes must be given too"),
        ([*ADDRESS, "--process-id", "1"], "--num-processes must be given too"),
        ([*ADDRESS, "--num-processes", "2", "--process-id", "2"], "--process-id 2 of 2; they are counted from 0"),
        (["--distributed", *ADDRESS], "give one or the other"),
    ],
)
def test_half_given_flags_are_refused(flags, message, capsys, tmp_path):
    assert main(["--config", "tier3:smoke", "--workdir", str(tmp_path / "run"), *flags]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("address", ["localhost", "localhost:", ":9876", "localhost:http", "localhost:99999"])
def test_an_address_has_a_host_and_a_port(address, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--coordinator-address", address])
    assert f"{address!r} is no HOST:PORT" in capsys.readouterr().err


def test_without_a_cluster_the_flags_are_taught():
    """In a process of its own: jax wants to know before it touches a device."""
    command = [sys.executable, "-m", "vjax", "train", "--config", "tier3:smoke", "--distributed"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert "Under Slurm start it by srun" in result.stderr
