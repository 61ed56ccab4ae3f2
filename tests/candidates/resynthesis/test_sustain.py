"""Tests of vjax.candidates.resynthesis.sustain."""

import numpy as np
import pytest

from vjax.candidates.resynthesis.sustain import (
    Lines,
    Sustain,
    exponential,
    fall_of,
    note_off_after,
    sustain_cycles,
    sustain_of,
)
from vjax.vital.wavetables import FRAME

RATE = 44100
T = np.arange(4 * RATE) / RATE
TONE = 0.2 * np.sin(2 * np.pi * 220 * T)


def stereo(sound: np.ndarray) -> np.ndarray:
    return sound.astype(np.float32)[None].repeat(2, 0)


def test_fall_of_a_decay_is_its_rate_and_of_a_steady_tone_none():
    found = fall_of(stereo(TONE * 10 ** (-12 * T / 20)), RATE, 0.5, 1.5, 3.0)
    np.testing.assert_allclose(20 * np.log10(found.amplitude(np.array([0, 1, 2]))), [0, -12, -24], atol=0.5)
    assert fall_of(stereo(TONE), RATE, 0.5, 1.5, 3.0) is None
    assert fall_of(stereo(TONE * 10 ** (T / 5)), RATE, 0.5, 1.5, 3.0) is None  # it rises
    assert fall_of(stereo(TONE * (1 + 0.8 * np.sin(2 * np.pi * 1.7 * T))), RATE, 0.4, 1.5, 3.0) is None  # it beats


def test_fall_of_a_sound_with_one_beating_harmonic_is_none():
    beating = TONE * np.interp(T, [0.5, 1.5], [1, 0.1]) + 0.1 * np.sin(2 * np.pi * 880 * T)
    assert fall_of(stereo(beating), RATE, 0.5, 1.5, 3.0) is None


def test_fall_of_an_envelope_has_its_time_and_power():
    """Of Vital's decay with its power of -2, over after 2.5 s."""
    x = np.minimum(T / 2.5, 1)
    sound = TONE * (np.expm1(2 * (1 - x)) / np.expm1(2)) ** 2
    found = fall_of(stereo(sound), RATE, 0.4, 1.5, 3.0)
    assert found.seconds == pytest.approx(1, rel=0.15)
    assert found.power == pytest.approx(0.8, rel=0.5)


def test_fall_of_a_sound_that_is_over_is_fast():
    over = TONE * (T < 0.3) + 1e-6 * np.random.default_rng(0).normal(size=len(T))
    assert fall_of(stereo(over), RATE, 0.4, 1.5, 3.0).amplitude(np.array([1.0]))[0] < 0.01


@pytest.mark.parametrize("release_s", [0.01, 0.1, 0.3])
def test_note_off_after_with_a_released_tone_is_its_time(release_s):
    released = TONE * np.minimum(np.exp(-(T - 2.5) / release_s), 1)
    assert note_off_after(stereo(released), RATE, 2.0) == pytest.approx(2.5, abs=0.11)


def test_note_off_after_with_a_decaying_or_cut_sound_is_none():
    assert note_off_after(stereo(TONE * np.exp(-2 * T)), RATE, 2.0) is None
    assert note_off_after(stereo(TONE), RATE, 2.0) is None


def test_sustain_of_a_longer_recording_ends_at_note_off():
    released = stereo(TONE * np.minimum(np.exp(-(T - 2.5) / 0.05), 1))
    found = sustain_of(released[:, : 2 * RATE], released[:, 2 * RATE :], RATE, 2.0)
    assert found.note_off_s == pytest.approx(2.5, abs=0.06)
    assert found.after.shape[1] / RATE == pytest.approx(0.4, abs=0.06)
    assert found.fall is None
    alone = sustain_of(released[:, : 2 * RATE], None, RATE, 2.0)
    assert (alone.after.shape, alone.note_off_s, alone.fall) == ((2, 0), None, None)


def test_sustain_of_a_longer_decay_falls_from_the_end_of_the_clip():
    """Of Vital's decay with its power of -2, over after 6 s."""
    x = np.minimum(T / 6, 1)
    sound = stereo(TONE * (np.expm1(2 * (1 - x)) / np.expm1(2)) ** 2)
    found = sustain_of(sound[:, : 2 * RATE], sound[:, 2 * RATE :], RATE, 2.0)
    expected = (np.expm1(2 * (1 - np.array([2, 3, 4, 5]) / 6)) / np.expm1(2)) ** 2
    np.testing.assert_allclose(found.fall.amplitude(np.arange(4)), expected / expected[0], rtol=0.2)


def sines(amplitudes: np.ndarray) -> np.ndarray:
    """[n, 2048] cycles of a sine with these amplitudes."""
    return (amplitudes[:, None] * np.sin(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)


def test_sustain_cycles_of_a_decay_are_as_loud_as_the_cycle_at_note_end():
    """12 dB a second over cycles of 10 ms: the envelope falls, and they do not."""
    cycles = sines(10 ** (-12 * 0.01 * np.arange(101) / 20))
    lines = Lines(220.0, 50, RATE)
    found, seconds = sustain_cycles(
        cycles, 33, 75.0, 0.01, TONE, lines, Sustain(exponential(12.0), np.zeros((2, 0)), None)
    )
    assert seconds == pytest.approx(0.32)
    np.testing.assert_allclose(np.abs(found).max(1), np.abs(cycles[75]).max(), rtol=0.01)


def test_sustain_cycles_of_a_continuation_follow_its_level():
    """It rises to twice its amplitude within a second after the clip."""
    sound = TONE[: 2 * RATE] * np.maximum(T[: 2 * RATE], 1)
    more = Sustain(None, stereo(sound[RATE:]), None)
    found, seconds = sustain_cycles(sines(np.ones(97)), 33, 96.0, 0.01, sound, Lines(220.0, 50, RATE), more)
    assert seconds == pytest.approx(1, abs=0.03)
    np.testing.assert_allclose(np.abs(found).max(1), np.linspace(1, 1.98, 33), atol=0.03)
