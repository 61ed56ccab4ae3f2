"""Tests of decoding the outputs of the network."""

import numpy as np

from vjax.inference.decode import decode
from vjax.model.inverse import Prediction


def test_decode_returns_valid_presets_and_keeps_frozen_defaults(schema):
    rng = np.random.default_rng(0)
    prediction = Prediction(
        continuous=rng.random((3, len(schema.continuous)), np.float32),
        categorical_logits=rng.normal(size=(3, sum(schema.option_counts))).astype(np.float32),
        modulation=rng.normal(size=(3, 4, len(schema.sources), len(schema.destinations))).astype(np.float32),
    )
    decoded = decode(prediction, schema)
    tempo = schema.position["beats_per_minute"]
    for row, parameters in enumerate(decoded):
        schema.validate(parameters)
        assert parameters.continuous[tempo] == schema.default_parameters().continuous[tempo]
        assert parameters.continuous[tempo + 1] == prediction.continuous[row, tempo + 1]
        start = sum(schema.option_counts[:1])
        best = np.argmax(prediction.categorical_logits[row, start : start + schema.option_counts[1]])
        assert parameters.categorical[1] == best
        used = parameters.route_index[parameters.route_index >= 0]
        assert len(used) == 20
        assert sorted(used) == used.tolist(), "canonical order is by cell"


def test_decode_without_a_modulation_head_returns_no_routes(schema):
    prediction = Prediction(
        np.zeros((1, len(schema.continuous)), np.float32), np.zeros((1, sum(schema.option_counts)), np.float32), None
    )
    assert (decode(prediction, schema)[0].route_index == -1).all()
