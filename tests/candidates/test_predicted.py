"""Tests of what the network proposes besides its prediction: variants, or draws from its posterior."""

import dataclasses

import jax
import numpy as np
import pytest

from vjax.candidates.predicted import DRAW, DRAWS, VARIANT, alternatives, n_alternatives, variants
from vjax.inference.decode import decode
from vjax.inference.predict import Predictor
from vjax.model.heads import split_logits
from vjax.model.inverse import InverseModel


@pytest.fixture(scope="module")
def predicted_tone(engine_run):
    """(predictor, its outputs for a tone, the decoded preset)."""
    predictor = Predictor.from_checkpoint(engine_run, batch_size=1)
    t_s = np.arange(predictor.samples) / predictor.sample_rate
    tone = (0.3 * np.sin(2 * np.pi * 220 * t_s)).astype(np.float32)
    prediction = jax.device_get(predictor.run(tone[None]).prediction)
    predicted = decode(prediction, predictor.schema)[0]
    return predictor, jax.tree.map(lambda array: array[0], prediction), predicted


def test_variants_of_an_undecided_prediction_differ_in_menus_and_routes_only(predicted_tone):
    predictor, prediction, predicted = predicted_tone
    undecided = prediction._replace(categorical_logits=0.2 * prediction.categorical_logits)
    found = variants(undecided, predicted, predictor.schema, k=5)
    assert len(found) == 5
    seen = {(predicted.categorical.tobytes(), predicted.route_index.tobytes())}
    for variant in found:
        predictor.schema.validate(variant)
        np.testing.assert_array_equal(variant.continuous, predicted.continuous)
        seen.add((variant.categorical.tobytes(), variant.route_index.tobytes()))
    assert len(seen) == 6
    again = variants(undecided, predicted, predictor.schema, k=5)
    assert all(np.array_equal(a.categorical, b.categorical) for a, b in zip(found, again, strict=True))


def test_variants_with_two_likely_options_draw_only_these(predicted_tone):
    predictor, prediction, predicted = predicted_tone
    logits = [
        np.full_like(menu, -20.0)
        for menu in split_logits(prediction.categorical_logits, predictor.schema.option_counts)
    ]
    for menu in logits:
        menu[0] = 20.0  # certain
    undecided = predictor.schema.position["filter_1_model"]
    logits[undecided][:2] = 20.0  # two equally likely options
    prediction = prediction._replace(categorical_logits=np.concatenate(logits))
    found = variants(prediction, predicted, predictor.schema, k=8)
    drawn = np.stack([variant.categorical for variant in found])
    frozen = predictor.schema.frozen_categorical()
    assert set(drawn[:, undecided]) == {0, 1}
    assert not np.delete(drawn, np.append(np.flatnonzero(frozen), undecided), 1).any()
    np.testing.assert_array_equal(drawn[:, frozen], np.tile(predicted.categorical[frozen], (len(drawn), 1)))


def test_variants_of_a_certain_prediction_are_empty(predicted_tone):
    predictor, prediction, predicted = predicted_tone
    logits = np.concatenate(
        [
            100.0 * np.eye(n, dtype=np.float32)[i]
            for n, i in zip(predictor.schema.option_counts, predicted.categorical, strict=True)
        ]
    )
    prediction = prediction._replace(categorical_logits=logits, modulation=None)
    assert variants(prediction, predicted, predictor.schema, k=3) == []


@pytest.fixture(scope="module")
def with_posterior(predicted_tone):
    """The same model with an untrained posterior beside its heads."""
    predictor, _, _ = predicted_tone
    config = dataclasses.replace(predictor.model.config, posterior_width=8, posterior_blocks=1, route_cells=(5, 800))
    model = InverseModel(config)
    mel = np.zeros((1, *predictor.meta["mel_shape"]), np.float32)
    fresh = jax.jit(model.init)(jax.random.key(0), mel)
    params = fresh["params"] | predictor.variables["params"]
    return dataclasses.replace(predictor, model=model, variables={**predictor.variables, "params": params})


@pytest.mark.parametrize(("posterior", "labels"), [(False, VARIANT), (True, DRAW)])
def test_alternatives_are_variants_or_draws(predicted_tone, with_posterior, tone, posterior, labels):
    predictor = with_posterior if posterior else predicted_tone[0]
    prediction = predictor.predict(tone(220, 1.0))
    found = alternatives(predictor, prediction, 2)
    assert [label for label, _ in found] == [f"{labels} {i + 1}" for i in range(len(found))]
    assert len(found) <= n_alternatives(predictor, 2)
    assert len(found) == (2 * DRAWS if posterior else len(found))
    for _, parameters in found:
        predictor.schema.validate(parameters)


def test_alternatives_of_none_are_none(with_posterior, tone):
    assert alternatives(with_posterior, with_posterior.predict(tone(220, 1.0)), 0) == []
