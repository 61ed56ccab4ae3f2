"""Tests of vjax.candidates.bank: banks of a folder and of a checkpoint."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from vjax.audio.mel import MelConfig
from vjax.candidates import bank, folder_index
from vjax.candidates.bank import (
    CHECKPOINT_BANK,
    checkpoint_bank,
    folder_bank,
    write_checkpoint_bank,
)
from vjax.candidates.folder_index import FOLDER_INDEX
from vjax.candidates.sound_bank import Images, SoundBank, index_mel
from vjax.data.reader import Reader
from vjax.data.shard import log_mel
from vjax.data.store import open_dataset
from vjax.engine import isolate
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.engine.synth import VERSION
from vjax.shipped import MODEL
from vjax.training.saving import CheckpointError
from vjax.vital import preset as vital_preset
from vjax.vital.preset import controls, read_preset, write_preset

PRESETS = Path(__file__).parents[1] / "data" / "presets"
RENDER = RenderConfig(seconds=0.4, note_s=0.3)


@pytest.fixture(scope="module")
def pool():
    with RenderPool(RENDER, 2) as pool:
        yield pool


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three presets, one of them in a subfolder, and a file that is not a preset."""
    (tmp_path / "bank" / "more").mkdir(parents=True)
    for name, subfolder in (("FM_Bass1", ""), ("Rhodesy", ""), ("Sine2Saw", "more")):
        shutil.copy(PRESETS / f"{name}.vital", tmp_path / "bank" / subfolder)
    (tmp_path / "bank" / "broken.vital").write_text("not JSON")
    return tmp_path / "bank"


def mel_of(pool, preset, note: int) -> np.ndarray:
    audio = pool.render(RenderJob(preset.to_json(), (note,))).audio
    return index_mel(log_mel(audio, MelConfig())[0])


def test_nearest_with_the_sound_of_a_preset_returns_it_first(pool, folder, capsys):
    bank = folder_bank(folder, 55, pool, MelConfig())
    assert "broken.vital" in capsys.readouterr().err
    assert sorted(bank.names) == ["FM_Bass1", "Rhodesy", "more/Sine2Saw"]
    wanted = read_preset(folder / "Rhodesy.vital")
    first, second = bank.nearest(mel_of(pool, wanted, 55), 55, 2)
    assert first.name == "Rhodesy"
    assert first.distance_db < 0.1 < second.distance_db  # float16
    np.testing.assert_array_equal(first.preset.continuous, wanted.continuous)
    others = bank.nearest(mel_of(pool, wanted, 55), 55, 5, leave_out=["Rhodesy"])
    assert sorted(other.name for other in others) == ["FM_Bass1", "more/Sine2Saw"]


def test_folder_bank_with_an_index_renders_only_new_presets(pool, folder, capsys):
    first = folder_bank(folder, 55, pool, MelConfig())
    index = folder / FOLDER_INDEX
    before = index.stat().st_mtime_ns
    again = folder_bank(folder, 55, pool, MelConfig())
    assert index.stat().st_mtime_ns == before  # nothing was rendered, not even the broken file
    np.testing.assert_array_equal(again.entries.mels, first.entries.mels)
    shutil.copy(PRESETS / "Chippy_Klassic.vital", folder)
    capsys.readouterr()
    grown = folder_bank(folder, 55, pool, MelConfig())
    assert len(grown.names) == 4
    assert "1/1" in capsys.readouterr().err
    other_note = folder_bank(folder, 60, pool, MelConfig())
    assert not np.array_equal(other_note.entries.mels[0], grown.entries.mels[0])


def test_folder_bank_with_an_unreadable_index_makes_it_again(pool, folder, capsys):
    (folder / FOLDER_INDEX).write_bytes(b"PK\x03\x04 no archive")
    assert len(folder_bank(folder, 55, pool, MelConfig()).names) == 3
    assert "is made again" in capsys.readouterr().err


def test_folder_bank_with_a_file_that_cannot_be_opened_leaves_it_out(pool, folder, monkeypatch, capsys):
    read = Path.read_bytes

    def read_bytes(path):
        if path.name == "Rhodesy.vital":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert sorted(folder_bank(folder, 55, pool, MelConfig()).names) == ["FM_Bass1", "more/Sine2Saw"]
    assert f"left out: {folder / 'Rhodesy.vital'}: permission denied" in capsys.readouterr().err


