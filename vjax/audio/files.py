"""Reads sound files as arrays, and writes arrays as sound files."""

import io
import math
import os

import numpy as np
import soundfile
import soxr

from vjax.audio.sample_rates import RATE_RANGE_HZ
from vjax.audio.unreadable import cause_and_remedy
from vjax.audio.wav_repair import repaired_wav

_UNKNOWN_FRAMES = 2**60  # libsndfile reports at least this for a FLAC that was written to a pipe
_MAX_REPAIRED_BYTES = 2**30


class AudioError(ValueError):
    """A file that holds no usable sound, or an array that cannot be written as one."""


def read_audio(path: str | os.PathLike, sample_rate: int, max_samples: float = math.inf) -> np.ndarray:
    """Reads any format that libsndfile supports (WAV, FLAC, OGG, MP3, AIFF ...), and resamples to `sample_rate`.

    Args:
      max_samples: the most samples over all channels, before and after resampling. A file that states more is not
        read, because reading it would allocate what it states.

    Returns:
      [channels, samples] float32, full scale at +-1.

    Raises:
      FileNotFoundError: there is no such file.
      AudioError: the file is not audio, is empty, has too many samples, or holds NaN or infinite samples.
    """
    with open_sound(path) as file:
        file_rate = file.samplerate
        check_rate(file_rate, os.fspath(path))
        if file.frames >= _UNKNOWN_FRAMES:
            raise AudioError(f"{path} has no length in its header; convert it to WAV or FLAC again")
        if not file.frames and file.format == "OGG":  # the length is on the last page
            raise AudioError(f"{path} {cause_and_remedy(path, 'its end is missing')}")
        if file.channels * file.frames * max(sample_rate / file_rate, 1) > max_samples:  # resampling makes it larger
            raise AudioError(
                f"{path} lasts {file.frames / file_rate:.0f} s ({file.channels} channels at {file_rate} Hz); "
                "the limit is ten minutes of stereo. Cut out the note that you want"
            )
        try:
            audio = file.read(dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{path} {cause_and_remedy(path, error.error_string)}") from error
    if not len(audio):
        raise AudioError(f"{path} is an audio file of 0 samples; record or export it again")
    if not np.isfinite(audio).all():
        raise AudioError(f"{path} holds {np.count_nonzero(~np.isfinite(audio))} samples that are NaN or infinite")
    if file_rate != sample_rate:
        audio = soxr.resample(audio, file_rate, sample_rate)
    return np.ascontiguousarray(audio.T)


def open_sound(path: str | os.PathLike) -> soundfile.SoundFile:
    """Opens a sound file, or the samples of a WAV file with a broken header. Raises as `read_audio` does."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"no sound file at {path}")
    try:
        file = soundfile.SoundFile(path)
        if file.frames:
            return file
        reason = ""
    except TypeError as error:  # soundfile raises it for the extension .raw
        raise AudioError(f"{path} has no header with its sample rate and format; convert it to WAV or FLAC") from error
    except soundfile.LibsndfileError as error:
        file, reason = None, error.error_string
    repaired = None
    if os.path.getsize(path) <= _MAX_REPAIRED_BYTES:
        with open(path, "rb") as content:
            repaired = repaired_wav(content.read())
    try:
        if repaired:
            return soundfile.SoundFile(io.BytesIO(repaired))
    except soundfile.LibsndfileError:
        pass  # what is wrong with the file itself is the cause
    if file is None:
        raise AudioError(f"{path} {cause_and_remedy(path, reason)}")
    return file


def check_rate(rate_hz: float, name: str) -> None:
    """Raises AudioError if `rate_hz` is not the sample rate of a sound. `name`: of the sound."""
    lowest, highest = RATE_RANGE_HZ
    if not lowest <= rate_hz <= highest:
        raise AudioError(
            f"{name} has a sample rate of {rate_hz} Hz; expected {lowest} to {highest} Hz. Give the rate it was "
            "recorded at"
        )


def write_wav(path: str | os.PathLike, audio: np.ndarray, sample_rate: int) -> None:
    """Writes [channels, samples] as a 32-bit float WAV, so that nothing is clipped or rounded.

    Raises:
      AudioError: `audio` is not [channels, samples], or is not finite.
    """
    audio = np.asarray(audio, np.float32)
    if audio.ndim != 2 or not 0 < audio.shape[0] <= 32:
        raise AudioError(
            f"audio has shape {audio.shape}; expected [channels, samples] with 1 to 32 channels. Give audio.T for "
            "[samples, channels]"
        )
    if not np.isfinite(audio).all():
        raise AudioError(f"{np.count_nonzero(~np.isfinite(audio))} of {audio.size} samples are NaN or infinite")
    try:
        soundfile.write(path, audio.T, sample_rate, format="WAV", subtype="FLOAT")
    except soundfile.LibsndfileError as error:
        raise OSError(f"{path} cannot be written: {error.error_string}") from error
