"""Tests of `vjax precompute`: an interrupted or killed run ends with the same data as an uninterrupted one."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from vjax.audio.mel import MelConfig, mel_spectrogram
from vjax.cli.precompute import main
from vjax.data.layout import DatasetError
from vjax.data.precompute import mel_settings, precompute_mels, precompute_modulation
from vjax.data.reader import Reader
from vjax.data.store import open_dataset
from vjax.data.write_shard import write_shard

CONFIG = MelConfig(sample_rate=8000, n_fft=256, hop=100, n_mels=16, f_max_hz=4000.0)


def fake_mel(audio: np.ndarray) -> np.ndarray:
    """Maps [b, samples] to [b, 16, 11]. It is fast, and differs between sounds."""
    return np.stack([audio[:, i : i + 11] for i in range(16)], 1)


@pytest.fixture
def sounds(tmp_path, schema, random_rows, shard_attributes):
    """A folder of two shards with stereo sounds, without spectrograms."""
    folder = tmp_path / "sounds"
    for number, n_presets in enumerate((4, 3)):
        rows = random_rows(n_presets, seed=number)
        del rows["features/mel_spectrogram"]
        noise = np.random.default_rng(number).standard_normal((3 * n_presets, 2, 1000))
        rows["audio/waveforms"] = noise.astype(np.float16)
        render = shard_attributes["render"] | {"sample_rate": CONFIG.sample_rate}
        attributes = shard_attributes | {"mel": dataclasses.asdict(CONFIG), "render": render}
        write_shard(folder / f"shard-{number:05d}.h5", schema, rows, attributes)
    return folder


@pytest.fixture
def dense(tmp_path, schema, random_rows, shard_attributes):
    rows = {name: array for name, array in random_rows(10).items() if not name.startswith("modulation/")}
    rows["params/modulation_t3"] = np.random.default_rng(0).standard_normal((30, 4, 4, 10)).astype(np.float32)
    write_shard(tmp_path / "dense.h5", schema, rows, shard_attributes)
    return tmp_path / "dense.h5"


def test_precompute_mels_of_stereo_sounds_uses_the_mean_of_the_channels(sounds):
    filled = precompute_mels(sounds, CONFIG, lambda audio: mel_spectrogram(audio, CONFIG), 5, progress=False)
    assert filled == 21
    info = open_dataset(sounds)
    assert info.mel_shape == (1, 16, 11)
    assert MelConfig(**info.mel) == CONFIG
    with h5py.File(sounds / "shard-00001.h5") as file:
        assert file["features/mel_spectrogram"].chunks == (1, 1, 16, 11)
        assert file["features/mel_spectrogram"].compression is None
        audio = file["audio/waveforms"][4].astype(np.float32)
    expected = np.asarray(mel_spectrogram((audio[0] + audio[1]) / 2, CONFIG))
    np.testing.assert_allclose(Reader(info)[12 + 4].mel[0], expected, atol=1e-4)


def test_precompute_mels_after_an_interruption_continues(sounds, tmp_path):
    shutil.copytree(sounds, tmp_path / "uninterrupted")
    precompute_mels(tmp_path / "uninterrupted", CONFIG, fake_mel, 2, progress=False)
    calls = 0

    def interrupted(audio):
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return fake_mel(audio)

    with pytest.raises(KeyboardInterrupt):
        precompute_mels(sounds, CONFIG, interrupted, 2, progress=False)
    with pytest.raises(DatasetError, match=r"mel_spectrogram is half-filled; run: vjax precompute mels"):
        open_dataset(sounds)
    assert precompute_mels(sounds, CONFIG, fake_mel, 2, progress=False) < 21  # some existed already
    assert precompute_mels(sounds, CONFIG, fake_mel, 2, progress=False) == 0
    for name in ("shard-00000.h5", "shard-00001.h5"):
        with h5py.File(sounds / name) as continued, h5py.File(tmp_path / "uninterrupted" / name) as reference:
            mel = continued["features/mel_spectrogram"]
            np.testing.assert_array_equal(mel, reference["features/mel_spectrogram"])
            assert not mel.attrs


KILLED = """
import sys, time
import h5py
from vjax.data import precompute
original = h5py.Dataset.__setitem__
def slowly(dataset, where, value):
    original(dataset, where, value)
    time.sleep(0.05)
    print("block", flush=True)
h5py.Dataset.__setitem__ = slowly
precompute.precompute_modulation(sys.argv[1], batch_size=2, progress=False)
"""


def test_precompute_modulation_after_a_kill_continues(dense):
    """SIGKILL in the middle of filling leaves a file that opens, and the next run completes it."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(dense)], stdout=subprocess.PIPE, text=True)
    for _ in range(5):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with h5py.File(dense) as file:
        assert 0 < file["features/modulation_t3"].attrs["rows_done"] < 30
        # All chunks are allocated before the first row is written, so filling does not change the file's structure.
        assert file["features/modulation_t3"].id.get_storage_size() == 30 * 4 * 4 * 10 * 4
    assert 0 < precompute_modulation(dense, batch_size=2, progress=False) < 30
    with h5py.File(dense) as file:
        fast = file["features/modulation_t3"]
        np.testing.assert_array_equal(fast, file["params/modulation_t3"])
        assert fast.chunks == (1, 4, 4, 10)
        assert fast.compression is None
        assert not fast.attrs


