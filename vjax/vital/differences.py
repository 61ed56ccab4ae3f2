"""Lists the audible differences of two presets: routes, continuous and categorical parameters.

Everything is compared by name. But oscillators, LFOs and envelopes are interchangeable. A preset with LFO 1 and LFO 2
exchanged sounds the same, but is listed as different here. Read these lists together with the distances, not instead of
them.
"""

import dataclasses
import re
from collections.abc import Mapping

import numpy as np

from vjax.sound.audibility import Audible
from vjax.sound.encoding import CHAIN, EFFECTS, chain_ranks
from vjax.vital.audible import audible_of
from vjax.vital.knob_text import knob_text
from vjax.vital.preset import Preset, Route, controls
from vjax.vital.values import value_of
from vjax.vital.wavetables import table_key

LEAST_NORM = 0.01
"""Continuous parameters that differ by less than this share of their range are not listed."""

OFF = "off"
"""Replaces a value that is inaudible in that preset: its module is off, its source drives nothing, ..."""

_CODE = re.compile(r"effect_chain_order|\w+_transpose_quantize")  # a permutation, and a set of notes
_SLOT = re.compile(r"modulation_(\d+)_(amount|power)")


@dataclasses.dataclass(frozen=True)
class RouteDifference:
    """A route of either preset; its amount is None in the preset that lacks it."""

    source: str
    destination: str
    target: float | None
    match: float | None


@dataclasses.dataclass(frozen=True)
class KnobDifference:
    """A continuous parameter that differs: as text in the panel's units (`OFF` if inaudible), and as norm in [0, 1]."""

    name: str
    target: str
    match: str
    target_norm: float
    match_norm: float


@dataclasses.dataclass(frozen=True)
class MenuDifference:
    """A menu, switch, wavetable, LFO shape or sample that differs, as text."""

    name: str
    target: str
    match: str


@dataclasses.dataclass(frozen=True)
class PresetDifference:
    """All differences, and the routes that are in both presets.

    Attributes:
      found, missed, invented: routes in both, only in the target, only in the match; strongest first.
      knobs: continuous parameters that are audible in either preset, the largest difference first.
      menus: categorical ones that are audible in either preset, with the wavetables, LFO shapes and sample.
      knobs_audible: how many continuous parameters were compared.
    """

    found: tuple[RouteDifference, ...]
    missed: tuple[RouteDifference, ...]
    invented: tuple[RouteDifference, ...]
    knobs: tuple[KnobDifference, ...]
    menus: tuple[MenuDifference, ...]
    knobs_audible: int


def preset_difference(target: Preset, match: Preset, most_knobs: int = 20) -> PresetDifference:
    """Compares two presets. Keeps the `most_knobs` largest differences of continuous parameters."""
    found, missed, invented = _routes(_amounts(target), _amounts(match))
    audible = audible_of(target), audible_of(match)
    knobs, compared = _knobs(target, match, audible)
    menus = _menus(target, match, audible) + _parts(target, match, audible) + _codes(target, match, audible)
    return PresetDifference(found, missed, invented, tuple(knobs[:most_knobs]), tuple(menus), compared)


def _amounts(preset: Preset) -> dict[tuple[str, str], float]:
    """Amount by (source, destination) of the routes that are not bypassed; of several, the strongest."""
    amounts: dict[tuple[str, str], float] = {}
    for route in preset.routes:
        if route is None or route.bypass:
            continue
        pair = (route.source, _destination(preset.routes, route))
        if abs(route.amount) >= abs(amounts.get(pair, 0.0)):
            amounts[pair] = route.amount
    return amounts


def _destination(routes: tuple[Route | None, ...], route: Route) -> str:
    """A route's destination as text.

    If a route points at a slot, the text describes the route in that slot, because slot numbers have no meaning.
    """
    slot = _SLOT.fullmatch(route.destination)
    if slot and (pointed := routes[int(slot.group(1)) - 1]):
        return f"{slot.group(2)} of {pointed.source} > {pointed.destination}"
    return route.destination


def _routes(target: Mapping[tuple[str, str], float], match: Mapping[tuple[str, str], float]):
    lists: tuple[list, list, list] = ([], [], [])
    for pair in {**target, **match}:
        amounts = (target.get(pair), match.get(pair))
        lists[0 if None not in amounts else 1 if amounts[1] is None else 2].append(RouteDifference(*pair, *amounts))
    by_strength = (sorted(routes, key=lambda r: -max(abs(r.target or 0), abs(r.match or 0))) for routes in lists)
    return tuple(tuple(routes) for routes in by_strength)


