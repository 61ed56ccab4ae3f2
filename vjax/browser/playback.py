"""Plays sounds through the computer's loudspeaker, if it has one. Needs `sounddevice`, from the extra `tui`."""

import sys
import threading
from types import ModuleType
from typing import Any

import numpy as np

_INSTEAD = "or export the preset and play it in Vital"
_IMPORT = threading.Lock()
"""Guards the import. Before Python 3.12, if an import fails, a thread that waits for it gets an incomplete module."""


class PlaybackError(OSError):
    """No sound can be played here. The message contains what is missing and what to do."""


def check_playback() -> str:
    """Starts the sound system and returns the name of the output device.

    Call it before a terminal program takes over the screen, because the sound system writes to stderr when it starts.

    Raises:
      PlaybackError: there is no sounddevice, no PortAudio, or no device with an output.
    """
    sounddevice = _sounddevice()
    try:
        return str(sounddevice.query_devices(kind="output")["name"])
    except (sounddevice.PortAudioError, ValueError) as error:  # ValueError: no device has the default's name
        raise _no_device(error) from error


def play(audio: np.ndarray, sample_rate: int) -> None:
    """Starts to play a sound and does not wait for its end. A sound that still plays is stopped.

    Args:
      audio: floats [channels, samples], mono or stereo, full scale at +-1; louder samples are clipped.
      sample_rate: in Hz.

    Raises:
      ValueError: `audio` has another shape, has no samples, or has samples that are NaN or infinite.
      PlaybackError: as `check_playback`, or the device cannot play such a sound.
    """
    audio = np.asarray(audio, np.float32)
    if audio.ndim != 2 or audio.shape[0] not in (1, 2) or not audio.shape[1]:
        raise ValueError(f"audio has shape {audio.shape}; expected [channels, samples] with one or two channels")
    if not np.isfinite(audio).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(audio))} of {audio.size} samples are NaN or infinite")
    check_playback()
    sounddevice = _sounddevice()
    try:
        sounddevice.play(np.clip(audio, -1, 1).T, sample_rate)
    except sounddevice.PortAudioError as error:
        raise PlaybackError(
            f"the sound device refuses {audio.shape[0]} channel(s) at {sample_rate} Hz ({error}); choose another "
            f"output in the system's settings, {_INSTEAD}"
        ) from error


def wait() -> None:
    """Waits until the current sound has ended. Raises PlaybackError as `check_playback`."""
    _sounddevice().wait()


def stop() -> None:
    """Stops the current sound. Does nothing if no sound plays, or if none can be played here."""
    if "sounddevice" in sys.modules:  # else nothing has played; a failing import would search for PortAudio each time
        sys.modules["sounddevice"].stop()


def _sounddevice() -> ModuleType | Any:
    """Imports sounddevice, here and not above: the import fails without PortAudio, and only playing needs it."""
    try:
        with _IMPORT:
            import sounddevice
    except ModuleNotFoundError as error:
        raise PlaybackError(
            f"no sound: the package sounddevice is not installed; pip install sounddevice, {_INSTEAD}"
        ) from error
    except OSError as error:  # "PortAudio library not found"
        raise PlaybackError(
            f"no sound: {error}; install it (Debian, Ubuntu: apt install libportaudio2), {_INSTEAD}"
        ) from error
    return sounddevice


def _no_device(error: Exception) -> PlaybackError:
    return PlaybackError(f"no sound: there is no output device ({error}); connect one and start again, {_INSTEAD}")
