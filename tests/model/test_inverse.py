"""Tests of the whole model: shapes with and without routes, parameter counts, precision, invalid configurations."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vjax.model.heads import split_logits
from vjax.model.inverse import InverseModel, ModelConfig, model_config, parameter_counts

# The number of Vital's 126 menus with each option count.
MENUS = {2: 55, 3: 1, 4: 12, 5: 13, 6: 9, 8: 3, 9: 2, 10: 3, 11: 6, 12: 3, 13: 15, 14: 4}
VITAL_OPTION_COUNTS = tuple(n for n, menus in MENUS.items() for _ in range(menus))
MEL = jax.ShapeDtypeStruct((2, 1, 128, 173), jnp.float32)


def shapes(config, mel=MEL):
    """Returns (prediction, variables) as shapes, without computing them."""
    return jax.eval_shape(InverseModel(config).init_with_output, jax.random.key(0), mel)


def counts_of(config):
    return parameter_counts(shapes(config)[1]["params"])


@pytest.mark.parametrize("frames", [173, 44])
def test_inverse_model_without_a_modulation_head_has_two_outputs(frames):
    prediction, variables = shapes(ModelConfig(10, (2, 5)), jax.ShapeDtypeStruct((3, 1, 128, frames), jnp.float16))
    assert prediction.continuous.shape == (3, 10)
    assert prediction.categorical_logits.shape == (3, 7)
    assert prediction.modulation is None
    assert "modulation_head" not in variables["params"]
    assert {leaf.dtype for leaf in jax.tree.leaves(prediction)} == {jnp.dtype(jnp.float32)}


def test_inverse_model_with_a_modulation_head_has_three_outputs():
    prediction, _ = shapes(ModelConfig(10, (2, 5), n_sources=32, n_destinations=406))
    assert prediction.continuous.shape == (2, 10)
    assert prediction.categorical_logits.shape == (2, 7)
    assert prediction.modulation.shape == (2, 4, 32, 406)


@pytest.mark.parametrize("size", [(0, 406), (32, 0)])
def test_inverse_model_without_sources_or_destinations_has_no_modulation(size):
    assert shapes(ModelConfig(10, (2,), *size))[0].modulation is None


def test_parameter_counts_of_the_reports_example_match_the_report():
    """The report verified its total with 10 knobs and a few menus: 18.9 M, of which the modulation head is 38.1 %."""
    counts = counts_of(ModelConfig(10, (2, 2, 3, 4), n_sources=32, n_destinations=406))
    assert counts["modulation_head"] == 7_194_304
    assert round(counts["total"] / 1e6, 1) == 18.9
    assert round(100 * counts["modulation_head"] / counts["total"], 1) == 38.1


def test_parameter_counts_of_vitals_schema_are_as_recorded():
    """With 322 knobs and 126 menus the other two heads are larger, and the modulation head's share is 37.1 %."""
    assert (len(VITAL_OPTION_COUNTS), sum(VITAL_OPTION_COUNTS)) == (126, 705)
    counts = counts_of(ModelConfig(322, VITAL_OPTION_COUNTS, n_sources=32, n_destinations=406))
    assert counts == {
        "backbone": 11_170_240,
        "continuous_head": 690_498,
        "categorical_head": 513 * 705,
        "modulation_head": 7_194_304,
        "total": 19_416_707,
    }
    assert abs(counts["total"] - 18.9e6) < 0.6e6
    assert counts["modulation_head"] / counts["total"] == pytest.approx(0.381, abs=0.011)


@pytest.fixture(scope="module")
def tiny():
    config = ModelConfig(5, (2, 3), n_sources=2, n_destinations=3, width=4, stage_sizes=(1, 1), dropout=0.5)
    mel = np.random.default_rng(0).random((4, 1, 32, 40), np.float32)
    key = jax.random.key(0, impl="unsafe_rbg")  # compiles in half the time
    return config, jax.jit(InverseModel(config).init)(key, mel), mel


def test_inverse_model_with_two_stages_has_their_blocks_only(tiny):
    config, variables, mel = tiny
    blocks = {name for name in variables["params"]["backbone"] if "block" in name}
    assert blocks == {"stage_1_block_1", "stage_2_block_1"}
    assert shapes(dataclasses.replace(config, stage_sizes=(2,)), mel)[1]["params"]["backbone"].keys() == {
        "stem_conv",
        "stem_norm",
        "stage_1_block_1",
        "stage_1_block_2",
    }