def test_precompute_modulation_of_finished_or_sparse_data_changes_nothing(dense, tiny_dataset):
    assert precompute_modulation(dense, progress=False) == 30
    before = dense.read_bytes()
    assert precompute_modulation(dense, progress=False) == 0
    assert precompute_modulation(tiny_dataset, progress=False) == 0
    assert dense.read_bytes() == before


def test_precompute_without_its_inputs_names_what_is_missing(tiny_dataset, sounds):
    for shard in tiny_dataset.iterdir():
        with h5py.File(shard, "r+") as file:
            del file["modulation"], file["features"]
    with pytest.raises(
        DatasetError, match=r"shard-00000\.h5 has no dataset params/modulation_t3; it contains no modulation"
    ):
        precompute_modulation(tiny_dataset, progress=False)
    with pytest.raises(DatasetError, match=r"shard-00000\.h5 has no dataset audio/waveforms; log-mel spectrograms"):
        precompute_mels(tiny_dataset, CONFIG, fake_mel, progress=False)
    precompute_mels(sounds, CONFIG, fake_mel, progress=False)
    with pytest.raises(DatasetError, match=r"mel_spectrogram was made with .*\"hop\": 100.*not with .*\"hop\": 200"):
        precompute_mels(sounds, dataclasses.replace(CONFIG, hop=200), fake_mel, progress=False)


def report_sounds(path, n_samples=1000, **attributes):
    """Writes a file in the report's layout, with sounds and without spectrograms."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file["params/continuous"] = rng.random((4, 322), np.float32)
        file["params/categorical"] = np.zeros((4, 126), np.int64)
        file["audio/waveforms"] = rng.standard_normal((4, 2, n_samples)).astype(np.float16)
        file.attrs.update(attributes)
    return path


RATES = r"gives 22050 Hz, but the mel settings are for 44100 Hz"


@pytest.mark.parametrize("location", ["file", "schema", "waveforms"])
def test_precompute_mels_with_another_sample_rate_is_refused(tmp_path, capsys, location):
    """The file has no mel settings, so the command uses MelConfig's 44,100 Hz."""
    path = report_sounds(tmp_path / "report.h5")
    with h5py.File(path, "r+") as file:
        if location == "schema":
            file.create_group("schema").attrs["sample_rate"] = 22050
        else:
            (file if location == "file" else file["audio/waveforms"]).attrs["sample_rate"] = 22050
    assert main(["mels", str(path)]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert re.search(rf"report\.h5: attribute sample_rate.* {RATES}", error)
    assert '"sample_rate": 22050, "f_max_hz": 11025' in error
    with h5py.File(path) as file:
        assert "features" not in file


def test_precompute_mels_with_stored_settings_uses_them(tmp_path):
    settings = {"sample_rate": 22050, "f_max_hz": 11025}
    path = report_sounds(tmp_path / "report.h5", sample_rate=22050, mel=json.dumps(settings))
    assert main(["mels", str(path)]) == 0
    info = open_dataset(path)
    assert info.mel_config == MelConfig(**settings)
    with h5py.File(path) as file:
        audio = file["audio/waveforms"][0].astype(np.float32).mean(0)
    np.testing.assert_allclose(Reader(info)[0].mel[0], mel_spectrogram(audio, info.mel_config), atol=1e-4)


def test_precompute_mels_with_one_shard_of_another_rate_is_refused(sounds):
    """The settings are those of the first shard; both shards are checked against them."""
    with h5py.File(sounds / "shard-00001.h5", "r+") as file:
        file.attrs["mel"] = json.dumps(dataclasses.asdict(MelConfig()))
    with pytest.raises(DatasetError, match=r"shard-00001\.h5: attribute mel gives 44100 Hz.* for 8000 Hz"):
        precompute_mels(sounds, CONFIG, fake_mel, progress=False)


def test_mel_settings_without_a_sample_rate_warns_of_the_assumed_one(tmp_path, caplog):
    path = report_sounds(tmp_path / "report.h5")
    with caplog.at_level("WARNING", logger="absl"):
        assert mel_settings(path) == {}
    assert "report.h5: no attribute gives the sample rate of its sounds; 44100 Hz is assumed" in caplog.text


def test_mel_settings_inside_a_json_attribute_returns_them(tmp_path):
    path = report_sounds(tmp_path / "report.h5", schema=json.dumps({"mel": {"hop": 256}}))
    assert mel_settings(path) == dataclasses.asdict(MelConfig(hop=256))


def test_mel_settings_with_an_unknown_field_is_refused(sounds, capsys):
    with h5py.File(sounds / "shard-00000.h5", "r+") as file:
        file.attrs["mel"] = json.dumps(dataclasses.asdict(CONFIG) | {"hop_length": 100})
    assert main(["mels", str(sounds)]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert "shard-00000.h5: attribute mel: unknown mel setting hop_length (100); rename it to one of" in error


def test_precompute_fills_files_and_returns_exit_codes(sounds, dense, tmp_path, capsys):
    assert main(["mels", str(sounds)]) == 0
    assert "21 rows filled" in capsys.readouterr().out
    assert open_dataset(sounds).mel_shape == (1, 16, 11)  # the dataset's own mel settings were used
    assert mel_settings(sounds) == dataclasses.asdict(CONFIG)
    assert main(["modulation", str(dense)]) == 0
    assert main(["modulation", str(dense)]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert main(["modulation", str(tmp_path / "nowhere.h5")]) == 1
    assert "there is no dataset at" in capsys.readouterr().err
    with pytest.raises(SystemExit) as help_exit:
        main(["--help"])
    assert help_exit.value.code == 0
    assert "examples: " in capsys.readouterr().out
