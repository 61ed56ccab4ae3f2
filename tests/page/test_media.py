"""Tests `data:` URLs of sounds: decodes them as a browser does."""

import base64
import io

import numpy as np
import pytest
import soundfile
from PIL import Image

from vjax.page.media import mel_ticks, page_media

RATE = 44100


def _tone(frequency_hz: float, seconds: float = 0.5, level: float = 0.5) -> np.ndarray:
    wave = level * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([wave, 0.5 * wave]).astype(np.float32)


def media(rate: int = RATE, **sounds: np.ndarray):
    return page_media(sounds, rate)


def _content(address: str, kind: str) -> bytes:
    head, content = address.split(",")
    assert head == f"data:{kind};base64"
    return base64.b64decode(content)


def _audio(address: str) -> np.ndarray:
    audio, rate = soundfile.read(io.BytesIO(_content(address, "audio/mpeg")))
    assert rate == RATE
    return audio.T


def _image(address: str) -> np.ndarray:
    """[height, width] brightness."""
    return np.asarray(Image.open(io.BytesIO(_content(address, "image/webp"))).convert("L"), float)


def test_page_media_mp3_decodes_to_the_sound():
    sound = _tone(440)
    decoded = _audio(media(a=sound).sounds["a"].audio)
    assert decoded.shape == sound.shape
    assert np.sqrt(np.mean((decoded - sound) ** 2)) < 0.01  # no shift in time, stereo, same level


def test_page_media_with_a_loud_sound_scales_all_by_one_gain():
    page = media(loud=_tone(440, level=2.0), soft=_tone(440, level=0.5))
    assert page.gain_db == pytest.approx(-6.02, abs=0.01)
    peaks = [np.abs(_audio(page.sounds[label].audio)).max() for label in ("loud", "soft")]
    assert peaks == pytest.approx([1.0, 0.25], abs=0.03)
    assert media(soft=_tone(440, level=0.5)).gain_db == 0


def test_page_media_images_share_level_and_length():
    page = media(loud=_tone(1000), soft=_tone(1000, level=0.005), short=_tone(1000, seconds=0.25))
    loud, soft, short = (_image(page.sounds[label].image) for label in ("loud", "soft", "short"))
    assert loud.shape == soft.shape == short.shape == (128, 44)
    assert page.seconds == 0.5
    assert loud.max() > soft.max() + 50  # 40 dB
    assert short[:, :15].max() > 150
    assert short[:, -15:].max() < 20


def test_mel_ticks_match_the_image_rows_of_their_frequencies():
    for label, height in mel_ticks():
        frequency_hz = float(label.replace("k", "000"))
        image = _image(media(a=_tone(frequency_hz)).sounds["a"].image)
        row = np.argmax(image[:, 15:30].mean(1))
        assert 1 - (row + 0.5) / 128 == pytest.approx(height, abs=0.02), label


def test_page_media_encodes_equal_sounds_once_and_resamples_other_rates():
    page = media(a=_tone(440), b=_tone(440), c=_tone(550))
    assert page.sounds["a"] is page.sounds["b"]
    assert page.sounds["a"] != page.sounds["c"]
    resampled = _audio(media(rate=22050, a=_tone(440)[:, ::2]).sounds["a"].audio)
    assert resampled.shape == (2, RATE // 2)


def test_page_media_accepts_mono_and_silence():
    page = media(mono=_tone(440)[:1], silent=np.zeros((2, RATE // 2)))
    assert _audio(page.sounds["mono"].audio).shape[-1] == RATE // 2
    assert np.abs(_audio(page.sounds["silent"].audio)).max() < 1e-3
