"""Candidates that the network proposes besides its prediction: presets drawn from its posterior, or variants."""

from collections.abc import Iterator, Sequence

import numpy as np

from vjax.inference.decode import PredictedPreset
from vjax.inference.decode_routes import MAX_ROUTES, route_arrays
from vjax.inference.draw import draw_presets
from vjax.inference.predict import Predictor
from vjax.model.heads import split_logits
from vjax.model.inverse import Prediction
from vjax.sound.schema import Parameters, Schema
from vjax.training.modulation import ROUTE_THRESHOLD

_THRESHOLDS = tuple(factor * ROUTE_THRESHOLD for factor in (1.0, 3.0, 0.4))
# Training smooths labels: even where the network is certain, a tenth of the probability stays with other options.
_SHARPNESS = 2.0
_MOST_ROUTES = (MAX_ROUTES, MAX_ROUTES // 4, 2 * MAX_ROUTES)

PREDICTION = "prediction"
"""Label of the predicted preset, which is always the first candidate."""

VARIANT = "variant"
"""The labels of the variants begin with this."""

DRAW = "draw"
"""The labels of presets that were drawn from the posterior begin with this."""

DRAWS = 4
"""Presets drawn from the posterior, for each variant that was asked for."""


def n_alternatives(predictor: Predictor, k: int) -> int:
    """Returns the largest number of presets that `alternatives` returns."""
    return DRAWS * k if predictor.model.config.has_posterior else k


def alternatives(predictor: Predictor, prediction: PredictedPreset, k: int) -> list[tuple[str, Parameters]]:
    """Returns (label, preset) of what else the network proposes: DRAWS * k draws; without a posterior, `k` variants.

    Args:
      prediction: that of `predictor` for the sound, with `network` and `mel`.
    """
    if predictor.model.config.has_posterior:
        assert prediction.mel is not None, "a predictor made the prediction"
        drawn = draw_presets(predictor, prediction.mel, DRAWS * k)
        return [(f"{DRAW} {i}", one) for i, one in enumerate(drawn, start=1)]
    assert prediction.network is not None, "a predictor made the prediction"
    found = variants(prediction.network, prediction.parameters, predictor.schema, k)
    return [(f"{VARIANT} {i}", one) for i, one in enumerate(found, start=1)]


def variants(prediction: Prediction, predicted: Parameters, schema: Schema, k: int, seed: int = 0) -> list[Parameters]:
    """Returns at most `k` presets that are likely besides the predicted one.

    Categorical parameters are drawn again from their probabilities. Routes are cut at each of several thresholds in
    turn. Continuous parameters stay. Variants that equal the predicted preset or each other are left out.

    Args:
      prediction: the network's output for one sound, without batch axis, on the host.
      predicted: the decoded preset.
    """
    found: list[Parameters] = []
    for candidate in _draws(prediction, predicted, schema, 4 * k, seed):
        if len(found) == k:
            break
        if not any(_equal(candidate, other) for other in (predicted, *found)):
            found.append(candidate)
    return found


def _draws(prediction: Prediction, predicted: Parameters, schema: Schema, n: int, seed: int) -> Iterator[Parameters]:
    rng = np.random.default_rng(seed)
    logits = split_logits(np.asarray(prediction.categorical_logits), schema.option_counts)
    frozen = schema.frozen_categorical()
    for i in range(n):
        categorical = predicted.categorical.copy()
        for menu, values in enumerate(logits):
            # The largest of logits plus Gumbel noise is a draw from their softmax.
            drawn = int(np.argmax(_SHARPNESS * values + rng.gumbel(size=values.shape)))
            if not frozen[menu]:
                categorical[menu] = drawn
        routes = predicted.route_index, predicted.route_value
        if prediction.modulation is not None:
            way = (i + 1) % len(_THRESHOLDS)
            routes = route_arrays(np.asarray(prediction.modulation), schema, _THRESHOLDS[way], _MOST_ROUTES[way])
        yield Parameters(predicted.continuous, categorical, *routes)


def _equal(a: Parameters, b: Parameters) -> bool:
    pairs: Sequence[tuple[np.ndarray, np.ndarray]] = tuple(zip(a, b, strict=True))
    return all(np.array_equal(x, y) for x, y in pairs)
