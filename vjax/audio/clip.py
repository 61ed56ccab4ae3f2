"""Converts any sound of a user to a clip, which starts at its onset and has the length that the model analyses."""

import dataclasses
import functools
import os

import numpy as np
import soxr

from vjax.audio.channels import without_dead_channel
from vjax.audio.files import AudioError, check_rate, read_audio
from vjax.audio.pitch import Pitch, detect_pitch
from vjax.io.file_names import as_text, stem_text

ONSET_DB = 40.0
"""A sound starts at the first sample within this range of its peak. Most room noise and a decay's end are lower."""

LEAD_S = 0.005
"""Time kept before the onset, so that the attack is complete: a swell of 0.5 s takes 5 ms to reach -40 dB."""

SILENCE_DBFS = -70.0
"""A sound with a lower peak is silent.

Such a sound uses only the lowest ten steps of 16 bits, as the hum of an open input or the rounding of a recording does.
"""

INTEGER_PEAK = 100.0
"""Floats with a higher peak are integers that were stored as floats. No mix is at +40 dBFS."""

SHORTEST_S = 0.046
"""Two windows of 1024 samples at 44.1 kHz. A shorter sound shows neither a pitch nor how the sound changes."""

AFTER_S = 8.0
"""A clip keeps this much of the recording after the analysed part. It shows how a sustained note continues."""

_OVERSHOOT = 1.25  # resampling may raise a peak above full scale
_DC_BLOCK_S, _DC_BLOCKS = 0.1, 5
_DC_WANDERS = 0.5  # share of the offset: limit for the 90 % quantile minus the 10 % quantile of the blocks
_DC_DB = -60.0  # relative to the peak; a smaller offset is inaudible in the match

MAX_SAMPLES = 10 * 60 * 48000 * 2
"""The most samples of a file that is opened, over all channels: ten minutes of stereo, 230 MB as float32."""


@dataclasses.dataclass(frozen=True, eq=False)
class Clip:
    """A sound that is ready to be matched. Measured properties are cached.

    Attributes:
      name: of the sound: a path, or a name that the caller gives.
      title: name of its preset.
      audio: float32 [1 or 2, samples], from the onset on, as long as the model analyses.
      sample_rate: Hz.
      after: float32 [the same channels, m], the recording after `audio`, at most `AFTER_S`.
      notes: texts for users: what was changed in the sound, and which of its channels is analysed.
    """

    name: str
    title: str
    audio: np.ndarray
    sample_rate: int
    after: np.ndarray
    notes: tuple[str, ...] = ()

    @functools.cached_property
    def pitch(self) -> Pitch:
        """The pitch of `audio`."""
        return detect_pitch(self.audio, self.sample_rate)

    def stereo(self, samples: int) -> np.ndarray:
        """`audio` as float32 [2, samples]: cut or zero-padded, a mono sound on both channels."""
        return as_stereo(self.audio, samples)


def as_stereo(audio: np.ndarray, samples: int) -> np.ndarray:
    """A sound [1 or more channels, n] as [2, samples]: cut or zero-padded; a mono sound is on both channels."""
    pair = np.broadcast_to(audio[:1], (2, audio.shape[1])) if len(audio) < 2 else audio[:2]
    return np.pad(pair[:, :samples], ((0, 0), (0, max(samples - audio.shape[1], 0))))


def prepare_clip(
    audio: np.ndarray, sample_rate: int, samples: int, name: str = "the sound", audio_rate: float | None = None
) -> np.ndarray:
    """Resamples a sound, removes a recorder's DC offset, starts it at its onset, and cuts or zero-pads its end.

    All files and arrays become clips here. The volume of the sound is not changed, unless its floats are plainly
    integers, see `INTEGER_PEAK`. The level of a sample is its distance from the median of its channel, the larger of
    both channels. With the median, an offset does not count as sound. The onset is the first sample whose level lies
    within `ONSET_DB` of the highest. The clip starts `LEAD_S` before it.

    Args:
      audio: [channels, samples] floats of any width, full scale at +-1. Channels after the second are dropped.
      sample_rate: Hz, of the clip.
      samples: length of the clip.
      name: of the sound, for errors.
      audio_rate: Hz, of `audio`; by default that of the clip.

    Returns:
      float32 [1 or 2, samples], without the offset that `dc_offset` finds, which would be matched as a hum, and without
      a dead channel.

    Raises:
      AudioError: not [channels, samples] of floats, NaN or infinite, shorter than `SHORTEST_S`, silent, beyond
        32-bit integers, or a rate outside of `RATE_RANGE_HZ`.
    """
    return make_clip(audio, sample_rate, samples, name, audio_rate=audio_rate).audio


def make_clip(
    audio: np.ndarray,
    sample_rate: int,
    samples: int,
    name: str = "the sound",
    title: str = "",
    audio_rate: float | None = None,
) -> Clip:
    """The clip of a sound in memory, see `prepare_clip`. `title`: name of its preset; by default `name`."""
    whole, scaled = _from_onset(audio, sample_rate, name, sample_rate if audio_rate is None else audio_rate)
    whole, used = without_dead_channel(whole)
    after = whole[:, samples : samples + round(AFTER_S * sample_rate)]
    clip = whole[:, :samples]
    clip = np.pad(clip, ((0, 0), (0, samples - clip.shape[1])))
    return Clip(name, title or name, clip, sample_rate, after, scaled + used)


