import numpy as np
import pytest

from vjax.audio.distances import mss
from vjax.candidates.patch.spectrogram import at_level_of

RATE = 44100


def test_at_level_of_a_soft_copy_is_as_near_as_the_sound_itself():
    decay = np.exp(-8 * np.arange(RATE) / RATE)
    sound = (0.5 * decay * np.random.default_rng(0).standard_normal((2, RATE)) * decay).astype(np.float32)
    soft = 0.005 * sound
    assert mss(soft, sound, RATE) > 2
    assert mss(at_level_of(soft, sound), sound, RATE) < 0.1


@pytest.mark.parametrize("level", [0.0, 1e-6])
def test_at_level_of_silence_stays_silent(level: float):
    silence = np.full((2, RATE), level, np.float32)
    np.testing.assert_array_equal(at_level_of(silence, np.ones((2, RATE), np.float32)), silence)
