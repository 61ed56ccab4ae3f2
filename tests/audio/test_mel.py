"""Tests of the log-mel spectrogram against librosa and SciPy."""

import dataclasses

import librosa
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.audio.mel import MelConfig, mel_filterbank, mel_spectrogram

CONFIG = MelConfig()


def reference(audio: np.ndarray, config: MelConfig) -> np.ndarray:
    """SciPy's Fourier transform in float64 and librosa's mel bands."""
    padded = np.pad(audio.astype(np.float64), config.n_fft // 2)
    starts = np.arange(1 + len(audio) // config.hop) * config.hop
    window = scipy.signal.get_window("hann", config.n_fft, fftbins=True)
    power = np.abs(np.stack([scipy.fft.rfft(padded[s : s + config.n_fft] * window) for s in starts], 1)) ** 2
    bands = librosa.filters.mel(
        sr=config.sample_rate,
        n_fft=config.n_fft,
        n_mels=config.n_mels,
        fmin=config.f_min_hz,
        fmax=config.f_max_hz,
        dtype=np.float64,
    )
    return np.log1p(bands @ power)


def plucked_chord(samples: int) -> np.ndarray:
    """Decaying saw partials of three notes with a noisy attack: the dynamic range and sharp peaks of music."""
    time_s = np.arange(samples) / CONFIG.sample_rate
    partials = [
        np.sin(2 * np.pi * hz * k * time_s + k) / k for hz in (110.0, 138.6, 164.8) for k in range(1, int(20000 / hz))
    ]
    hiss = np.random.default_rng(1).standard_normal(samples) * np.exp(-time_s * 60)
    return (0.2 * np.sum(partials, 0) * np.exp(-time_s * 3) + 0.3 * hiss).astype(np.float32)


@pytest.mark.parametrize("sound", ["noise", "chord"])
def test_mel_spectrogram_equals_the_reference(sound):
    noise = np.random.default_rng(0).uniform(-1, 1, 88200).astype(np.float32)
    audio = noise if sound == "noise" else plucked_chord(88200)
    found = np.asarray(mel_spectrogram(audio, CONFIG))
    assert found.shape == (128, 173)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reference(audio, CONFIG), atol=1e-4, rtol=0)


def test_mel_spectrogram_equals_librosa():
    audio = plucked_chord(30000)
    expected = librosa.feature.melspectrogram(y=audio, sr=44100, n_fft=2048, hop_length=512, n_mels=128)
    np.testing.assert_allclose(np.asarray(mel_spectrogram(audio, CONFIG)), np.log1p(expected), atol=1e-4, rtol=0)


def test_mel_spectrogram_with_other_settings_equals_the_reference():
    config = MelConfig(sample_rate=16000, n_fft=400, hop=160, n_mels=40, f_min_hz=50.0, f_max_hz=7600.0)
    audio = np.random.default_rng(2).standard_normal(5000).astype(np.float32)
    np.testing.assert_allclose(np.asarray(mel_spectrogram(audio, config)), reference(audio, config), atol=1e-4, rtol=0)


def test_mel_spectrogram_of_a_batch_equals_that_of_each_sound():
    batch = np.random.default_rng(3).standard_normal((2, 3, 9000)).astype(np.float32)
    together = np.asarray(mel_spectrogram(batch, CONFIG))
    assert together.shape == (2, 3, 128, 18)
    np.testing.assert_allclose(together[1, 2], np.asarray(mel_spectrogram(batch[1, 2], CONFIG)), atol=1e-5)


def test_mel_spectrogram_of_a_sine_is_largest_in_its_band():
    audio = np.sin(2 * np.pi * 1000 * np.arange(44100) / 44100).astype(np.float32)
    mel = np.asarray(mel_spectrogram(audio, CONFIG))[:, 40]
    centres_hz = librosa.mel_frequencies(n_mels=130, fmin=0, fmax=22050)[1:-1]
    assert abs(centres_hz[mel.argmax()] - 1000) < 30


def test_mel_spectrogram_of_silence_is_zero():
    assert not np.asarray(mel_spectrogram(np.zeros(4000, np.float32), CONFIG)).any()


def test_mel_filterbank_equals_librosa():
    expected = librosa.filters.mel(sr=44100, n_fft=2048, n_mels=128)
    np.testing.assert_allclose(mel_filterbank(CONFIG), expected, atol=1e-7)


@settings(max_examples=8, deadline=None)
@given(samples=st.integers(1, 3000), gain=st.floats(0, 4))
def test_mel_spectrogram_of_any_length_has_one_frame_more_than_whole_hops(samples, gain):
    mel = np.asarray(mel_spectrogram(np.full(samples, gain, np.float32), CONFIG))
    assert mel.shape == (128, CONFIG.frames(samples)) == (128, 1 + samples // 512)
    assert (mel >= 0).all()


def test_mel_config_with_impossible_settings_is_an_error():
    with pytest.raises(ValueError, match=r"f_max_hz=22050.0 do not fit below 11025.0 Hz"):
        MelConfig(sample_rate=22050)
    with pytest.raises(ValueError, match="hop=0 must be at least 1"):
        MelConfig(hop=0)


def test_mel_config_from_its_dict_is_equal():
    config = MelConfig(n_mels=64)
    assert MelConfig(**dataclasses.asdict(config)) == config
