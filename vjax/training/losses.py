"""The training loss: knobs, menus and the modulation matrix. Pure functions, scalars out.

    L = w_cont L_cont + w_cat L_cat + min(epoch / warmup_epochs, 1) w_mod L_mod        (the report, phase 3c)

Every reduction skips the rows whose `valid` is 0: the result is that of the batch without them.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vjax.data.reader import Routes
from vjax.model.heads import RouteScores, group_logits
from vjax.model.inverse import Prediction
from vjax.schema import LFO_SHAPE_CHOICES, Schema
from vjax.training.modulation import ModulationLoss, check_presence, modulation_loss, or_one, route_loss, routed_sources

KNOB_ERRORS = ("squared", "absolute")


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights and switches of `total_loss`. Defaults are the report's, but for `presence` (BUILD_NOTES.md says why).

    Attributes:
      knob_error: "squared", the report's, or "absolute", whose best answer is the median: a knob that most sounds leave
        alone is left alone.
      continuous_weight: weight of the loss of continuous parameters.
      categorical_weight: weight of the loss of categorical parameters.
      label_smoothing: share of a menu's probability spread evenly over its options.
      gate_menus: leave out menus of modules that are off in the target. The report scores them.
      gate_sources: leave out knobs and menus of modulation sources that drive nothing in the target, as nothing of them
        is heard. The report scores them. For models that predict routes.
      modulation_weight: weight of the loss of routes; with 0 a model has no head for routes.
      modulation_pos_weight: weight of the cells that hold a route, in the loss of a route's presence.
      modulation_warmup_epochs: epochs in which `modulation_weight` rises from 0 to its value.
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
    """What of a schema the loss needs, as arrays.

    Attributes:
      continuous_weight: [n_continuous] float32: importance, 0 for knobs that are frozen or masked at the tier.
      continuous_gate: [n_continuous] int32: position of the `*_on` switch among the menus, -1 for none.
      categorical_weight: [n_categorical] float32: 1, or 0 for menus that are frozen or offer one option only.
      categorical_gate: [n_categorical] int32, as `continuous_gate`.
      continuous_source: [n_continuous] int32: position of the modulation source that a knob belongs to, -1 for none.
      categorical_source: [n_categorical] int32, as `continuous_source`.
    """

    continuous_weight: np.ndarray
    continuous_gate: np.ndarray
    categorical_weight: np.ndarray
    categorical_gate: np.ndarray
    continuous_source: np.ndarray
    categorical_source: np.ndarray


class Targets(NamedTuple):
    """The truth about a batch.

    Attributes:
      continuous: [b, n_continuous] float32 norm.
      categorical: [b, n_categorical] int32 menu indices.
      modulation: [b, 4, n_sources, n_destinations] float32, or `Routes` where the prediction is factored; None if the
        data hold no routes.
    """

    continuous: jax.Array
    categorical: jax.Array
    modulation: jax.Array | Routes | None = None


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


def loss_masks(schema: Schema, tier: int, importance: np.ndarray | None = None) -> LossMasks:
    """The masks of a schema at a tier, with per-knob `importance` [n_continuous] (all 1 by default).

    Raises ValueError if the tier does not exist or importance is not one finite weight >= 0 per knob.
    """
    masked = schema.static_mask(tier) | schema.frozen_continuous()
    importance = np.ones(len(masked), np.float32) if importance is None else np.asarray(importance, np.float32)
    if importance.shape != masked.shape:
        raise ValueError(f"importance has shape {importance.shape}; expected one weight per knob, {masked.shape}")
    for i in np.flatnonzero(~(np.isfinite(importance) & (importance >= 0)))[:1]:
        raise ValueError(f"the importance of {schema.continuous[i].name} is {importance[i]}; it must be finite, >= 0")
    choice = np.array(schema.option_counts) > 1
    # Below tier 3 nothing is routed: no LFO is heard, so its shape is the default everywhere.
    choice &= np.array([tier >= 3 or name not in LFO_SHAPE_CHOICES for name in schema.categorical_names])
    return LossMasks(
        continuous_weight=np.where(masked, 0, importance).astype(np.float32),
        continuous_gate=schema.continuous_gates(),
        categorical_weight=(choice & ~schema.frozen_categorical()).astype(np.float32),
        categorical_gate=schema.categorical_gates(),
        continuous_source=schema.continuous_sources(),
        categorical_source=schema.categorical_sources(),
    )


def audible(categorical: jax.Array, gate: np.ndarray | jax.Array) -> jax.Array:
    """[b, len(gate)] bool: whether a control's module is on in the menus [b, n_categorical]; without a gate it is."""
    gate = jnp.asarray(gate)
    return (gate < 0) | (categorical[:, jnp.maximum(gate, 0)] > 0)


def drives(source: np.ndarray, routed: jax.Array | None) -> jax.Array | bool:
    """[b, len(source)] bool: whether a control's source is among those `routed` [b, n_sources]; without one it is.

    True where `routed` is None: nothing is known about routes.
    """
    if routed is None:
        return True
    source = jnp.asarray(source)
    return (source < 0) | routed[:, jnp.maximum(source, 0)]


