import shutil
import time

import numpy as np
import orbax.checkpoint as ocp
import pytest

from vjax.training.saving import CheckpointError, saving, tree_bytes


def test_saving_with_too_little_space_states_both_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(CheckpointError, match=r"it takes 2.5 MB, and 1.0 MB are free. Earlier ones are whole"):
        saving(tmp_path, 2_500_000).__enter__()


def test_saving_onto_a_disk_that_becomes_full_raises_one_error_and_logs_none(tmp_path, file_size_limit, caplog, capfd):
    """Orbax writes in the background, and logs the failure when nothing waits for it yet."""
    manager = ocp.CheckpointManager(tmp_path)
    arrays = {"x": np.random.default_rng(0).random(50_000)}
    with file_size_limit(100_000):
        with saving(tmp_path, tree_bytes(arrays)):
            manager.save(0, args=ocp.args.StandardSave(arrays))
        time.sleep(1)
        with pytest.raises(CheckpointError, match="could not be saved: File too large"), saving(tmp_path):
            manager.wait_until_finished()
    assert not [record for record in caplog.records if record.exc_info]
    assert "Traceback" not in capfd.readouterr().err
