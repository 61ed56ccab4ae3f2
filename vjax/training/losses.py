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

from vjax.model.heads import group_logits
from vjax.model.inverse import Prediction
from vjax.schema import CHANNELS, LFO_SHAPE_CHOICES, Schema

PRESENCES = ("report", "margin")
ACTIVE_AMOUNT = 1e-6
"""A target cell holds a route if its |amount| is greater."""
ROUTE_THRESHOLD = 0.05
"""A predicted cell counts as a route if its |amount| is greater: where metrics and export draw the line."""
MARGIN_SHARPNESS, MARGIN_WEIGHT = 50.0, 0.025
"""The margin presence: slope of its logit, and its weight among the parts. See `modulation_loss`."""


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights and switches of `total_loss`. Defaults are the report's, but for `presence` (BUILD_NOTES.md says why).

    Attributes:
      label_smoothing: share of a menu's probability spread evenly over its options.
      gate_menus: leave out menus of modules that are off in the target. The report scores them.
      presence: "report" or "margin", see `modulation_loss`.
    """

    continuous_weight: float = 1.0
    categorical_weight: float = 0.5
    modulation_weight: float = 0.3
    modulation_pos_weight: float = 20.0
    modulation_warmup_epochs: int = 5
    label_smoothing: float = 0.1
    gate_menus: bool = False
    presence: str = "margin"

    def __post_init__(self):
        _check_presence(self.presence)
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
    """

    continuous_weight: np.ndarray
    continuous_gate: np.ndarray
    categorical_weight: np.ndarray
    categorical_gate: np.ndarray


class Targets(NamedTuple):
    """The truth about a batch.

    Attributes:
      continuous: [b, n_continuous] float32 norm.
      categorical: [b, n_categorical] int32 menu indices.
      modulation: [b, 4, n_sources, n_destinations] float32, or None if the data hold no routes.
    """

    continuous: jax.Array
    categorical: jax.Array
    modulation: jax.Array | None = None


class ModulationLoss(NamedTuple):
    """Scalars: the five parts of the modulation loss and their sum."""

    presence: jax.Array
    amount: jax.Array
    power: jax.Array
    bipolar: jax.Array
    stereo: jax.Array
    total: jax.Array


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
    )


def audible(categorical: jax.Array, gate: np.ndarray | jax.Array) -> jax.Array:
    """[b, len(gate)] bool: whether a control's module is on in the menus [b, n_categorical]; without a gate it is."""
    gate = jnp.asarray(gate)
    return (gate < 0) | (categorical[:, jnp.maximum(gate, 0)] > 0)


def continuous_loss(
    pred: jax.Array, target: jax.Array, categorical_target: jax.Array, masks: LossMasks, valid: jax.Array | None = None
) -> jax.Array:
    """Importance-weighted squared error over the knobs that can be heard (the report, "loss function breakdown").

    sum_bi w_i m_bi (pred_bi - target_bi)^2 / sum_bi w_i m_bi, where w is `masks.continuous_weight` and m is 1 if the
    knob's module is on in the *target*; 0 if nothing can be heard. Only the ratios of the weights matter.
    """
    weight = jnp.where(audible(categorical_target, masks.continuous_gate), masks.continuous_weight, 0.0)
    weight = _drop_rows(weight, valid)
    return _weighted_sum(jnp.square(pred - target), weight) / _or_one(jnp.sum(weight))


def categorical_loss(
    logits: jax.Array,
    target: jax.Array,
    option_counts: Sequence[int],
    masks: LossMasks,
    label_smoothing: float = 0.1,
    valid: jax.Array | None = None,
    gate_menus: bool = False,
) -> jax.Array:
    """Mean cross-entropy in nats over rows and menus of positive weight, labels smoothed (Szegedy et al. 2016).

    Per menu of n options: log sum exp(z) - (1 - s) z_target - s mean(z), the cross-entropy against
    (1 - s) one_hot + s / n. `logits` are fused, [b, sum(option_counts)]; `target` is [b, n_categorical]. With
    `gate_menus` a menu of a module that is off in the target has no weight.
    """
    weight = jnp.broadcast_to(masks.categorical_weight, target.shape)
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
    return total / _or_one(jnp.sum(weight))


