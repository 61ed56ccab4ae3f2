"""Adds up to four named macros to a patch. They are at 0, where they change nothing."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

from vjax.candidates.patch.low_pass import CUTOFF_SPAN, cutoff_at_rest, main_low_pass
from vjax.engine import synth
from vjax.sound.encoding import EFFECTS
from vjax.vital.editability import (
    MACROS,
    MOST_EFFECTS,
    MOST_ROUTES,
    STEADY,
    carrying_routes,
    macro_is_free,
)
from vjax.vital.lfo_shapes import shape_values
from vjax.vital.preset import Preset, Route
from vjax.vital.values import value_of, with_routes, with_values

_BRIGHTER = 36.0  # semitones
_SHELF_ABOVE, _SHELF_MIDI = 12, 100  # semitones above the note, up to the equaliser's own default (MIDI pitch)
_BRIGHTER_DB = 12.0
_LEAST_BRIGHTER = 12.0  # semitones
_HIGHEST = 136.0  # MIDI pitch of a cutoff
_LONGER, _LONG_S, _LONGEST_S = 4.0, 1.5, 32.0  # factor on a time; its result in seconds, at least and at most
_RESONANT, _NEAR = 0.5, 12.0  # of a resonance; semitones between a cutoff and the note
_WET = 0.4
_LEAST_WET = 0.1
_SPACE_KNOB = 1.0  # reverb_decay_time: a T60 of 2.5 s
_SHUT = 12.0  # semitones of a cutoff below the note: the first harmonic is 12 to 24 dB down
_FADED = 0.05  # an envelope or a drawn curve below this has ended
_FOLLOWS = 0.1  # a modulation that cannot grow by this share of itself gets no macro

# How audible a route of amount 1 is, relative to a cutoff's 128 semitones. Pitch is more audible: a semitone of pitch
# is about as audible as an octave of cutoff.
_AUDIBILITY = {"transpose": 9.0, "tune": 0.2, "cutoff": 1.0, "level": 0.7, "wave_frame": 0.7}
_AUDIBILITY_ELSE = 0.3
_MOST_DEEPER = {"cutoff": 32 / CUTOFF_SPAN}


class Macro(NamedTuple):
    """What a macro does.

    Attributes:
      name: for people.
      destination, amount: of its route.
      values: of parameters that must be set for it; with the macro at 0 they change nothing.
    """

    name: str
    destination: str
    amount: float
    values: Mapping[str, float] = {}


def with_macros(preset: Preset, note: int, velocity: float = 0.8) -> Preset:
    """Returns the preset with the macros that it has room for: Brightness, Movement, Release and Space, in this order.

    Routes are added only up to `MOST_ROUTES` in all. Macros in use stay unchanged, and no macro is added twice.

    Args:
      note, velocity: for which the preset was made.
    """
    release = functools.partial(_release, note=note, velocity=velocity)
    brightness = functools.partial(_brightness, note=note, velocity=velocity)
    makers: tuple[Callable[[Preset], Macro | None], ...] = (brightness, _movement, release, _space)
    for make in makers:
        free = [i for i in range(len(MACROS)) if macro_is_free(preset, i)]
        if not free or sum(route is not None for route in preset.routes) >= MOST_ROUTES:
            break
        macro = make(preset)
        if macro is not None and macro.name not in preset.macro_names:
            preset = _with_macro(preset, free[0], macro)
    return preset


def _with_macro(preset: Preset, number: int, macro: Macro) -> Preset:
    preset = with_values(preset, {**macro.values, MACROS[number]: 0.0})
    names = list(preset.macro_names)
    names[number] = macro.name
    routed = with_routes(preset, Route(MACROS[number], macro.destination, macro.amount))
    return dataclasses.replace(routed, macro_names=tuple(names))


def _brightness(preset: Preset, note: int, velocity: float) -> Macro | None:
    """Returns a macro that opens the low-pass filter or, if none can be opened, raises a shelf of the equaliser."""
    low_pass = main_low_pass(preset)
    if low_pass is not None and not _resonates_at(preset, low_pass, note, velocity):
        semitones = min(_BRIGHTER, _HIGHEST - cutoff_at_rest(preset, low_pass, note, velocity))
        if semitones >= _LEAST_BRIGHTER:
            return Macro("Brightness", f"{low_pass}_cutoff", semitones / CUTOFF_SPAN)
    shelf = {"eq_on": 1, "eq_high_mode": 0}
    if not value_of(preset, "eq_on"):
        if not _has_room_for_an_effect(preset):
            return None
        shelf |= {"eq_low_gain": 0.0, "eq_band_gain": 0.0, "eq_high_gain": 0.0, "eq_low_mode": 0, "eq_band_mode": 0}
        shelf["eq_high_cutoff"] = float(min(note + _SHELF_ABOVE, _SHELF_MIDI))  # where a dark sound also has overtones
    elif value_of(preset, "eq_high_mode") or value_of(preset, "eq_high_gain") > 0:
        return None
    return Macro("Brightness", "eq_high_gain", _BRIGHTER_DB / _span("eq_high_gain"), shelf)


def _resonates_at(preset: Preset, low_pass: str, note: int, velocity: float) -> bool:
    """Returns whether a filter's resonance makes the note loud. If the filter opened, the note would become soft."""
    off = cutoff_at_rest(preset, low_pass, note, velocity) - note
    return value_of(preset, f"{low_pass}_resonance") > _RESONANT and abs(off) < _NEAR


