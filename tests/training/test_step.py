"""Tests of training and validation steps on real batches: recorded losses, overfitting, devices, accumulation."""

import functools
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from vjax.data.reader import Reader
from vjax.data.stream import eval_batches
from vjax.model.inverse import InverseModel, model_config
from vjax.model.resnet import RESNET_18
from vjax.training.losses import LossConfig, loss_masks
from vjax.training.metrics import merge_metrics, metric_layout
from vjax.training.posterior import PosteriorConfig, PosteriorTask, model_fields
from vjax.training.state import OptimizerConfig, create_state, make_optimizer
from vjax.training.step import (
    POSTERIOR_LOSS,
    Recipe,
    data_mesh,
    make_eval_step,
    make_train_step,
    replicate,
    shard_batch,
    validation_summary,
)

SMALL = {"width": 4, "stage_sizes": (1, 1), "dropout": 0.1, "mod_embed_dim": 4}


def make_recipe(info, optimizer=None, has_modulation=True, steps_per_epoch=2, total_steps=200, **model):
    config = model_config(info.schema, has_modulation, **(SMALL | model))
    optimizer = make_optimizer(optimizer or OptimizerConfig(learning_rate=1e-3), total_steps)
    masks = loss_masks(info.schema, info.tier)
    loss = LossConfig(modulation_warmup_epochs=0)
    return Recipe(InverseModel(config), optimizer, masks, loss, metric_layout(info.schema), steps_per_epoch)


compiled_step = functools.cache(make_train_step)
"""Compiles once for all runs of a recipe."""


def run(recipe, info, batches, mesh=None, seed=0):
    mesh = mesh or data_mesh(jax.devices()[:1])
    state = replicate(create_state(recipe.model, recipe.optimizer, seed, info.mel_shape), mesh)
    step, losses = compiled_step(recipe), []
    for batch in batches:
        state, metrics = step(state, shard_batch(batch, mesh))
        losses.append({name: float(value) for name, value in metrics.items()})
    return state, losses


def test_train_step_on_a_fixed_batch_gives_the_recorded_losses(data):
    """A change of the first two losses of a fixed batch would change the results of all recipes."""
    info, batch = data
    recipe = make_recipe(info, OptimizerConfig(warmup_share=0.0), dropout=0.0, stage_sizes=RESNET_18, kernels="fast")
    _, losses = run(recipe, info, [batch(8)] * 2)
    assert [losses[0][name] for name in ("cont_loss", "cat_loss", "mod_loss", "loss")] == pytest.approx(
        [0.104241, 1.200357, 26.23611, 8.575254], rel=2e-4
    )
    terms = losses[0]
    weighted = terms["cont_loss"] + 0.5 * terms["cat_loss"] + 0.3 * terms["mod_loss"]
    assert terms["loss"] == pytest.approx(weighted, rel=1e-5)
    assert losses[1]["loss"] == pytest.approx(8.550226, rel=1e-4)


def test_train_step_warms_the_modulation_loss_up_by_epoch(data):
    """Two steps are an epoch, and the weight of 0.3 is reached after two epochs."""
    info, batch = data
    recipe = Recipe(**{**vars(make_recipe(info)), "loss": LossConfig(modulation_warmup_epochs=2)})
    _, losses = run(recipe, info, [batch(8)] * 5)
    for terms, share in zip(losses, (0, 0, 0.5, 0.5, 1), strict=True):
        weighted = terms["cont_loss"] + 0.5 * terms["cat_loss"] + share * 0.3 * terms["mod_loss"]
        assert terms["loss"] == pytest.approx(weighted, rel=1e-5)


@pytest.mark.slow
def test_train_step_overfits_one_batch(data):
    """A correct model can overfit eight sounds."""
    info, batch = data
    optimizer = OptimizerConfig(learning_rate=3e-3, weight_decay=0.0)
    recipe = make_recipe(info, optimizer, total_steps=300, dropout=0.0, width=8, stage_sizes=(1, 1, 1))
    recipe = Recipe(**{**vars(recipe), "loss": LossConfig(label_smoothing=0.0, presence="margin")})
    state, losses = run(recipe, info, [batch(8)] * 300)
    assert losses[-1]["cont_loss"] < 0.02 * losses[0]["cont_loss"]
    assert losses[-1]["cat_loss"] < 0.02 * losses[0]["cat_loss"]
    _, metrics = make_eval_step(recipe)(state.params, state.batch_stats, batch(8))
    assert validation_summary(jax.device_get(metrics), recipe.loss)["categorical_accuracy"] > 0.95


