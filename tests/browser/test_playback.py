"""Tests playback with the real sounddevice.

Without PortAudio or without a device, the tests check the error messages. With a device, they play 10 ms of silence.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vjax
from vjax.browser import playback
from vjax.browser.playback import PlaybackError


def test_play_works_or_raises_playback_error_with_instructions():
    silence = np.zeros((2, 441), np.float32)
    try:
        name = playback.check_playback()
    except PlaybackError as error:
        text = str(error)
        assert text.startswith("no sound: ")
        assert "apt install libportaudio2" in text or "connect one" in text
        assert "export the preset" in text
        with pytest.raises(PlaybackError) as again:
            playback.play(silence, 44100)
        assert str(again.value) == text
        with pytest.raises(PlaybackError):
            playback.wait()
    else:
        assert name
        playback.play(silence, 44100)
        playback.wait()
    playback.stop()


def test_check_playback_without_sounddevice_names_the_package_to_install(tmp_path):
    """Imports from a folder that contains only NumPy and vjax, in a Python without its site-packages."""
    site = Path(np.__file__).parents[1]
    for part in (site / "numpy", site / "numpy.libs", Path(vjax.__file__).parent):
        if part.exists():
            (tmp_path / part.name).symlink_to(part)
    code = (
        "from vjax.browser import playback\n"
        "playback.stop()\n"
        "try: playback.check_playback()\n"
        "except playback.PlaybackError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.stdout.startswith("no sound: the package sounddevice is not installed; pip install sounddevice")


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros(100), r"shape \(100,\); expected \[channels, samples\]"),
        (np.zeros((3, 100)), r"shape \(3, 100\)"),
        (np.zeros((2, 0)), r"shape \(2, 0\)"),
        (np.array([[0.0, np.nan, np.inf]]), "2 of 3 samples are NaN or infinite"),
    ],
)
def test_play_with_invalid_audio_raises_before_it_opens_the_device(audio, message):
    with pytest.raises(ValueError, match=message):
        playback.play(audio, 44100)


def test_stop_before_any_playback_does_not_import_sounddevice():
    """The browser calls `stop` for each sound that it shows; a search for PortAudio takes a tenth of a second."""
    code = (
        "import sys; from vjax.browser import playback as p; p.stop(); print([m for m in sys.modules if 'sound' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
