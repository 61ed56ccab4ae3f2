"""What a preset is made of, for the page: its modules, routes, macros, and drawings of its curves."""

from typing import Any

import numpy as np

from vjax.candidates.patch.describe_patch import describe
from vjax.candidates.patch.timbre import cycle_at
from vjax.candidates.patch.units import (
    change_text,
    control_text,
    curve_s,
    percent_text,
    plays_once,
    rate_text,
    seconds_text,
)
from vjax.engine import synth
from vjax.sound.schema import N_OSCILLATORS
from vjax.vital.editability import MACROS, carrying_routes, editability
from vjax.vital.laws.envelopes import envelope
from vjax.vital.lfo_shapes import shape_values
from vjax.vital.preset import Preset
from vjax.vital.values import value_of

_POINTS = 160
_STAGES = ("delay", "attack", "hold", "decay")


def inside(preset: Preset, note: int, note_s: float, seconds: float) -> dict[str, Any]:
    """Everything that the page shows about a preset, as JSON.

    Args:
      note: MIDI note at which frequencies are given.
      note_s: time from note-on to note-off, seconds.
      seconds: the time that drawings of envelopes show.
    """
    edit = editability(preset)
    return {
        "parts": [_part(line) for line in describe(preset, note).splitlines()],
        "editable": edit.editable,
        "reasons": edit.reasons,
        "routes": routes_of(preset),
        "macros": macros_of(preset),
        "drawings": drawings(preset, note_s, seconds),
        "comments": preset.comments,
    }


def routes_of(preset: Preset) -> list[dict[str, Any]]:
    """The audible routes, the largest amounts first: source, destination, amount, and what it moves, as text."""
    routes = sorted((route for _, route in carrying_routes(preset)), key=lambda route: -abs(route.amount))
    return [
        {
            "source": _source_text(preset, route.source),
            "destination": control_text(route.destination),
            "amount": percent_text(route.amount),
            "moves": _moves(route.destination, route.amount),
            "bipolar": route.bipolar,
        }
        for route in routes
    ]


def macros_of(preset: Preset) -> list[dict[str, Any]]:
    """The macros that move something: number from 1, name, and value in [0, 1]."""
    used = {route.source for route in preset.routes if route is not None and not route.bypass}
    return [
        {"number": i + 1, "name": preset.macro_names[i], "value": value_of(preset, macro)}
        for i, macro in enumerate(MACROS)
        if macro in used
    ]


def drawings(preset: Preset, note_s: float, seconds: float) -> list[dict[str, Any]]:
    """Curves to draw, values in [0, 1]: a cycle of each plain table, and the envelopes and LFOs that move something."""
    sources = {route.source for _, route in carrying_routes(preset)}
    drawn = [_cycle(preset, i) for i in range(N_OSCILLATORS) if value_of(preset, f"osc_{i + 1}_on")]
    for name in ("env_1", *sorted(one for one in sources - {"env_1"} if one.startswith("env_"))):
        time_s = np.linspace(0, seconds, _POINTS)
        stages = (value_of(preset, f"{name}_{stage}") ** 4 for stage in _STAGES)
        sustain, release_s = value_of(preset, f"{name}_sustain"), value_of(preset, f"{name}_release") ** 4
        powers = (value_of(preset, f"{name}_{stage}_power") for stage in ("attack", "decay", "release"))
        values = envelope(time_s, note_s, *stages, sustain, release_s, *powers)
        drawn.append(_drawing(control_text(name), f"{seconds:g} s", values))
    for name in sorted(one for one in sources if one.startswith("lfo_")):
        shape = preset.lfo_shapes[int(name.removeprefix("lfo_")) - 1]
        once = f"once in {seconds_text(curve_s(preset, name))}" if plays_once(preset, name) else ""
        drawn.append(_drawing(control_text(name), once or rate_text(preset, name), shape_values(shape, _POINTS)))
    return [one for one in drawn if one is not None]


def _part(line: str) -> dict[str, str]:
    name, _, text = line.partition(": ")
    return {"name": name, "text": text} if text and len(name) < 40 else {"name": "Modulation", "text": line}


def _source_text(preset: Preset, source: str) -> str:
    """A macro's own name, or the name of the source."""
    return preset.macro_names[MACROS.index(source)] if source in MACROS else control_text(source)


def _moves(destination: str, amount: float) -> str:
    if destination not in synth.control_ranges():
        return ""
    low, high = synth.control_ranges()[destination]
    return change_text(destination, abs(amount) * (high - low))


def _cycle(preset: Preset, number: int) -> dict[str, Any] | None:
    """A cycle of an oscillator's table at its frame; None if the table does not consist of plain cycles."""
    cycle = cycle_at(preset.wavetables[number], value_of(preset, f"osc_{number + 1}_wave_frame"))
    if cycle is None or not np.abs(cycle).max():
        return None
    shown = cycle[np.linspace(0, len(cycle) - 1, _POINTS).astype(int)] / np.abs(cycle).max()
    return _drawing(f"oscillator {number + 1}", "one cycle", 0.5 + 0.5 * shown)


def _drawing(name: str, unit: str, values: Any) -> dict[str, Any]:
    return {"name": name, "unit": unit, "values": np.round(np.asarray(values, float), 3).tolist()}
