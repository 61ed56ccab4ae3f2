"""Estimates whether a recording ended before the note-off: a recording does not contain the time of the note-off."""

import numpy as np

from vjax.audio.levels import block_levels_db

_BLOCK_S = 0.1
_MAX_FALL_DB = 6.0  # by how much more the level may fall after the note-off than before
_ENDED_DB = 50.0  # a sound this far below its maximum has ended


def continues_after_note_off(audio: np.ndarray, sample_rate: int, note_s: float) -> bool:
    """Returns whether a sound continues after `note_s` as before, so that there is no note-off at `note_s`.

    Both conditions must hold:

    - From `note_s` to the end, the level falls by at most 6 dB more than in the same time before `note_s`.
    - At `note_s`, the level is less than 50 dB below its maximum. Otherwise the sound has already ended.

    Args:
      audio: [channels, samples].
    """
    level_db = block_levels_db(audio, sample_rate, _BLOCK_S)
    n = len(level_db)
    last = round(note_s / _BLOCK_S) - 1  # the last block before the note-off
    if not 0 <= last < n - 1:
        return False
    before = level_db[max(2 * last - (n - 1), 0)] - level_db[last]
    after = level_db[last] - level_db[-1]
    return bool(level_db[last] > level_db.max() - _ENDED_DB and after <= before + _MAX_FALL_DB)
