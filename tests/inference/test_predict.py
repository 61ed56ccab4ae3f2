"""From predicted arrays to presets."""

import numpy as np

from vjax.inference.predict import decode, extract_routes
from vjax.model.inverse import Prediction


def matrix_with(schema, routes):
    matrix = np.zeros((4, len(schema.sources), len(schema.destinations)), np.float32)
    for source, destination, values in routes:
        matrix[:, source, destination] = values
    return matrix


def test_routes_come_strongest_first_above_the_threshold(schema):
    matrix = matrix_with(schema, [(0, 1, (0.2, -3, 0, 5)), (1, 2, (-0.9, 3, 2, -5)), (2, 3, (0.04, 9, 9, 9))])
    index, value = extract_routes(matrix)
    n = len(schema.destinations)
    assert index[:3].tolist() == [1 * n + 2, 0 * n + 1, -1]
    np.testing.assert_allclose(value[:2], [[-0.9, 1, 2, 0], [0.2, 0, 0, 1]], rtol=1e-6)
    assert not value[2:].any()


def test_at_most_top_k_routes_and_values_inside_the_engines_ranges(schema):
    rng = np.random.default_rng(0)
    matrix = rng.normal(0, 20, (4, len(schema.sources), len(schema.destinations)))
    index, value = extract_routes(matrix, top_k=5)
    assert (index >= 0).sum() == 5
    assert np.abs(value[:5, 0]).max() <= 1
    assert np.abs(value[:5, 2]).max() <= 10
    assert set(value[:5, [1, 3]].ravel()) <= {0.0, 1.0}


def test_decoded_presets_are_valid_and_leave_frozen_knobs_alone(schema):
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


def test_without_a_modulation_head_there_are_no_routes(schema):
    prediction = Prediction(
        np.zeros((1, len(schema.continuous)), np.float32), np.zeros((1, sum(schema.option_counts)), np.float32), None
    )
    assert (decode(prediction, schema)[0].route_index == -1).all()
