"""Tests of the heads against NumPy, of their parameter counts, and of the split of fused logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.model.heads import CategoricalHead, ContinuousHead, ModulationHead, group_logits, split_logits

OPTION_COUNTS = st.lists(st.integers(1, 7), min_size=1, max_size=8)


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(3, 12)).astype(np.float32)


def count(head, n_features=512):
    shapes = jax.eval_shape(head.init, jax.random.key(0), jnp.zeros((1, n_features)))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def dense(x, params):
    return x @ np.asarray(params["kernel"]) + np.asarray(params["bias"])


def test_continuous_head_matches_numpy(features):
    head = ContinuousHead(5, dropout=0.5)
    variables = head.init(jax.random.key(0), features)
    p = variables["params"]
    hidden = np.maximum(dense(np.maximum(dense(features, p["Dense_0"]), 0), p["Dense_1"]), 0)
    expected = 1 / (1 + np.exp(-dense(hidden, p["Dense_2"])))
    np.testing.assert_allclose(head.apply(variables, features), expected, rtol=1e-5)


def test_continuous_head_has_the_parameters_of_three_layers():
    assert count(ContinuousHead(322)) == 2 * (512 * 512 + 512) + 512 * 322 + 322


def test_continuous_head_drops_units_in_training_only(features):
    head = ContinuousHead(5, dropout=0.5)
    variables = head.init(jax.random.key(0), features)
    one, same, other = (
        head.apply(variables, features, True, rngs={"dropout": jax.random.key(seed)}) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3
    np.testing.assert_array_equal(head.apply(variables, features), head.apply(variables, features))


def test_categorical_head_equals_one_linear_layer_per_parameter(features):
    counts = (2, 5, 3)
    head = CategoricalHead(counts)
    variables = head.init(jax.random.key(0), features)
    kernel, bias = (np.asarray(variables["params"]["Dense_0"][name]) for name in ("kernel", "bias"))
    logits = split_logits(head.apply(variables, features), counts)
    for menu, columns in zip(logits, (slice(0, 2), slice(2, 7), slice(7, 10)), strict=True):
        np.testing.assert_allclose(menu, features @ kernel[:, columns] + bias[columns], rtol=1e-5, atol=1e-6)


def test_modulation_head_has_the_reports_parameter_count():
    assert count(ModulationHead(n_sources=32, n_destinations=406)) == 7_194_304
    assert count(ModulationHead(n_sources=32, n_destinations=428)) == 7_194_304 + 22 * 32 * 513


def test_modulation_head_matches_numpy(features):
    head = ModulationHead(n_sources=2, n_destinations=3, embed_dim=4)
    variables = head.init(jax.random.key(0), features)
    p = variables["params"]
    source, destination = dense(features, p["source"]), dense(features, p["destination"])
    scores = np.zeros((3, 4, 2, 3))
    for row, channel, s, d in np.ndindex(scores.shape):
        left, right = source[row, 4 * s : 4 * s + 4], destination[row, 4 * d : 4 * d + 4]
        scores[row, channel, s, d] = left @ np.asarray(p["bilinear"][channel]) @ right
    found = head.apply(variables, features)
    np.testing.assert_allclose(found.matrix(), scores, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found.amounts(), scores[:, 0], rtol=1e-4, atol=1e-7)
    cells = np.array([[0, 4], [5, 5], [2, 3]])
    expected = [scores[row, :, cell // 3, cell % 3] for row, cell in ((i, c) for i in range(3) for c in cells[i])]
    np.testing.assert_allclose(found.at(cells).reshape(6, 4), expected, rtol=1e-4, atol=1e-7)


def test_modulation_head_without_training_predicts_few_routes():
    """The features are positive and near 0.4, like those of a ReLU network after its pooling."""
    features = np.abs(np.random.default_rng(0).normal(0.4, 0.2, (2, 512))).astype(np.float32)
    head = ModulationHead(n_sources=16, n_destinations=40)
    amount = head.init_with_output(jax.random.key(0), features)[0].amounts()
    assert 0.001 < amount.std() < 0.05
    assert np.mean(np.abs(amount) > 0.05) < 0.1


@settings(deadline=None, max_examples=20)
@given(OPTION_COUNTS)
def test_split_logits_and_group_logits_agree(counts):
    logits = np.random.default_rng(0).normal(size=(2, sum(counts))).astype(np.float32)
    split = split_logits(logits, counts)
    np.testing.assert_array_equal(np.concatenate(split, -1), logits)
    assert [part.shape for part in split] == [(2, n) for n in counts]
    groups = group_logits(jnp.asarray(logits), counts)
    assert sorted(np.concatenate([menus for menus, _ in groups])) == list(range(len(counts)))
    assert len(groups) == len(set(counts))
    for menus, part in groups:
        for i, menu in enumerate(menus):
            np.testing.assert_array_equal(part[:, i], split[menu])


def test_split_logits_of_a_numpy_array_returns_numpy_arrays():
    assert [type(part) for part in split_logits(np.zeros((2, 5), np.float32), (2, 3))] == [np.ndarray] * 2
    assert all(isinstance(part, jax.Array) for part in split_logits(jnp.zeros((2, 5)), (2, 3)))


@pytest.mark.parametrize("split_function", [split_logits, group_logits])
def test_split_logits_of_another_schema_are_refused(split_function):
    with pytest.raises(ValueError, match="logits are 6 wide, but 2 menus have 5 options"):
        split_function(jnp.zeros((1, 6)), (2, 3))