@pytest.mark.slow
def test_train_step_with_a_posterior_learns_it(data):
    """The loss falls to a small part, and the summary of a validation includes it with its weight."""
    info, batch = data
    posterior = PosteriorConfig(width=16, blocks=1, least_routes=1)
    fields = model_fields(posterior, Reader(info), np.arange(info.n), True)
    optimizer = OptimizerConfig(learning_rate=3e-3, weight_decay=0.0)
    recipe = make_recipe(info, optimizer, total_steps=60, **fields)
    task = PosteriorTask(info.schema, recipe.masks.rules, recipe.model, posterior)
    recipe = Recipe(**{**vars(recipe), "posterior": task})
    state, losses = run(recipe, info, [batch(8)] * 60)
    assert losses[-1][POSTERIOR_LOSS] < 0.3 * losses[0][POSTERIOR_LOSS]
    terms = losses[0]
    report = terms["cont_loss"] + 0.5 * terms["cat_loss"] + 0.3 * terms["mod_loss"]
    assert terms["loss"] == pytest.approx(report + terms[POSTERIOR_LOSS], rel=1e-5)
    step = make_eval_step(recipe)
    found = [jax.device_get(step(state.params, state.batch_stats, batch(8))[1]) for _ in range(2)]
    assert found[0][POSTERIOR_LOSS] == found[1][POSTERIOR_LOSS]
    with_it, without = (validation_summary(found[0], recipe.loss, weight)["loss"] for weight in (2.0, 0.0))
    assert with_it - without == pytest.approx(2 * float(found[0][POSTERIOR_LOSS].value()), rel=1e-5)


@pytest.mark.slow
def test_train_step_with_a_disturbance_trains_on_the_disturbed_batch(data):
    """The loss is that of the batch which the disturbance returns, and each step has a key of its own."""
    info, batch = data
    recipe, keys = make_recipe(info, has_modulation=False, dropout=0.0), []
    loud = batch(8)._replace(mel=2 * batch(8).mel)

    def double(key, batch):
        jax.debug.callback(lambda data: keys.append(tuple(np.asarray(data).tolist())), jax.random.key_data(key))
        return batch._replace(mel=2 * batch.mel)

    disturbed = Recipe(**{**vars(recipe), "disturb": double})
    _, (expected, _) = run(recipe, info, [loud] * 2)
    _, (found, _) = run(disturbed, info, [batch(8)] * 2)
    assert found == pytest.approx(expected, rel=1e-5)
    assert len(set(keys)) == 2


def test_train_step_without_a_modulation_head_has_no_modulation_loss(data):
    info, batch = data
    _, (losses,) = run(make_recipe(info, has_modulation=False, dropout=0.0), info, [batch(8)])
    assert losses["mod_loss"] == 0.0
    assert losses["loss"] == pytest.approx(losses["cont_loss"] + 0.5 * losses["cat_loss"], rel=1e-6)


def test_eval_step_ignores_padding(data):
    info, batch = data
    recipe = make_recipe(info)
    state = create_state(recipe.model, recipe.optimizer, 0, info.mel_shape)
    step = make_eval_step(recipe)
    whole = batch(6)
    padded = jax.tree.map(lambda array: np.concatenate([array, np.repeat(array[-1:], 2, 0)]), whole)
    padded = padded._replace(valid=np.array([1] * 6 + [0] * 2, np.float32))
    _, expected = step(state.params, state.batch_stats, whole)
    _, found = step(state.params, state.batch_stats, padded)
    expected, found = (validation_summary(jax.device_get(metrics), recipe.loss) for metrics in (expected, found))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def validation(recipe, state, reader, rows, batch_size):
    """Validates as the loop does."""
    step = make_eval_step(recipe)
    found = [step(state.params, state.batch_stats, batch)[1] for batch in eval_batches(reader, rows, batch_size)]
    return validation_summary(jax.device_get(functools.reduce(merge_metrics, found)), recipe.loss)


