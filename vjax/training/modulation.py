"""The loss of the modulation matrix, from the whole matrix or from its factors. Pure functions.

Errors are element-wise, with the shape [...] of their arguments. A loss is their `Mean` over cells or routes.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Shaped

from vjax.data.reader import Routes
from vjax.io.arrays import Array
from vjax.model.heads import RouteScores
from vjax.sound.audibility import ACTIVE_AMOUNT
from vjax.sound.routes import CHANNELS
from vjax.training.mean import Mean

PRESENCES = ("report", "margin")
ROUTE_THRESHOLD = 0.05
"""A predicted cell counts as a route if its |amount| is greater. Metrics and export use this threshold."""
MARGIN_SHARPNESS, MARGIN_WEIGHT = 50.0, 0.025
"""For presence "margin": slope of the logit, and weight of the presence among the parts. See `modulation_loss`."""


class ModulationLoss(NamedTuple):
    """The five parts of the modulation loss."""

    presence: Mean
    amount: Mean
    power: Mean
    bipolar: Mean
    stereo: Mean

    @property
    def total(self) -> Float[jax.Array, ""]:
        """The sum of the five means."""
        return jnp.asarray(sum(part.value() for part in self))


def manner_errors(
    pred: Mapping[str, Float[Array, "*shape"]], target: Mapping[str, Float[Array, "*shape"]]
) -> dict[str, Float[jax.Array, "*shape"]]:
    """Returns the errors [...] of predicted routes, by channel.

    For amount and power, it is the squared error in native units. For bipolar and stereo, whose predictions are logits
    p, it is the sigmoid cross-entropy softplus(p) - t p.
    """
    errors = {c: jnp.square(pred[c] - target[c]) for c in ("amount", "power")}
    return errors | {c: jax.nn.softplus(pred[c]) - target[c] * pred[c] for c in ("bipolar", "stereo")}


def modulation_loss(
    pred: Array | RouteScores,
    target: Array | Routes,
    pos_weight: float = 20.0,
    presence: str = "report",
    valid: Shaped[Array, " b"] | None = None,
) -> ModulationLoss:
    """Returns the loss of modulation matrices, in which only a few cells are routes (the report, phase 3c).

    A predicted matrix may be given as its factors, and the target as sparse routes. The values and gradients are the
    same, and both together take a quarter of the memory: presence uses every cell, but of a cell only the amount, and
    the other parts are computed only for the routes.

    A cell is active if the target's |amount| > 1e-6. The part `presence` is a sigmoid binary cross-entropy against
    this, averaged over all cells. Active cells have the weight `pos_weight`. The other parts count only active cells
    and are divided by max(n_active, 1): the squared error of amount and power (native units), and the cross-entropy
    with logits of bipolar and stereo.

    The argument `presence` selects its form:

    - "report": |amount| is the logit. It cannot be negative, so an absent cell costs at least log 2. The mean over all
      cells is also weak against the amount error, which is divided by the number of active cells. An example: with
      32 x 428 cells, 6 routes per sound and amounts of 0.5, a cell that is active in one of 4000 sounds is already
      predicted above the threshold.
    - "margin": the logit is z = 50 (|amount| - 0.05), which is 0 at the threshold of metrics and export. An absent cell
      costs softplus(z) minus its value at amount 0, so the cost can reach 0. An active cell costs
      pos_weight softplus(-z), which is 0 for an |amount| above about 0.3. The sum of the costs is multiplied by 0.025
      and divided by max(n_active, 1), like the other parts (and as in Lin et al. 2017, "Focal loss"). So neither the
      size of the matrix nor the number of routes changes the balance of the parts. In the example above, a cell is
      predicted present from a probability of 4.5 % on. This is close to 1 / (1 + pos_weight), the value for the
      presence part alone. If the amount is certain, 0.1 is predicted as 0.16, 0.2 as 0.205, and larger amounts as they
      are. An uncertain amount is predicted closer to the threshold.

    Slope and weight come from measurements: the head alone on synthetic routes (32 x 428, 1600 steps) reached precision
    0.25, recall 0.47, F1 0.33 and amount MAE 0.50. With "report", it reached 0.002, 0.87, 0.005 and 0.29.

    Args:
      pred: [b, 4, n_sources, n_destinations], channels in the order of `CHANNELS`; or its factors.
      target: as pred, with 0 or 1 as bipolar and stereo; or routes: index [b, slots] int32, value [b, slots, 4]. Empty
        slots and cells outside the matrix are ignored. A cell should not have two slots; here both would count.
      valid: [b], 0 for rows to leave out.

    Raises:
      ValueError: the shapes differ, or `presence` is unknown.
    """
    check_presence(presence)
    cells = _at_routes(pred, target) if isinstance(target, Routes) else _at_all(pred, target)
    real = jnp.ones(len(cells.amounts), bool) if valid is None else valid > 0
    active = cells.active & real.reshape(-1, *[1] * (cells.active.ndim - 1))
    # First the cost of all cells as if they were absent. Then, for active cells, the difference to their true cost:
    # -log sigmoid(z) = softplus(-z) in place of -log(1 - sigmoid(z)) = softplus(z).
    z, at_rest = _presence_logit(cells.amounts, presence)
    cost = Mean.of(jax.nn.softplus(z) - at_rest, jnp.broadcast_to(real[:, None, None], z.shape))
    z, _ = _presence_logit(cells.pred["amount"], presence)
    more = pos_weight * jax.nn.softplus(-z) - (jax.nn.softplus(z) - at_rest)
    cost = cost._replace(sum=cost.sum + Mean.of(more, active).sum)
    parts = {c: Mean.of(errors, active) for c, errors in manner_errors(cells.pred, cells.target).items()}
    return ModulationLoss(_per_cell(cost, parts["amount"].count, presence), **parts)


class _Cells(NamedTuple):
    """The amounts of all cells [b, n_sources, n_destinations], and by channel those cells that may be active [...]."""

    amounts: Array
    pred: Mapping[str, Array]
    target: Mapping[str, Array]
    active: Array


def _at_all(pred: Array | RouteScores, target: Array) -> _Cells:
    """Every cell of dense matrices."""
    pred = pred.matrix() if isinstance(pred, RouteScores) else pred
    if pred.shape != target.shape or pred.ndim != 4 or pred.shape[1] != len(CHANNELS):
        raise ValueError(
            f"modulation has prediction {pred.shape} and target {target.shape}; "
            f"both must be [b, {len(CHANNELS)}, n_sources, n_destinations]"
        )
    p, t = (dict(zip(CHANNELS, jnp.unstack(matrix, axis=1), strict=True)) for matrix in (pred, target))
    return _Cells(p["amount"], p, t, jnp.abs(t["amount"]) > ACTIVE_AMOUNT)


def _at_routes(pred: Array | RouteScores, routes: Routes) -> _Cells:
    """Only the cells of sparse routes, [b, slots]."""
    amounts = pred.amounts() if isinstance(pred, RouteScores) else pred[:, CHANNELS.index("amount")]
    inside = (routes.index >= 0) & (routes.index < amounts[0].size)
    cells = jnp.where(inside, routes.index, 0)
    if isinstance(pred, RouteScores):
        at_cells = pred.at(cells)
    else:
        flat = jnp.moveaxis(pred, 1, -1).reshape(len(pred), -1, len(CHANNELS))
        at_cells = jnp.take_along_axis(flat, cells[..., None], axis=1, mode="clip")
    p = dict(zip(CHANNELS, jnp.unstack(at_cells, axis=-1), strict=True))
    # Amounts are not computed from the factors again. Other rounding could change the sign of an amount near 0, and
    # with it the gradient of |amount|.
    p["amount"] = jnp.take_along_axis(amounts.reshape(len(amounts), -1), cells, axis=1, mode="clip")
    t = dict(zip(CHANNELS, jnp.unstack(routes.value, axis=-1), strict=True))
    return _Cells(amounts, p, t, inside & (jnp.abs(t["amount"]) > ACTIVE_AMOUNT))


def check_presence(presence: str) -> None:
    if presence not in PRESENCES:
        raise ValueError(f"presence is {presence!r}; choose one of {PRESENCES}")


def _presence_logit(amount: Array, presence: str) -> tuple[jax.Array, jax.Array | float]:
    """Returns the logit of a cell's presence, and the cost of an absent cell at amount 0, which callers subtract."""
    if presence == "margin":
        at_rest = jax.nn.softplus(-MARGIN_SHARPNESS * ROUTE_THRESHOLD)
        return MARGIN_SHARPNESS * (jnp.abs(amount) - ROUTE_THRESHOLD), at_rest
    return jnp.abs(amount), 0.0


def _per_cell(cost: Mean, n_active: jax.Array, presence: str) -> Mean:
    """Converts costs of all cells to the presence loss: their mean, or for "margin" MARGIN_WEIGHT sum / n_active."""
    return Mean(MARGIN_WEIGHT * cost.sum, n_active) if presence == "margin" else cost
