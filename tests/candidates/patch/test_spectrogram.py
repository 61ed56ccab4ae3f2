"""The spectrogram to which patches are fitted, of sounds with given levels, bands and lengths."""

import numpy as np
import pytest

from vjax.audio.distances import mss
from vjax.candidates.patch.spectrogram import FLOOR_DB, HOP_MS, at_level_of, spectrogram

RATE = 44100


def sine(hz: float, seconds: float = 0.5, begins_s: float = 0.0, ends_s: float = 9.0) -> np.ndarray:
    """[2, samples]."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    wave = 0.3 * np.sin(2 * np.pi * hz * time_s) * (time_s >= begins_s) * (time_s < ends_s)
    return np.stack([wave, wave]).astype(np.float32)


@pytest.mark.parametrize("hz", [200.0, 1000.0, 8000.0])
def test_spectrogram_of_a_sine_peaks_in_the_nearest_band(hz):
    found = spectrogram(sine(hz), RATE)
    assert found.db.shape == (len(found.time_s), len(found.band_hz)) == (51, 64)
    assert np.abs(np.log2(found.band_hz[found.db[20].argmax()] / hz)) == np.abs(np.log2(found.band_hz / hz)).min()
    assert found.db.max() == 0
    assert found.db.min() == FLOOR_DB
    assert (found.db[10:40].max(1) > -0.5).all()


def test_spectrogram_of_a_late_sound_has_its_times_and_weight():
    found = spectrogram(sine(1000, begins_s=0.2, ends_s=0.35), RATE)
    loud = found.time_s[found.db.max(1) > -6]
    assert loud.min() == pytest.approx(0.2, abs=0.011)
    assert loud.max() == pytest.approx(0.35, abs=0.011)
    assert found.weight[found.time_s < 0.35].all()
    assert not found.weight[found.time_s > 0.35 + HOP_MS / 1000].any()


def test_spectrogram_of_another_gain_is_equal():
    low, high = (spectrogram(gain * sine(440), RATE) for gain in (0.2, 2.0))
    assert low.db == pytest.approx(high.db, abs=0.01)


def test_spectrogram_of_inverted_channels_equals_that_of_equal_channels():
    inverted = sine(440) * np.array([[1], [-1]], np.float32)
    assert spectrogram(inverted, RATE).db == pytest.approx(spectrogram(sine(440), RATE).db, abs=1e-3)


def test_spectrogram_of_one_channel_is_silent_in_the_other():
    left = spectrogram(sine(440) * np.array([[1], [0]], np.float32), RATE)
    assert (left.channels_db[1] == FLOOR_DB).all()
    assert left.channels_db[0].max() == 0
    equal = spectrogram(sine(440), RATE)
    seen = left.db > FLOOR_DB
    assert left.db.min() == FLOOR_DB
    assert left.db[seen] == pytest.approx(equal.db[seen], abs=0.01)
    assert (equal.db[~seen] < FLOOR_DB + 3.1).all()


def test_spectrogram_of_two_sounds_differs_as_mss_measures():
    """Of a sound and the same with its upper half softer by 12 dB."""
    low, high = sine(300), sine(6000)
    first, second = low + high, low + 0.25 * high
    difference = np.abs(spectrogram(first, RATE).db - spectrogram(second, RATE).db).mean()
    assert difference == pytest.approx(float(mss(first, second, RATE)), rel=0.25)


@pytest.mark.parametrize("seconds", [0.03, 0.05, 0.1])
def test_spectrogram_of_silence_and_short_sounds_is_finite(seconds):
    for audio in (sine(440, seconds), np.zeros((2, round(seconds * RATE)), np.float32)):
        found = spectrogram(audio, RATE)
        assert np.isfinite(found.db).all()
        assert len(found.weight) == len(found.time_s) == len(found.db) > 0
        assert found.weight[0] == 1


def test_at_level_of_with_a_soft_copy_is_as_near_as_the_sound_itself():
    decay = np.exp(-8 * np.arange(RATE) / RATE)
    sound = (0.5 * decay * np.random.default_rng(0).standard_normal((2, RATE)) * decay).astype(np.float32)
    soft = 0.005 * sound
    assert mss(soft, sound, RATE) > 2
    assert mss(at_level_of(soft, sound, 60.0), sound, RATE) < 0.1
    np.testing.assert_allclose(at_level_of(soft, sound, 20.0), 10 * soft, rtol=1e-5)


@pytest.mark.parametrize("level", [0.0, 1e-6])
def test_at_level_of_with_silence_stays_silent(level: float):
    silence = np.full((2, RATE), level, np.float32)
    np.testing.assert_array_equal(at_level_of(silence, np.ones((2, RATE), np.float32), 30.0), silence)
