"""The volume of a preset: a factor at the end of everything, which need not be searched for.

Vital's control is (dB + 80)^2. A route to it makes it no such factor; then it is a knob like others.
"""

import dataclasses
import math

from vjax.vital.preset import Preset, controls

VOLUME = "volume"

_LEAST_DB = 0.05  # a smaller difference of level is none


def is_free(preset: Preset) -> bool:
    """Whether the volume is a factor, and nothing moves it."""
    return not any(route is not None and route.destination == VOLUME for route in preset.routes)


def level_range_db(preset: Preset) -> tuple[float, float]:
    """By how much the preset can be made softer (negative) and louder; 0 and 0 where the volume is not free."""
    if not is_free(preset):
        return 0.0, 0.0
    lowest, now, highest = _levels_db(preset)
    return lowest - now, highest - now


def with_gain(preset: Preset, gain_db: float) -> Preset:
    """The preset louder by `gain_db`, which lies in `level_range_db`. Less than can be heard changes nothing."""
    if abs(gain_db) < _LEAST_DB:
        return preset
    schema = controls()
    at = schema.position[VOLUME]
    continuous = preset.continuous.copy()
    continuous[at] = schema.continuous[at].to_norm(max(_levels_db(preset)[1] + gain_db, 0.0) ** 2)
    return dataclasses.replace(preset, continuous=continuous)


def _levels_db(preset: Preset) -> tuple[float, float, float]:
    """(lowest, present, highest) level in dB, 80 being full scale."""
    knob = controls().continuous[controls().position[VOLUME]]
    now = knob.to_native(preset.continuous[controls().position[VOLUME]])
    return math.sqrt(knob.minimum), math.sqrt(now), math.sqrt(knob.maximum)
