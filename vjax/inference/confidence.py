"""How sure an answer is: probabilities of its menus, spread of its knobs, presence of its routes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vjax.model.inverse import InverseModel
from vjax.sound.audibility import audible, can_vary
from vjax.sound.rules import audibility_rules
from vjax.sound.schema import Parameters, Schema

SPREAD_SAMPLES = 16
"""Thinned networks asked for each answer. All share the backbone's work: together they cost about one percent of it."""


class Confidence(NamedTuple):
    """How sure an answer is. Frozen controls are not answered and not listed.

    Attributes:
      menu_probability: by menu, the probability of the option that the answer takes.
      menu_distribution: by menu, [n_options] float32, the probability of every option.
      spread_norm: by knob, the standard deviation over Monte Carlo dropout, in norm; see `knob_spread`.
      presence: of each route of the answer, in its order; see `routes.presence_probability`.
      mean_probability: over the menus that can be heard in the answer and have a choice; NaN if there are none.
      mean_spread_norm: over the knobs that can be heard in the answer; NaN if there are none.
    """

    menu_probability: dict[str, float]
    menu_distribution: dict[str, np.ndarray]
    spread_norm: dict[str, float]
    presence: tuple[float, ...]
    mean_probability: float
    mean_spread_norm: float


def knob_spread(model: InverseModel, variables: Any, features: jax.Array, samples: int = SPREAD_SAMPLES) -> jax.Array:
    """The standard deviation of every knob under Monte Carlo dropout (Gal & Ghahramani 2016, arXiv:1506.02142).

    The continuous head answers `samples` times with dropout on, each time to the same features. Dropout stands in the
    head alone, so backbone and batch statistics are those of the answer itself. Every row meets the same `samples`
    thinned networks: its spread does not depend on what else is in the batch, and repeats.

    Args:
      features: [b, f], from `InverseModel.features`.

    Returns:
      [b, n_continuous] float32, norm; all 0 for a model without dropout, which has no spread to show.
    """
    if model.config.dropout == 0:
        return jnp.zeros((len(features), model.config.n_continuous), jnp.float32)

    def thinned(key: jax.Array) -> jax.Array:
        def knobs(row: jax.Array) -> jax.Array:
            heads = model.apply(variables, row[None], train=True, method="heads", rngs={"dropout": key})
            return heads.continuous[0]

        return jax.vmap(knobs)(features)

    return jnp.std(jax.vmap(thinned)(jax.random.split(jax.random.key(0), samples)), axis=0)


def menu_probabilities(logits: np.ndarray, option_counts: tuple[int, ...]) -> np.ndarray:
    """Softmax of each menu: fused logits [b, sum(option_counts)] to probabilities of that shape, on the host."""
    counts = np.asarray(option_counts)
    starts = np.cumsum(counts) - counts
    # Less each menu's largest logit, so that nothing overflows.
    weight = np.exp(logits - np.repeat(np.maximum.reduceat(logits, starts, axis=-1), counts, axis=-1))
    return weight / np.repeat(np.add.reduceat(weight, starts, axis=-1), counts, axis=-1)


def confidence_maker(
    schema: Schema, tier: int
) -> Callable[[Parameters, np.ndarray, np.ndarray, tuple[float, ...]], Confidence]:
    """A function (answer, probabilities [sum(option_counts)], spread [n_continuous], presence) -> `Confidence`."""
    knobs, menus = schema.continuous_names, schema.categorical_names
    answered_knobs = np.flatnonzero(~schema.frozen_continuous())
    answered_menus = np.flatnonzero(~schema.frozen_categorical())
    splits = np.cumsum(schema.option_counts)[:-1]
    knob_can, menu_can = can_vary(schema, tier)
    rules = audibility_rules(schema)

    def confidence(
        parameters: Parameters, probabilities: np.ndarray, spread: np.ndarray, presence: tuple[float, ...]
    ) -> Confidence:
        distributions = np.split(probabilities, splits)
        chosen = np.array([d[option] for d, option in zip(distributions, parameters.categorical, strict=True)])
        heard = audible(rules, parameters.continuous, parameters.categorical, parameters[2:])
        return Confidence(
            menu_probability={menus[i]: float(chosen[i]) for i in answered_menus},
            menu_distribution={menus[i]: distributions[i] for i in answered_menus},
            spread_norm={knobs[i]: float(spread[i]) for i in answered_knobs},
            presence=presence,
            mean_probability=_mean(chosen[menu_can & heard.categorical]),
            mean_spread_norm=_mean(spread[knob_can & heard.continuous]),
        )

    return confidence


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if values.size else float("nan")
