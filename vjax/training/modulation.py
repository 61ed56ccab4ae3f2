"""The loss of the modulation matrix, from the whole matrix or from its factors. Pure functions, scalars out."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from vjax.data.reader import Routes
from vjax.model.heads import RouteScores
from vjax.schema import CHANNELS

PRESENCES = ("report", "margin")
ACTIVE_AMOUNT = 1e-6
"""A target cell holds a route if its |amount| is greater."""
ROUTE_THRESHOLD = 0.05
"""A predicted cell counts as a route if its |amount| is greater: where metrics and export draw the line."""
MARGIN_SHARPNESS, MARGIN_WEIGHT = 50.0, 0.025
"""The margin presence: slope of its logit, and its weight among the parts. See `modulation_loss`."""


class ModulationLoss(NamedTuple):
    """Scalars: the five parts of the modulation loss and their sum."""

    presence: jax.Array
    amount: jax.Array
    power: jax.Array
    bipolar: jax.Array
    stereo: jax.Array
    total: jax.Array


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
    real = real[:, None, None]
    active = (jnp.abs(t["amount"]) > ACTIVE_AMOUNT) & real

    def over_active(error):
        return jnp.sum(jnp.where(active, error, 0.0)) / or_one(jnp.sum(active))

    presence_loss = _presence_loss(p["amount"], active, real, pos_weight, presence)
    amount, power = (over_active(jnp.square(p[c] - t[c])) for c in ("amount", "power"))
    bipolar, stereo = (over_active(jax.nn.softplus(p[c]) - t[c] * p[c]) for c in ("bipolar", "stereo"))
    total = presence_loss + amount + power + bipolar + stereo
    return ModulationLoss(presence_loss, amount, power, bipolar, stereo, total)


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
    n_active, cells = or_one(jnp.sum(active)), jnp.where(inside, routes.index, 0)
    p = dict(zip(CHANNELS, jnp.unstack(scores.at(cells), axis=-1), strict=True))
    # Not from the factors again: another rounding may give an amount near 0 another sign, and |amount| another slope.
    p["amount"] = jnp.take_along_axis(amounts.reshape(len(amounts), -1), cells, axis=1, mode="clip")
    t = dict(zip(CHANNELS, jnp.unstack(routes.value, axis=-1), strict=True))

    def over_active(error):
        return jnp.sum(jnp.where(active, error, 0.0))

    # All cells as if they were absent; then those with a route once more, as the difference.
    z, at_rest = _presence_logit(amounts, presence)
    cost = jnp.sum(jnp.where(real[:, None, None], jax.nn.softplus(z) - at_rest, 0.0))
    z, _ = _presence_logit(p["amount"], presence)
    cost += over_active(pos_weight * jax.nn.softplus(-z) - (jax.nn.softplus(z) - at_rest))
    n_cells = jnp.sum(real, dtype=jnp.float32) * amounts[0].size
    presence_loss = MARGIN_WEIGHT * cost / n_active if presence == "margin" else cost / or_one(n_cells)
    amount, power = (over_active(jnp.square(p[c] - t[c])) / n_active for c in ("amount", "power"))
    bipolar, stereo = (over_active(jax.nn.softplus(p[c]) - t[c] * p[c]) / n_active for c in ("bipolar", "stereo"))
    total = presence_loss + amount + power + bipolar + stereo
    return ModulationLoss(presence_loss, amount, power, bipolar, stereo, total)


def routed_sources(target: jax.Array | Routes, scores: RouteScores | None = None) -> jax.Array:
    """[b, n_sources] bool: the sources that drive anything.

    Args:
      target: matrices [b, 4, n_sources, n_destinations], or sparse routes.
      scores: the prediction, where the routes are sparse: it knows the size of the matrix.
    """
    if not isinstance(target, Routes):
        return jnp.any(jnp.abs(target[:, 0]) > ACTIVE_AMOUNT, axis=-1)
    n_sources, n_destinations = scores.source.shape[1], scores.destination.shape[1]
    active = (target.index >= 0) & (jnp.abs(target.value[..., 0]) > ACTIVE_AMOUNT)
    source = jnp.where(active, target.index // n_destinations, -1)
    return jnp.any(source[..., None] == jnp.arange(n_sources), axis=1)


def or_one(count: jax.Array) -> jax.Array:
    """The divisor of a sum that may have counted nothing, and then is 0."""
    return jnp.where(count > 0, count, 1)


def check_presence(presence: str) -> None:
    if presence not in PRESENCES:
        raise ValueError(f"presence is {presence!r}; choose one of {PRESENCES}")


def _presence_logit(amount: jax.Array, presence: str) -> tuple[jax.Array, jax.Array | float]:
    """The logit of a cell's presence, and what an absent cell costs at amount 0 that is not counted."""
    if presence == "margin":
        at_rest = jax.nn.softplus(-MARGIN_SHARPNESS * ROUTE_THRESHOLD)
        return MARGIN_SHARPNESS * (jnp.abs(amount) - ROUTE_THRESHOLD), at_rest
    return jnp.abs(amount), 0.0


def _presence_loss(amount: jax.Array, active: jax.Array, real: jax.Array, pos_weight: float, presence: str):
    z, at_rest = _presence_logit(amount, presence)
    # -log sigmoid(z) = softplus(-z) and -log(1 - sigmoid(z)) = softplus(z): one softplus a cell, exact for any z.
    cost = jax.nn.softplus(jnp.where(active, -z, z))
    cost = jnp.sum(jnp.where(real, jnp.where(active, pos_weight * cost, cost - at_rest), 0.0))
    if presence == "margin":
        return MARGIN_WEIGHT * cost / or_one(jnp.sum(active))
    return cost / or_one(jnp.sum(real, dtype=jnp.float32) * amount[0].size)
