"""Decodes the matrix of the modulation head into the routes of a preset."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from vjax.sound.routes import CHANNELS, ROUTE_RANGES, sparse_routes
from vjax.sound.schema import Schema
from vjax.sound.slots import canonical_slots
from vjax.training.losses import LossConfig
from vjax.training.modulation import MARGIN_SHARPNESS, ROUTE_THRESHOLD

MAX_ROUTES = 20
"""At most N routes are taken from a predicted matrix, the strongest first (the report's `top_k`)."""


class PredictedRoute(NamedTuple):
    """One predicted modulation route. Its values lie inside the engine's ranges.

    Attributes:
      source, destination: names, as in the schema.
      source_index, destination_index: their indices in `Schema.sources` and `Schema.destinations`.
      amount: in [-1, 1].
      bipolar, stereo: switches.
      power: of the route's curve, in [-10, 10].
      presence: probability that the route exists, see `presence_probability`.
    """

    source: str
    destination: str
    source_index: int
    destination_index: int
    amount: float
    bipolar: bool
    power: float
    stereo: bool
    presence: float


def extract_routes(
    matrix: np.ndarray,
    schema: Schema,
    threshold: float = ROUTE_THRESHOLD,
    top_k: int = MAX_ROUTES,
    presence: str = LossConfig.presence,
) -> list[PredictedRoute]:
    """The routes of a predicted matrix, strongest first; see `predicted_routes`."""
    return predicted_routes(matrix, schema, threshold, top_k, presence)[0]


def route_arrays(
    matrix: np.ndarray, schema: Schema, threshold: float = ROUTE_THRESHOLD, top_k: int = MAX_ROUTES
) -> tuple[np.ndarray, np.ndarray]:
    """The same routes in canonical order: index [64] int32, value [64, 4] float32, as in `Parameters`."""
    return _arrays(*_raw_routes(matrix, schema, threshold, top_k))


def predicted_routes(
    matrix: np.ndarray,
    schema: Schema,
    threshold: float = ROUTE_THRESHOLD,
    top_k: int = MAX_ROUTES,
    presence: str = LossConfig.presence,
) -> tuple[list[PredictedRoute], tuple[np.ndarray, np.ndarray]]:
    """The routes of a predicted matrix: strongest first, and in canonical order as in `Parameters`.

    They are the `top_k` strongest of the cells with |amount| > threshold. Cells that point at a slot
    (`modulation_N_amount`) without a route are left out.

    Args:
      matrix: [4, n_sources, n_destinations] as the head returns it: amount, logit of bipolar, power, logit of stereo.
      presence: the presence loss of the training, `LossConfig.presence`.
    """
    route_index, raw = _raw_routes(matrix, schema, threshold, top_k)
    probability = presence_probability(raw[:, 0], presence)
    routes = []
    for slot in np.argsort(-np.abs(raw[:, 0]), kind="stable")[: np.count_nonzero(route_index >= 0)]:
        source, destination = divmod(int(route_index[slot]), len(schema.destinations))
        amount, bipolar, power, stereo = _in_range(raw[slot]).tolist()
        routes.append(
            PredictedRoute(
                source=schema.sources[source],
                destination=schema.destinations[destination],
                source_index=source,
                destination_index=destination,
                amount=amount,
                bipolar=bool(bipolar),
                power=power,
                stereo=bool(stereo),
                presence=float(probability[slot]),
            )
        )
    return routes, _arrays(route_index, raw)


def presence_probability(amount: np.ndarray, presence: str) -> np.ndarray:
    """The probability that a cell holds a route, from its predicted amount.

    It is the sigmoid of the logit that the presence loss uses in training (`modulation.modulation_loss`):

    - "report": |amount|. The probability is never below 0.5.
    - "margin": MARGIN_SHARPNESS (|amount| - ROUTE_THRESHOLD).

    Both losses give true routes more weight, and are trained together with the error of the amount. So the probability
    can rank routes, but it cannot be used to count them.
    """
    logit = np.abs(amount)
    if presence == "margin":
        logit = MARGIN_SHARPNESS * (logit - ROUTE_THRESHOLD)
    return expit(logit)


def _raw_routes(matrix: np.ndarray, schema: Schema, threshold: float, top_k: int) -> tuple[np.ndarray, np.ndarray]:
    """Routes in canonical order, as in `vjax.sound.schema.Parameters`, but with the head's raw values."""
    index, raw = sparse_routes(matrix, threshold, top_k)
    n_routes = np.count_nonzero(index >= 0)
    # A cell that points at slot N means the Nth route in canonical order, not the Nth strongest. In this order plain
    # routes come first, by cell. Then come routes that point at them, then routes that point at those, and so on.
    target = schema.destination_slots[index[:n_routes] % len(schema.destinations)]
    generation = np.full(n_routes, n_routes)
    for number in range(n_routes):
        n_ordered = np.count_nonzero(generation < n_routes)
        generation[(generation == n_routes) & (target < n_ordered)] = number
    order = np.lexsort((index[:n_routes], generation))
    index[:n_routes], raw[:n_routes] = index[order], raw[order]
    return canonical_slots(index, raw, schema)


def _arrays(route_index: np.ndarray, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    value = np.where(route_index[:, None] >= 0, _in_range(raw), 0)
    return route_index, value.astype(np.float32)


def _in_range(raw: np.ndarray) -> np.ndarray:
    """Head values [..., 4] in the engine's ranges: amount and power are clipped, logits become 0 or 1."""
    amount, bipolar, power, stereo = (
        raw[..., CHANNELS.index(name)] for name in ("amount", "bipolar", "power", "stereo")
    )
    return np.stack(
        [np.clip(amount, *ROUTE_RANGES["amount"]), bipolar > 0, np.clip(power, *ROUTE_RANGES["power"]), stereo > 0],
        axis=-1,
    )
