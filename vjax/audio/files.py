"""Reads sound files as arrays, and writes arrays as sound files."""

import io
import math
import os

import numpy as np
import soundfile
import soxr

from vjax.audio.sample_rates import RATE_RANGE_HZ
from vjax.audio.unreadable import START_BYTES, cause_and_remedy
from vjax.audio.wav_repair import repaired_wav
from vjax.io.atomic import write_file

_PIPED_BYTES = 2**30  # the most that is read from a pipe, which may be endless
_UNKNOWN_FRAMES = 2**60  # libsndfile reports at least this for a FLAC that was written to a pipe
_MAX_REPAIRED_BYTES = 2**30


class AudioError(ValueError):
    """A file that contains no usable sound, or an array that cannot be written as one."""


def read_audio(path: str | os.PathLike, sample_rate: int, max_samples: float = math.inf) -> np.ndarray:
    """Reads any format that libsndfile supports (WAV, FLAC, OGG, MP3, AIFF ...), and resamples to `sample_rate`.

    Args:
      max_samples: the most samples over all channels, before and after resampling. A file that states more is not
        read, because reading it would allocate what it states.

    Returns:
      [channels, samples] float32, full scale at +-1.

    Raises:
      FileNotFoundError: there is no such file.
      AudioError: the file is not audio, is empty, has too many samples, or contains NaN or infinite samples.
    """
    with open_sound(path) as file:
        file_rate = file.samplerate
        check_rate(file_rate, os.fspath(path))
        if file.frames >= _UNKNOWN_FRAMES:
            raise AudioError(f"{path} has no length in its header; convert it to WAV or FLAC again")
        if not file.frames and file.format == "OGG":  # the length is on the last page
            raise AudioError(f"{path} {cause_and_remedy(_start(path), 'its end is missing')}")
        if file.channels * file.frames * max(sample_rate / file_rate, 1) > max_samples:  # resampling makes it larger
            raise AudioError(
                f"{path} lasts {file.frames / file_rate:.0f} s ({file.channels} channels at {file_rate} Hz); "
                "the limit is ten minutes of stereo. Cut out the note that you want"
            )
        try:
            audio = file.read(dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{path} {cause_and_remedy(_start(path), error.error_string)}") from error
    if not len(audio):
        raise AudioError(f"{path} is an audio file of 0 samples; record or export it again")
    if not np.isfinite(audio).all():
        raise AudioError(
            f"{path} contains {np.count_nonzero(~np.isfinite(audio))} samples that are NaN or infinite; export it again"
        )
    if file_rate != sample_rate:
        audio = soxr.resample(audio, file_rate, sample_rate)
    return np.ascontiguousarray(audio.T)


def open_sound(path: str | os.PathLike) -> soundfile.SoundFile:
    """Opens a sound file, a pipe, or the samples of a WAV file with a broken header. Raises as `read_audio` does."""
    source = _source(path)
    try:
        file = soundfile.SoundFile(source)  # pyright: ignore[reportArgumentType]  # it takes bytes too
        if file.frames:
            return file
        reason = ""
    except TypeError as error:  # soundfile raises it for the extension .raw
        raise AudioError(f"{path} has no header with its sample rate and format; convert it to WAV or FLAC") from error
    except soundfile.LibsndfileError as error:
        file, reason = None, error.error_string
    content = _content(source, _MAX_REPAIRED_BYTES + 1)
    repaired = repaired_wav(content) if len(content) <= _MAX_REPAIRED_BYTES else None
    try:
        if repaired:
            return soundfile.SoundFile(io.BytesIO(repaired))
    except soundfile.LibsndfileError:
        pass  # what is wrong with the file itself is the cause
    if file is None:
        raise AudioError(f"{path} {cause_and_remedy(content, reason)}")
    return file


def _source(path: str | os.PathLike) -> str | bytes | io.BytesIO:
    """What soundfile can open for a path: the path of a file, or all bytes of a pipe, in which it cannot seek."""
    if os.path.isfile(path):
        # As bytes, because soundfile refuses a `str` of a name that is not UTF-8.
        return os.fsencode(path) if os.name == "posix" else os.fspath(path)
    if not os.path.exists(path) or os.path.isdir(path):
        raise FileNotFoundError(f"no sound file at {path}; give a WAV, FLAC, OGG, MP3 or AIFF file")
    with open(path, "rb") as pipe:
        data = pipe.read(_PIPED_BYTES + 1)
    if len(data) > _PIPED_BYTES:
        raise AudioError(f"{path} has more than {_PIPED_BYTES // 2**20} MiB; give a shorter sound")
    return io.BytesIO(data)


def _start(path: str | os.PathLike) -> bytes:
    """The first bytes of a file; those of a pipe are gone."""
    return _content(os.fspath(path), START_BYTES) if os.path.isfile(path) else b"?"


def _content(source: str | bytes | io.BytesIO, n_bytes: int) -> bytes:
    """The first bytes of what `_source` returned."""
    if isinstance(source, io.BytesIO):
        return source.getvalue()[:n_bytes]
    with open(source, "rb") as file:
        return file.read(n_bytes)


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