def _movement(preset: Preset) -> Macro | None:
    """Returns a macro that deepens the most audible modulation."""
    moved = {route.destination for route in preset.routes if route is not None}
    found = [
        (abs(route.amount) * _by_kind(_AUDIBILITY, route.destination, _AUDIBILITY_ELSE), slot, route)
        for slot, route in carrying_routes(preset)
        if route.source not in STEADY
        and route.destination not in ("voice_amplitude", "volume")  # loudness is not movement: it belongs to the sound
        and not route.destination.startswith(("modulation_", "env_"))
        and f"modulation_{slot + 1}_amount" not in moved
    ]
    for _, slot, route in sorted(found, key=lambda one: -one[0]):
        depth = abs(route.amount)
        deeper = min(depth, 1 - depth, _by_kind(_MOST_DEEPER, route.destination, 1.0))
        if deeper > _FOLLOWS * depth:
            amount = deeper if route.amount > 0 else -deeper
            destination = f"modulation_{slot + 1}_amount"
            return Macro("Movement", destination, amount / _span(destination))
    return None


def _release(preset: Preset, note: int, velocity: float) -> Macro | None:
    """Returns a macro that makes the release longer or, if the sound ends before note-off, the decay."""
    if any(
        route.destination == "voice_amplitude"
        and route.source.startswith("lfo_")
        and shape_values(preset.lfo_shapes[int(route.source[-1]) - 1])[-1] < _FADED
        for _, route in carrying_routes(preset)
    ):
        return None  # a drawn curve ends the sound
    ends = value_of(preset, "env_1_sustain") < _FADED
    name, knob = ("Decay", "env_1_decay") if ends else ("Release", "env_1_release")
    now_s = value_of(preset, knob) ** 4
    then_s = min(max(_LONGER * now_s, _LONG_S), _LONGEST_S)
    if then_s < 2 * now_s or (not ends and _filter_closes(preset, note, velocity, then_s)):
        return None
    return Macro(name, knob, (then_s**0.25 - now_s**0.25) / _span(knob))


def _filter_closes(preset: Preset, note: int, velocity: float, release_s: float) -> bool:
    """Returns whether an envelope closes the filter after note-off, long before a release is over."""
    low_pass = main_low_pass(preset)
    return low_pass is not None and any(
        route.destination == f"{low_pass}_cutoff"
        and route.source.startswith("env_")
        and route.amount > 0
        and value_of(preset, f"{route.source}_sustain") >= _FADED
        and value_of(preset, f"{route.source}_release") ** 4 < release_s / 3
        and cutoff_at_rest(preset, low_pass, note, velocity) < note - _SHUT
        for _, route in carrying_routes(preset)
    )


def _space(preset: Preset) -> Macro | None:
    """Returns a macro that mixes in the reverb; if that is not possible, the delay, if it is on."""
    for effect in ("reverb", "delay"):
        wet = value_of(preset, f"{effect}_dry_wet")
        if value_of(preset, f"{effect}_on") and 1 - wet >= _LEAST_WET:
            return Macro("Space", f"{effect}_dry_wet", min(_WET, 1 - wet))
        if effect == "reverb" and not value_of(preset, "reverb_on") and _has_room_for_an_effect(preset):
            off = {"reverb_on": 1, "reverb_dry_wet": 0.0, "reverb_decay_time": _SPACE_KNOB}
            return Macro("Space", "reverb_dry_wet", _WET, off)
    return None


def _has_room_for_an_effect(preset: Preset) -> bool:
    return sum(value_of(preset, f"{effect}_on") for effect in EFFECTS) < MOST_EFFECTS


def _by_kind(table: Mapping[str, float], destination: str, otherwise: float) -> float:
    return next((value for ending, value in table.items() if destination.endswith(ending)), otherwise)


def _span(name: str) -> float:
    """Returns by how much a route of amount 1 moves a parameter, in native units."""
    low, high = synth.control_ranges()[name]
    return high - low
