"""Follows a tutorial: sets what its steps state, and nothing else, from the engine's init preset."""

import copy
import re
from collections.abc import Mapping
from typing import Any

from vjax.engine import synth
from vjax.sound.routes import CHANNELS, N_SLOTS
from vjax.vital.tutorial.steps import Tutorial


def follow(tutorial: Tutorial, file: Mapping[str, Any]) -> dict[str, Any]:
    """Vital JSON of the preset that the steps build.

    Args:
      tutorial: of a preset.
      file: Vital JSON of that preset, from which the wavetables, LFO shapes, curves and the sample are taken that the
        steps name.
    """
    made = copy.deepcopy(synth.init_preset())
    settings, own = made["settings"], file["settings"]
    settings["modulations"] = [{"source": "", "destination": ""} for _ in range(N_SLOTS)]
    for step in tutorial.steps:
        settings |= {fact.control: fact.native for fact in step.facts}
        for connection in step.connections:
            route = connection.route
            ends = {"source": route.source, "destination": route.destination}
            settings["modulations"][connection.slot - 1] = ends
            for channel in CHANNELS:
                settings[f"modulation_{connection.slot}_{channel}"] = float(getattr(route, channel))
        for part in step.parts:
            _take(part.name, settings, own)
    return made


def _take(name: str, settings: dict[str, Any], own: Mapping[str, Any]) -> None:
    """Copies a part from `own` settings."""
    if name == "sample":
        settings["sample"] = own["sample"]
        return
    number, kind = re.sub(r"\D", "", name), name.rpartition("_")[2]
    at = int(number) - 1
    if kind == "curve":
        settings["modulations"][at]["line_mapping"] = own["modulations"][at]["line_mapping"]
    else:
        field = {"wavetable": "wavetables", "shape": "lfos"}[kind]
        settings[field][at] = own[field][at]
