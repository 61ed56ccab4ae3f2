"""What a preset is made of, for the page: its modules, routes and macros."""

from typing import Any

from vjax.candidates.patch.describe_patch import describe
from vjax.engine import synth
from vjax.vital.editability import MACROS, carrying_routes, editability
from vjax.vital.preset import Preset
from vjax.vital.tutorial.explain import explain
from vjax.vital.units import change_text, control_text, percent_text
from vjax.vital.values import value_of
from vjax.web.drawings import drawings, tables


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
        "tables": tables(preset),
        "drawings": drawings(preset, note, note_s, seconds),
        "steps": [{"title": step.title, "sentences": step.sentences} for step in explain(preset).steps],
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
