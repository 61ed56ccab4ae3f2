"""What is said where no sound can be played: by the real sounddevice, which here finds no PortAudio or no device.

Where there is a device, its name is given, and a hundredth of a second of silence is played.
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


def test_playing_or_saying_why_not():
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


def test_an_install_without_the_extra_says_what_to_install(tmp_path):
    """In a real one: a folder with NumPy and vjax and nothing else, and a Python without its site-packages."""
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
def test_what_is_no_sound_is_refused_before_the_device_is_asked(audio, message):
    with pytest.raises(ValueError, match=message):
        playback.play(audio, 44100)


def test_stopping_what_never_played_does_not_look_for_a_device():
    """The browser stops at every sound that is shown; looking for PortAudio takes a tenth of a second."""
    code = (
        "import sys; from vjax.browser import playback as p; p.stop(); print([m for m in sys.modules if 'sound' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
