"""The training loss of continuous parameters, categorical parameters and the modulation matrix. Pure functions.

    L = w_cont L_cont + w_cat L_cat + min(epoch / warmup_epochs, 1) w_mod L_mod        (the report, phase 3c)

A model with a posterior adds the weighted loss of `vjax.training.posterior`.

Errors are element-wise, [b, n], without weights. A term of L is their weighted mean, stored as a `Mean` (sum and
count). A training step takes each mean over its batch. A validation takes it over all rows, for any split into batches.
Rows whose `valid` is 0 have weight 0, so the result is that of the batch without them.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Shaped

from vjax.data.reader import Routes
from vjax.io.arrays import Array
from vjax.model.heads import group_logits
from vjax.model.inverse import Prediction
from vjax.sound.audibility import audible, can_vary
from vjax.sound.rules import Rules, audibility_rules
from vjax.sound.schema import Schema
from vjax.training.mean import Mean
from vjax.training.modulation import ModulationLoss, check_presence, modulation_loss

KNOB_ERRORS = ("squared", "absolute")


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights and switches of `total_loss`. Defaults are the report's, except `presence` (docs/decisions, 5).

    Attributes:
      knob_error: error of continuous parameters, "squared" as in the report, or "absolute". The median minimises the
        absolute error, so a parameter that most sounds leave at its default is predicted there.
      continuous_weight: weight of the loss of continuous parameters.
      categorical_weight: weight of the loss of categorical parameters.
      label_smoothing: share of a categorical parameter's target probability that is spread evenly over its options.
      gate_menus: leave out categorical parameters of modules that are off in the target. The report includes them.
      gate_sources: leave out parameters of modulation sources that drive nothing audible in the target. The report
        includes them. For data with routes.
      modulation_weight: weight of the loss of routes; with 0 a model has no head for routes.
      modulation_pos_weight: weight of the cells with a route, in the loss of a route's presence.
      modulation_warmup_epochs: number of epochs in which `modulation_weight` rises from 0 to its value.
      presence: "report" or "margin", see `modulation_loss`.
    """

    knob_error: str = "squared"
    continuous_weight: float = 1.0
    categorical_weight: float = 0.5
    modulation_weight: float = 0.3
    modulation_pos_weight: float = 20.0
    modulation_warmup_epochs: int = 5
    label_smoothing: float = 0.1
    gate_menus: bool = False
    gate_sources: bool = False
    presence: str = "margin"

    def __post_init__(self):
        check_presence(self.presence)
        _check_knob_error(self.knob_error)
        for field in ("continuous_weight", "categorical_weight", "modulation_weight", "modulation_warmup_epochs"):
            if not getattr(self, field) >= 0:
                raise ValueError(f"{field} is {getattr(self, field)}; it must be at least 0")
        if not self.modulation_pos_weight > 0:
            raise ValueError(f"modulation_pos_weight is {self.modulation_pos_weight}; it must be above 0")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing is {self.label_smoothing}; it must lie in [0, 1)")


class LossMasks(NamedTuple):
    """What the loss needs of a schema, as arrays.

    Attributes:
      continuous_weight: [n_continuous] float32: importance, or 0 for parameters that are frozen or masked at the tier.
      categorical_weight: [n_categorical] float32: 1, or 0 for parameters that are frozen, masked or have one option.
      rules: rules that decide which parameters of a target are audible.
    """

    continuous_weight: Float[Array, " n_continuous"]
    categorical_weight: Float[Array, " n_categorical"]
    rules: Rules


class Targets(NamedTuple):
    """The true values of a batch.

    Attributes:
      continuous: [b, n_continuous] float32 norm.
      categorical: [b, n_categorical] int32 option indices.
      modulation: target of the modulation head: [b, 4, n_sources, n_destinations] float32, or `Routes` if the
        prediction is factored; None without a head or without routes in the data.
      routes: routes that decide what is audible, in a form of `modulation`. `Routes` are better, because their slots
        have numbers. None uses `modulation` itself.
    """

    continuous: Float[Array, "b n_continuous"]
    categorical: Int[Array, "b n_categorical"]
    modulation: Float[Array, "b 4 n_sources n_destinations"] | Routes | None = None
    routes: Float[Array, "b 4 n_sources n_destinations"] | Routes | None = None


