"""Reads a preset's controls by name, and sets them in a copy."""

import dataclasses
from collections.abc import Mapping

from vjax.vital.preset import Preset, Route, controls


def value_of(preset: Preset, name: str) -> float:
    """A continuous parameter's native value, or the option index of a categorical one.

    Raises KeyError for a name that the engine lacks.
    """
    schema = controls()
    at = schema.position[name]
    if _is_knob(name):
        return schema.continuous[at].to_native(preset.continuous[at])
    return int(preset.categorical[at])


def with_values(preset: Preset, values: Mapping[str, float]) -> Preset:
    """The preset with continuous parameters at native values and categorical ones at option indices.

    Raises:
      KeyError: a name that the engine lacks.
      ValueError: a value outside its control's range.
    """
    schema = controls()
    continuous, categorical = preset.continuous.copy(), preset.categorical.copy()
    for name, value in values.items():
        at = schema.position[name]
        if _is_knob(name):
            knob = schema.continuous[at]
            low, high = knob.minimum, knob.maximum
            continuous[at] = knob.to_norm(value)
        else:
            low, high = 0, schema.categorical[at].n_options - 1
            categorical[at] = round(value)
        slack = 1e-6 * (high - low)  # the engine's ranges are float32
        if not low - slack <= value <= high + slack:
            raise ValueError(f"{name} is {value}; it must lie in [{low:g}, {high:g}]. Clip it first")
    return dataclasses.replace(preset, continuous=continuous, categorical=categorical)


def with_routes(preset: Preset, *routes: Route) -> Preset:
    """The preset with routes in its first empty slots. Raises ValueError if they do not fit."""
    slots = list(preset.routes)
    for route in routes:
        if None not in slots:
            raise ValueError(f"the preset has {len(slots)} routes; Vital has no slot left for {route.destination}")
        slots[slots.index(None)] = route
    return dataclasses.replace(preset, routes=tuple(slots))


def _is_knob(name: str) -> bool:
    schema = controls()
    at = schema.position[name]
    return at < len(schema.continuous) and schema.continuous[at].name == name