def _knobs(target: Preset, match: Preset, audible: tuple[Audible, Audible]) -> tuple[list[KnobDifference], int]:
    schema, audible_knobs = controls(), [one.continuous for one in audible]
    codes = np.array([bool(_CODE.fullmatch(name)) for name in schema.continuous_names])
    either = (audible_knobs[0] | audible_knobs[1]) & ~schema.frozen_continuous() & ~codes
    difference = np.where(either, np.abs(target.continuous - match.continuous), 0)
    knobs = []
    for i in np.argsort(-difference, kind="stable"):
        if difference[i] < LEAST_NORM:
            break
        name = schema.continuous_names[i]
        norms = [float(one.continuous[i]) for one in (target, match)]
        texts = [
            knob_text(name, schema.continuous[i].to_native(norm)) if on[i] else OFF
            for norm, on in zip(norms, audible_knobs, strict=True)
        ]
        knobs.append(KnobDifference(name, texts[0], texts[1], norms[0], norms[1]))
    return knobs, int(either.sum())


def _codes(target: Preset, match: Preset, audible: tuple[Audible, Audible]) -> list[MenuDifference]:
    """Continuous parameters whose number is a code: any other number is a difference, however near it is."""
    schema, differences = controls(), []
    audible_knobs = [one.continuous for one in audible]
    for i, knob in enumerate(schema.continuous):
        if not _CODE.fullmatch(knob.name) or not (audible_knobs[0][i] or audible_knobs[1][i]):
            continue
        codes = [round(knob.to_native(one.continuous[i])) for one in (target, match)]
        if codes[0] != codes[1]:
            texts = [
                _code_text(knob.name, code, one) if on[i] else OFF
                for code, one, on in zip(codes, (target, match), audible_knobs, strict=True)
            ]
            if texts[0] != texts[1]:  # two numbers may order the effects that are on alike
                differences.append(MenuDifference(knob.name, *texts))
    return differences


def _code_text(name: str, code: int, preset: Preset) -> str:
    """The number as text; of the effects' order, the names of those that are on, such as "delay > reverb"."""
    if name != CHAIN:
        return str(code)
    by_rank = sorted(zip(chain_ranks(np.array([code]))[0], EFFECTS, strict=True))
    return " > ".join(effect for _, effect in by_rank if value_of(preset, f"{effect}_on"))


def _menus(target: Preset, match: Preset, audible: tuple[Audible, Audible]) -> list[MenuDifference]:
    schema, audible_menus = controls(), [one.categorical for one in audible]
    frozen, menus = schema.frozen_categorical(), []
    for i, menu in enumerate(schema.categorical):
        same = target.categorical[i] == match.categorical[i]
        if same or frozen[i] or not (audible_menus[0][i] or audible_menus[1][i]):
            continue
        texts = [
            menu.label(int(one.categorical[i])) if on[i] else OFF
            for one, on in zip((target, match), audible_menus, strict=True)
        ]
        menus.append(MenuDifference(menu.name, *texts))
    return menus


def _parts(target: Preset, match: Preset, audible: tuple[Audible, Audible]) -> list[MenuDifference]:
    """Audible wavetables, LFO shapes and samples that differ, by their names."""
    differences, position = [], controls().position
    # The engine has no control for them. Each is audible if its module's level (oscillator) or phase (LFO) is.
    pairs = [(f"osc_{i + 1}_wavetable", f"osc_{i + 1}_level", i, "wavetables") for i in range(len(target.wavetables))]
    pairs += [(f"lfo_{i + 1}_shape", f"lfo_{i + 1}_phase", i, "lfo_shapes") for i in range(len(target.lfo_shapes))]
    for name, beside, i, field in pairs:
        parts = [getattr(one, field)[i] for one in (target, match)]
        on = [bool(one.continuous[position[beside]]) for one in audible]
        if any(on) and table_key(parts[0]) != table_key(parts[1]):
            texts = [str(part.get("name", "")) or "?" if is_on else OFF for part, is_on in zip(parts, on, strict=True)]
            differences.append(MenuDifference(name, *texts))
    on = [bool(one.continuous[position["sample_level"]]) for one in audible]
    names = [str(one.sample.get("name", "")) or "?" for one in (target, match)]
    if all(on) and names[0] != names[1]:
        differences.append(MenuDifference("sample", *names))
    return differences