@pytest.mark.parametrize("width", [4, pytest.param(16, marks=pytest.mark.slow)])
def test_inverse_model_with_fast_kernels_matches_plain_ones(width):
    """In evaluation both are equal to the bit, so a checkpoint does not depend on the choice."""
    config = ModelConfig(5, (2, 3), width=width, stage_sizes=(1, 1), dropout=0.0)
    mel = np.random.default_rng(0).random((4, 1, 32, 40), np.float32)
    plain, fast = (InverseModel(dataclasses.replace(config, kernels=kernels)) for kernels in ("plain", "fast"))
    variables = jax.jit(plain.init)(jax.random.key(0, impl="unsafe_rbg"), mel)
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(
        jnp.shape, jax.eval_shape(fast.init, jax.random.key(0), mel)
    )
    for found, expected in zip(
        *(jax.tree.leaves(jax.jit(model.apply)(variables, mel)) for model in (fast, plain)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)

    @functools.partial(jax.jit, static_argnums=0)
    def train(model, params):
        def loss(params):
            prediction, updated = model.apply({**variables, "params": params}, mel, True, mutable=["batch_stats"])
            return jnp.sum(prediction.continuous**2), updated

        return jax.grad(loss, has_aux=True)(params)

    for found, expected in zip(
        *(jax.tree.leaves(train(model, variables["params"])) for model in (fast, plain)), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max() + 1e-7)


def test_inverse_model_in_training_updates_statistics_and_uses_dropout(tiny):
    config, variables, mel = tiny
    model = InverseModel(config)

    @jax.jit
    def apply(key):
        return model.apply(variables, mel, train=True, mutable=["batch_stats"], rngs={"dropout": key})

    prediction, updated = apply(jax.random.key(1))
    other, _ = apply(jax.random.key(2))
    assert np.abs(prediction.continuous - other.continuous).max() > 1e-4
    np.testing.assert_array_equal(prediction.modulation, other.modulation)
    assert set(updated) == {"batch_stats"}
    old, new = (jax.tree.leaves(stats["batch_stats"]) for stats in (variables, updated))
    assert all(np.any(a != b) for a, b in zip(old, new, strict=True))
    assert np.all((prediction.continuous > 0) & (prediction.continuous < 1))


def test_inverse_model_in_evaluation_predicts_each_row_independently(tiny):
    config, variables, mel = tiny
    apply = jax.jit(InverseModel(config).apply)
    together, alone = apply(variables, mel), apply(variables, mel[2:3])
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a[2:3], b, rtol=1e-5, atol=1e-7)
    assert [part.shape for part in split_logits(together.categorical_logits, config.option_counts)] == [(4, 2), (4, 3)]


def test_heads_on_stored_features_equal_the_whole_model(tiny):
    """Monte Carlo dropout computes the features once and the heads many times."""
    config, variables, mel = tiny
    model = InverseModel(config)

    @jax.jit
    def apply(variables, mel):
        features = model.apply(variables, mel, method="features")
        dropped = model.apply(variables, features, True, method="heads", rngs={"dropout": jax.random.key(1)})
        return model.apply(variables, mel), model.apply(variables, features, method="heads"), dropped

    whole, parts, dropped = apply(variables, mel)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert np.abs(whole.continuous - dropped.continuous).max() > 1e-4
    np.testing.assert_allclose(whole.modulation, dropped.modulation, rtol=1e-6)


def test_inverse_model_in_bfloat16_returns_float32_close_to_float32(tiny):
    config, variables, mel = tiny
    exact = jax.jit(InverseModel(config).apply)(variables, mel)
    half = InverseModel(dataclasses.replace(config, compute_dtype="bfloat16"))
    prediction = jax.jit(half.apply)(variables, mel.astype(np.float16))
    for a, b in zip(exact, prediction, strict=True):
        assert b.dtype == jnp.float32
        np.testing.assert_allclose(b, a, rtol=0.05, atol=0.05 * np.abs(a).max())
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(jax.eval_shape(half.init, jax.random.key(0), mel))}
    assert dtypes == {jnp.dtype(jnp.float32)}


def test_inverse_model_gradient_is_nonzero_except_before_zero_scales(tiny):
    """The last scale of each block is 0 at first, so the parameters before it have no gradient in the first step."""
    config, variables, mel = tiny
    model = InverseModel(config)

    @jax.grad
    def gradient(params):
        prediction, _ = model.apply(
            {**variables, "params": params}, mel, True, mutable=["batch_stats"], rngs={"dropout": jax.random.key(0)}
        )
        return sum(jnp.sum(jnp.square(part)) for part in prediction)

    for path, leaf in jax.tree_util.tree_leaves_with_path(jax.jit(gradient)(variables["params"])):
        names = [key.key for key in path]
        before_scale = names[0] == "backbone" and {"conv_1", "conv_2", "norm_1"} & set(names)
        assert np.any(leaf != 0) != bool(before_scale), names


@pytest.mark.parametrize("shape", [(2, 128, 44), (2, 2, 128, 44), (2, 128, 44, 1)])
def test_inverse_model_with_a_mel_of_another_layout_is_refused(shape):
    with pytest.raises(ValueError, match=r"expects \[batch, 1, n_mels, frames\]"):
        shapes(ModelConfig(5, (2,), width=4), jax.ShapeDtypeStruct(shape, jnp.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_continuous": 0}, "n_continuous is 0"),
        ({"width": 0}, "width is 0"),
        ({"stage_sizes": ()}, r"stage_sizes is \(\); give the number of blocks"),
        ({"stage_sizes": (2, 0)}, r"stage_sizes is \(2, 0\)"),
        ({"option_counts": ()}, "option_counts"),
        ({"option_counts": (2, 0)}, "option_counts"),
        ({"n_sources": -1}, "-1 x 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"compute_dtype": "float16"}, "compute_dtype is 'float16'; choose one of"),
        ({"kernels": "quick"}, "kernels is 'quick'; choose one of"),
    ],
)
def test_model_config_with_invalid_values_names_them(change, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**{"n_continuous": 5, "option_counts": (2,), **change})


def test_model_config_through_json_is_equal():
    config = ModelConfig(5, (2, 3), n_sources=2, n_destinations=3, stage_sizes=(1, 2))
    again = ModelConfig(**json.loads(json.dumps(dataclasses.asdict(config))))
    assert again == config
    assert hash(again) == hash(config)


def test_model_config_of_a_schema_has_its_sizes(schema):
    config = model_config(schema, True, width=8, dropout=0.0)
    assert (config.n_continuous, config.option_counts) == (len(schema.continuous), schema.option_counts)
    assert (config.n_sources, config.n_destinations) == (len(schema.sources), len(schema.destinations))
    assert (config.width, config.dropout) == (8, 0.0)
    assert not model_config(schema, False).has_modulation
