"""The confidence of a prediction.

It has probabilities of categorical parameters, the spread of continuous parameters, and the presence of routes.
"""

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
"""Dropout samples for each prediction.

They share the result of the backbone, and together take about one percent of its time.
"""


class Confidence(NamedTuple):
    """How sure a prediction is. Frozen parameters are not predicted and not listed.

    Attributes:
      menu_probability: by categorical parameter, the probability of the predicted option.
      menu_distribution: by categorical parameter, [n_options] float32, the probability of every option.
      spread_norm: by continuous parameter, the standard deviation over Monte Carlo dropout, norm units; see
        `knob_spread`.
      presence: of each predicted route, in the same order; see `decode_routes.presence_probability`.
      mean_probability: mean over the categorical parameters that are audible in the predicted preset and that the model
        can learn (`can_vary`); NaN if there are none.
      mean_spread_norm: the mean spread over such continuous parameters; NaN if there are none.
    """

    menu_probability: dict[str, float]
    menu_distribution: dict[str, np.ndarray]
    spread_norm: dict[str, float]
    presence: tuple[float, ...]
    mean_probability: float
    mean_spread_norm: float


def knob_spread(model: InverseModel, variables: Any, features: jax.Array, samples: int = SPREAD_SAMPLES) -> jax.Array:
    """The standard deviation of every continuous parameter under Monte Carlo dropout.

    Method: Gal & Ghahramani 2016, arXiv:1506.02142. The continuous head is evaluated `samples` times on the same
    features, with dropout on. Only the head has dropout, so backbone and batch statistics are those of the prediction
    itself. All rows use the same `samples` dropout masks. So the spread of a row does not depend on the other rows of
    the batch, and it is reproducible.

    Args:
      features: [b, f], from `InverseModel.features`.

    Returns:
      [b, n_continuous] float32, norm units; all 0 for a model without dropout.
    """
    if model.config.dropout == 0:
        return jnp.zeros((len(features), model.config.n_continuous), jnp.float32)

    def thinned(key: jax.Array) -> jax.Array:
        def knobs(row: jax.Array) -> jax.Array:
            heads: Any = model.apply(variables, row[None], train=True, method="heads", rngs={"dropout": key})
            return heads.continuous[0]

        return jax.vmap(knobs)(features)

    return jnp.std(jax.vmap(thinned)(jax.random.split(jax.random.key(0), samples)), axis=0)


def menu_probabilities(logits: np.ndarray, option_counts: tuple[int, ...]) -> np.ndarray:
    """Softmax of each categorical parameter, on the host.

    Args:
      logits: [b, sum(option_counts)], the options of all parameters side by side.

    Returns:
      Probabilities of the same shape.
    """
    counts = np.asarray(option_counts)
    starts = np.cumsum(counts) - counts
    # Each parameter's largest logit is subtracted, so that nothing overflows.
    weight = np.exp(logits - np.repeat(np.maximum.reduceat(logits, starts, axis=-1), counts, axis=-1))
    return weight / np.repeat(np.add.reduceat(weight, starts, axis=-1), counts, axis=-1)


def confidence_maker(
    schema: Schema, tier: int
) -> Callable[[Parameters, np.ndarray, np.ndarray, tuple[float, ...]], Confidence]:
    """Returns a function that makes the `Confidence` of a prediction.

    Its arguments are (parameters, probabilities [sum(option_counts)], spread [n_continuous], presence).
    """
    knobs, menus = schema.continuous_names, schema.categorical_names
    predicted_knobs = np.flatnonzero(~schema.frozen_continuous())
    predicted_menus = np.flatnonzero(~schema.frozen_categorical())
    splits = np.cumsum(schema.option_counts)[:-1]
    knob_can, menu_can = can_vary(schema, tier)
    rules = audibility_rules(schema)

    def confidence(
        parameters: Parameters, probabilities: np.ndarray, spread: np.ndarray, presence: tuple[float, ...]
    ) -> Confidence:
        distributions = np.split(probabilities, splits)
        chosen = np.array([d[option] for d, option in zip(distributions, parameters.categorical, strict=True)])
        is_audible = audible(rules, parameters.continuous, parameters.categorical, parameters[2:])
        return Confidence(
            menu_probability={menus[i]: float(chosen[i]) for i in predicted_menus},
            menu_distribution={menus[i]: distributions[i] for i in predicted_menus},
            spread_norm={knobs[i]: float(spread[i]) for i in predicted_knobs},
            presence=presence,
            mean_probability=_mean(chosen[menu_can & is_audible.categorical]),
            mean_spread_norm=_mean(spread[knob_can & is_audible.continuous]),
        )

    return confidence


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if values.size else float("nan")
