"""Tests of traits on sounds that are made with known ones, and by renders of the real engine."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.audio.metric_names import TRAITS
from vjax.audio.traits import trait_differences, trait_scores, traits_of

RATE = 44100
TIME_S = np.arange(2 * RATE) / RATE


def saw(hz: float, partials: int = 12) -> np.ndarray:
    """[samples]: the first partials of a sawtooth, of constant level."""
    return sum(np.sin(2 * np.pi * k * hz * TIME_S) / k for k in range(1, partials + 1)) / 4


def stereo(left: np.ndarray, right: np.ndarray | None = None) -> np.ndarray:
    return np.stack([left, left if right is None else right]).astype(np.float32)


@pytest.mark.parametrize("rise_s", [0.05, 0.2, 0.6])
def test_traits_of_a_linear_rise_have_its_attack_time(rise_s):
    """From 10 % to 70 % of a linear rise are 60 % of its time; the frames of 20 ms delay the end a little more."""
    sound = traits_of(stereo(saw(220) * np.minimum(TIME_S / rise_s, 1)), RATE)
    assert sound.attack_s == pytest.approx(0.6 * rise_s, abs=0.012)


def test_traits_of_a_sound_that_starts_at_once_have_an_attack_of_one_frame():
    assert traits_of(stereo(saw(220)), RATE).attack_s < 0.02


@pytest.mark.parametrize("shift_s", [0.0, 0.1, 0.5])
def test_traits_of_a_delayed_sound_have_the_same_attack(shift_s):
    sound = saw(220) * np.minimum(TIME_S / 0.1, 1)
    late = np.roll(sound, round(shift_s * RATE)) * (shift_s <= TIME_S)
    before, after = traits_of(stereo(sound), RATE), traits_of(stereo(late), RATE)
    assert after.attack_s == pytest.approx(before.attack_s, abs=0.002)
    assert after.attack_centroid_hz == pytest.approx(before.attack_centroid_hz, rel=0.02)


@pytest.mark.parametrize("db_per_s", [20, 60, 400])
def test_traits_of_an_exponential_fall_have_its_slope(db_per_s):
    sound = stereo(saw(220) * 10 ** (-db_per_s * TIME_S / 20))
    assert traits_of(sound, RATE).fall_db_per_s == pytest.approx(db_per_s, rel=0.05)


def test_traits_of_a_steady_sound_have_the_slowest_fall():
    assert traits_of(stereo(saw(220)), RATE).fall_db_per_s == 3.0


def test_traits_of_a_sound_that_is_cut_have_a_fast_fall():
    assert traits_of(stereo(saw(220) * (TIME_S < 1)), RATE).fall_db_per_s >= 1000


@pytest.mark.parametrize("hz", [110.0, 440.0, 3000.0])
def test_traits_of_a_sine_have_its_frequency_as_centroid_and_pitch(hz):
    sound = traits_of(stereo(saw(hz, 1)), RATE)
    assert sound.attack_centroid_hz == pytest.approx(hz, rel=0.1)
    if hz < 2000:
        assert sound.pitch_midi == pytest.approx(69 + 12 * math.log2(hz / 440), abs=0.02)


def test_traits_of_noise_have_no_pitch():
    noise = np.random.default_rng(0).standard_normal(len(TIME_S)) / 8
    assert math.isnan(traits_of(stereo(noise), RATE).pitch_midi)


def test_traits_of_stereo_sounds_have_their_width():
    """By hand: the side of (s, g s) is (1 - g) / (1 + g) of its mid."""
    sound = saw(220)
    assert traits_of(stereo(sound), RATE).width_db == -60
    assert traits_of(stereo(sound, -sound), RATE).width_db == 20
    assert traits_of(stereo(sound)[:1], RATE).width_db == -60
    half = traits_of(stereo(sound, 0.5 * sound), RATE).width_db
    assert half == pytest.approx(20 * math.log10(1 / 3), abs=1e-3)


def test_trait_differences_of_known_sounds_are_in_their_units():
    low, high = (
        traits_of(stereo(saw(hz, 1) * np.minimum(TIME_S / rise_s, 1) * 10 ** (-slope * TIME_S / 20)), RATE)
        for hz, rise_s, slope in ((220.0, 0.01, 30), (440.0, 0.01, 120))
    )
    found = trait_differences(high, low)
    assert found["pitch"] == pytest.approx(1200, abs=2)
    assert found["attack_centroid"] == pytest.approx(1, abs=0.1)
    assert found["fall"] == pytest.approx(2, abs=0.1)
    assert found["attack_time"] < 3
    assert found["width"] == 0


@settings(max_examples=15, deadline=None)
@given(gain=st.floats(0.01, 3))
def test_trait_differences_of_a_sound_with_another_gain_are_zero(gain):
    sound = stereo(saw(220) * np.exp(-3 * TIME_S), 0.7 * saw(220) * np.exp(-4 * TIME_S))
    found = trait_differences(traits_of(np.float32(gain) * sound, RATE), traits_of(sound, RATE))
    assert list(found) == list(TRAITS)
    assert max(found.values()) < 0.05


@pytest.mark.parametrize("broken", [np.zeros((2, 4410)), np.full((2, 4410), np.nan), np.full((2, 4410), 1e-7)])
def test_traits_of_silence_and_of_broken_sounds_are_nan(broken):
    good = traits_of(stereo(saw(220)), RATE)
    bad = traits_of(broken.astype(np.float32), RATE)
    assert np.isnan(bad).all()
    for pair in ((good, bad), (bad, good)):
        assert np.isnan(list(trait_differences(*pair).values())).all()


@pytest.mark.parametrize("samples", [4, 40, 900, 4410])
def test_traits_of_short_sounds_are_measured_or_nan(samples):
    found = traits_of(stereo(saw(440)[:samples] + 0.1), RATE)
    assert found.attack_s >= 0
    assert found.width_db == -60


def test_trait_scores_of_several_sounds_are_the_differences_of_each():
    sounds = [traits_of(stereo(saw(hz)), RATE) for hz in (220, 330, 440)]
    found = trait_scores(sounds, sounds[0])
    assert {name: values[1] for name, values in found.items()} == trait_differences(sounds[1], sounds[0])
    assert found["pitch"].tolist() == pytest.approx([0, 702, 1200], abs=2)
    assert all(values.shape == (3,) for values in found.values())
