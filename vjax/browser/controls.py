"""Compares a prediction with its target, control by control and route by route. The results have no colours yet."""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np

from vjax.inference.decode import PredictedPreset
from vjax.sound.audibility import audible
from vjax.sound.routes import CHANNELS
from vjax.sound.rules import audibility_rules
from vjax.sound.schema import LFO_SHAPE_CHOICES, WAVETABLE_CHOICES, Parameters, Schema
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
        position = self.schema.position[name]
        if name in self.knobs:
            return knob_text(name, self.schema.continuous[position].to_native(parameters.continuous[position]))
        return self.option(name, int(parameters.categorical[position]))

    def option(self, name: str, index: int) -> str:
        names: tuple[str, ...] = ()
        if name in WAVETABLE_CHOICES:
            names = self._tables
        elif name in LFO_SHAPE_CHOICES:
            names = self._shapes
        return names[index] if index < len(names) else self.schema.categorical[self.schema.position[name]].label(index)

    def audible_names(self, parameters: Parameters) -> set[str]:
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
      audible: whether the control is audible in the prediction or in the target.
    """

    name: str
    module: str
    predicted: str
    target: str
    difference_norm: float
    spread_norm: float | None
    probability: float | None
    best: tuple[tuple[str, float], ...]
    audible: bool

    @property
    def differs(self) -> bool:
        """Whether the sides differ. A control that is audible on neither side does not count."""
        return self.audible and abs(self.difference_norm) >= SAME_NORM


def compare_controls(
    prediction: PredictedPreset, predicted_texts: ControlTexts, target_texts: ControlTexts
) -> list[Control]:
    """Every control that the model predicts, sorted by module; audible modules come first.

    Args:
      prediction: with confidence and target.
      predicted_texts, target_texts: the `ControlTexts` of either side.
    """
    assert prediction.target is not None, "rows of a dataset have parameters"
    schema = predicted_texts.schema
    audible_names = predicted_texts.audible_names(prediction.parameters)
    audible_names |= target_texts.audible_names(prediction.target)
    controls = [
        _control(name, prediction, predicted_texts, target_texts, name in audible_names)
        for names, frozen in (
            (schema.continuous_names, schema.frozen_continuous()),
            (schema.categorical_names, schema.frozen_categorical()),
        )
        for name, is_frozen in zip(names, frozen, strict=True)
        if not is_frozen
    ]
    # A module counts as audible if a control other than its switch is audible.
    modules = {control.module for control in controls if control.audible and not control.name.endswith("_on")}
    return sorted(controls, key=lambda c: (c.module not in modules, c.module, not c.name.endswith("_on"), c.name))


def _control(
    name: str,
    prediction: PredictedPreset,
    predicted_texts: ControlTexts,
    target_texts: ControlTexts,
    is_audible: bool,
) -> Control:
    confidence, true = prediction.confidence, prediction.target
    assert confidence is not None, "the browser requests it"
    assert true is not None, "rows of a dataset have parameters"
    is_knob = name in predicted_texts.knobs
    in_target = name in target_texts.schema.position and (name in target_texts.knobs) == is_knob
    predicted = predicted_texts.value(name, prediction.parameters)
    target = target_texts.value(name, true) if in_target else ""
    difference, probability, best = float("nan"), None, ()
    if is_knob:
        if in_target:
            # Compare native values, because the ranges on the two sides may differ.
            knob = predicted_texts.schema.continuous[predicted_texts.schema.position[name]]
            position = target_texts.schema.position[name]
            native = target_texts.schema.continuous[position].to_native(true.continuous[position])
            norm = prediction.parameters.continuous[predicted_texts.schema.position[name]]
            difference = float(norm) - knob.to_norm(native)
    else:
        difference = float(predicted != target) if in_target else difference
        probability, distribution = confidence.menu_probability[name], confidence.menu_distribution[name]
        likeliest = np.argsort(-distribution, kind="stable")[:3]
        best = tuple((predicted_texts.option(name, int(i)), float(distribution[i])) for i in likeliest)
    return Control(
        name=name,
        module=predicted_texts.schema.module(name),
        predicted=predicted,
        target=target,
        difference_norm=difference,
        spread_norm=confidence.spread_norm.get(name),
        probability=probability,
        best=best,
        audible=is_audible,
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
        route = self.target or self.predicted
        assert route is not None, "one of the two has the route"
        return abs(route[0])


def compare_routes(
    prediction: PredictedPreset, predicted_texts: ControlTexts, target_texts: ControlTexts
) -> list[RoutePair]:
    """Found, missed and invented routes, in this order; within each kind the strongest comes first."""
    presence = {(route.source, route.destination): route.presence for route in prediction.routes}
    assert prediction.target is not None, "rows of a dataset have parameters"
    predicted = named_routes(prediction.parameters, predicted_texts.schema)
    target = named_routes(prediction.target, target_texts.schema)
    schema_names = {names: names_in_schema for names, (names_in_schema, _) in predicted.items()}
    pairs = [
        RoutePair(
            *names,
            target=target[names][1] if names in target else None,
            predicted=predicted[names][1] if names in predicted else None,
            presence=presence.get(schema_names[names]) if names in schema_names else None,
        )
        for names in predicted.keys() | target.keys()
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
        modulated_route = names.get(int(schema.destination_slots[cells[slot][0] % len(schema.destinations)]))
        shown_destination = destination
        if modulated_route:
            quantity = destination.rpartition("_")[2]
            shown_destination = f"{quantity} of ({modulated_route[0]} > {modulated_route[1]})"
        value = cells[slot][1]
        found[source, shown_destination] = ((source, destination), tuple(float(value[i]) for i in range(len(CHANNELS))))
    return found
