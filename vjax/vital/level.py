"""The volume of a preset: a factor at the end of the signal chain, which a search need not estimate.

Vital's control is (dB + 80)^2. If a route moves it, it is not a constant factor. It is then treated like any other
parameter.
"""

import dataclasses
import math

from vjax.vital.preset import Preset, controls

VOLUME = "volume"

_LEAST_DB = 0.05  # smaller differences of level are ignored


def is_free(preset: Preset) -> bool:
    """Whether the volume is a constant factor, so that no route moves it."""
    return not any(route is not None and route.destination == VOLUME for route in preset.routes)


def level_range_db(preset: Preset) -> tuple[float, float]:
    """The lowest (negative) and the highest possible gain of the preset in dB; 0 and 0 if the volume is not free."""
    if not is_free(preset):
        return 0.0, 0.0
    lowest, now, highest = _levels_db(preset)
    return lowest - now, highest - now


def level_db(preset: Preset) -> float:
    """The level that the volume sets, in dB; only differences between levels have a meaning."""
    return _levels_db(preset)[1]


def with_gain(preset: Preset, gain_db: float) -> Preset:
    """The preset with its volume changed by `gain_db`, within `level_range_db`. An inaudible gain changes nothing."""
    if abs(gain_db) < _LEAST_DB:
        return preset
    schema = controls()
    at = schema.position[VOLUME]
    continuous = preset.continuous.copy()
    continuous[at] = schema.continuous[at].to_norm(max(_levels_db(preset)[1] + gain_db, 0.0) ** 2)
    return dataclasses.replace(preset, continuous=continuous)


def _levels_db(preset: Preset) -> tuple[float, float, float]:
    """(lowest, present, highest) level in dB, where 80 is full scale."""
    knob = controls().continuous[controls().position[VOLUME]]
    now = knob.to_native(preset.continuous[controls().position[VOLUME]])
    return math.sqrt(knob.minimum), math.sqrt(now), math.sqrt(knob.maximum)
