"""Adds velocity to a patch: soft notes become darker and softer. At the recording's velocity it sounds as before."""

import math

from vjax.candidates.patch.low_pass import CUTOFF_SPAN, highest_cutoff, main_low_pass
from vjax.vital.editability import MOST_ROUTES
from vjax.vital.level import level_range_db, with_gain
from vjax.vital.preset import Preset, Route
from vjax.vital.values import value_of, with_routes, with_values

TRACK = 0.35
"""Value of `velocity_track`: the median of those presets that set it (3 of 115 shared ones: 0.26, 0.35, 0.59).

It makes velocity 0.2 softer than velocity 1 by 6 dB.
"""

OPENS = 16.0
"""Semitones by which the full range of velocity opens the filter. Two of 115 shared presets do so, by 27 and 34."""

_LEAST = 4.0  # semitones: less is not worth a route
_LOWEST = 8.0  # MIDI pitch, of a cutoff
_NOT_LINEAR = ("compressor", "distortion")  # after these, a softer sound has another timbre


def with_velocity(preset: Preset, note: int, velocity: float = 0.8) -> Preset:
    """Returns the preset with a response to velocity. At `velocity` it sounds as before.

    Velocity opens the low-pass filter, if there is one and `MOST_ROUTES` leaves room. The cutoff is lowered by the same
    amount. Lower velocity also lowers the level, and `volume` compensates the loss at `velocity`. A preset that already
    responds to velocity stays unchanged.

    Args:
      note, velocity: for which the preset was made. Even for the softest note, the cutoff reaches `note`.
    """
    routed = any(route is not None and route.source == "velocity" for route in preset.routes)
    if routed or value_of(preset, "velocity_track"):
        return preset
    return _with_level(_with_cutoff(preset, note, velocity), velocity)


def _with_cutoff(preset: Preset, note: int, velocity: float) -> Preset:
    low_pass = main_low_pass(preset)
    if low_pass is None or sum(route is not None for route in preset.routes) >= MOST_ROUTES:
        return preset
    knob = f"{low_pass}_cutoff"
    room = min(value_of(preset, knob) - _LOWEST, highest_cutoff(preset, low_pass, note, velocity) - note)
    opens = min(OPENS, room / velocity)
    if opens < _LEAST:
        return preset
    lowered = with_values(preset, {knob: value_of(preset, knob) - opens * velocity})
    return with_routes(lowered, Route("velocity", knob, opens / CUTOFF_SPAN))


def _with_level(preset: Preset, velocity: float) -> Preset:
    # Vital's amplitude is (env_1 * lerp(1, velocity, velocity_track) * voice_amplitude)^2.
    lost_db = -40 * math.log10(1 + TRACK * (velocity - 1))
    linear = not any(value_of(preset, f"{effect}_on") for effect in _NOT_LINEAR)
    if not linear or lost_db > level_range_db(preset)[1]:
        return preset
    return with_gain(with_values(preset, {"velocity_track": TRACK}), lost_db)
