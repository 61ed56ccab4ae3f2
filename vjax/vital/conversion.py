"""Presets that other programs or versions of Vital wrote.

Until version 1.0, Vital changed the meaning of values. The engine converts such presets on load. It also plays presets
with parts that Vital does not write.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from vjax.engine import synth
from vjax.engine.isolate import IsolatedCallError, MachineError, call_isolated
from vjax.engine.pool import prepare_method
from vjax.sound.routes import N_SLOTS
from vjax.vital.wavetables import FRAME, VITAL_VERSION, table_json

_TIMEOUT_S = 30.0


def converted(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns Vital's JSON with settings of version 1.0 or later: `raw` itself, or what the engine makes of it.

    Version 1.0 and later ones have the same meaning of values (all 115 presets were compared). A preset before 1.0 is
    converted in a process of its own.

    Raises ValueError for a version that is not one, and for a preset that the engine cannot convert; OSError if the
    process could not be started.
    """
    version = str(raw.get("synth_version", VITAL_VERSION))
    match = re.match(r"(\d{1,9})\.\d", version)
    if not match:
        raise ValueError(f"synth_version is {version[:40]!r}; expected a version such as {VITAL_VERSION!r}")
    if int(match.group(1)) >= 1:
        return raw
    try:
        found = call_isolated(synth.reloaded, raw, timeout_s=_TIMEOUT_S, method=prepare_method())
    except MachineError as error:
        raise OSError(f"a preset of version {version[:40]} could not be converted: {error}") from error
    except (ValueError, IsolatedCallError) as error:
        raise ValueError(
            f"synth_version is {version[:40]}, before 1.0, and the engine could not convert it ({error}); "
            "open the preset in Vital and save it again"
        ) from error
    return {**raw, "settings": found["settings"], "synth_version": found["synth_version"]}


def with_usual_parts(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Replaces parts that Vital does not write, but the engine plays, by usual ones that play the same bits.

    - `true` and `false` become the numbers 1 and 0.
    - Empty modulations after slot 64 are left out. The engine crashes on other ones.
    - An LFO with one point or none becomes a flat one.
    - A wavetable without a group is silent; one without a component plays the saw of the init patch.
    - An empty sample is silent.

    Other parts are returned as they are, valid or not.
    """
    usual: dict[str, Any] = {
        name: float(value) if isinstance(value, bool) else value for name, value in settings.items()
    }
    routes = usual.get("modulations")
    if isinstance(routes, list) and not any(map(_is_used, routes[N_SLOTS:])):
        usual["modulations"] = routes[:N_SLOTS]
    for name, change in (("lfos", _with_two_points), ("wavetables", _with_component)):
        if isinstance(usual.get(name), list):
            usual[name] = [change(part) if isinstance(part, Mapping) else part for part in usual[name]]
    sample = usual.get("sample")
    if isinstance(sample, Mapping) and _is_number(sample.get("length"), 0) and isinstance(sample.get("samples"), str):
        silence = base64.b64encode(bytes(4)).decode("ascii")
        stereo = {"samples_stereo": silence} if "samples_stereo" in sample else {}
        usual["sample"] = {**sample, "length": 2, "samples": silence, **stereo}
    return usual


def _is_used(route: Any) -> bool:
    return not isinstance(route, Mapping) or bool(route.get("source") or route.get("destination"))


def _is_number(value: Any, number: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == number


def _with_two_points(shape: Mapping[str, Any]) -> Mapping[str, Any]:
    points = shape.get("points")
    if _is_number(shape.get("num_points"), 0):
        height = 1.0
    elif _is_number(shape.get("num_points"), 1) and isinstance(points, list) and len(points) >= 2:
        height = points[1]
    else:
        return shape
    return {**shape, "num_points": 2, "points": [0.0, height, 1.0, height], "powers": [0.0, 0.0]}


def _with_component(table: Mapping[str, Any]) -> Mapping[str, Any]:
    groups = table.get("groups")
    if groups == []:
        return {**table, "groups": table_json("", np.zeros((1, FRAME), np.float32))["groups"]}
    if isinstance(groups, list) and all(isinstance(one, Mapping) and one.get("components") == [] for one in groups):
        return {**table, "groups": synth.init_preset()["settings"]["wavetables"][0]["groups"]}
    return table
