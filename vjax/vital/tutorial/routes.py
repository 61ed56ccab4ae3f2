"""Says how to make a modulation route, and how far it moves its destination."""

import re

from vjax.engine import synth
from vjax.vital.preset import Route, controls
from vjax.vital.tutorial.contents import is_straight, shape_text
from vjax.vital.tutorial.draft import Draft, Reading
from vjax.vital.tutorial.steps import Connection, Part
from vjax.vital.tutorial.values import native_text, power_text, shift_text, short_number, value_text
from vjax.vital.tutorial.words import control_title, source_title

_SLOT = re.compile(r"modulation_(\d+)_(amount|power)")


def points_at_route(route: Route) -> bool:
    """Whether the destination is the amount or the power of another route."""
    return _SLOT.fullmatch(route.destination) is not None


def connect(draft: Draft, slot: int, route: Route) -> None:
    """Adds a route in `slot`, from 0."""
    text = _route_text(draft.reading, route)
    draft.connections.append(Connection(slot + 1, route, text))
    draft.say(f"Drag {source_title(draft.reading.preset, route.source)} onto {text}.")
    if abs(route.power) >= 0.05:
        draft.say(f"In the matrix, set the power of this route to {power_text(route.power)}.")
    if route.curve is not None and not is_straight(route.curve):
        part = Part(f"modulation_{slot + 1}_curve", shape_text(route.curve))
        draft.parts.append(part)
        draft.say(f"In the matrix, draw the remap of this route: {part.text}.")


def _route_text(reading: Reading, route: Route) -> str:
    modes = [mode for mode, is_on in (("bipolar", route.bipolar), ("stereo", route.stereo)) if is_on]
    made = f" and make the route {' and '.join(modes)}" if modes else ""
    title = _destination_title(reading, route)
    if not route.amount:
        return f"{title}{made}; leave the amount at 0, because another route moves it"
    reach = _reach_text(reading, route)
    return f"{title}{made}, amount {short_number(route.amount)}{f': {reach}' if reach else ''}"


def _destination_title(reading: Reading, route: Route) -> str:
    slot = _SLOT.fullmatch(route.destination)
    if not slot:
        return control_title(reading.preset, route.destination)
    target = reading.preset.routes[int(slot.group(1)) - 1]
    if target is None:
        return f"the {slot.group(2)} of modulation {slot.group(1)}"
    return f"the {slot.group(2)} of the route {route_title(reading, target)}"


def route_title(reading: Reading, route: Route) -> str:
    """`LFO 1 > Filter 1 Cutoff`."""
    return f"{source_title(reading.preset, route.source)} > {_destination_title(reading, route)}"


def _reach_text(reading: Reading, route: Route) -> str:
    """How far a route moves its destination: `+36 semitones (3 octaves), from 262 Hz to 2.1 kHz`.

    The first part is for a source that goes from 0 to 1. Nothing is stated for a remapped source.
    """
    if route.curve is not None and not is_straight(route.curve):
        return ""
    low, high = synth.control_ranges()[route.destination]
    change = route.amount * (high - low)
    if points_at_route(route):
        return f"±{abs(change) / 2:.3g}" if route.bipolar else f"{change:+.3g}"
    name = route.destination
    shift = shift_text(name, abs(change) / 2 if route.bipolar else change)
    shift = shift.replace("+", "±") if shift and route.bipolar else shift
    alone = sum(other.destination == name for _, other in reading.routes) == 1
    is_stated = shift is None or (name.endswith("_cutoff") and alone)
    if route.source.startswith("random_"):
        is_stated = False  # some styles go beyond 0 and 1
    if not is_stated or route.stereo or name not in controls().continuous_names:
        return shift or ""
    ends = _ends_text(reading, route, change) + _time_text(reading, route) + ("" if alone else " on its own")
    return f"{shift}, {ends}" if shift else ends


def _ends_text(reading: Reading, route: Route, change: float) -> str:
    """The values between which a route moves its destination."""
    name, now = route.destination, reading.value(route.destination)
    low, high = synth.control_ranges()[name]

    def text(native: float) -> str:
        text = native_text(reading.preset, name, min(max(native, low), high))
        text = text.partition(" (")[0] if name.endswith(("_cutoff", "_frequency")) else text
        if low <= native <= high:
            return text
        return f"beyond its {'maximum' if native > high else 'minimum'} of {text}"  # the engine permits it

    source = _source_range(reading, route.source)
    middle = 0.5 if route.bipolar else 0.0
    first, last = (now + change * (end - middle) for end in source)
    if route.bipolar or route.source.startswith(("lfo_", "random")):
        return f"between {text(min(first, last))} and {text(max(first, last))}"
    return f"from {text(first)} to {text(last)}"


def _source_range(reading: Reading, source: str) -> tuple[float, float]:
    """The least and the greatest value of a source; an LFO has those of its shape."""
    if not source.startswith("lfo_"):
        return 0.0, 1.0
    shape = reading.preset.lfo_shapes[int(source[-1]) - 1]
    heights = shape["points"][1 : 2 * int(shape["num_points"]) : 2]  # no segment goes beyond its points; 0 is the top
    return 1 - max(heights), 1 - min(heights)


def _time_text(reading: Reading, route: Route) -> str:
    """How fast an envelope moves its destination."""
    attack, delay = (f"{route.source}_{stage}" for stage in ("attack", "delay"))
    if not route.source.startswith("env_") or {attack, delay} & reading.moved or reading.value(delay):
        return ""
    time = value_text(reading.preset, attack)
    return " at once" if time == "0 ms" else f" within {time}"
