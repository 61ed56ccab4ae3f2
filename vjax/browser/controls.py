"""An answer beside its target, control by control and route by route: numbers and names, no colours yet."""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np

from vjax.inference.predict import Answer
from vjax.sound.audibility import audible
from vjax.sound.rules import audibility_rules
from vjax.sound.schema import CHANNELS, LFO_SHAPE_CHOICES, WAVETABLE_CHOICES, Parameters, Schema
from vjax.vital.knob_text import knob_text
from vjax.vital.vocabulary import Vocabulary

SAME_NORM = 0.01
"""Knobs that differ by less of their range count as equal."""


@dataclasses.dataclass(frozen=True, eq=False)
class Words:
    """What numbers mean on one side: the model's or the dataset's names, ranges and catalogs."""

    schema: Schema
    vocabulary: Vocabulary

    def value(self, name: str, parameters: Parameters) -> str:
        """A control's value for people: as Vital's panel shows it, or the name of the option."""
        at = self.schema.position[name]
        if name in self.knobs:
            return knob_text(name, self.schema.continuous[at].to_native(parameters.continuous[at]))
        return self.option(name, int(parameters.categorical[at]))

    def option(self, name: str, index: int) -> str:
        names: tuple[str, ...] = ()
        if name in WAVETABLE_CHOICES:
            names = self._tables
        elif name in LFO_SHAPE_CHOICES:
            names = self._shapes
        return names[index] if index < len(names) else self.schema.categorical[self.schema.position[name]].label(index)

    def heard(self, parameters: Parameters) -> set[str]:
        """Names of the controls that can be heard and are not frozen."""
        schema, rules = self.schema, audibility_rules(self.schema)
        found = audible(rules, parameters.continuous, parameters.categorical, parameters[2:])
        knobs = np.flatnonzero(found.continuous & ~schema.frozen_continuous())
        menus = np.flatnonzero(found.categorical & ~schema.frozen_categorical())
        return {schema.continuous_names[i] for i in knobs} | {schema.categorical_names[i] for i in menus}

    @functools.cached_property
    def knobs(self) -> frozenset[str]:
        return frozenset(self.schema.continuous_names)

    @functools.cached_property
    def _tables(self) -> tuple[str, ...]:
        return self.vocabulary.wavetables.names

    @functools.cached_property
    def _shapes(self) -> tuple[str, ...]:
        return self.vocabulary.lfo_shapes.names


class Control(NamedTuple):
    """One control of an answer.

    Attributes:
      name, module: as in the schema.
      predicted, target: values for people; the target is "" where the dataset has no such control.
      difference_norm: prediction less target for knobs; 1 for another option, 0 for the same; NaN where unknown.
      spread_norm: of a knob, None for menus.
      probability: of a menu's option, None for knobs.
      best: of a menu, up to three (option, probability), likeliest first.
      heard: in the answer or in the target.
    """

    name: str
    module: str
    predicted: str
    target: str
    difference_norm: float
    spread_norm: float | None
    probability: float | None
    best: tuple[tuple[str, float], ...]
    heard: bool

    @property
    def differs(self) -> bool:
        """Audibly, perhaps: controls that neither side lets hear do not count."""
        return self.heard and abs(self.difference_norm) >= SAME_NORM


def compare_controls(answer: Answer, predicted: Words, target: Words) -> list[Control]:
    """Every control that the model answers, module by module; modules that are heard come first.

    Args:
      answer: with confidence and target.
      predicted, target: the words of either side.
    """
    heard = predicted.heard(answer.parameters) | target.heard(answer.target)
    controls = [
        _control(name, answer, predicted, target, name in heard)
        for names, frozen in (
            (predicted.schema.continuous_names, predicted.schema.frozen_continuous()),
            (predicted.schema.categorical_names, predicted.schema.frozen_categorical()),
        )
        for name, held in zip(names, frozen, strict=True)
        if not held
    ]
    # A module counts as heard by more than its switch.
    on = {control.module for control in controls if control.heard and not control.name.endswith("_on")}
    return sorted(controls, key=lambda c: (c.module not in on, c.module, not c.name.endswith("_on"), c.name))


