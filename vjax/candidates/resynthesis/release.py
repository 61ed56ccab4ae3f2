"""The release of a sound, and the amplitude that a preset gives it."""

import math

import numpy as np

from vjax.audio.levels import block_levels_db
from vjax.engine.config import RenderConfig
from vjax.vital.preset import controls, init

_RELEASES_S = np.geomspace(0.01, 4.0, 60)
_STEP_S = 0.01


_TAIL_RANGE_DB = 60.0
_OVER_DB = 50.0  # a sound this far below its loudest moment has ended: it has no audible release


def amplitude(release_s: float | None, render: RenderConfig) -> np.ndarray:
    """Returns the amplitude [samples] that the amplitude envelope of `swept_preset` gives: 1 until note-off.

    Vital's release, with its power of -2, falls as 1 - (1 - exp(-2 x)) / (1 - exp(-2)) with x from 0 to 1. The
    amplitude is the square of that (measured: the error is 0.01 where the release is longer than 0.4 s).
    """
    if release_s is None:
        schema = controls()
        knob = schema.continuous[schema.position["env_1_release"]]
        release_s = knob.to_native(init().continuous[schema.position["env_1_release"]]) ** 4
    after_s = np.maximum(np.arange(render.samples) / render.sample_rate - render.note_s, 0)
    x = np.minimum(after_s / release_s, 1)
    return (1 - np.expm1(-2 * x) / math.expm1(-2)) ** 2


def release_of(audio: np.ndarray, render: RenderConfig) -> float | None:
    """Returns the release in seconds, up to 4, whose fall is nearest to the sound's after note-off.

    Returns None if the sound is over by then.
    """
    step = round(_STEP_S * render.sample_rate)
    level_db = block_levels_db(audio, render.sample_rate, _STEP_S)
    first = round(render.note_s / _STEP_S)
    if first + 1 >= len(level_db) or level_db[max(first - 1, 0)] < level_db.max() - _OVER_DB:
        return None
    fall_db = np.maximum(level_db[first:] - level_db[max(first - 1, 0)], -_TAIL_RANGE_DB)

    def error(release_s: float) -> float:
        falls = amplitude(release_s, render)[first * step :: step][: len(fall_db)]
        return float(np.abs(np.maximum(20 * np.log10(np.maximum(falls, 1e-6)), -_TAIL_RANGE_DB) - fall_db).mean())

    return float(min(_RELEASES_S, key=error))
