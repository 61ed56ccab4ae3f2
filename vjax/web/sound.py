"""A sound that a visitor gave: how it is played, and how it is shown."""

import base64
import dataclasses
import functools
import io
from typing import Any

import numpy as np
import soundfile
import soxr

from vjax.audio.clip import Clip
from vjax.audio.loudness import loudness_lufs
from vjax.engine.config import RenderConfig
from vjax.matching.config import MatchConfig
from vjax.matching.prepare import note_length_s, note_of
from vjax.page.media import SAMPLE_RATE, mel_image, mel_ticks, sound_mel
from vjax.search.target import Sought

PLAYED_LUFS = -20.0
"""The loudness of all sounds of the page, so that a louder one does not seem better."""

_MOST_GAIN_DB = 40.0


@dataclasses.dataclass(frozen=True, eq=False)
class Sound:
    """A sound and the note that it plays.

    Attributes:
      clip: the part that is analysed.
      note: MIDI note that candidates play.
      note_s: time from note-on to note-off, seconds.
      target: float32 [2, samples], as long as a render.
    """

    clip: Clip
    note: int
    note_s: float
    target: np.ndarray

    @property
    def sought(self) -> Sought:
        """What candidates are compared with."""
        pitch = self.clip.pitch if self.clip.pitch.clear else None
        return Sought(self.target, self.note, self.note_s, self.clip.sample_rate, pitch)

    @functools.cached_property
    def top_db(self) -> float:
        """The highest level of its spectrogram; all spectrograms of the page have this scale."""
        return float(_mel(self.target, self.clip.sample_rate).max())

    @functools.cached_property
    def media(self) -> dict[str, Any]:
        """What the page shows and plays of it."""
        return media(self.target, self)


def make_sound(clip: Clip, render: RenderConfig, config: MatchConfig) -> Sound:
    """The sound as a match with this config treats it."""
    return Sound(clip, note_of(clip, config), note_length_s(clip, render, config), clip.stereo(render.samples))


def media(audio: np.ndarray, sound: Sound) -> dict[str, Any]:
    """What the page shows and plays of a sound [2, samples]: its spectrogram with ticks, and its audio."""
    rate = sound.clip.sample_rate
    return {
        "audio": flac_address(at_loudness(audio, rate), rate),
        "image": mel_image(_mel(audio, rate), sound.top_db),
        "seconds": audio.shape[-1] / rate,
        "ticks": mel_ticks(),
    }


def at_loudness(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """A sound [2, samples] at `PLAYED_LUFS`, or softer if its peaks would clip; silence stays silence."""
    return with_gain(audio, loudness_gain(audio, sample_rate))


def with_gain(audio: np.ndarray, gain: float) -> np.ndarray:
    """A sound [2, samples] times a factor, or times a smaller one if its peaks would clip."""
    peak = float(np.abs(audio).max())
    return audio * min(gain, 1 / peak if peak else 1.0)


def loudness_gain(audio: np.ndarray, sample_rate: int) -> float:
    """The factor that brings a sound [2, samples] to `PLAYED_LUFS`; 1 if it has no loudness."""
    try:
        loudness = float(loudness_lufs(audio, sample_rate))
    except ValueError:  # shorter than one block of the meter
        return 1.0
    return 10 ** (min(PLAYED_LUFS - loudness, _MOST_GAIN_DB) / 20) if np.isfinite(loudness) else 1.0


def flac_address(audio: np.ndarray, sample_rate: int) -> str:
    """A sound [2, samples] as a `data:` URL. FLAC begins without the delay of MP3, which a keyboard would add."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(audio, -1, 1).T, sample_rate, format="FLAC", subtype="PCM_16")
    return f"data:audio/flac;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _mel(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    played = at_loudness(audio, sample_rate)
    if sample_rate != SAMPLE_RATE:
        played = np.ascontiguousarray(soxr.resample(played.T, sample_rate, SAMPLE_RATE).T)
    return sound_mel(played, played.shape[-1])
