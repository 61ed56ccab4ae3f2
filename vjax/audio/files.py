"""Reads sound files as arrays, and writes arrays as sound files."""

import io
import os

import numpy as np
import soundfile
import soxr

from vjax.io.atomic import write_file

_PIPED_BYTES = 2**30  # the most that is read from a pipe, which may be endless


class AudioError(ValueError):
    """A file that contains no usable sound, or an array that cannot be written as one."""


def open_sound(path: str | os.PathLike) -> str | bytes | io.BytesIO:
    """What soundfile can open for a path: the path of a file, or all bytes of a pipe, in which it cannot seek.

    Raises:
      FileNotFoundError: there is no such file or pipe.
      AudioError: the pipe has more than 1 GiB.
    """
    if os.path.isfile(path):
        return _name(path)
    if not os.path.exists(path) or os.path.isdir(path):
        raise FileNotFoundError(f"no sound file at {path}; give a WAV, FLAC, OGG, MP3 or AIFF file")
    with open(path, "rb") as pipe:
        data = pipe.read(_PIPED_BYTES + 1)
    if len(data) > _PIPED_BYTES:
        raise AudioError(f"{path} has more than {_PIPED_BYTES // 2**20} MiB; give a shorter sound")
    return io.BytesIO(data)


def _name(path: str | os.PathLike) -> str | bytes:
    """A path as soundfile takes it: as bytes, because it refuses a `str` of a name that is not UTF-8."""
    return os.fsencode(path) if os.name == "posix" else os.fspath(path)


def read_audio(path: str | os.PathLike, sample_rate: int) -> np.ndarray:
    """Reads any format that libsndfile supports (WAV, FLAC, OGG, MP3, AIFF ...), and resamples to `sample_rate`.

    Returns:
      [channels, samples] float32, full scale at +-1.

    Raises:
      FileNotFoundError: there is no such file.
      AudioError: the file is not audio, is empty, or contains NaN or infinite samples.
    """
    return decode_sound(open_sound(path), path, sample_rate)


def decode_sound(source: str | bytes | io.BytesIO, path: str | os.PathLike, sample_rate: int) -> np.ndarray:
    """As `read_audio`, of what `open_sound` returned for a path."""
    try:
        audio, file_rate = soundfile.read(source, dtype="float32", always_2d=True)
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
      OSError: the file cannot be written. There is no new file then.
    """
    audio = np.asarray(audio, np.float32)
    if audio.ndim != 2 or not 0 < audio.shape[0] <= 32:
        raise AudioError(
            f"audio has shape {audio.shape}; expected [channels, samples] with 1 to 32 channels. Give audio.T for "
            "[samples, channels]"
        )
    if not np.isfinite(audio).all():
        raise AudioError(f"{np.count_nonzero(~np.isfinite(audio))} of {audio.size} samples are NaN or infinite")
    wav = io.BytesIO()  # libsndfile would report a full disk too late, and leave a file that was cut short
    soundfile.write(wav, audio.T, sample_rate, format="WAV", subtype="FLOAT")
    write_file(path, wav.getbuffer())
