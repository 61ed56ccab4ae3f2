"""`vjax train`: the flags for several processes. Their effect is tested in tests/training/test_hosts.py."""

import os
import subprocess
import sys

import pytest

from vjax.cli.config import settings_table
from vjax.cli.train import main
from vjax.training.config import base_config, unpack

ADDRESS = ["--coordinator-address", "localhost:9876"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--process-id", "1"], "--coordinator-address and --num-processes must be given too"),
        ([*ADDRESS, "--process-id", "1"], "--num-processes must be given too"),
        ([*ADDRESS, "--num-processes", "2", "--process-id", "2"], "--process-id 2: expected 0 to 1, as --num"),
        (["--distributed", *ADDRESS], "give it or them, not both"),
    ],
)
def test_train_with_incomplete_process_flags_is_wrong_usage(flags, message, capsys, tmp_path):
    assert main(["--config", "tier3:smoke", "--workdir", str(tmp_path / "run"), *flags]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("address", ["localhost", "localhost:", ":9876", "localhost:http", "localhost:99999"])
def test_train_with_an_invalid_address_is_wrong_usage(address, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--coordinator-address", address])
    assert f"expected HOST:PORT, such as node0:9876, got {address!r}" in capsys.readouterr().err


def test_train_distributed_without_a_cluster_explains_the_flags():
    """In a new process: jax must join the other processes before it uses a device."""
    command = [sys.executable, "-m", "vjax", "train", "--config", "tier3:smoke", "--distributed"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert "Under Slurm start it with srun" in result.stderr


def test_train_help_lists_every_setting_with_its_value_and_meaning(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    table = capsys.readouterr().out.partition("every setting, with its value in tier3")[2].splitlines()[1:]
    assert table == settings_table(unpack(base_config(3)))
