import numpy as np

from vjax.audio.loudness import k_weighting


def test_k_weighting_at_given_frequencies_is_that_of_the_standard():
    """BS.1770-4: 0.691 dB at 997 Hz (its offset of loudness), about +4 dB at high frequencies, 0 at 0 Hz."""
    gain_db = 10 * np.log10(k_weighting(np.array([997.0, 12000.0, 38.0])))
    np.testing.assert_allclose(gain_db, [0.691, 4.0, -6.0], atol=0.05)
    assert k_weighting(np.array([0.0]))[0] == 0
