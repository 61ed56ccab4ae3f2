"""Tests of stored mel settings. Reading them does not import jax."""

import dataclasses
import subprocess
import sys

import pytest

from vjax.audio.mel_config import MelConfig


def test_from_settings_of_stored_settings_returns_the_config():
    config = MelConfig(hop=256, n_mels=80, f_max_hz=8000.0)
    assert MelConfig.from_settings(dataclasses.asdict(config), "a file") == config


def test_from_settings_without_a_setting_uses_its_default():
    found = MelConfig.from_settings({"hop": 256.0, "f_max_hz": 8000}, "a file")  # JSON of other programs
    assert found == MelConfig(hop=256, f_max_hz=8000.0)
    assert (type(found.hop), type(found.f_max_hz)) == (int, float)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hop_length": 512}, r"unknown mel setting hop_length \(512\); rename it to one of .*, or update vjax"),
        ({"power": 2}, r"unknown mel setting power \(2\); rename it to one of sample_rate, n_fft, hop, "),
        ({"hop": 12.5}, "mel setting hop is 12.5; set it to a whole number"),
        ({"hop": True}, "mel setting hop is True; set it to a whole number"),
        ({"f_max_hz": None}, "mel setting f_max_hz is None; set it to a number"),
        ({"f_max_hz": float("nan")}, "mel setting f_max_hz is nan; set it to a number"),
        ({"hop": 0}, "hop=0 must be at least 1; correct the mel settings"),
        ({"sample_rate": 22050}, "do not fit below 11025.0 Hz"),
        ("slaney", "the mel settings are 'slaney'; expected the fields of MelConfig by name"),
    ],
)
def test_from_settings_with_a_wrong_setting_is_an_error(settings, message):
    with pytest.raises(ValueError, match=rf"a file: .*{message}"):
        MelConfig.from_settings(settings, "a file")


def test_importing_mel_config_does_not_import_jax():
    code = "import sys, vjax.audio.mel_config; print('jax' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "False"
