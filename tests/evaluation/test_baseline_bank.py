"""Tests of a bank of presets and its cache."""

import shutil
from pathlib import Path

import numpy as np

from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderPool
from vjax.evaluation.baseline_bank import BaselineBank
from vjax.io.find_files import find_presets
from vjax.vital import preset as vital_preset
from vjax.vital.preset import write_preset

RENDER = RenderConfig(seconds=0.4, note_s=0.3)
NOTE = 48


def test_baseline_bank_with_one_changed_preset_renders_only_that_preset(preset_folder, tmp_path):
    shutil.copytree(preset_folder, tmp_path / "bank")
    with RenderPool(RENDER, workers=2) as pool:

        def played():
            bank = BaselineBank(find_presets(tmp_path / "bank"), tmp_path / "bank", tmp_path / "cache", pool)
            bank.play({NOTE: bank.files})
            files, sounds = bank.sounds(NOTE)
            assert len(files) == len(sounds) == 6
            return bank, {file.relative: sound for file, sound in zip(files, sounds, strict=True)}

        bank, first = played()
        assert [Path(path).name for path in bank.failures] == ["zero.vital"]
        times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}
        write_preset(tmp_path / "bank" / "bob" / "Rhodesy.vital", vital_preset.init())
        _, second = played()
        for name, audio in first.items():
            assert np.array_equal(audio, second[name]) == (name != "bob/Rhodesy")
        now = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}
        assert len(now) == len(times) + 1
        assert times.items() <= now.items()
