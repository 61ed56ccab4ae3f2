"""Sounds for a page: MP3 audio and images of log-mel spectrograms, as `data:` URLs that need no other file.

The audio is MP3 because every browser plays it and libsndfile writes it. 2 s of stereo take about 38 kB as MP3 and
190 kB as FLAC. Only the newest versions of Safari play Ogg Vorbis. The images are WebP at quality 80: one takes 4 kB,
against 19 kB as PNG.
"""

import base64
import dataclasses
import functools
import io
from collections.abc import Mapping

import numpy as np
import soundfile
import soxr

from vjax.audio.mel import MelConfig, bands_below
from vjax.audio.mel_images import RANGE_DB, mel_db

SAMPLE_RATE = 44100
"""Hz. All sounds of a page are resampled to this rate."""

_MEL = MelConfig(sample_rate=SAMPLE_RATE)
_TICKS_HZ = ((500, "500"), (2000, "2k"), (8000, "8k"))
_MAX_COLUMNS = 480  # of an image: more than the page ever shows
_MP3_COMPRESSION = 0.4  # variable bit rate, about 150 kbit/s
_WEBP_QUALITY = 80


@dataclasses.dataclass(frozen=True)
class SoundMedia:
    """One sound: its audio and the image of its log-mel spectrogram, as `data:` URLs."""

    audio: str
    image: str


@dataclasses.dataclass(frozen=True)
class PageMedia:
    """Sounds that a page compares.

    Attributes:
      sounds: by label.
      seconds: the length that every image shows, which is that of the longest sound.
      gain_db: the gain that was applied to all sounds, 0 or less, so that the loudest peak is not clipped.
    """

    sounds: Mapping[str, SoundMedia]
    seconds: float
    gain_db: float


def page_media(sounds: Mapping[str, np.ndarray], sample_rate: int = SAMPLE_RATE) -> PageMedia:
    """Encodes sounds, with the same gain, time scale and level scale for all.

    Equal sounds (for example of a refinement and of the best of several) are encoded once.

    Args:
      sounds: by label, [1 or 2, samples] each; at least one.
      sample_rate: Hz, of all sounds.
    """
    if sample_rate != SAMPLE_RATE:
        sounds = {label: soxr.resample(sound.T, sample_rate, SAMPLE_RATE).T for label, sound in sounds.items()}
    longest = max(sound.shape[-1] for sound in sounds.values())
    gain = 1 / max(1.0, *(float(np.abs(sound).max()) for sound in sounds.values()))
    mels = {label: sound_mel(sound, longest) for label, sound in sounds.items()}
    top_db = max(float(mel.max()) for mel in mels.values())
    encoded: dict[bytes, SoundMedia] = {}
    media = {}
    for label, sound in sounds.items():
        key = sound.tobytes()
        if key not in encoded:
            encoded[key] = SoundMedia(mp3_address(gain * sound), mel_image(mels[label], top_db))
        media[label] = encoded[key]
    return PageMedia(media, longest / SAMPLE_RATE, 20 * float(np.log10(gain)))


def mel_ticks() -> list[tuple[str, float]]:
    """The marks on the frequency axis: (label in Hz, position from the bottom as a fraction of the image's height)."""
    return [(label, float(bands_below(_MEL, hz)) / _MEL.n_mels) for hz, label in _TICKS_HZ]


def sound_mel(sound: np.ndarray, samples: int) -> np.ndarray:
    """The log-mel spectrogram [n_mels, t] in dB of a sound [channels, samples], padded with silence to `samples`."""
    return mel_db(np.pad(sound, ((0, 0), (0, samples - sound.shape[-1]))), _MEL)


def mp3_address(sound: np.ndarray) -> str:
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


def mel_image(mel: np.ndarray, top_db: float) -> str:
    """The image of a log-mel spectrogram, low frequencies at the bottom; black is `RANGE_DB` below `top_db`."""
    from PIL import Image

    level = np.clip((mel[::-1] - top_db) / RANGE_DB + 1, 0, 1)
    image = Image.fromarray(_colours()[(255 * level).astype(np.uint8)])
    if image.width > _MAX_COLUMNS:
        image = image.resize((_MAX_COLUMNS, image.height), Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=_WEBP_QUALITY)
    return _address("image/webp", buffer.getvalue())


@functools.cache
def _colours() -> np.ndarray:
    """[256, 3] uint8: the colour map magma, as in the images of `vjax match`."""
    from matplotlib import colormaps

    return np.rint(255 * colormaps["magma"](np.arange(256))[:, :3]).astype(np.uint8)


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