def continuous_loss(
    pred: jax.Array,
    target: jax.Array,
    categorical_target: jax.Array,
    masks: LossMasks,
    valid: jax.Array | None = None,
    routed: jax.Array | None = None,
    knob_error: str = "squared",
) -> jax.Array:
    """Importance-weighted squared error over the knobs that can be heard (the report, "loss function breakdown").

    sum_bi w_i m_bi (pred_bi - target_bi)^2 / sum_bi w_i m_bi, where w is `masks.continuous_weight` and m is 1 if the
    knob's module is on in the *target*; 0 if nothing can be heard. Only the ratios of the weights matter. With `routed`
    [b, n_sources] bool, m is 0 too for knobs of sources that are not. With `knob_error` "absolute", |pred - target| in
    the place of the square.
    """
    _check_knob_error(knob_error)
    heard = audible(categorical_target, masks.continuous_gate) & drives(masks.continuous_source, routed)
    weight = jnp.where(heard, masks.continuous_weight, 0.0)
    weight = _drop_rows(weight, valid)
    error = jnp.square(pred - target) if knob_error == "squared" else jnp.abs(pred - target)
    return _weighted_sum(error, weight) / or_one(jnp.sum(weight))


def categorical_loss(
    logits: jax.Array,
    target: jax.Array,
    option_counts: Sequence[int],
    masks: LossMasks,
    label_smoothing: float = 0.1,
    valid: jax.Array | None = None,
    gate_menus: bool = False,
    routed: jax.Array | None = None,
) -> jax.Array:
    """Mean cross-entropy in nats over rows and menus of positive weight, labels smoothed (Szegedy et al. 2016).

    Per menu of n options: log sum exp(z) - (1 - s) z_target - s mean(z), the cross-entropy against
    (1 - s) one_hot + s / n. `logits` are fused, [b, sum(option_counts)]; `target` is [b, n_categorical]. With
    `gate_menus` a menu of a module that is off in the target has no weight, with `routed` [b, n_sources] bool none of a
    source that is not.
    """
    weight = jnp.where(drives(masks.categorical_source, routed), masks.categorical_weight, jnp.zeros(target.shape))
    if gate_menus:
        weight = jnp.where(audible(target, masks.categorical_gate), weight, 0.0)
    weight = _drop_rows(weight, valid)
    total = 0.0
    for menus, z in group_logits(logits, option_counts):
        chosen = jnp.take_along_axis(z, target[:, menus, None], axis=-1, mode="clip")[..., 0]
        cross_entropy = (
            jax.nn.logsumexp(z, axis=-1) - (1 - label_smoothing) * chosen - label_smoothing * jnp.mean(z, axis=-1)
        )
        total += _weighted_sum(cross_entropy, weight[:, menus])
    return total / or_one(jnp.sum(weight))


def warmup(epoch: jax.Array | float, config: LossConfig) -> jax.Array:
    """The modulation term's ramp, min(epoch / warm-up epochs, 1) with epochs counted from 0; 1 without a warm-up."""
    if config.modulation_warmup_epochs == 0:
        return jnp.float32(1)
    return jnp.minimum(jnp.float32(epoch) / config.modulation_warmup_epochs, 1)


def total_loss(
    prediction: Prediction,
    target: Targets,
    masks: LossMasks,
    config: LossConfig,
    epoch: jax.Array | float,
    option_counts: Sequence[int],
    valid: jax.Array | None = None,
) -> Losses:
    """The whole loss at an epoch, with its parts; those of modulation are 0 without a head or without target routes."""
    routed = None
    if config.gate_sources and target.modulation is not None:
        routed = routed_sources(target.modulation, prediction.modulation)
    knobs = prediction.continuous, target.continuous, target.categorical
    continuous = continuous_loss(*knobs, masks, valid, routed, config.knob_error)
    smoothing, gated = config.label_smoothing, config.gate_menus
    logits = prediction.categorical_logits
    categorical = categorical_loss(logits, target.categorical, option_counts, masks, smoothing, valid, gated, routed)
    if prediction.modulation is None or target.modulation is None:
        modulation = ModulationLoss(*[jnp.float32(0)] * len(ModulationLoss._fields))
    else:
        predicted, options = prediction.modulation, (config.modulation_pos_weight, config.presence, valid)
        if isinstance(target.modulation, Routes):
            modulation = route_loss(predicted, target.modulation, *options)
        else:
            predicted = predicted.matrix() if isinstance(predicted, RouteScores) else predicted
            modulation = modulation_loss(predicted, target.modulation, *options)
    total = (
        config.continuous_weight * continuous
        + config.categorical_weight * categorical
        + warmup(epoch, config) * config.modulation_weight * modulation.total
    )
    return Losses(total, continuous, categorical, modulation.total, *modulation[:-1])


def _check_knob_error(name: str) -> None:
    if name not in KNOB_ERRORS:
        raise ValueError(f"knob_error is {name!r}; choose one of {KNOB_ERRORS}")


def _drop_rows(weight: jax.Array, valid: jax.Array | None) -> jax.Array:
    return weight if valid is None else jnp.where(valid[:, None] > 0, weight, 0.0)


def _weighted_sum(values: jax.Array, weight: jax.Array) -> jax.Array:
    # Selected before it is summed: whatever a row of padding holds, even NaN, stays out.
    return jnp.sum(jnp.where(weight > 0, weight * values, 0.0))
