import numpy as np

from vjax.audio.levels import block_levels_db


def test_block_levels_db_of_steps_are_their_mean_powers():
    rate = 1000
    audio = np.concatenate([np.full((2, 100), amplitude) for amplitude in (1.0, 0.1, 0.0)], 1)
    np.testing.assert_allclose(block_levels_db(audio, rate, 0.1), [0, -20, -120])


def test_block_levels_db_leaves_out_a_last_block_that_is_not_full():
    assert len(block_levels_db(np.ones((1, 299)), 1000, 0.1)) == 2
    assert len(block_levels_db(np.ones((1, 99)), 1000, 0.1)) == 0