class LossMeans(NamedTuple):
    """The terms of the loss as (sum, count). The modulation term is split into its parts."""

    continuous: Mean
    categorical: Mean
    presence: Mean
    amount: Mean
    power: Mean
    bipolar: Mean
    stereo: Mean


class Losses(NamedTuple):
    """Scalars: the weighted total, its three unweighted terms, and the parts of the modulation term."""

    total: jax.Array
    continuous: jax.Array
    categorical: jax.Array
    modulation: jax.Array
    presence: jax.Array
    amount: jax.Array
    power: jax.Array
    bipolar: jax.Array
    stereo: jax.Array


def loss_masks(schema: Schema, tier: int, importance: Shaped[np.ndarray, " n_weights"] | None = None) -> LossMasks:
    """Returns the masks of a schema at a tier, with `importance` [n_continuous] (all 1 by default).

    Raises ValueError if the tier does not exist, or if importance is not one finite weight >= 0 for each parameter.
    """
    knobs, menus = can_vary(schema, tier)
    importance = np.ones(len(knobs), np.float32) if importance is None else np.asarray(importance, np.float32)
    if importance.shape != knobs.shape:
        raise ValueError(f"importance has shape {importance.shape}; expected one weight per parameter, {knobs.shape}")
    for i in np.flatnonzero(~(np.isfinite(importance) & (importance >= 0)))[:1]:
        raise ValueError(f"the importance of {schema.continuous[i].name} is {importance[i]}; it must be finite, >= 0")
    return LossMasks(
        continuous_weight=np.where(knobs, importance, 0).astype(np.float32),
        categorical_weight=menus.astype(np.float32),
        rules=audibility_rules(schema),
    )


def continuous_errors(
    pred: Float[Array, "*shape"], target: Float[Array, "*shape"], kind: str = "squared"
) -> Float[jax.Array, "*shape"]:
    """Returns (pred - target)^2, or |pred - target| for the kind "absolute", element by element.

    The mean minimises the squared error, the median the absolute error.

    Raises ValueError if the kind is unknown.
    """
    _check_knob_error(kind)
    return jnp.square(pred - target) if kind == "squared" else jnp.abs(pred - target)


def cross_entropies(
    logits: Float[Array, "b options"],
    target: Int[Array, "b n_categorical"],
    option_counts: Sequence[int],
    label_smoothing: float = 0.0,
) -> Float[jax.Array, "b n_categorical"]:
    """Returns [b, n_categorical] cross-entropy in nats of each parameter, labels smoothed (Szegedy et al. 2016).

    For n options: log sum exp(z) - (1 - s) z_target - s mean(z), the cross-entropy against (1 - s) one_hot + s / n.
    `logits` are fused, [b, sum(option_counts)]; `target` is [b, n_categorical].
    """
    positions, found = [], []
    for menus, z in group_logits(logits, option_counts):
        chosen = jnp.take_along_axis(z, target[:, menus, None], axis=-1, mode="clip")[..., 0]
        found.append(
            jax.nn.logsumexp(z, axis=-1) - (1 - label_smoothing) * chosen - label_smoothing * jnp.mean(z, axis=-1)
        )
        positions.append(np.asarray(menus))
    return jnp.concatenate(found, axis=-1)[:, np.argsort(np.concatenate(positions))]


