"""Tests of decoding the outputs of the network."""

import dataclasses

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


def test_decode_of_a_frozen_menu_keeps_its_default(schema):
    menus = [dataclasses.replace(menu, frozen=menu.name == "osc_1_on") for menu in schema.categorical]
    schema = dataclasses.replace(schema, categorical=tuple(menus))
    last = np.concatenate([np.eye(n, dtype=np.float32)[-1] for n in schema.option_counts])
    prediction = Prediction(np.zeros((1, len(schema.continuous)), np.float32), 5 - 10 * last[None], None)
    decoded = decode(prediction, schema)[0].categorical
    at, default = schema.position["osc_1_on"], schema.default_parameters().categorical
    assert (decoded[at], default[at]) == (1, 1)  # the network prefers 0
    assert (np.delete(decoded, at) == 0).all()


def test_decode_without_a_modulation_head_returns_no_routes(schema):
    prediction = Prediction(
        np.zeros((1, len(schema.continuous)), np.float32), np.zeros((1, sum(schema.option_counts)), np.float32), None
    )
    assert (decode(prediction, schema)[0].route_index == -1).all()