def _control(name: str, answer: Answer, predicted: Words, target: Words, heard: bool) -> Control:
    sure = answer.confidence
    known = name in target.schema.position and (name in target.knobs) == (name in predicted.knobs)
    text, wanted = predicted.value(name, answer.parameters), target.value(name, answer.target) if known else ""
    difference, probability, best = float("nan"), None, ()
    if name in predicted.knobs:
        if known:
            # By native value: the two sides may give a knob different ranges.
            knob = predicted.schema.continuous[predicted.schema.position[name]]
            at = target.schema.position[name]
            native = target.schema.continuous[at].to_native(answer.target.continuous[at])
            norm = answer.parameters.continuous[predicted.schema.position[name]]
            difference = float(norm) - knob.to_norm(native)
    else:
        difference = float(text != wanted) if known else difference
        probability, distribution = sure.menu_probability[name], sure.menu_distribution[name]
        likeliest = np.argsort(-distribution, kind="stable")[:3]
        best = tuple((predicted.option(name, int(i)), float(distribution[i])) for i in likeliest)
    return Control(
        name=name,
        module=predicted.schema.module(name),
        predicted=text,
        target=wanted,
        difference_norm=difference,
        spread_norm=sure.spread_norm.get(name),
        probability=probability,
        best=best,
        heard=heard,
    )


class RoutePair(NamedTuple):
    """A route of the target, of the answer, or of both: (amount, bipolar, power, stereo), None where it is missing.

    `presence` is how sure the model is of it, None for a route that it does not answer.
    """

    source: str
    destination: str
    target: tuple[float, ...] | None
    predicted: tuple[float, ...] | None
    presence: float | None

    @property
    def kind(self) -> str:
        if self.target is None:
            return "invented"
        return "missed" if self.predicted is None else "found"

    @property
    def strength(self) -> float:
        return abs((self.target or self.predicted)[0])


def compare_routes(answer: Answer, predicted: Words, target: Words) -> list[RoutePair]:
    """Found, missed and invented routes, each kind strongest first."""
    presence = {(route.source, route.destination): route.presence for route in answer.routes}
    ours, theirs = named_routes(answer.parameters, predicted.schema), named_routes(answer.target, target.schema)
    raw = {pair: raw_pair for pair, (raw_pair, _) in ours.items()}
    pairs = [
        RoutePair(
            *pair,
            target=theirs[pair][1] if pair in theirs else None,
            predicted=ours[pair][1] if pair in ours else None,
            presence=presence.get(raw.get(pair)),
        )
        for pair in ours.keys() | theirs.keys()
    ]
    order = ("found", "missed", "invented")
    return sorted(pairs, key=lambda pair: (order.index(pair.kind), -pair.strength, pair.source, pair.destination))


def named_routes(
    parameters: Parameters, schema: Schema
) -> dict[tuple[str, str], tuple[tuple[str, str], tuple[float, ...]]]:
    """By (source, destination for people): the same pair in the schema's names, and the route's four numbers.

    A destination that points at another route's slot is said as that route: slots have other numbers in each preset.
    """
    cells = [(int(cell), value) for cell, value in zip(parameters.route_index, parameters.route_value, strict=True)]
    names = {
        slot: (schema.sources[cell // len(schema.destinations)], schema.destinations[cell % len(schema.destinations)])
        for slot, (cell, _) in enumerate(cells)
        if cell >= 0
    }
    found = {}
    for slot, (source, destination) in names.items():
        pointed = names.get(int(schema.destination_slots[cells[slot][0] % len(schema.destinations)]))
        said = destination
        if pointed:
            said = f"{destination.rpartition('_')[2]} of ({pointed[0]} > {pointed[1]})"
        value = cells[slot][1]
        found[source, said] = ((source, destination), tuple(float(value[i]) for i in range(len(CHANNELS))))
    return found