def load_clip(path: str | os.PathLike, sample_rate: int, samples: int) -> Clip:
    """The clip of a sound file; its name is the path. Arguments and errors as in `read_clip`."""
    audio = read_audio(path, sample_rate, MAX_SAMPLES)
    return make_clip(audio, sample_rate, samples, as_text(path), stem_text(path))


def _from_onset(
    audio: np.ndarray, sample_rate: int, name: str, audio_rate: float
) -> tuple[np.ndarray, tuple[str, ...]]:
    """float32 [1 or 2, m]: all of a sound from `LEAD_S` before its onset, see `prepare_clip`; and notes for users."""
    check_rate(audio_rate, name)
    audio, notes = _scaled(_checked(np.asarray(audio), name), name)
    if audio_rate != sample_rate:
        audio = soxr.resample(audio.T, audio_rate, sample_rate).T
    length_s = audio.shape[1] / sample_rate
    if length_s < SHORTEST_S:
        raise AudioError(
            f"{name} lasts {1000 * length_s:.1f} ms ({audio.shape[1]} samples); at least {1000 * SHORTEST_S:.0f} ms "
            "are needed. Record more of it, with its decay"
        )
    audio = audio - dc_offset(audio, sample_rate)
    level = np.abs(audio - np.median(audio, axis=1, keepdims=True)).max(axis=0)
    peak = level.max()
    if peak < 10 ** (SILENCE_DBFS / 20):
        found = f"its peak is {20 * np.log10(peak):.0f} dBFS" if peak else "all its samples are 0"
        raise AudioError(
            f"{name} is silent: {found}; expected a peak of at least {SILENCE_DBFS:.0f} dBFS. "
            "Record it louder, or check that the sound is in the first two channels"
        )
    onset = int(np.argmax(level >= peak * 10 ** (-ONSET_DB / 20)))
    start = max(onset - round(LEAD_S * sample_rate), 0)
    return audio[:, start:], notes


def read_clip(path: str | os.PathLike, sample_rate: int, samples: int) -> np.ndarray:
    """Reads a sound file of any format and rate that `read_audio` reads, and prepares it as `prepare_clip` does.

    Returns:
      float32 [1 or 2, samples] at `sample_rate`.

    Raises:
      FileNotFoundError: there is no such file.
      AudioError: an error of `read_audio` or `prepare_clip`, or more than `MAX_SAMPLES`; the message names the file.
    """
    return load_clip(path, sample_rate, samples).audio


def dc_offset(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """[channels, 1]: the offset that a recorder added to each channel of [channels, samples]; 0 where it is inaudible.

    It is the median over blocks of their means under a Hann window, if nearly all blocks agree on it. An offset that
    wanders, as that of an FM bass, or that ends with the sound, is part of the sound and is not returned. For a sound
    of fewer than `_DC_BLOCKS` blocks, the result is 0.
    """
    size = round(_DC_BLOCK_S * sample_rate)
    n = audio.shape[1] // size
    if n < _DC_BLOCKS:
        return np.zeros((len(audio), 1), np.float32)
    window = np.hanning(size).astype(np.float32)
    means = audio[:, : n * size].reshape(len(audio), n, size) @ (window / window.sum())
    low, offset, high = np.quantile(means, (0.1, 0.5, 0.9), axis=1)[..., None].astype(np.float32)
    steady = high - low < _DC_WANDERS * np.abs(offset)
    return np.where(steady & (np.abs(offset) > 10 ** (_DC_DB / 20) * np.abs(audio).max()), offset, 0)


def _checked(audio: np.ndarray, name: str) -> np.ndarray:
    """Converts an array to float32 [1 or 2, samples]. Raises AudioError if it is not a sound."""
    if audio.ndim != 2 or not audio.shape[0] or not np.issubdtype(audio.dtype, np.floating):
        raise AudioError(
            f"{name} is an array of {audio.dtype} of shape {audio.shape}; expected floats [channels, samples] "
            "between -1 and 1. Add the channel axis with sound[None]; divide 16-bit integers by 32768"
        )
    if audio.shape[0] > audio.shape[1] > 0:
        raise AudioError(
            f"{name} has shape {audio.shape}: {audio.shape[0]} channels of {audio.shape[1]} samples, so its axes seem "
            "to be [samples, channels]; expected [channels, samples]. Hand in sound.T"
        )
    with np.errstate(over="ignore"):  # values beyond float32 become infinite, which the next check reports
        audio = audio[:2].astype(np.float32)
    if not np.isfinite(audio).all():
        raise AudioError(
            f"{name} contains {np.count_nonzero(~np.isfinite(audio))} samples that are NaN or infinite; export it again"
        )
    return audio


def _scaled(audio: np.ndarray, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Divides integers that are stored as floats by their full scale, a power of two. Returns notes for users, too.

    Raises AudioError for a peak beyond 32-bit integers.
    """
    peak = np.abs(audio).max(initial=0)
    if peak <= INTEGER_PEAK:
        return audio, ()
    bits = next((bits for bits in (16, 24, 32) if peak <= _OVERSHOOT * 2 ** (bits - 1)), None)
    if bits is None:
        raise AudioError(f"{name} peaks at {peak:.3g}, where full scale is 1; divide it by its peak")
    full = 2 ** (bits - 1)
    note = f"the samples of the sound reach {peak:.0f}, as {bits}-bit integers do, so they are divided by {full}"
    return audio / np.float32(full), (note,)
