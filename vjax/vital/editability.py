"""Measures how well a musician can edit a preset: how many parts it has, and whether they do what they seem to do."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vjax.sound.encoding import EFFECTS
from vjax.sound.schema import N_OSCILLATORS
from vjax.vital.audible import audible_of
from vjax.vital.preset import Preset, Route
from vjax.vital.values import value_of
from vjax.vital.wavetables import POSITIONS

MOST_OSCILLATORS = 2
MOST_FILTERS = 1  # in the signal path of one oscillator
MOST_EFFECTS = 3
MOST_ROUTES = 6
MOST_CYCLES = 8

N_MACROS = 4
MACROS = tuple(f"macro_control_{i + 1}" for i in range(N_MACROS))
_PLAYED = (*MACROS, "velocity")  # sources that a musician plays
STEADY = (
    *(*_PLAYED, "note", "note_in_octave", "stereo", "random", "lift"),
    *("mod_wheel", "pitch_wheel", "aftertouch", "slide"),
)
"""Sources that are constant during a note, unless the player moves them."""

PLAYERS = (*(f"osc_{i + 1}" for i in range(N_OSCILLATORS)), "sample")
"""The modules that generate sound."""

_LEVELS = frozenset({*(f"{player}_level" for player in PLAYERS), "voice_amplitude", "volume"})
_FILTER_1, _FILTER_2, _BOTH = 0, 1, 2  # options of `*_destination`


PARTS = ("oscillators", "filters", "effects", "routes", "cycles", "macros")
"""Attributes of `Editability` that reports show."""


@dataclasses.dataclass(frozen=True)
class Editability:
    """The parts of a preset that a musician finds.

    Attributes:
      oscillators: number of oscillators that are on.
      filters: the largest number of filters (1 and 2) in the signal path of one oscillator or the noise.
      effects: number of effects that are on.
      routes: number of routes in the matrix.
      sound_routes: number of routes that neither a macro nor the velocity drives.
      cycles: the largest number of cycles that a frame and its routes reach in one wavetable; 1 for a constant frame.
      macros: number of macros with a name and a route.
      env_1_alone: whether only envelope 1 moves the loudness during a note.
      reasons: a text for people for each limit that is exceeded; empty if none is.
    """

    oscillators: int
    filters: int
    effects: int
    routes: int
    sound_routes: int
    cycles: int
    macros: int
    env_1_alone: bool
    reasons: tuple[str, ...]

    @property
    def editable(self) -> bool:
        """Whether no limit is exceeded."""
        return not self.reasons


def editability(preset: Preset) -> Editability:
    """Counts the parts of a preset, and compares them with the limits for easy editing."""
    routes = [route for route in preset.routes if route is not None]
    counts = {
        "oscillators": sum(value_of(preset, f"osc_{i + 1}_on") for i in range(N_OSCILLATORS)),
        "filters": max(len(filters_passed(preset, player)) for player in PLAYERS),
        "effects": sum(value_of(preset, f"{effect}_on") for effect in EFFECTS),
        "routes": len(routes),
        "cycles": max((_cycles_reached(preset, i) for i in range(N_OSCILLATORS)), default=0),
    }
    limits = {
        "oscillators": (MOST_OSCILLATORS, "{} oscillators are on"),
        "filters": (MOST_FILTERS, "one oscillator passes {} filters"),
        "effects": (MOST_EFFECTS, "{} effects are on"),
        "routes": (MOST_ROUTES, "{} modulation routes are set"),
        "cycles": (MOST_CYCLES, "a wavetable moves through {} cycles"),
    }
    reasons = [
        f"{text.format(counts[part])}; at most {most} {'is' if most == 1 else 'are'} easy to edit"
        for part, (most, text) in limits.items()
        if counts[part] > most
    ]
    return Editability(
        **counts,
        sound_routes=sum(route.source not in _PLAYED for route in routes),
        macros=len(named_macros(preset)),
        env_1_alone=not any(r.destination in _LEVELS and r.source not in STEADY for _, r in carrying_routes(preset)),
        reasons=tuple(reasons),
    )


def editing_text(found: Mapping[str, Any]) -> str:
    """One line for people: whether a preset is `editable`, and the count of each of PARTS."""
    return f"{'editable' if found['editable'] else 'not easy to edit'}: {counts_text(found, PARTS)}"


def counts_text(found: Mapping[str, Any], parts: Sequence[str]) -> str:
    return ", ".join(f"{found[part]:g} {part if found[part] != 1 else part[:-1]}" for part in parts)


def named_macros(preset: Preset) -> tuple[int, ...]:
    """The numbers, from 0, of the macros with a name of their own and a route."""
    sources = {route.source for route in preset.routes if route is not None}
    return tuple(i for i in range(N_MACROS) if _named(preset, i) and MACROS[i] in sources)


def macro_is_free(preset: Preset, number: int) -> bool:
    """Whether macro `number`, from 0, has neither a name of its own nor a route."""
    return not _named(preset, number) and all(r is None or r.source != MACROS[number] for r in preset.routes)


def _named(preset: Preset, number: int) -> bool:
    name = preset.macro_names[number].strip()
    return bool(name) and name.upper() != f"MACRO {number + 1}"


def carrying_routes(preset: Preset) -> Iterator[tuple[int, Route]]:
    """Yields (slot from 0, route) of routes to something audible whose amount is not 0 or is moved by another route."""
    opened = {route.destination for route in preset.routes if route is not None and not route.bypass}
    for slot, (route, is_audible) in enumerate(zip(preset.routes, audible_of(preset).routes, strict=True)):
        if route is None or route.bypass or not is_audible:
            continue
        if route.amount or f"modulation_{slot + 1}_amount" in opened:
            yield slot, route


def filters_passed(preset: Preset, player: str) -> tuple[int, ...]:
    """Those of filters 1 and 2 that are on and in the signal path of `player`, one of `PLAYERS`."""
    if not value_of(preset, f"{player}_on"):
        return ()
    destination = value_of(preset, f"{player}_destination")
    passed = {1: destination in (_FILTER_1, _BOTH), 2: destination in (_FILTER_2, _BOTH)}
    on = {i: value_of(preset, f"filter_{i}_on") for i in (1, 2)}
    # A filter that is off passes its input on to the effects, and not to the other filter.
    both = any(passed[3 - i] and on[3 - i] and value_of(preset, f"filter_{i}_filter_input") for i in (1, 2))
    return tuple(i for i in (1, 2) if (passed[i] or both) and on[i])


def _cycles_reached(preset: Preset, number: int) -> int:
    """How many cycles of oscillator `number`'s table its frame and the routes to it reach."""
    if not value_of(preset, f"osc_{number + 1}_on"):
        return 0
    low, high = frames_reached(preset, number)
    if low == high:
        return 1
    return max(
        (
            _cycles_between(component, low, high)
            for group in preset.wavetables[number]["groups"]
            for component in group["components"]
        ),
        default=1,
    )


