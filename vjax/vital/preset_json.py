"""The JSON of a `.vital` file: checked, converted from older versions, and as the engine plays it."""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from vjax.engine import synth
from vjax.sound.routes import N_SLOTS
from vjax.sound.schema import N_LFOS, N_OSCILLATORS
from vjax.vital import checks
from vjax.vital.conversion import converted, with_usual_parts

MAX_BYTES = 64 * 2**20
"""The largest preset file that is read. The largest one of a musician is under 3 MB."""


EMPTY_ROUTE = {"source": "", "destination": ""}

_A_LITTLE = 0.01  # of a range: some musicians' presets have a value of 1.0047 where 1 is the largest


def read_json(path: str | os.PathLike) -> dict[str, Any]:
    """The JSON of a `.vital` file, see `checked_json`. Raises ValueError naming the file if it is not such a preset."""
    path = pathlib.Path(path)
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size} bytes; expected a Vital preset of at most {MAX_BYTES} bytes")
    try:
        raw = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # ValueError: also for wrong encodings and too long numbers
        raise ValueError(f"{path}: not JSON, so not a Vital preset ({error})") from error
    try:
        return checked_json(raw)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def checked_json(raw: Any) -> dict[str, Any]:
    """Vital's JSON, converted if it is before 1.0, with the init patch's tables and shapes where a file has fewer.

    So does the engine. Raises ValueError naming an invalid part; OSError as `converted` does.
    """
    settings = raw.get("settings") if isinstance(raw, dict) else None
    sizes = {"modulations": N_SLOTS, "wavetables": N_OSCILLATORS, "lfos": N_LFOS}
    if not isinstance(settings, dict):
        raise ValueError("no `settings` object, so not a Vital preset")
    if not settings.keys() & sizes.keys():
        raise ValueError(f"`settings` has none of {', '.join(sizes)}, so not a Vital preset")
    checks.check_json(raw, "preset")
    raw = converted(raw)
    settings = with_usual_parts(raw["settings"])
    for name, most in sizes.items():
        entries = settings.get(name, [])
        if not (isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)):
            raise ValueError(f"`{name}` is not a list of objects, so not a Vital preset")
        if len(entries) > most:
            raise ValueError(f"`{name}` has {len(entries)} entries; Vital has {most}")
        if name != "modulations":  # a route that is missing is an empty one
            entries = entries + synth.init_preset()["settings"][name][len(entries) :]
        settings[name] = entries
    for i, table in enumerate(settings["wavetables"], start=1):
        checks.check_table(table, f"wavetable {i}")
    for i, shape in enumerate(settings["lfos"], start=1):
        checks.check_curve(shape, f"LFO {i}")
    checks.check_sample(settings.get("sample"))
    return {**raw, "settings": settings}


def playable_json(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Vital's JSON, from `checked_json`, as the engine plays it.

    Values a little out of their ranges are clipped, which is what they sound like. Routes of unknown names are empty.
    """
    settings = dict(raw["settings"])
    for name, (low, high) in synth.control_ranges().items():
        if name in settings:
            clipped = min(max(settings[name], low), high)
            if abs(settings[name] - clipped) <= _A_LITTLE * (high - low):
                settings[name] = clipped
    sources, destinations = synth.modulation_names()
    settings["modulations"] = [
        route if route.get("source") in sources and route.get("destination") in destinations else dict(EMPTY_ROUTE)
        for route in settings["modulations"]
    ]
    return {**raw, "settings": settings}