def test_folder_bank_without_a_place_for_its_index_works_without_one(pool, folder, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
        assert len(folder_bank(folder, 55, pool, MelConfig()).names) == 3
    assert not (folder / FOLDER_INDEX).exists()
    assert "index" not in capsys.readouterr().err


def test_folder_bank_on_a_full_disk_prints_one_line_and_keeps_no_index(
    pool, folder, monkeypatch, capsys, file_size_limit
):
    monkeypatch.setattr(bank, "_SAVED_TOGETHER", 1)
    with file_size_limit(1000):
        assert len(folder_bank(folder, 55, pool, MelConfig()).names) == 3
    assert capsys.readouterr().err.count("the renders of the bank are not kept") == 1
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def stored_keys(folder) -> list[str]:
    with np.load(folder / FOLDER_INDEX) as stored:
        return [key for name in stored.files if name.endswith("_keys") for key in stored[name].tolist()]


def test_folder_bank_of_a_changed_folder_drops_entries_of_removed_presets(pool, folder):
    folder_bank(folder, 55, pool, MelConfig())
    before = stored_keys(folder)
    assert len(before) == 4
    shutil.copy(PRESETS / "Chippy_Klassic.vital", folder / "Rhodesy.vital")
    (folder / "broken.vital").unlink()
    bank = folder_bank(folder, 55, pool, MelConfig())
    assert sorted(bank.names) == ["FM_Bass1", "Rhodesy", "more/Sine2Saw"]
    now = stored_keys(folder)
    assert len(now) == 3
    assert len(set(now) & set(before)) == 2


def test_folder_bank_of_another_engine_version_replaces_all_entries(pool, folder, monkeypatch, capsys):
    monkeypatch.setattr(bank, "VERSION", "vita 0.0.9")
    folder_bank(folder, 55, pool, MelConfig())
    assert all(key.endswith("-vita 0.0.9") for key in stored_keys(folder))
    monkeypatch.undo()
    capsys.readouterr()
    folder_bank(folder, 55, pool, MelConfig())
    assert "3/4" in capsys.readouterr().err  # the bar counts rendered presets; one file is not a preset
    assert len(stored_keys(folder)) == 4
    assert all(key.endswith(f"-{VERSION}") for key in stored_keys(folder))


@pytest.mark.slow
def test_folder_bank_with_more_mel_settings_than_are_kept_keeps_the_last(pool, folder, monkeypatch):
    """Checkpoints may share a folder. Entries of older checkpoints are removed."""
    monkeypatch.setattr(folder_index, "_MOST_SETTINGS", 2)
    mels = [MelConfig(n_mels=n) for n in (64, 96, 128)]
    banks = [folder_bank(folder, 55, pool, mel) for mel in mels]
    assert len({one.entries.mels.shape for one in banks}) == 3
    before = (folder / FOLDER_INDEX).stat().st_mtime_ns
    for mel, one in list(zip(mels, banks, strict=True))[1:]:
        np.testing.assert_array_equal(folder_bank(folder, 55, pool, mel).entries.mels, one.entries.mels)
    assert (folder / FOLDER_INDEX).stat().st_mtime_ns == before
    assert len(stored_keys(folder)) == 2 * 4
    folder_bank(folder, 60, pool, mels[-1])
    assert len(stored_keys(folder)) == 3 * 4


def test_folder_bank_with_an_engine_that_cannot_start_stores_no_silence(folder, capsys, monkeypatch):
    """A failure of the machine is tried again; a preset that cannot be read is not."""
    with RenderPool(RENDER, 2) as pool:
        with monkeypatch.context() as no_processes:
            no_processes.setattr(isolate, "start_process", no_process)
            no_processes.setattr(isolate, "_PAUSE_S", 0.01)
            with pytest.raises(ValueError, match="none of the 4 presets"):
                folder_bank(folder, 55, pool, MelConfig())
        assert capsys.readouterr().err.count("left out this time: ") == 3
        assert len(stored_keys(folder)) == 1  # the file that is not a preset
        assert len(folder_bank(folder, 55, pool, MelConfig()).names) == 3


def no_process(_):
    raise BlockingIOError(11, "Resource temporarily unavailable")


def test_folder_bank_without_an_audible_preset_raises(pool, tmp_path):
    with pytest.raises(ValueError, match=r"contains no \.vital file"):
        folder_bank(tmp_path, 48, pool, MelConfig())
    init = vital_preset.init()
    continuous = init.continuous.copy()
    continuous[controls().position["osc_1_level"]] = 0
    write_preset(tmp_path / "mute.vital", vital_preset.dataclasses.replace(init, continuous=continuous))
    with pytest.raises(ValueError, match=r"none of the 1 presets .* note 48"):
        folder_bank(tmp_path, 48, pool, MelConfig())


def test_checkpoint_bank_with_the_sound_of_a_row_finds_that_row(engine_run, engine_vocabulary, tmp_path):
    """At another note the preset is transposed, so that it sounds as at its own note."""
    info = open_dataset(engine_run / "data")
    reader = Reader(info)
    assert checkpoint_bank(tmp_path, info.schema, engine_vocabulary) is None
    write_checkpoint_bank(tmp_path / CHECKPOINT_BANK, info, reader, np.arange(info.n))
    bank = checkpoint_bank(tmp_path, info.schema, engine_vocabulary)
    row = 2  # at note 60
    (found,) = bank.nearest(index_mel(reader[row].mel[0]), 60, 1)
    assert found.distance_db < 0.3  # entries are stored in whole dB
    assert found.name == bank.names[row]
    assert found.preset.wavetables[0]["name"] == engine_vocabulary.wavetables.names[2]
    (transposed,) = bank.nearest(index_mel(reader[row].mel[0]), 48, 1)
    at = controls().position["voice_transpose"]
    knob = controls().continuous[at]
    assert knob.to_native(transposed.preset.continuous[at]) == knob.to_native(found.preset.continuous[at]) + 12


def test_nearest_in_a_large_bank_equals_a_search_one_by_one():
    """For float16 dB and for uint8 dB below 0. The bank has more sounds than are compared at once."""
    rng = np.random.default_rng(0)
    below = rng.integers(0, 80, (5000, 4, 3)).astype(np.uint8)
    mel = -rng.uniform(0, 80, (4, 3)).astype(np.float32)
    order = np.argsort([np.abs(-np.float32(one) - mel).mean() for one in below], kind="stable")[:4]
    names = [f"sound {i}" for i in range(5000)]
    for mels in (below, -below.astype(np.float16)):
        bank = SoundBank(Images(mels), np.full(5000, 60), names, lambda i: vital_preset.init())
        found = bank.nearest(mel, 60, 4)
        assert [one.name for one in found] == [names[i] for i in order]
        expected = [np.abs(-np.float32(below[i]) - mel).mean() for i in order]
        np.testing.assert_allclose([one.distance_db for one in found], expected, rtol=1e-6)


def test_checkpoint_bank_of_a_dataset_with_names_returns_the_names(tiny_dataset, tmp_path):
    info = open_dataset(tiny_dataset)
    write_checkpoint_bank(tmp_path / CHECKPOINT_BANK, info, Reader(info), np.arange(info.n))
    bank = checkpoint_bank(tmp_path, info.schema, None)
    assert list(dict.fromkeys(bank.names)) == [
        f"training sound prés {s}/{i}" for s, n in ((1, 8), (2, 5)) for i in range(n)
    ]


def test_nearest_with_a_mel_of_another_size_raises():
    bank = SoundBank(Images(np.zeros((2, 64, 10), np.float16)), np.zeros(2), ["a", "b"], lambda i: None)
    with pytest.raises(ValueError, match="other mel or render settings"):
        bank.nearest(np.zeros((64, 9), np.float32), 48, 1)


def test_index_mel_of_two_levels_is_in_db_below_the_maximum():
    mel = np.log1p(np.full((4, 8), 1e-3, np.float32))
    mel[:2, :4] = np.log1p(10.0)
    found = index_mel(mel)
    np.testing.assert_allclose(found, [[0, -40], [-40, -40]], atol=0.01)


@pytest.mark.parametrize("change", ["cut", "an array is missing", "an array is short", "text", "a pickle"])
def test_checkpoint_bank_of_a_damaged_file_is_refused_in_one_line(tmp_path, change):
    with np.load(MODEL / CHECKPOINT_BANK) as stored:
        arrays = {name: stored[name][:3] for name in stored.files}
    if change == "an array is missing":
        del arrays["pictures"]
    elif change == "an array is short":
        arrays["notes"] = arrays["notes"][:2]
    elif change == "text":
        arrays["pictures"] = arrays["pictures"].astype("S3")
    elif change == "a pickle":
        arrays["notes"] = np.array([{}], object)
    path = tmp_path / CHECKPOINT_BANK
    np.savez(path, **arrays)
    if change == "cut":
        path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(CheckpointError, match=rf"{path.name} is damaged.*[Gg]et the checkpoint again") as caught:
        checkpoint_bank(tmp_path, None, None)
    assert "\n" not in str(caught.value)
