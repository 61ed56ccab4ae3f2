"""Tests of the one channel that stands for a stereo sound."""

import numpy as np
import pytest

from vjax.audio.channels import to_mono, without_dead_channel

RNG = np.random.default_rng(0)
LEFT, RIGHT = RNG.normal(0, 0.1, (2, 4000)).astype(np.float32)


@pytest.mark.parametrize(
    "right",
    [LEFT, RIGHT, 0 * LEFT, 0.5 * RIGHT, RIGHT - np.float32(0.6) * LEFT],
    ids=["equal", "unrelated", "silent", "softer", "wide"],
)
def test_to_mono_of_ordinary_stereo_is_the_mean_to_the_bit(right):
    stereo = np.stack([LEFT, right])
    np.testing.assert_array_equal(to_mono(stereo), stereo.mean(0))


@pytest.mark.parametrize("gain", [-1, -0.98, -1.5], ids=str)
def test_to_mono_of_channels_that_cancel_is_the_louder_one(gain):
    right = np.float32(gain) * LEFT
    louder = LEFT if abs(gain) <= 1 else right
    np.testing.assert_array_equal(to_mono(np.stack([LEFT, right])), louder)


def test_to_mono_of_a_batch_decides_for_each_sound():
    ordinary, inverted = np.stack([LEFT, RIGHT]), np.stack([LEFT, -LEFT])
    found = to_mono(np.stack([ordinary, inverted, 0 * ordinary]))
    np.testing.assert_array_equal(found, [ordinary.mean(0), LEFT, 0 * LEFT])


def test_to_mono_of_mono_is_the_channel():
    np.testing.assert_array_equal(to_mono(LEFT[None]), LEFT)


@pytest.mark.parametrize("crosstalk", [0, 0.005], ids=str)
@pytest.mark.parametrize("dead", [0, 1])
def test_without_dead_channel_of_a_dead_channel_returns_the_other_with_a_note(crosstalk, dead):
    stereo = np.stack([LEFT, LEFT])
    stereo[dead] = np.float32(crosstalk) * RIGHT
    found, (note,) = without_dead_channel(stereo)
    np.testing.assert_array_equal(found, [LEFT])
    assert f"the {('left', 'right')[dead]} channel of the sound is silent" in note


@pytest.mark.parametrize(("right", "notes"), [(RIGHT, 0), (0.05 * LEFT, 0), (LEFT, 0), (-LEFT, 1)])
def test_without_dead_channel_of_two_channels_keeps_both(right, notes):
    """A note names channels that cancel each other."""
    found, texts = without_dead_channel(np.stack([LEFT, right]))
    np.testing.assert_array_equal(found, [LEFT, right])
    assert ["cancel each other" in text for text in texts] == [True] * notes
