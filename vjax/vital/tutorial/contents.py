"""Describes what a preset file contains beside controls: wavetables, LFO shapes, curves of routes, the sample."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from vjax.vital.default_vocabulary import to_cycles
from vjax.vital.lfo_shapes import shape_json, shape_values
from vjax.vital.preset import Preset, init
from vjax.vital.timbre import Timbre, cycle_at, timbre_of
from vjax.vital.wavetables import FRAME, POSITIONS, n_keyframes

_SAME_CURVE = 0.003  # mean |difference| of two curves in [0, 1]; a step that is one sample off gives 0.002
_WHOLE_CYCLES = (1, 3)  # `fade_style` of an audio file: its windows are played as they are
_MOST_LISTED = 8  # points of a curve

# The cycle [2048] of a keyframe, by the type of its component.
_CYCLES = {
    "Wave Source": lambda keyframe: np.frombuffer(base64.b64decode(keyframe["wave_data"]), "<f4"),
    "Line Source": lambda keyframe: shape_values(keyframe["line"], FRAME + 1)[:-1],
}

_TIMBRES = {
    "sine-like": "a sine",
    "triangle-like": "a triangle",
    "square-like": "a square",
    "saw-like": "a saw",
    "pulse-like": "a pulse",
    "hollow": "a sound with odd harmonics only",
    "bright": "a sound brighter than a saw",
    "mellow": "a sound darker than a saw",
    "inharmonic": "an inharmonic sound",
    "noise-like": "noise",
    "silent": "silence",
}

# Vital's own LFO shapes, without the triangle of the init preset.
_SHAPES = {
    "sine": shape_json("", [(0, 0), (0.5, 1), (1, 0)], smooth=True),
    "square": shape_json("", [(0, 1), (0.5, 1), (0.5, 0), (1, 0)]),
    "rising saw": shape_json("", [(0, 0), (1, 1)]),
    "falling saw": shape_json("", [(0, 1), (1, 0)]),
}


def table_text(table: Mapping[str, Any], low: float, high: float) -> str:
    """Describes a wavetable of which the frames from `low` to `high`, 0 to 256, are played: `4 frames, like a saw`."""
    components = [component for group in table["groups"] for component in group["components"]]
    kinds = [component["type"] for component in components]
    count = n_keyframes(table)
    frames = f"{count} frame{'s' if count != 1 else ''}"
    if len(kinds) == 1 and kinds[0] in _CYCLES and count:
        return f"{frames}, {_spectrum_text(components[0], low, high)}"
    if kinds == ["Audio File Source"]:
        spectrum = _audio_text(table, components[0], low, high)
        return f"made from an audio file, {spectrum}" if spectrum else "made from an audio file"
    return f"made in Vital's wavetable editor from {', '.join(kinds)}"


def is_init_table(preset: Preset, number: int) -> bool:
    """Whether oscillator `number`, from 0, plays the same cycle as in the init preset."""
    tables = preset.wavetables[number], init().wavetables[number]
    if any(n_keyframes(table) != 1 for table in tables):
        return False
    cycle, init_cycle = (cycle_at(table, 0.0) for table in tables)
    if cycle is None or init_cycle is None:
        return False
    return np.array_equal(cycle, init_cycle) and _settings(tables[0]) == _settings(tables[1])


def _settings(table: Mapping[str, Any]) -> list[bool]:
    return [bool(table.get(key, True)) for key in ("full_normalize", "remove_all_dc")]


def _spectrum_text(component: Mapping[str, Any], low: float, high: float) -> str:
    """The kind of spectrum of the keyframes that are played, with those on both sides of `low` and `high`."""
    keyframes = sorted(component["keyframes"], key=lambda keyframe: keyframe["position"])
    positions = [keyframe["position"] for keyframe in keyframes]
    first = max((p for p in positions if p <= low), default=positions[0])
    last = min((p for p in positions if p >= high), default=positions[-1])
    played = [keyframe for keyframe in keyframes if first <= keyframe["position"] <= last]
    timbres = [timbre_of(_CYCLES[component["type"]](keyframe)) for keyframe in played]
    kinds = list(dict.fromkeys(_TIMBRES[timbre.label] for timbre in timbres))
    if len(kinds) == 1:
        return f"like {kinds[0]}" + (_detail(timbres[0]) if len(timbres) == 1 else "")
    if low == high:
        return f"between {kinds[0]} and {kinds[-1]}"
    begin, end = (_TIMBRES[timbre.label] for timbre in (timbres[0], timbres[-1]))
    through = [kind for kind in kinds if kind not in (begin, end)]
    text = f"like {begin} at both ends" if begin == end else f"from {begin} to {end}"
    return f"{text}, by way of {through[0]}" if through else text


def _audio_text(table: Mapping[str, Any], source: Mapping[str, Any], low: float, high: float) -> str:
    """The kind of spectrum of an audio file that is cut into cycles; empty if it is cut in another way, or varies."""
    if source.get("fade_style") not in _WHOLE_CYCLES or source.get("phase_style"):
        return ""
    try:
        cycles = to_cycles(table)
    except (IndexError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return ""  # an odd file, which the engine reads in its own way
    step = POSITIONS // (len(cycles) - 1)
    played = cycles[int(low // step) : int(-(-high // step)) + 1]
    timbres = [timbre_of(cycle) for cycle in played]
    return f"like {_TIMBRES[timbres[0].label]}" if len({timbre.label for timbre in timbres}) == 1 else ""


def _detail(timbre: Timbre) -> str:
    details = [f"{timbre.slope_db:.0f} dB an octave"] if abs(timbre.slope_db) >= 0.5 else []
    if timbre.missing > 2:
        details.append(f"without every {timbre.missing}th harmonic")
    if timbre.first > 1:
        details.append(f"{timbre.first} periods in a cycle")
    return f" ({', '.join(details)})" if details else ""


def shape_text(shape: Mapping[str, Any]) -> str:
    """Describes an LFO shape or the curve of a route: `a square`, `a curve with 3 points: (0, 0), (0.2, 1), (1, 0)`."""
    values = shape_values(shape)
    for name, standard in _SHAPES.items():
        if np.abs(values - shape_values(standard)).mean() < _SAME_CURVE:
            return f"a {name}"
    count = int(shape["num_points"])
    points = np.asarray(shape["points"], float)[: 2 * count].reshape(-1, 2)
    bent = any(abs(power) >= 0.01 for power in shape["powers"][: count - 1])
    text = f"a {'smooth ' if shape.get('smooth') else ''}curve with {count} points"
    if count <= _MOST_LISTED:
        text += ": " + ", ".join(f"({x:.3g}, {1 - y:.3g})" for x, y in points)
    return f"{text}, some segments bent" if bent else text


def is_straight(curve: Mapping[str, Any]) -> bool:
    """Whether the curve of a route leaves its source as it is."""
    values = shape_values(curve)
    return bool(np.abs(values - np.linspace(0, 1, len(values))).max() < 1e-3)


def sample_text(sample: Mapping[str, Any]) -> str:
    """Describes the sample: its name, its length, mono or stereo."""
    seconds = sample["length"] / sample["sample_rate"]
    width = "stereo" if sample.get("samples_stereo") else "mono"
    name = sample.get("name") or "without a name"
    return f"{name!r} ({seconds:.2g} s, {width})"