def modulation_loss(
    pred: jax.Array,
    target: jax.Array,
    pos_weight: float = 20.0,
    presence: str = "report",
    valid: jax.Array | None = None,
) -> ModulationLoss:
    """The loss of dense modulation matrices, where all but a few of the cells hold no route (the report, phase 3c).

    A cell is active if the target's |amount| > 1e-6. `presence` is a sigmoid binary cross-entropy against that, active
    cells weighted by `pos_weight`, averaged over all cells. The other parts count active cells only and are divided by
    max(n_active, 1): squared error of amount and power (native units), cross-entropy with logits of bipolar and stereo.

    How presence is scored:

    - "report": |amount| is the logit. It cannot be negative, so an absent cell costs log 2 at best. And its mean over
      all cells is weak against the amount error, which is divided by the few active ones: at 32 x 428 cells, 6 routes a
      sound and amounts of 0.5, a cell that is active in one sound of 4000 is already predicted above the threshold.
    - "margin": the logit is z = 50 (|amount| - 0.05), 0 at the line that metrics and export draw. An absent cell
      costs softplus(z) less its value at amount 0, so that it reaches 0; an active one pos_weight softplus(-z), which
      is 0 from an |amount| of about 0.3 on. Their sum is multiplied by 0.025 and divided by max(n_active, 1), as the
      other parts are (and as in Lin et al. 2017, "Focal loss"): neither the size of the matrix nor the number of routes
      shifts the balance, and the cell above is predicted present from a probability of 4.5 % on, close to the
      1 / (1 + pos_weight) that presence alone asks for. A certain amount of 0.1 comes out as 0.16, one of 0.2 as 0.205,
      larger ones as they are; an uncertain one is pulled towards the line.

    Slope and weight are measured: the head alone on synthetic routes (32 x 428, 1600 steps) reached precision 0.25,
    recall 0.47, F1 0.33, amount MAE 0.50; with "report" 0.002, 0.87, 0.005 and 0.29.

    Args:
      pred: [b, 4, n_sources, n_destinations], channels in the order of `CHANNELS`.
      target: as pred; bipolar and stereo 0 or 1.
      valid: [b], 0 for rows to leave out.

    Raises:
      ValueError: the shapes differ, or `presence` is unknown.
    """
    _check_presence(presence)
    if pred.shape != target.shape or pred.ndim != 4 or pred.shape[1] != len(CHANNELS):
        raise ValueError(
            f"modulation has prediction {pred.shape} and target {target.shape}; "
            f"both must be [b, {len(CHANNELS)}, n_sources, n_destinations]"
        )
    p, t = (dict(zip(CHANNELS, jnp.unstack(matrix, axis=1), strict=True)) for matrix in (pred, target))
    real = jnp.ones(len(pred), bool) if valid is None else valid > 0
    real = real[:, None, None]
    active = (jnp.abs(t["amount"]) > ACTIVE_AMOUNT) & real

    def over_active(error):
        return jnp.sum(jnp.where(active, error, 0.0)) / _or_one(jnp.sum(active))

    presence_loss = _presence_loss(p["amount"], active, real, pos_weight, presence)
    amount, power = (over_active(jnp.square(p[c] - t[c])) for c in ("amount", "power"))
    bipolar, stereo = (over_active(jax.nn.softplus(p[c]) - t[c] * p[c]) for c in ("bipolar", "stereo"))
    total = presence_loss + amount + power + bipolar + stereo
    return ModulationLoss(presence_loss, amount, power, bipolar, stereo, total)


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
    continuous = continuous_loss(prediction.continuous, target.continuous, target.categorical, masks, valid)
    smoothing, gated = config.label_smoothing, config.gate_menus
    logits = prediction.categorical_logits
    categorical = categorical_loss(logits, target.categorical, option_counts, masks, smoothing, valid, gated)
    if prediction.modulation is None or target.modulation is None:
        modulation = ModulationLoss(*[jnp.float32(0)] * len(ModulationLoss._fields))
    else:
        pos_weight = config.modulation_pos_weight
        modulation = modulation_loss(prediction.modulation, target.modulation, pos_weight, config.presence, valid)
    total = (
        config.continuous_weight * continuous
        + config.categorical_weight * categorical
        + warmup(epoch, config) * config.modulation_weight * modulation.total
    )
    return Losses(total, continuous, categorical, modulation.total, *modulation[:-1])


def _presence_loss(amount: jax.Array, active: jax.Array, real: jax.Array, pos_weight: float, presence: str):
    z, at_rest = jnp.abs(amount), 0.0
    if presence == "margin":
        z = MARGIN_SHARPNESS * (z - ROUTE_THRESHOLD)
        at_rest = jax.nn.softplus(-MARGIN_SHARPNESS * ROUTE_THRESHOLD)
    # -log sigmoid(z) = softplus(-z) and -log(1 - sigmoid(z)) = softplus(z): one softplus a cell, exact for any z.
    cost = jax.nn.softplus(jnp.where(active, -z, z))
    cost = jnp.sum(jnp.where(real, jnp.where(active, pos_weight * cost, cost - at_rest), 0.0))
    if presence == "margin":
        return MARGIN_WEIGHT * cost / _or_one(jnp.sum(active))
    return cost / _or_one(jnp.sum(real, dtype=jnp.float32) * amount[0].size)


def _drop_rows(weight: jax.Array, valid: jax.Array | None) -> jax.Array:
    return weight if valid is None else jnp.where(valid[:, None] > 0, weight, 0.0)


def _weighted_sum(values: jax.Array, weight: jax.Array) -> jax.Array:
    # Selected before it is summed: whatever a row of padding holds, even NaN, stays out.
    return jnp.sum(jnp.where(weight > 0, weight * values, 0.0))


def _or_one(count: jax.Array) -> jax.Array:
    """The divisor of a sum that may have counted nothing, and then is 0."""
    return jnp.where(count > 0, count, 1)


def _check_presence(presence: str) -> None:
    if presence not in PRESENCES:
        raise ValueError(f"presence is {presence!r}; choose one of {PRESENCES}")