def loss_weights(
    target: Targets, masks: LossMasks, config: LossConfig, valid: Shaped[Array, " b"] | None = None
) -> tuple[Float[jax.Array, "b n_continuous"], Float[jax.Array, "b n_categorical"]]:
    """Returns the weight of each parameter of a target in the loss: [b, n_continuous] and [b, n_categorical].

    It is the weight of `masks`, or 0 if the parameter is inaudible in the *target*. By default, only a module that is
    off makes a continuous parameter inaudible here, and nothing makes a categorical one inaudible. This is the report's
    loss. Parameters that are inaudible for other reasons (a mode, a filter without input) keep their weight with any
    setting, because the results of the recipes were measured with these weights.
    """
    routes = target.modulation if target.routes is None else target.routes
    sources = ("sources",) if config.gate_sources else ()

    def weights(weight: Array, side: str, parts: tuple[str, ...]) -> jax.Array:
        is_audible = getattr(audible(masks.rules, target.continuous, target.categorical, routes, parts), side)
        counts = is_audible if valid is None else is_audible & (valid[:, None] > 0)
        return jnp.where(counts, weight, 0.0)

    return (
        weights(masks.continuous_weight, "continuous", ("modules", *sources)),
        weights(masks.categorical_weight, "categorical", (*(("modules",) if config.gate_menus else ()), *sources)),
    )


def warmup(epoch: jax.Array | float, config: LossConfig) -> Float[jax.Array, ""]:
    """The factor of the modulation term: min(epoch / warm-up epochs, 1), epochs counted from 0; 1 without a warm-up."""
    if config.modulation_warmup_epochs == 0:
        return jnp.float32(1)
    return jnp.minimum(jnp.float32(epoch) / config.modulation_warmup_epochs, 1)


def loss_means(
    prediction: Prediction,
    target: Targets,
    masks: LossMasks,
    config: LossConfig,
    option_counts: Sequence[int],
    valid: Shaped[Array, " b"] | None = None,
) -> LossMeans:
    """Returns the terms of the loss over a batch. Those of modulation are empty without a head or target routes.

    - continuous: sum_bi w_bi e_bi / sum_bi w_bi (the report, "loss function breakdown"), with e of `continuous_errors`;
    - categorical: the same with e of `cross_entropies`;
    - modulation: see `modulation_loss`.

    w is from `loss_weights`. Only the ratios of the weights matter.
    """
    knobs, menus = loss_weights(target, masks, config, valid)
    errors = continuous_errors(prediction.continuous, target.continuous, config.knob_error)
    entropies = cross_entropies(
        prediction.categorical_logits, target.categorical, option_counts, config.label_smoothing
    )
    if prediction.modulation is None or target.modulation is None:
        modulation = ModulationLoss(*[Mean.none()] * len(ModulationLoss._fields))
    else:
        options = (config.modulation_pos_weight, config.presence, valid)
        modulation = modulation_loss(prediction.modulation, target.modulation, *options)
    return LossMeans(Mean.of(errors, knobs), Mean.of(entropies, menus), *modulation)


def weigh(means: LossMeans, config: LossConfig, epoch: jax.Array | float) -> Losses:
    """Returns the loss and its terms at an epoch, by the formula at the top of this module."""
    continuous, categorical, *parts = (mean.value() for mean in means)
    modulation = jnp.asarray(sum(parts))
    total = (
        config.continuous_weight * continuous
        + config.categorical_weight * categorical
        + warmup(epoch, config) * config.modulation_weight * modulation
    )
    return Losses(total, continuous, categorical, modulation, *parts)


def total_loss(
    prediction: Prediction,
    target: Targets,
    masks: LossMasks,
    config: LossConfig,
    epoch: jax.Array | float,
    option_counts: Sequence[int],
    valid: Shaped[Array, " b"] | None = None,
) -> Losses:
    """Returns the loss of a batch at an epoch, with its parts: `weigh` of `loss_means`."""
    return weigh(loss_means(prediction, target, masks, config, option_counts, valid), config, epoch)


def _check_knob_error(name: str) -> None:
    if name not in KNOB_ERRORS:
        raise ValueError(f"knob_error is {name!r}; choose one of {KNOB_ERRORS}")
