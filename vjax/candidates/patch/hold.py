"""Makes a patch fall as its recording continues to fall, in a note that is longer than the analysed sound."""

import numpy as np

from vjax.candidates.patch.write import within_ranges
from vjax.candidates.resynthesis.sustain import LONGEST_S, Fall
from vjax.vital.laws import envelope
from vjax.vital.preset import Preset
from vjax.vital.values import value_of, with_values

SAME_DB = 0.5
"""Mean |difference| up to which a new envelope counts as equal to the old one during the analysed sound."""

_DECAYS_S = np.geomspace(0.05, 32, 36)
_SUSTAINS = np.array([0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
_POWERS = np.array([-8.0, -6.0, -4.5, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0])
_WORTH = 0.7  # after the analysed sound, a new envelope must have at most this share of the old one's error
_RANGE_DB = 60.0  # a sound this far below its maximum is over
_STEP_S = 0.04
_LONGEST_HOLD_S = 4.0  # of an envelope


def with_fall(preset: Preset, fall: Fall | None, note_s: float) -> Preset:
    """Returns the patch whose loudness continues to fall in a note that is longer than `note_s` seconds.

    Envelope 1 gets another decay and sustain. These play the first `note_s` seconds as before and then continue to
    fall. If the envelope's level stays, or a curve draws the level, the envelope holds first and then falls. The patch
    stays unchanged if `fall` is None, or if its envelope cannot do both.
    """
    if fall is None:
        return preset
    names = ("delay", "attack", "hold", "decay", "release")
    seconds = {name: value_of(preset, f"env_1_{name}") ** 4 for name in names}
    sustain, power = value_of(preset, "env_1_sustain"), value_of(preset, "env_1_decay_power")
    if sustain > 0.99 and note_s <= _LONGEST_HOLD_S:
        stages = {"hold": max(note_s - seconds["attack"] - seconds["delay"], 0.0), "decay": fall.seconds}
        knobs = {f"env_1_{name}": value**0.25 for name, value in stages.items()}
        return with_values(preset, within_ranges(knobs | {"env_1_sustain": 0.0, "env_1_decay_power": -fall.power}))
    time_s = np.arange(seconds["attack"] + _STEP_S, note_s + LONGEST_S, _STEP_S)
    inside = time_s < note_s

    def level_db(decay_s, sustain, power) -> np.ndarray:
        before = (seconds["delay"], seconds["attack"], seconds["hold"])
        found = envelope(time_s, 1e3, *before, decay_s, sustain, seconds["release"], 0.0, power)
        return np.maximum(40 * np.log10(np.maximum(np.asarray(found), 1e-4)), -_RANGE_DB)

    now_db = level_db(seconds["decay"], sustain, power)
    end_db = now_db[inside][-1]
    fallen_db = 20 * np.log10(fall.amplitude(np.maximum(time_s - note_s, 0)))
    wanted_db = np.where(inside, now_db, np.maximum(end_db + fallen_db, -_RANGE_DB))
    grid = [axis.ravel()[:, None] for axis in np.meshgrid(_DECAYS_S, _SUSTAINS, _POWERS, indexing="ij")]
    off_db = np.abs(level_db(*grid) - wanted_db)
    same = off_db[:, inside].mean(1) <= SAME_DB
    best = int(np.argmin(np.where(same, off_db.mean(1), np.inf)))
    later_db = np.abs(now_db - wanted_db)[~inside].mean()
    if not same[best] or off_db[best, ~inside].mean() > _WORTH * later_db:
        return preset
    decay_s, sustain, power = (float(axis[best, 0]) for axis in grid)
    return with_values(preset, {"env_1_decay": decay_s**0.25, "env_1_sustain": sustain, "env_1_decay_power": power})
