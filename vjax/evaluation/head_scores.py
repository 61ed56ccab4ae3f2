"""Scores of a model's heads, parameter by parameter, beside the best constant prediction.

A loss shows that the model learns something; these scores show what it learns. A parameter counts only in the sounds
in which it is audible. The constants are chosen on the same sounds that they are scored on, so no other constant scores
better.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vjax.sound.audibility import audible, can_vary
from vjax.sound.encoding import EFFECTS, POSITIONS, TargetEncoding, is_semitones
from vjax.sound.rules import audibility_rules
from vjax.sound.schema import Parameters, Schema


class Score(NamedTuple):
    """The score of one parameter, or of several together.

    Attributes:
      name: of the parameter, or of the group.
      counted: the number of predictions that are scored.
      score: of the model.
      constant: the score of the best constant prediction.
    """

    name: str
    counted: int
    score: float
    constant: float


class RouteScore(NamedTuple):
    """Scores of predicted routes, each a pair of source and destination.

    Attributes:
      true: mean number of routes of a target.
      predicted: mean number of predicted routes of a sound.
      precision, recall, f1: of the predicted routes, over all sounds together.
      constant_f1: F1 of the best constant prediction.
      constant_routes: the best constant prediction: these routes for every sound.
    """

    true: float
    predicted: float
    precision: float
    recall: float
    f1: float
    constant_f1: float
    constant_routes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class HeadScores:
    """The result of `score_heads`.

    Attributes:
      sounds: the number of sounds.
      knobs: mean |error| in norm units, for each continuous parameter that varies.
      menus: accuracy, for each categorical parameter that varies.
      semitones: share of transpositions that are right to the semitone, over all audible ones.
      order: share of pairs of effects in the right order, over all pairs of which both effects are on.
      routes: None if the model has no head for routes.
    """

    sounds: int
    knobs: tuple[Score, ...]
    menus: tuple[Score, ...]
    semitones: Score
    order: Score
    routes: RouteScore | None

    @property
    def knob_skill(self) -> float:
        """1 - error / the constants' error, over all predictions of all continuous parameters.

        0 is as good as the constants, 1 is perfect.
        """
        error = sum(knob.counted * knob.score for knob in self.knobs)
        constant = sum(knob.counted * knob.constant for knob in self.knobs)
        return 1 - error / constant if constant else 0.0

    @property
    def menus_above(self) -> float:
        """Share of the categorical parameters whose accuracy is above that of their most common option."""
        return float(np.mean([menu.score > menu.constant for menu in self.menus])) if self.menus else 0.0


def score_heads(
    predicted: Sequence[Parameters], targets: Sequence[Parameters], schema: Schema, tier: int = 3, routes: bool = True
) -> HeadScores:
    """Scores decoded predictions against the true parameters.

    Args:
      predicted, targets: in the same schema.
      schema: of the controls, or of their target encoding.
      tier: of the data; decides which parameters can vary, see `can_vary`.
      routes: whether the model has a head for routes.

    Raises ValueError if there are no targets.
    """
    if not targets:
        raise ValueError("there is nothing to score; give at least one sound")
    stacked, stacked_targets = _stacked(predicted), _stacked(targets)
    audible_knobs, audible_menus = audible_controls(stacked_targets, schema, tier)
    knobs, menus = [], []
    for i, name in enumerate(schema.continuous_names):
        rows = audible_knobs[:, i]
        truth = stacked_targets.continuous[rows, i]
        if len(np.unique(truth)) > 1:
            error = np.abs(stacked.continuous[rows, i] - truth).mean()
            knobs.append(Score(name, len(truth), float(error), float(np.abs(truth - np.median(truth)).mean())))
    for i, name in enumerate(schema.categorical_names):
        rows = audible_menus[:, i]
        truth = stacked_targets.categorical[rows, i]
        if len(np.unique(truth)) > 1:
            menus.append(_exact(name, stacked.categorical[rows, i], truth))
    return HeadScores(
        sounds=len(targets),
        knobs=tuple(knobs),
        menus=tuple(menus),
        semitones=_semitones(stacked, stacked_targets, schema, tier),
        order=_order(stacked, stacked_targets, schema),
        routes=_routes(predicted, targets, schema) if routes else None,
    )


def audible_controls(targets: Parameters, schema: Schema, tier: int) -> tuple[np.ndarray, np.ndarray]:
    """Which parameters of stacked presets are audible and can vary.

    Returns:
      Bool [n, n_continuous] and [n, n_categorical].
    """
    knobs, menus = can_vary(schema, tier)
    found = audible(audibility_rules(schema), targets.continuous, targets.categorical, targets[2:])
    return found.continuous & knobs, found.categorical & menus


def _stacked(presets: Sequence[Parameters]) -> Parameters:
    return Parameters(*(np.stack(arrays) for arrays in zip(*presets, strict=True)))


def _exact(name: str, predicted: np.ndarray, truth: np.ndarray) -> Score:
    if not len(truth):
        return Score(name, 0, 0.0, 0.0)
    most = max(Counter(truth.tolist()).values())
    return Score(name, len(truth), float(np.mean(predicted == truth)), most / len(truth))


def _pooled(name: str, scores: Sequence[Score]) -> Score:
    n = sum(score.counted for score in scores)
    score = sum(one.counted * one.score for one in scores) / max(n, 1)
    constant = sum(one.counted * one.constant for one in scores) / max(n, 1)
    return Score(name, n, score, constant)


def _semitones(predicted: Parameters, targets: Parameters, schema: Schema, tier: int) -> Score:
    encoding = TargetEncoding(schema)
    encoded, truth = (encoding.encode(one.continuous, one.categorical) for one in (predicted, targets))
    _, audible = audible_controls(targets._replace(continuous=truth[0], categorical=truth[1]), encoding.schema, tier)
    scores = []
    for i, name in enumerate(encoding.schema.categorical_names):
        if is_semitones(name):
            scores.append(_exact(name, *(one[1][audible[:, i], i] for one in (encoded, truth))))
    return _pooled("semitones", scores)


def _order(predicted: Parameters, targets: Parameters, schema: Schema) -> Score:
    encoding = TargetEncoding(schema)
    position = encoding.schema.position
    if any(name not in position for name in (*POSITIONS, *(f"{effect}_on" for effect in EFFECTS))):
        return Score("order", 0, 0.0, 0.0)
    on = targets.categorical[:, [position[f"{effect}_on"] for effect in EFFECTS]] > 0
    # Both use the target's switches, because an effect that is predicted to be off has no position.
    encoded, truth = (
        encoding.encode(one.continuous, targets.categorical)[0][:, [position[name] for name in POSITIONS]]
        for one in (predicted, targets)
    )
    pairs = []
    for i in range(len(EFFECTS)):
        for j in range(i):
            both = on[:, i] & on[:, j]
            first = [one[both, i] < one[both, j] for one in (encoded, truth)]
            pairs.append(_exact(f"{EFFECTS[j]}, {EFFECTS[i]}", *first))
    return _pooled("order", pairs)


def _routes(predicted: Sequence[Parameters], targets: Sequence[Parameters], schema: Schema) -> RouteScore:
    predicted_cells, true_cells = (
        [set(one.route_index[one.route_index >= 0].tolist()) for one in presets] for presets in (predicted, targets)
    )
    hits = sum(len(a & b) for a, b in zip(predicted_cells, true_cells, strict=True))
    n_predicted, n_true = sum(map(len, predicted_cells)), sum(map(len, true_cells))
    commonest = Counter(cell for cells in true_cells for cell in cells).most_common()
    found = np.cumsum([count for _, count in commonest])
    f1 = 2 * found / (np.arange(1, len(found) + 1) * len(targets) + n_true) if n_true else np.zeros(0)
    k = int(np.argmax(f1)) + 1 if len(f1) else 0

    def name(cell: int) -> str:
        source, destination = divmod(cell, len(schema.destinations))
        return f"{schema.sources[source]} -> {schema.destinations[destination]}"

    return RouteScore(
        true=n_true / len(targets),
        predicted=n_predicted / len(targets),
        precision=hits / max(n_predicted, 1),
        recall=hits / max(n_true, 1),
        f1=2 * hits / max(n_predicted + n_true, 1),
        constant_f1=float(f1[k - 1]) if k else 0.0,
        constant_routes=tuple(name(cell) for cell, _ in commonest[:k]),
    )
