"""Checks of a preset's structured parts before they are rendered.

Vital's engine does not check its files. An unknown wavetable component crashes it. A keyframe far outside its range
makes it hang. With a wrong length, it reads memory that is not its own. These checks raise an error of one line
instead.
"""

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from vjax.vital.wavetables import FRAME, POSITIONS

COMPONENTS = frozenset(
    {
        "Wave Source",
        "Line Source",
        "Audio File Source",
        "Phase Shift",
        "Wave Window",
        "Frequency Filter",
        "Slew Limiter",
        "Wave Folder",
        "Wave Warp",
    }
)
"""The component types of Vital's wavetable editor."""

MAX_POINTS = 100
"""The most points of a drawn curve that Vital reads."""

_FARTHEST_KEYFRAME = 1024
"""The engine plays keyframes before position 0 and beyond 256, but makes a frame for each position up to the last.

Three tables with a keyframe at 1024 take 0.6 s and 110 MB more than usual ones, at 4096 2.5 s and 400 MB; at a million
the engine seems to hang.
"""

_FARTHEST_POINT = 10.0
"""The engine plays points of a curve outside [0, 1], as they are.

An LFO with points at this limit was tried on 72 destinations, and all of them played.
"""

_MAX_DEPTH = 12  # the deepest real preset has 8 levels


def check_json(value: Any, where: str, depth: int = 0) -> None:
    """Raises ValueError if `value` nests deeper than any preset, or contains NaN, infinity or a lone surrogate."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"{where} nests deeper than {_MAX_DEPTH} levels; expected at most {_MAX_DEPTH}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} is {value}; it must be a finite number")
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError(f"{where} is {_brief(value)}; expected text without lone surrogates")
    if isinstance(value, Mapping):
        for key, item in value.items():
            check_json(key, f"a name in {where}", depth)
            check_json(item, f"{where}.{key[:40]}", depth + 1)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            check_json(item, f"{where}[{i}]", depth + 1)


def check_table(table: Any, where: str = "wavetable") -> None:
    """Raises ValueError naming a part of a wavetable (an entry of `wavetables`) that the engine cannot use."""
    _require(table, Mapping, where)
    _check_types(table, where, texts=("name", "author"), flags=("full_normalize", "remove_all_dc"))
    groups = _require(table.get("groups"), list, f"{where}.groups")
    n_components = 0
    for g, group in enumerate(groups):
        components = _require(_require(group, Mapping, f"{where}.groups[{g}]").get("components"), list, where)
        n_components += len(components)
        for c, component in enumerate(components):
            _check_component(component, f"{where}.groups[{g}].components[{c}]")
    if not n_components:
        raise ValueError(f"{where} has no components; expected at least one source")


def _check_component(component: Any, where: str) -> None:
    _require(component, Mapping, where)
    kind = component.get("type")
    if not isinstance(kind, str) or kind not in COMPONENTS:
        raise ValueError(f"{where} is of type {_brief(kind)}; expected one of {sorted(COMPONENTS)}")
    keyframes = component.get("keyframes")
    if keyframes is None:  # Vital 1.0.6 writes a Line Source so; the engine plays or refuses other components
        keyframes = []
    for k, keyframe in enumerate(_require(keyframes, list, f"{where}.keyframes")):
        _require(keyframe, Mapping, f"{where}.keyframes[{k}]")
        position = _number(keyframe.get("position"), f"{where}.keyframes[{k}].position")
        if abs(position) > _FARTHEST_KEYFRAME:
            raise ValueError(
                f"{where}.keyframes[{k}] is at position {position}; Vital's positions run from 0 to {POSITIONS}, and "
                f"from -{_FARTHEST_KEYFRAME} to {_FARTHEST_KEYFRAME} they can be played"
            )
        if kind == "Wave Source":
            data = _bytes(keyframe.get("wave_data"), f"{where}.keyframes[{k}].wave_data")
            if len(data) != 4 * FRAME:
                raise ValueError(f"{where}.keyframes[{k}].wave_data has {len(data)} bytes; a cycle has {4 * FRAME}")
            if not np.isfinite(np.frombuffer(data, "<f4")).all():
                raise ValueError(f"{where}.keyframes[{k}].wave_data contains NaN or infinity")
        elif kind == "Line Source":
            check_curve(keyframe.get("line"), f"{where}.keyframes[{k}].line")
    if kind == "Audio File Source":
        _bytes(component.get("audio_file"), f"{where}.audio_file")


def check_curve(curve: Any, where: str) -> None:
    """Raises ValueError naming a part of a drawn curve (LFO shape, remapping of a route) that the engine cannot use."""
    _require(curve, Mapping, where)
    _check_types(curve, where, texts=("name",), flags=("smooth",))
    n = _number(curve.get("num_points"), f"{where}.num_points")
    points, powers = (_require(curve.get(name), list, f"{where}.{name}") for name in ("points", "powers"))
    if not (2 <= n <= MAX_POINTS and n == int(n) and len(points) >= 2 * n and len(powers) >= n):
        raise ValueError(
            f"{where} declares {n} points and has {len(points)} coordinates and {len(powers)} powers; "
            f"n points (2 to {MAX_POINTS}) need 2 n and n"
        )
    for i, value in enumerate(points + powers):
        _number(value, f"{where}, number {i}")
    for i, value in enumerate(points):
        if abs(value) > _FARTHEST_POINT:
            raise ValueError(
                f"{where}.points[{i}] is {value}; Vital's coordinates lie in [0, 1], and from {-_FARTHEST_POINT:g} to "
                f"{_FARTHEST_POINT:g} they can be played"
            )


def check_sample(sample: Any, where: str = "sample") -> None:
    """Raises ValueError naming a part of the noise oscillator's sample that the engine cannot use."""
    _require(sample, Mapping, where)
    _check_types(sample, where, texts=("name",))
    length, rate = (_number(sample.get(name), f"{where}.{name}") for name in ("length", "sample_rate"))
    if length < 1 or not 1000 <= rate <= 400_000:
        raise ValueError(f"{where} has length {length} at {rate} Hz; it needs at least one sample at 1 to 400 kHz")
    for name in ("samples", "samples_stereo"):
        if name == "samples" or name in sample:
            found = len(_bytes(sample.get(name), f"{where}.{name}"))
            if found < 2 * length:
                raise ValueError(f"{where}.{name} has {found} bytes; {length} samples of 16 bits need {2 * length:g}")


def _check_types(part: Mapping[str, Any], where: str, texts: tuple[str, ...], flags: tuple[str, ...] = ()) -> None:
    for name in texts:
        if name in part:
            _require(part[name], str, f"{where}.{name}")
    for name in flags:
        if name in part:
            _require(part[name], bool, f"{where}.{name}")


def _require(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind):
        names = {Mapping: "an object", list: "a list", str: "text", bool: "true or false"}
        raise ValueError(f"{where} is {_brief(value)}; it must be {names[kind]}")
    return value


def _number(value: Any, where: str) -> float:
    # JSON's integers may be larger than any float. Numbers in a preset's parts are far below the limit.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e15:
        raise ValueError(f"{where} is {_brief(value)}; it must be a finite number")
    return value


def _bytes(value: Any, where: str) -> bytes:
    _require(value, str, where)
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{where} is not base64 text ({error})") from error


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
