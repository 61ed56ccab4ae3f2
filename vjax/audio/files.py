"""Reads sound files as arrays, and writes arrays as sound files."""

import os

import numpy as np
import soundfile
import soxr


class AudioError(ValueError):
    """A file that contains no usable sound, or an array that cannot be written as one."""


def read_audio(path: str | os.PathLike, sample_rate: int) -> np.ndarray:
    """Reads any format that libsndfile supports (WAV, FLAC, OGG, MP3, AIFF ...), and resamples to `sample_rate`.

    Returns:
      [channels, samples] float32, full scale at +-1.

    Raises:
      FileNotFoundError: there is no such file.
      AudioError: the file is not audio, is empty, or contains NaN or infinite samples.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"no sound file at {path}; give a WAV, FLAC, OGG, MP3 or AIFF file")
    try:
        audio, file_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path} cannot be read as audio ({error}); convert it to WAV or FLAC") from error
    if not len(audio):
        raise AudioError(f"{path} is an audio file of 0 samples; record or export it again")
    if not np.isfinite(audio).all():
        raise AudioError(
            f"{path} contains {np.count_nonzero(~np.isfinite(audio))} samples that are NaN or infinite; export it again"
        )
    if file_rate != sample_rate:
        audio = soxr.resample(audio, file_rate, sample_rate)
    return np.ascontiguousarray(audio.T)


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
