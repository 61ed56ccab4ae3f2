"""Describes a filter of a patch in plain text: its kind, and how its cutoff moves."""

from vjax.audio.pitch import note_name
from vjax.candidates.patch.low_pass import CUTOFF_SPAN, cutoff_at_rest
from vjax.vital.filter_kinds import filter_kind
from vjax.vital.lfo_shapes import shape_values
from vjax.vital.preset import Preset, Route
from vjax.vital.units import (
    control_text,
    curve_s,
    db_text,
    hz_text,
    midi_hz,
    percent_text,
    plays_once,
    seconds_text,
)
from vjax.vital.values import value_of

_AT_ONCE_S = 0.01  # a shorter attack counts as none
_POINTS = 2049  # of a drawn curve
_CUTOFFS = (8.0, 136.0)


def main_mover(preset: Preset, routes: list[Route], number: int) -> Route | None:
    """Returns the route of the envelope or drawn curve that moves a filter's cutoff most; None if there is none."""
    found = [
        route
        for route in routes
        if route.destination == f"filter_{number}_cutoff"
        and (route.source.startswith("env_") or plays_once(preset, route.source))
    ]
    return max(found, key=lambda route: abs(route.amount), default=None)


def describe_filter(preset: Preset, number: int, note: int, velocity: float, route: Route | None) -> str:
    """Returns a sentence about filter `number` at a note and a velocity. `route` is what moves its cutoff most."""
    name = f"filter_{number}"
    kind = filter_kind(preset, name)
    keytrack = value_of(preset, f"{name}_keytrack")
    base = cutoff_at_rest(preset, name, note, velocity)
    moved = f"cutoff {cutoff_text(base)}" if route is None else _cutoff_moves(preset, base, route)
    parts = [f"resonance {percent_text(value_of(preset, f'{name}_resonance'))}", f"{moved} at {note_name(note)}"]
    if value_of(preset, f"{name}_drive") > 0:
        parts.insert(1, f"drive {db_text(value_of(preset, f'{name}_drive'))}")
    if abs(keytrack) >= 0.005:
        parts.append(f"following the keyboard by {percent_text(keytrack)}")
    return f"Filter {number}: {kind}, {', '.join(parts)}."


def _cutoff_moves(preset: Preset, base: float, route: Route) -> str:
    """Describes how an envelope or a drawn curve moves a cutoff whose MIDI pitch is `base` without it."""
    if route.source.startswith("lfo_"):
        return _cutoff_drawn(preset, base, route)
    envelope = route.source
    attack_s, decay_s, release_s = (value_of(preset, f"{envelope}_{x}") ** 4 for x in ("attack", "decay", "release"))
    sustain = value_of(preset, f"{envelope}_sustain")
    away = CUTOFF_SPAN * route.amount
    rest = base - away / 2 if route.bipolar else base
    peak, sustained = rest + away, rest + away * sustain
    if len({cutoff_text(cutoff) for cutoff in (rest, peak, sustained)}) == 1:
        return f"cutoff {cutoff_text(peak)}"
    text = f"cutoff starting at {cutoff_text(peak)}"
    if attack_s >= _AT_ONCE_S:
        verb = "rising" if away > 0 else "falling"
        text = f"cutoff {verb} from {cutoff_text(rest)} to {cutoff_text(peak)} in {seconds_text(attack_s)}"
    if sustain < 0.995 and cutoff_text(sustained) != cutoff_text(peak):
        verb = "falling" if away > 0 else "rising"
        text += f", {verb} to {cutoff_text(sustained)} in {seconds_text(decay_s)}"
    if sustain > 0.005 and cutoff_text(rest) != cutoff_text(sustained):
        text += f", after note-off to {cutoff_text(rest)} in {seconds_text(release_s)}"
    return f"{text} (envelope {envelope[-1]})"


def _cutoff_drawn(preset: Preset, base: float, route: Route) -> str:
    curve = shape_values(preset.lfo_shapes[int(route.source[-1]) - 1], _POINTS) - (0.5 if route.bipolar else 0)
    path = base + CUTOFF_SPAN * route.amount * curve
    ends = f"from {cutoff_text(path[0])} to {cutoff_text(path[-1])} in {seconds_text(curve_s(preset, route.source))}"
    reach = f"between {cutoff_text(path.min())} and {cutoff_text(path.max())}"
    return f"cutoff drawn {ends}, {reach} ({control_text(route.source)})"


def cutoff_text(midi: float) -> str:
    """Returns a cutoff in Hz, given its MIDI pitch, limited to the range of a filter."""
    return hz_text(midi_hz(min(max(midi, _CUTOFFS[0]), _CUTOFFS[1])))
