"""From the model's answer to a preset's numbers."""

import numpy as np

from vjax.model.heads import split_logits
from vjax.model.inverse import Prediction
from vjax.schema import CHANNELS, Parameters, Schema, sparse_routes
from vjax.training.losses import ROUTE_THRESHOLD

MAX_ROUTES = 20
"""The most routes taken from a predicted matrix, the strongest first (the report's `top_k`)."""


def extract_routes(
    matrix: np.ndarray, threshold: float = ROUTE_THRESHOLD, top_k: int = MAX_ROUTES
) -> tuple[np.ndarray, np.ndarray]:
    """The routes a predicted matrix means, strongest first.

    Args:
      matrix: [4, n_sources, n_destinations] as the head answers: amount, logit of bipolar, power, logit of stereo.

    Returns:
      route_index [64] int32, route_value [64, 4] float32, as in `vjax.schema.Parameters`, inside the engine's ranges.
    """
    route_index, raw = sparse_routes(matrix, threshold, top_k)
    used = route_index >= 0
    value = np.zeros_like(raw)
    amount, bipolar, power, stereo = (raw[used, CHANNELS.index(c)] for c in ("amount", "bipolar", "power", "stereo"))
    value[used] = np.stack([np.clip(amount, -1, 1), bipolar > 0, np.clip(power, -10, 10), stereo > 0], axis=1)
    return route_index, value


def decode(prediction: Prediction, schema: Schema) -> list[Parameters]:
    """The likeliest preset for each row of a prediction (NumPy arrays with a batch axis).

    Frozen controls are not part of a sound and stay at their default.
    """
    defaults = schema.default_parameters()
    menus = np.stack(
        [np.argmax(logits, -1) for logits in split_logits(prediction.categorical_logits, schema.option_counts)]
    )
    decoded = []
    for row in range(len(prediction.continuous)):
        continuous = np.where(schema.frozen_continuous(), defaults.continuous, prediction.continuous[row])
        categorical = np.where(schema.frozen_categorical(), defaults.categorical, menus[:, row])
        routes = defaults[2:] if prediction.modulation is None else extract_routes(prediction.modulation[row])
        decoded.append(Parameters(continuous.astype(np.float32), categorical.astype(np.int32), *routes))
    return decoded
