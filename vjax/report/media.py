"""Sounds for a page: MP3 to play and mel pictures, as `data:` addresses that need no other file.

MP3 because every browser plays it and libsndfile writes it: 2 s of stereo take about 38 kB, where FLAC takes 190 kB,
and Safari plays Ogg Vorbis in its newest versions only. WebP at quality 80: 4 kB a picture, where PNG takes 19 kB.
"""

import base64
import dataclasses
import functools
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from vjax.audio.files import read_audio
from vjax.audio.mel import MelConfig, mel_filterbank
from vjax.audio.mel_pictures import RANGE_DB, mel_db

SAMPLE_RATE = 44100
"""All sounds of a page are resampled to it."""

_MEL = MelConfig(sample_rate=SAMPLE_RATE)
_TICKS_HZ = ((500, "500"), (2000, "2k"), (8000, "8k"))
_MOST_COLUMNS = 480  # of a picture: wider than it is ever drawn
_MP3_COMPRESSION = 0.4  # variable bit rate, about 150 kbit/s
_WEBP_QUALITY = 80


@dataclasses.dataclass(frozen=True)
class SoundMedia:
    """One sound: `audio` and `picture` as data: addresses."""

    audio: str
    picture: str


@dataclasses.dataclass(frozen=True)
class PageMedia:
    """The sounds of one row of the page.

    Attributes:
      sounds: by label.
      seconds: the length of every picture: that of the longest sound.
      gain_db: by how much all were turned down together, 0 or less, so that the loudest peak is not clipped.
    """

    sounds: Mapping[str, SoundMedia]
    seconds: float
    gain_db: float


def page_media(files: Mapping[str, Path]) -> PageMedia:
    """Reads the sound files by label and encodes them: one gain, one scale of time and one of level for all.

    Equal sounds (a refined answer and the best of several) are encoded once. Raises `vjax.audio.files.AudioError`, or
    FileNotFoundError, for a file that holds no sound.
    """
    sounds = {label: read_audio(path, SAMPLE_RATE)[:2] for label, path in files.items()}
    longest = max(sound.shape[-1] for sound in sounds.values())
    gain = 1 / max(1.0, *(float(np.abs(sound).max()) for sound in sounds.values()))
    mels = {label: _mel(sound, longest) for label, sound in sounds.items()}
    top_db = max(float(mel.max()) for mel in mels.values())
    encoded: dict[bytes, SoundMedia] = {}
    media = {}
    for label, sound in sounds.items():
        key = sound.tobytes()
        if key not in encoded:
            encoded[key] = SoundMedia(_mp3(gain * sound), _picture(mels[label], top_db))
        media[label] = encoded[key]
    return PageMedia(media, longest / SAMPLE_RATE, 20 * float(np.log10(gain)))


def picture_ticks() -> list[tuple[str, float]]:
    """(label in Hz, height as a part of the picture from its bottom) of the marks on the frequency axis."""
    centres_hz = np.argmax(mel_filterbank(_MEL), 1) * SAMPLE_RATE / _MEL.n_fft
    return [(label, float(np.searchsorted(centres_hz, hz)) / _MEL.n_mels) for hz, label in _TICKS_HZ]


def _mel(sound: np.ndarray, samples: int) -> np.ndarray:
    """[n_mels, t] in dB of [channels, samples], with silence up to `samples`."""
    return mel_db(np.pad(sound, ((0, 0), (0, samples - sound.shape[-1]))), _MEL)


def _mp3(sound: np.ndarray) -> str:
    buffer = io.BytesIO()
    soundfile.write(
        buffer,
        sound.T,
        SAMPLE_RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="VARIABLE",
        compression_level=_MP3_COMPRESSION,
    )
    return _address("audio/mpeg", buffer.getvalue())


def _picture(mel: np.ndarray, top_db: float) -> str:
    """A mel picture, low frequencies at the bottom; black is `RANGE_DB` below `top_db`."""
    from PIL import Image

    level = np.clip((mel[::-1] - top_db) / RANGE_DB + 1, 0, 1)
    image = Image.fromarray(_colours()[(255 * level).astype(np.uint8)])
    if image.width > _MOST_COLUMNS:
        image = image.resize((_MOST_COLUMNS, image.height), Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=_WEBP_QUALITY)
    return _address("image/webp", buffer.getvalue())


@functools.cache
def _colours() -> np.ndarray:
    """[256, 3] uint8: magma, as in the pictures of `vjax match`."""
    from matplotlib import colormaps

    return np.rint(255 * colormaps["magma"](np.arange(256))[:, :3]).astype(np.uint8)


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
