"""Compares a prediction with its target, control by control and route by route. The results have no colours yet."""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np

from vjax.inference.predict import PredictedPreset
from vjax.sound.audibility import audible
from vjax.sound.rules import audibility_rules
from vjax.sound.schema import CHANNELS, LFO_SHAPE_CHOICES, WAVETABLE_CHOICES, Parameters, Schema
from vjax.vital.knob_text import knob_text
from vjax.vital.vocabulary import Vocabulary

SAME_NORM = 0.01
"""Continuous parameters that differ by less than this part of their range count as equal."""


@dataclasses.dataclass(frozen=True, eq=False)
class ControlTexts:
    """The meaning of the numbers on one side: the names, ranges and catalogs of the model or of the dataset."""

    schema: Schema
    vocabulary: Vocabulary

    def value(self, name: str, parameters: Parameters) -> str:
        """The value of a control for people: as Vital's panel shows it, or the name of the option."""
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
        """Names of the controls that are audible and not frozen."""
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
    """One control (parameter) of a prediction, compared with the target.

    Attributes:
      name, module: as in the schema.
      predicted, target: values for people; `target` is "" if the dataset has no such control.
      difference_norm: of a continuous parameter, the prediction minus the target. Of a categorical one, 0 for the same
        option and 1 for another. NaN if unknown.
      spread_norm: of a continuous parameter, the spread of the prediction; None for a categorical one.
      probability: of a categorical parameter, the probability of the predicted option; None for a continuous one.
      best: of a categorical parameter, up to three (option, probability), the most probable first.
      heard: whether the control is audible in the prediction or in the target.
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
        """Whether the sides differ. A control that is audible on neither side does not count."""
        return self.heard and abs(self.difference_norm) >= SAME_NORM


def compare_controls(answer: PredictedPreset, predicted: ControlTexts, target: ControlTexts) -> list[Control]:
    """Every control that the model predicts, sorted by module; audible modules come first.

    Args:
      answer: the prediction, with confidence and target.
      predicted, target: the `ControlTexts` of either side.
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
    # A module counts as audible if a control other than its switch is audible.
    on = {control.module for control in controls if control.heard and not control.name.endswith("_on")}
    return sorted(controls, key=lambda c: (c.module not in on, c.module, not c.name.endswith("_on"), c.name))


def _control(name: str, answer: PredictedPreset, predicted: ControlTexts, target: ControlTexts, heard: bool) -> Control:
    sure = answer.confidence
    known = name in target.schema.position and (name in target.knobs) == (name in predicted.knobs)
    text, wanted = predicted.value(name, answer.parameters), target.value(name, answer.target) if known else ""
    difference, probability, best = float("nan"), None, ()
    if name in predicted.knobs:
        if known:
            # Compare native values, because the ranges on the two sides may differ.
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
    """A route of the target, of the prediction, or of both.

    Attributes:
      source, destination: for people.
      target, predicted: (amount, bipolar, power, stereo) on either side; None if the route is missing there.
      presence: the model's probability that the route exists; None for a route that it does not predict.
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


def compare_routes(answer: PredictedPreset, predicted: ControlTexts, target: ControlTexts) -> list[RoutePair]:
    """Found, missed and invented routes, in this order; within each kind the strongest comes first."""
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
    """The routes of one sound, by (source, destination) for people.

    A route may modulate another route. Its destination is then named after the other route and not after the slot
    number, because the same route has different slot numbers in different presets.

    Returns:
      For each route, (source, destination) in the schema's names, and the four numbers of CHANNELS.
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
