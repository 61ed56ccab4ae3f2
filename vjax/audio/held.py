"""Estimates whether a recording ended before the note-off: a recording does not contain the time of the note-off."""

import numpy as np

from vjax.audio.levels import block_levels_db

_BLOCK_S = 0.1
_KNEE_DB = 6.0
_OVER_DB = 50.0


def is_held(audio: np.ndarray, sample_rate: int, note_s: float) -> bool:
    """Returns whether a sound continues after `note_s` as before, so that there is no note-off at `note_s`.

    Both conditions must hold:

    - From `note_s` to the end, the level falls by at most 6 dB more than in the same time before `note_s`.
    - At `note_s`, the level is less than 50 dB below its maximum. Otherwise the sound has already ended.

    Args:
      audio: [channels, samples].
    """
    level_db = block_levels_db(audio, sample_rate, _BLOCK_S)
    at, last = round(note_s / _BLOCK_S) - 1, len(level_db) - 1  # `at`: the last block before the note-off
    if not 0 <= at < last:
        return False
    before = level_db[max(2 * at - last, 0)] - level_db[at]
    after = level_db[at] - level_db[-1]
    return bool(level_db[at] > level_db.max() - _OVER_DB and after <= before + _KNEE_DB)
