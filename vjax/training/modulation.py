"""The loss of the modulation matrix, from the whole matrix or from its factors. Pure functions.

Errors are element-wise, [...] as their arguments are; a loss is their `Mean` over cells or routes.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from vjax.data.reader import Routes
from vjax.model.heads import RouteScores
from vjax.sound.audibility import ACTIVE_AMOUNT
from vjax.sound.schema import CHANNELS
from vjax.training.mean import Mean

PRESENCES = ("report", "margin")
ROUTE_THRESHOLD = 0.05
"""A predicted cell counts as a route if its |amount| is greater: where metrics and export draw the line."""
MARGIN_SHARPNESS, MARGIN_WEIGHT = 50.0, 0.025
"""The margin presence: slope of its logit, and its weight among the parts. See `modulation_loss`."""


class ModulationLoss(NamedTuple):
    """The five parts of the modulation loss."""

    presence: Mean
    amount: Mean
    power: Mean
    bipolar: Mean
    stereo: Mean

    @property
    def total(self) -> jax.Array:
        """The sum of the five means."""
        return sum(part.value() for part in self)


def presence_errors(amount: jax.Array, active: jax.Array, pos_weight: float, presence: str) -> jax.Array:
    """[...] what cells cost whose predicted amounts [...] say that they are there: see `modulation_loss`.

    With the logit z, pos_weight softplus(-z) where `active`, elsewhere softplus(z) less its value at amount 0.
    """
    z, at_rest = _presence_logit(amount, presence)
    # -log sigmoid(z) = softplus(-z) and -log(1 - sigmoid(z)) = softplus(z): one softplus a cell, exact for any z.
    cost = jax.nn.softplus(jnp.where(active, -z, z))
    return jnp.where(active, pos_weight * cost, cost - at_rest)


def manner_errors(pred: dict[str, jax.Array], target: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """[...] by channel, what predicted routes cost: the squared error of amount and power, in native units; of bipolar
    and stereo, whose predictions are logits p, the sigmoid cross-entropy softplus(p) - t p.
    """
    errors = {c: jnp.square(pred[c] - target[c]) for c in ("amount", "power")}
    return errors | {c: jax.nn.softplus(pred[c]) - target[c] * pred[c] for c in ("bipolar", "stereo")}


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
    check_presence(presence)
    if pred.shape != target.shape or pred.ndim != 4 or pred.shape[1] != len(CHANNELS):
        raise ValueError(
            f"modulation has prediction {pred.shape} and target {target.shape}; "
            f"both must be [b, {len(CHANNELS)}, n_sources, n_destinations]"
        )
    p, t = (dict(zip(CHANNELS, jnp.unstack(matrix, axis=1), strict=True)) for matrix in (pred, target))
    real = jnp.ones(len(pred), bool) if valid is None else valid > 0
    real = jnp.broadcast_to(real[:, None, None], t["amount"].shape)
    active = (jnp.abs(t["amount"]) > ACTIVE_AMOUNT) & real
    cost = Mean.of(presence_errors(p["amount"], active, pos_weight, presence), real)
    parts = {c: Mean.of(errors, active) for c, errors in manner_errors(p, t).items()}
    return ModulationLoss(_per_cell(cost, parts["amount"].count, presence), **parts)


def route_loss(
    scores: RouteScores,
    routes: Routes,
    pos_weight: float = 20.0,
    presence: str = "report",
    valid: jax.Array | None = None,
) -> ModulationLoss:
    """`modulation_loss` of scores in factors against sparse routes: the same numbers from a quarter of the memory.

    Only presence looks at every cell, and only at its amount; the rest is computed where routes are. Empty slots and
    cells outside the matrix are ignored; a cell should not be named twice (here both would count).

    Args:
      routes: index [b, slots] int32, value [b, slots, 4].

    Raises ValueError if `presence` is unknown.
    """
    check_presence(presence)
    real = jnp.ones(len(routes.index), bool) if valid is None else valid > 0
    amounts = scores.amounts()
    inside = (routes.index >= 0) & (routes.index < amounts[0].size)
    active = inside & (jnp.abs(routes.value[..., 0]) > ACTIVE_AMOUNT) & real[:, None]
    cells = jnp.where(inside, routes.index, 0)
    p = dict(zip(CHANNELS, jnp.unstack(scores.at(cells), axis=-1), strict=True))
    # Not from the factors again: another rounding may give an amount near 0 another sign, and |amount| another slope.
    p["amount"] = jnp.take_along_axis(amounts.reshape(len(amounts), -1), cells, axis=1, mode="clip")
    t = dict(zip(CHANNELS, jnp.unstack(routes.value, axis=-1), strict=True))

    # All cells as if they were absent; then those with a route once more, as the difference.
    z, at_rest = _presence_logit(amounts, presence)
    cost = Mean.of(jax.nn.softplus(z) - at_rest, jnp.broadcast_to(real[:, None, None], amounts.shape))
    z, _ = _presence_logit(p["amount"], presence)
    more = pos_weight * jax.nn.softplus(-z) - (jax.nn.softplus(z) - at_rest)
    cost = cost._replace(sum=cost.sum + Mean.of(more, active).sum)
    parts = {c: Mean.of(errors, active) for c, errors in manner_errors(p, t).items()}
    return ModulationLoss(_per_cell(cost, parts["amount"].count, presence), **parts)


def check_presence(presence: str) -> None:
    if presence not in PRESENCES:
        raise ValueError(f"presence is {presence!r}; choose one of {PRESENCES}")


def _presence_logit(amount: jax.Array, presence: str) -> tuple[jax.Array, jax.Array | float]:
    """The logit of a cell's presence, and what an absent cell costs at amount 0 that is not counted."""
    if presence == "margin":
        at_rest = jax.nn.softplus(-MARGIN_SHARPNESS * ROUTE_THRESHOLD)
        return MARGIN_SHARPNESS * (jnp.abs(amount) - ROUTE_THRESHOLD), at_rest
    return jnp.abs(amount), 0.0


def _per_cell(cost: Mean, n_active: jax.Array, presence: str) -> Mean:
    """The presence loss of costs over all cells: their mean, or that of the margin, per active cell."""
    return Mean(MARGIN_WEIGHT * cost.sum, n_active) if presence == "margin" else cost
