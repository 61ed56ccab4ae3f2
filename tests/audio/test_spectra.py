"""Tests of the spectra against librosa. Tests of the distances between them are in test_distances.py."""

import librosa
import numpy as np
import pytest

from vjax.audio.spectra import cumulative_spectra, mrstft_spectra, mss_spectra, sound_end, stacked_mfcc, to_samples

RATE = 44100


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """[2, samples]: white noise on the left, softer and decaying noise on the right, digital silence at the end."""
    sound = np.random.default_rng(0).standard_normal((2, 21234)).astype(np.float32) * 0.2
    sound[1] *= 0.3 * np.exp(-np.arange(21234, dtype=np.float32) / 4000)
    sound[:, 15000:] = 0
    return sound


def test_stacked_mfcc_equals_librosa(noise):
    expected = librosa.feature.mfcc(y=noise, sr=RATE, n_mfcc=20, n_fft=2205, hop_length=441, n_mels=128)
    found = stacked_mfcc(noise, RATE)
    assert found.shape == (expected.shape[-1], 40)
    np.testing.assert_allclose(found, np.concatenate(expected).T, atol=1e-2)


@pytest.mark.parametrize("samples", [17639, 17640, 17641])  # around a whole number of hops
def test_cumulative_spectra_with_an_odd_window_have_as_many_frames_as_librosa(noise, samples):
    expected = librosa.stft(noise[0, :samples], n_fft=2205, hop_length=882)
    assert cumulative_spectra(noise[:1, :samples], RATE).shape == (1, expected.shape[1], 1103)


def test_mss_spectra_equal_librosa(noise):
    spectra, played = mss_spectra(noise, RATE)
    assert played.tolist() == [1 + np.flatnonzero(noise.any(0))[-1] // hop for hop in (220, 441, 2205)]
    assert [band.shape[:2] for band in spectra] == [(2, 32), (2, 64), (2, 128)]
    for found, (n_fft, hop) in zip(spectra, ((441, 220), (1102, 441), (4410, 2205)), strict=True):
        power = librosa.feature.melspectrogram(y=noise, sr=RATE, n_fft=n_fft, hop_length=hop, n_mels=found.shape[1])
        np.testing.assert_allclose(found, librosa.power_to_db(power, ref=np.max), atol=1e-2)
        assert found.max() == 0
        assert found.min() == pytest.approx(-80)


def test_sound_end_is_after_the_last_sample_within_80_db_of_the_peak():
    sounds = np.zeros((4, 2, 1000), np.float32)
    sounds[:, 0, 100] = -0.5
    sounds[1, 1, 700] = 0.51e-4
    sounds[2, 1, 700] = 0.49e-4
    sounds[3] = 0
    assert sound_end(sounds).tolist() == [101, 701, 101, 1000]


def test_mrstft_spectra_equal_librosa(noise):
    for found, n_fft in zip(mrstft_spectra(noise, RATE), (1024, 2048, 8192), strict=True):
        expected = librosa.feature.melspectrogram(
            y=noise, sr=RATE, n_fft=n_fft, hop_length=n_fft // 4, n_mels=128, power=1
        )
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_cumulative_spectra_end_at_one_and_in_silence_at_zero(noise):
    spectra = np.asarray(cumulative_spectra(noise, RATE))
    assert (np.diff(spectra) >= -1e-6).all()
    centres = np.arange(spectra.shape[-2]) * to_samples(20, RATE)
    np.testing.assert_allclose(spectra[:, centres < 15000, -1], 1, rtol=1e-5)
    assert not spectra[:, centres > 15000 + 2205].any()


def test_to_samples_rounds_milliseconds_down():
    assert [to_samples(ms, RATE) for ms in (5, 10, 25, 50, 100)] == [220, 441, 1102, 2205, 4410]
