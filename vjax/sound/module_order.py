"""A canonical order for modules that can be swapped: oscillators, LFOs, envelopes 2 to 6, random generators and macros.

Swapping osc_1 with osc_2, or lfo_1 with lfo_3, together with everything that belongs to them makes no audible
difference. A network that is trained on several labels for one sound predicts their mean. Labels therefore have one
order:

- oscillators: those that are on first, from low to high pitch; at equal pitch, the louder first;
- modulation sources: those with routes first, ordered by the destinations of their routes (the first destination, then
  the next ...) and by the strength of their routes.

Oscillators keep their order where one that is on is modulated by its neighbours, because FM and RM name them by
position.
"""

import functools
import re
from collections.abc import Mapping, Sequence

import numpy as np

from vjax.sound.audibility import audible
from vjax.sound.rules import audibility_rules
from vjax.sound.schema import Parameters, Schema
from vjax.sound.slots import canonical_slots

FAMILIES = ("osc", "lfo", "env", "random", "macro_control")
"""Kinds of modules whose members can be swapped."""

_MEMBER = re.compile(rf"({'|'.join(FAMILIES)})_(\d)(?=_|$)")
_NUMBERED = re.compile(rf"^({'|'.join(FAMILIES[1:])}|modulation)_\d+")  # oscillators have their final numbers by then
_COMPARED = ("on", "transpose", "level", "distortion_type")
_ENV_1 = 1  # drives the amplitude, so it cannot be swapped


def canonical_order(parameters: Parameters, schema: Schema) -> Parameters:
    """The same sound with its swappable modules and its routes in canonical order.

    Oscillators that are off get the defaults of their positions.
    """
    parameters = renumbered(parameters, schema, {"osc": _oscillator_order(parameters, schema)})
    orders = {family: _source_order(parameters, schema, family) for family in FAMILIES if family != "osc"}
    return _off_at_rest(renumbered(parameters, schema, orders), schema)


def renumbered(parameters: Parameters, schema: Schema, orders: Mapping[str, Sequence[int]]) -> Parameters:
    """The same sound with modules renumbered: module `members(schema, family)[i]` is the former `orders[family][i]`.

    Raises ValueError if an order is not a permutation of the family's numbers.
    """
    old = {}
    for family, order in orders.items():
        numbers = members(schema, family)
        if sorted(order) != list(numbers):
            raise ValueError(f"the order {tuple(order)} of {family} is not a permutation of its numbers {numbers}")
        old |= {(family, new): former for new, former in zip(numbers, order, strict=True)}
    new = {(family, former): number for (family, number), former in old.items()}
    knobs = [schema.position[_new_name(name, old)] for name in schema.continuous_names]
    menus = [schema.position[_new_name(name, old)] for name in schema.categorical_names]
    index = parameters.route_index.copy()
    used = index >= 0
    sources, destinations = np.divmod(index[used], len(schema.destinations))
    source_to, destination_to = (
        np.array([position[_new_name(name, new)] for name in position]) for position in _positions(schema)
    )
    index[used] = source_to[sources] * len(schema.destinations) + destination_to[destinations]
    routes = canonical_slots(index, parameters.route_value, schema)
    return Parameters(parameters.continuous[knobs], parameters.categorical[menus], *routes)


@functools.lru_cache(maxsize=64)
def members(schema: Schema, family: str) -> tuple[int, ...]:
    """The numbers of a family's modules that can be swapped."""
    names = schema.continuous_names + schema.categorical_names + schema.sources
    found = {int(match[2]) for match in map(_MEMBER.match, names) if match and match[1] == family}
    return tuple(sorted(found - ({_ENV_1} if family == "env" else set())))


@functools.lru_cache(maxsize=64)
def _positions(schema: Schema) -> tuple[dict[str, int], dict[str, int]]:
    """The positions of the sources, and of the destinations, by name."""
    sources, destinations = (
        {name: i for i, name in enumerate(names)} for names in (schema.sources, schema.destinations)
    )
    return sources, destinations


@functools.cache
def _member_of(name: str) -> tuple[tuple[str, int], str] | None:
    """((family, number), rest of the name) of a control of a swappable module, None for others."""
    match = _MEMBER.match(name)
    return match and ((match[1], int(match[2])), name[match.end() :])


def _new_name(name: str, numbers: Mapping[tuple[str, int], int]) -> str:
    member = _member_of(name)
    if not member or member[0] not in numbers:
        return name
    (family, _), rest = member
    return f"{family}_{numbers[member[0]]}{rest}"


def _oscillator_order(parameters: Parameters, schema: Schema) -> list[int]:
    numbers = members(schema, "osc")
    if not all(f"osc_{n}_{part}" in schema.position for n in numbers for part in _COMPARED):
        return list(numbers)  # the schema does not cover the whole instrument

    def menu(name: str) -> int:
        return int(parameters.categorical[schema.position[name]])

    def knob(name: str) -> float:
        return float(parameters.continuous[schema.position[name]])

    for n in numbers:
        kind = f"osc_{n}_distortion_type"
        named = menu(f"osc_{n}_on") and schema.categorical[schema.position[kind]].label(menu(kind))
        if named and named.endswith("<- Osc"):
            return list(numbers)
    return sorted(numbers, key=lambda n: (-menu(f"osc_{n}_on"), knob(f"osc_{n}_transpose"), -knob(f"osc_{n}_level")))


def _source_order(parameters: Parameters, schema: Schema, family: str) -> list[int]:
    destinations_of: dict[str, list[tuple[int, float]]] = {}
    used = parameters.route_index >= 0
    for cell, amount in zip(parameters.route_index[used], parameters.route_value[used, 0], strict=True):
        source, destination = divmod(int(cell), len(schema.destinations))
        route = (_kinds(schema)[destination], -abs(float(amount)))
        destinations_of.setdefault(schema.sources[source], []).append(route)
    numbers, unrouted = members(schema, family), [(len(schema.destinations), 0.0)]
    return sorted(numbers, key=lambda n: sorted(destinations_of.get(f"{family}_{n}", unrouted)))


def _off_at_rest(parameters: Parameters, schema: Schema) -> Parameters:
    """Sets oscillators that are off to their defaults, which depend on the position."""
    # Only the part "modules": unused controls of an oscillator that is on keep their values when it moves.
    on = audible(audibility_rules(schema), parameters.continuous, parameters.categorical, parts=("modules",))
    defaults, vectors = schema.default_parameters(), []
    for names, vector, default, plays in (
        (schema.continuous_names, parameters.continuous, defaults.continuous, on.continuous),
        (schema.categorical_names, parameters.categorical, defaults.categorical, on.categorical),
    ):
        oscillator = np.array([name.startswith("osc_") for name in names], bool)
        vectors.append(np.where(oscillator & ~plays, default, vector))
    return parameters._replace(continuous=vectors[0], categorical=vectors[1])


@functools.lru_cache(maxsize=8)
def _kinds(schema: Schema) -> list[int]:
    """A number for each destination, the same for those that differ only in module or slot numbers not yet assigned."""
    kinds = [_NUMBERED.sub(r"\1_N", name) for name in schema.destinations]
    return [kinds.index(kind) for kind in kinds]
