"""Tests of presets drawn from the posterior of a saved model."""

import jax
import numpy as np
import pytest

from vjax.data.reader import Reader
from vjax.inference.draw import draw_presets
from vjax.inference.predict import Predictor
from vjax.model.inverse import InverseModel, model_config
from vjax.training.checkpoint import Checkpoints, make_meta
from vjax.training.posterior import PosteriorConfig, model_fields
from vjax.training.state import OptimizerConfig, create_state, make_optimizer


@pytest.fixture(scope="module")
def predictor(trained, tmp_path_factory):
    """A model with a posterior whose weights are random, so that its draws differ."""
    info, _ = trained
    fields = model_fields(PosteriorConfig(width=16, blocks=1, least_routes=1), Reader(info), np.arange(info.n), True)
    config = model_config(info.schema, True, width=4, stage_sizes=(1, 1), mod_embed_dim=4, **fields)
    state = create_state(InverseModel(config), make_optimizer(OptimizerConfig(), 10), 0, info.mel_shape)
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: leaf + rng.normal(0, 0.1, leaf.shape).astype(np.float32), state.params)
    folder = tmp_path_factory.mktemp("posterior")
    with Checkpoints(folder / "checkpoints") as checkpoints:
        meta = make_meta(info, config, tier=3, settings={})
        checkpoints.save(state.replace(params=params, step=np.int32(3)), meta, val_loss=1.0)
    return Predictor.from_checkpoint(folder, batch_size=1)


@pytest.fixture(scope="module")
def mel(trained):
    return np.asarray(Reader(trained[0])[0].mel, np.float32)


def test_draw_presets_returns_valid_presets_that_differ(predictor, mel):
    found = draw_presets(predictor, mel, 5)
    for one in found:
        predictor.schema.validate(one)
    assert len({one.continuous.tobytes() for one in found}) == 5
    assert any((one.route_index >= 0).any() for one in found)


def test_draw_presets_of_a_seed_are_the_same_for_any_number(predictor, mel):
    few, more, other = (draw_presets(predictor, mel, n, seed) for n, seed in ((2, 0), (4, 0), (2, 1)))
    for one, same, different in zip(few, more, other, strict=False):
        np.testing.assert_allclose(one.continuous, same.continuous, atol=1e-5)
        np.testing.assert_array_equal(one.route_index, same.route_index)
        assert np.abs(one.continuous - different.continuous).max() > 0.01


def test_draw_presets_keeps_frozen_parameters_at_their_defaults(predictor, mel):
    schema = predictor.schema
    defaults = schema.default_parameters()
    for one in draw_presets(predictor, mel, 3):
        frozen = schema.frozen_continuous()
        np.testing.assert_allclose(one.continuous[frozen], defaults.continuous[frozen])
        frozen = schema.frozen_categorical()
        np.testing.assert_array_equal(one.categorical[frozen], defaults.categorical[frozen])


def test_draw_presets_with_guidance_differ_from_plain_ones(predictor, mel):
    plain, guided = (draw_presets(predictor, mel, 1, guidance=weight)[0] for weight in (1.0, 3.0))
    assert np.abs(plain.continuous - guided.continuous).max() > 1e-3


def test_draw_presets_without_a_posterior_is_an_error(checkpoint, mel):
    predictor = Predictor.from_checkpoint(checkpoint, batch_size=1)
    with pytest.raises(ValueError, match=r"no posterior to draw from; train one with --config\.posterior\.width=384"):
        draw_presets(predictor, mel, 1)