def _cycles_between(component, low: float, high: float) -> int:
    """How many cycles of a component of a wavetable lie between two positions."""
    if component.get("type") == "Audio File Source":
        return round(high - low) + 1  # each position reads another piece of the recording
    positions = sorted(keyframe["position"] for keyframe in component.get("keyframes") or ())
    # Between two keyframes, both are audible.
    first = max((p for p in positions if p <= low), default=low)
    last = min((p for p in positions if p >= high), default=high)
    return max(sum(first <= p <= last for p in positions), 1)


def frames_reached(preset: Preset, number: int) -> tuple[float, float]:
    """The lowest and the highest position in the table of oscillator `number` that is played."""
    low = high = value_of(preset, f"osc_{number + 1}_wave_frame")
    if value_of(preset, f"osc_{number + 1}_unison_voices") > 1:
        spread = abs(value_of(preset, f"osc_{number + 1}_frame_spread"))
        low, high = low - spread, high + spread
    for slot, route in enumerate(preset.routes):
        if route is None or route.bypass or route.destination != f"osc_{number + 1}_wave_frame":
            continue
        least, most = _amounts(preset, slot, route)
        scale = POSITIONS / 2 if route.bipolar else POSITIONS
        if route.bipolar or route.stereo:  # it moves the frame in both directions
            most = max(most, -least)
            least = -most
        low, high = low + scale * min(least, 0), high + scale * max(most, 0)
    return min(max(low, 0), POSITIONS), min(max(high, 0), POSITIONS)


def _amounts(preset: Preset, slot: int, route: Route) -> tuple[float, float]:
    """The least and the greatest amount of a route, as far as other routes move it."""
    moved = [r for r in preset.routes if r and not r.bypass and r.destination == f"modulation_{slot + 1}_amount"]
    least = route.amount + sum(min(-2 * abs(r.amount) if r.bipolar else 2 * r.amount, 0) for r in moved)
    most = route.amount + sum(max(2 * abs(r.amount) if r.bipolar else 2 * r.amount, 0) for r in moved)
    return max(least, -1.0), min(most, 1.0)
