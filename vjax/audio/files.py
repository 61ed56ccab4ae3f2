"""Reads sound files as arrays, and writes arrays as sound files."""

import os

import numpy as np
import soundfile
import soxr

from vjax.audio.sample_rates import RATE_RANGE_HZ


class AudioError(ValueError):
    """A file that holds no usable sound, or an array that cannot be written as one."""


def read_audio(path: str | os.PathLike, sample_rate: int) -> np.ndarray:
    """Reads any format that libsndfile supports (WAV, FLAC, OGG, MP3, AIFF ...), and resamples to `sample_rate`.

    Returns:
      [channels, samples] float32, full scale at +-1.

    Raises:
      FileNotFoundError: there is no such file.
      AudioError: the file is not audio, is empty, or holds NaN or infinite samples.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"no sound file at {path}")
    try:
        audio, file_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path} cannot be read as audio ({error}); convert it to WAV or FLAC") from error
    check_rate(file_rate, os.fspath(path))
    if not len(audio):
        raise AudioError(f"{path} is an audio file of 0 samples")
    if not np.isfinite(audio).all():
        raise AudioError(f"{path} holds {np.count_nonzero(~np.isfinite(audio))} samples that are NaN or infinite")
    if file_rate != sample_rate:
        audio = soxr.resample(audio, file_rate, sample_rate)
    return np.ascontiguousarray(audio.T)


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
