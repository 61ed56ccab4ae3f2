"""Tests of the posterior's loss: noise, errors, hidden sounds and route cells. `test_step` trains with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vjax.data.reader import Reader
from vjax.model.inverse import InverseModel, model_config
from vjax.model.posterior import Denoised
from vjax.model.preset_vector import to_vector
from vjax.sound.rules import audibility_rules
from vjax.training.posterior import SIGMA, PosteriorConfig, PosteriorTask, model_fields

SIZES = {"width": 4, "stage_sizes": (1, 1), "mod_embed_dim": 4}


@pytest.fixture(scope="module")
def task(data):
    info, _ = data
    config = PosteriorConfig(width=16, blocks=2, draws=3, hidden=0.4, least_routes=1)
    fields = model_fields(config, Reader(info), np.arange(info.n), True)
    model = InverseModel(model_config(info.schema, True, **SIZES, **fields))
    return PosteriorTask(info.schema, audibility_rules(info.schema), model, config)


def noised(task, batch, seed=0):
    return task.noised(jax.random.key(seed), batch.continuous, batch.categorical, batch.modulation)


def exact(task, truth, k):
    """The estimate that is certain of the truth."""
    config = task.model.config
    logits = 50 * to_vector(config, truth)[:, config.n_continuous :][:, : sum(config.option_counts)]
    leaves = truth.continuous, logits, truth.route_values
    return Denoised(*(jnp.repeat(leaf[:, None], k, 1) for leaf in leaves))


def test_model_fields_hold_the_cells_of_the_rows(data):
    info, _ = data
    reader = Reader(info)
    rows = np.arange(4)
    index = reader.read(rows).modulation.index
    fields = model_fields(PosteriorConfig(width=8, least_routes=1), reader, rows, True)
    assert fields["route_cells"] == tuple(np.unique(index[index >= 0]).tolist())
    assert fields["posterior_width"] == 8
    assert model_fields(PosteriorConfig(width=8), reader, rows, False)["route_cells"] == ()
    assert model_fields(PosteriorConfig(), reader, rows, True) == {}


def test_model_fields_of_a_continued_run_keep_the_cells_of_its_checkpoint(data):
    """The data may have more rows by then, with routes in other cells."""
    info, _ = data
    stored = {"model": {"posterior_width": 8, "route_cells": [1, 5]}}
    config = PosteriorConfig(width=8, least_routes=1)
    assert model_fields(config, Reader(info), np.arange(8), True, stored)["route_cells"] == (1, 5)


def test_noised_lies_on_the_line_from_noise_to_the_vector(task, data):
    """(x_t - t x1) / (1 - t) is the noise: standard normal."""
    found = noised(task, data[1](8))
    vectors = to_vector(task.model.config, found.truth)[:, None]
    time = np.asarray(found.time)[..., None]
    clear = time[..., 0] < 0.9
    noise = ((found.vectors - time * vectors) / (1 - time))[clear]
    assert abs(float(noise.mean())) < 0.08
    assert float(noise.std()) == pytest.approx(1, abs=0.08)


def test_noised_times_cover_the_unit_interval_evenly(task, data):
    time = np.sort(np.asarray(noised(task, data[1](8)).time).ravel())
    np.testing.assert_allclose(np.diff(time), 1 / 24, atol=1e-5)
    assert 0 <= time[0] < 1 / 24


def test_noised_hides_some_sounds_and_changes_with_the_key(task, data):
    given = np.concatenate([np.asarray(noised(task, data[1](8), seed).given) for seed in range(40)])
    assert set(given.tolist()) == {0.0, 1.0}
    assert 0.5 < given.mean() < 0.7
    one, other = (noised(task, data[1](8), seed).vectors for seed in (0, 1))
    assert np.abs(one - other).max() > 0.5


def test_errors_of_the_truth_are_zero(task, data):
    truth = noised(task, data[1](8)).truth
    np.testing.assert_allclose(task.errors(exact(task, truth, 3), truth), 0, atol=1e-5)


def test_errors_equal_the_formula(task, data):
    """One knob off by 0.1 norm (0.2 of the vector), one route by 0.3, and one even switch, at one draw of one sound."""
    truth = noised(task, data[1](8)).truth
    config = task.model.config
    right = exact(task, truth, 2)
    two = config.option_counts.index(2)
    at = sum(config.option_counts[:two])
    wrong = Denoised(
        right.continuous.at[1, 0, 3].add(0.1),
        right.categorical_logits.at[1, 0, at : at + 2].set(7.0),
        right.routes.at[1, 0, 0].add(0.3),
    )
    parts = config.n_continuous + len(config.option_counts) + len(config.route_cells)
    expected = np.zeros((8, 2))
    expected[1, 0] = ((0.2**2 + 0.3**2) / (2 * SIGMA**2) + np.log(2)) / parts
    np.testing.assert_allclose(task.errors(wrong, truth), expected, atol=1e-6)


def test_loss_ignores_rows_that_are_not_valid(task, data):
    truth = noised(task, data[1](8)).truth
    estimate = jax.tree.map(lambda leaf: leaf + 0.1, exact(task, truth, 2))
    errors = np.asarray(task.errors(estimate, truth))
    valid = np.array([1, 0, 1, 1, 0, 0, 0, 1], np.float32)
    assert float(task.loss(estimate, truth, valid).value()) == pytest.approx(errors[valid > 0].mean(), rel=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": -1}, "width=-1; it must be at least 0"),
        ({"draws": 0}, "draws=0; it must be at least 1"),
        ({"hidden": 1.0}, r"hidden=1.0; it must lie in \[0, 1\)"),
    ],
)
def test_posterior_config_refuses_invalid_values(change, message):
    with pytest.raises(ValueError, match=message):
        PosteriorConfig(**change)
