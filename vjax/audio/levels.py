"""The level of a sound over time."""

import numpy as np


def block_levels_db(audio: np.ndarray, sample_rate: int, block_s: float) -> np.ndarray:
    """Returns the mean power [n] in dB of a sound [channels, samples], block by block; at least -120 dB.

    A last block that is not full is left out.
    """
    size = round(block_s * sample_rate)
    blocks = audio[:, : audio.shape[1] // size * size].reshape(len(audio), -1, size)
    return 10 * np.log10(np.maximum((blocks**2).mean((0, 2)), 1e-12))