@pytest.mark.parametrize("gated", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_validation_summary_does_not_depend_on_the_batch_size(data, gated):
    """With batches of 3, 8 and 22, each term is a mean over all rows, and so is their sum."""
    info, _ = data
    recipe = make_recipe(info)
    recipe = Recipe(**{**vars(recipe), "loss": LossConfig(gate_menus=gated, gate_sources=gated)})
    state = create_state(recipe.model, recipe.optimizer, 0, info.mel_shape)
    three, eight, all_rows = (validation(recipe, state, Reader(info), np.arange(22), n) for n in (3, 8, 22))
    assert three == pytest.approx(all_rows, rel=1e-5)
    assert eight == pytest.approx(all_rows, rel=1e-5)
    weighted = eight["cont_loss"] + 0.5 * eight["cat_loss"] + 0.3 * eight["mod_loss"]
    assert eight["loss"] == pytest.approx(weighted, rel=1e-6)


def test_validation_summary_has_the_names_of_the_training_losses(data):
    info, batch = data
    recipe = make_recipe(info, has_modulation=False, dropout=0.0)
    state, (losses,) = run(recipe, info, [batch(8)])
    found = validation(recipe, state, Reader(info), np.arange(8), 8)
    assert found.keys() >= losses.keys() - {"gradient_norm"}
    assert found["mod_loss"] == 0.0


def test_validation_summary_does_not_depend_on_the_warmup(data):
    info, _ = data
    recipe = make_recipe(info)
    warm = Recipe(**{**vars(recipe), "loss": LossConfig(modulation_warmup_epochs=5)})
    state = create_state(recipe.model, recipe.optimizer, 0, info.mel_shape)
    losses = [validation(r, state, Reader(info), np.arange(4), 4)["loss"] for r in (recipe, warm)]
    assert losses[0] == losses[1]


def test_train_step_with_accumulation_updates_after_the_last_batch(data):
    info, batch = data
    optimizer = OptimizerConfig(learning_rate=1e-2, warmup_share=0.0, accumulate=2)
    recipe = make_recipe(info, optimizer, has_modulation=False)
    initial = create_state(recipe.model, recipe.optimizer, 0, info.mel_shape)
    one, _ = run(recipe, info, [batch(4)])
    two, _ = run(recipe, info, [batch(4)] * 2)
    kernel = ("continuous_head", "Dense_0", "kernel")
    first, after_one, after_two = (_leaf(state.params, kernel) for state in (initial, one, two))
    np.testing.assert_array_equal(first, after_one)
    assert np.abs(after_two - first).max() > 1e-4


def test_shard_batch_that_does_not_divide_over_devices_is_refused(data):
    info, _ = data
    script = f"{_DEVICES}\nshard_batch(next(eval_batches(reader, np.arange(6), 6)), data_mesh())"
    result = _in_eight_devices(script, info)
    assert "6 rows does not divide over 8 devices" in result.stderr


@pytest.mark.slow
def test_train_step_on_eight_devices_equals_one_device_and_compiles_once(data):
    info, _ = data
    script = f"{_DEVICES}\n{_COMPARE}"
    result = _in_eight_devices(script, info)
    assert result.returncode == 0, result.stderr
    losses, compiles = result.stdout.split("|")
    one, eight = np.array(losses.split(), float).reshape(2, -1)
    np.testing.assert_allclose(one, eight, rtol=1e-5)
    assert compiles.strip() == "2", "one compile for one device, one for eight"


_DEVICES = """
import sys
import jax, numpy as np
from vjax.data.reader import Reader
from vjax.data.store import open_dataset
from vjax.data.stream import eval_batches
from vjax.training.step import *
info = open_dataset(sys.argv[1]); reader = Reader(info)
assert jax.device_count() == 8
"""
_COMPARE = """
from vjax.model.inverse import model_config
from vjax.model.resnet import RESNET_18
from vjax.training.losses import loss_masks
from vjax.training.metrics import metric_layout
from vjax.training.state import *
compiles = []
jax.monitoring.register_event_duration_secs_listener(
    lambda name, _, **kw: compiles.append(kw.get("fun_name")) if name.endswith("backend_compile_duration") else None)
model = InverseModel(model_config(info.schema, True, width=4, stage_sizes=(1, 1), dropout=0.1))
optimizer = make_optimizer(OptimizerConfig(), 10)
recipe = Recipe(model, optimizer, loss_masks(info.schema, 3), LossConfig(), metric_layout(info.schema), 1)
batch = next(eval_batches(reader, np.arange(16), 16))
step = make_train_step(recipe)
for devices in (jax.devices()[:1], jax.devices()):
    mesh = data_mesh(devices)
    state = replicate(create_state(model, optimizer, 0, info.mel_shape), mesh)
    for _ in range(3):
        state, metrics = step(state, shard_batch(batch, mesh))
        print(float(metrics["loss"]), end=" ")
print("|", sum(name == "jit(train_step)" for name in compiles))
"""


def _in_eight_devices(script, info):
    folder = info.paths[0].rsplit("/", 1)[0]
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=8"
    environment = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    return subprocess.run(
        [sys.executable, "-c", script, folder], capture_output=True, text=True, env=os.environ | environment
    )


def _leaf(tree, path):
    for name in path:
        tree = tree[name]
    return np.asarray(tree)
