"""Whether a recorded note was still held when its recording ended: nobody tells when a key was let go."""

import numpy as np

_BLOCK_S = 0.1
_KNEE_DB = 6.0
_OVER_DB = 50.0


def is_held(audio: np.ndarray, sample_rate: int, note_s: float) -> bool:
    """Whether a sound goes on after `note_s` as before, and not as if its key were let go there.

    It falls by no more than 6 dB faster from there to its end than as long before. What is 50 dB below its loudest
    moment by then has ended.

    Args:
      audio: [channels, samples].
    """
    size = round(_BLOCK_S * sample_rate)
    n = audio.shape[1] // size
    at = round(note_s / _BLOCK_S) - 1  # the last block before the key is let go
    if not 0 <= at < n - 1:
        return False
    blocks = audio[:, : n * size].reshape(len(audio), n, size)
    level_db = 10 * np.log10(np.maximum((blocks**2).mean((0, 2)), 1e-12))
    before = level_db[max(2 * at - (n - 1), 0)] - level_db[at]
    after = level_db[at] - level_db[-1]
    return bool(level_db[at] > level_db.max() - _OVER_DB and after <= before + _KNEE_DB)
