"""Tests of the backbone: a NumPy ResNet-18 after the paper is the reference; sizes, initial values, precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vjax.model.convolution import convolve_by_products
from vjax.model.kernels import backbone_parts
from vjax.model.resnet import ResNet


def random_variables(model, x, seed=0):
    """Returns variables without compiling an initialiser. No scale is zero, so every layer affects the output."""
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        name = path[-1].key
        if name in ("scale", "var"):
            return rng.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
        fan_in = np.prod(leaf.shape[:-1]) if leaf.ndim > 1 else 9
        return (rng.normal(size=leaf.shape) / np.sqrt(fan_in)).astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, jax.eval_shape(model.init, jax.random.key(0), x))


def convolve(x, kernel, stride):
    size = kernel.shape[0]
    pad = size // 2
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    height, width = ((n - size) // stride + 1 for n in x.shape[1:3])
    out = np.zeros((len(x), height, width, kernel.shape[-1]))
    for i in range(height):
        for j in range(width):
            patch = x[:, i * stride : i * stride + size, j * stride : j * stride + size]
            out[:, i, j] = np.tensordot(patch, kernel, 3)
    return out


def max_pool(x):
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    height, width = ((n - 3) // 2 + 1 for n in x.shape[1:3])
    rows = [[x[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((1, 2)) for j in range(width)] for i in range(height)]
    return np.array(rows).transpose(2, 0, 1, 3)


def reference(x, params, stats):
    """ResNet-18 in evaluation mode, after He et al. 2015, table 1."""

    def layer(x, p, s, conv, norm, stride):
        y = convolve(x, np.float64(p[conv]["kernel"]), stride)
        scaled = (y - s[norm]["mean"]) / np.sqrt(np.float64(s[norm]["var"]) + 1e-5)
        return scaled * p[norm]["scale"] + p[norm]["bias"]

    x = max_pool(np.maximum(layer(x, params, stats, "stem_conv", "stem_norm", 2), 0))
    for stage in (1, 2, 3, 4):
        for i in (1, 2):
            p, s = params[f"stage_{stage}_block_{i}"], stats[f"stage_{stage}_block_{i}"]
            stride = 2 if stage > 1 and i == 1 else 1
            y = np.maximum(layer(x, p, s, "conv_1", "norm_1", stride), 0)
            y = layer(y, p, s, "conv_2", "norm_2", 1)
            if stride == 2:
                x = layer(x, p, s, "shortcut_conv", "shortcut_norm", 2)
            x = np.maximum(x + y, 0)
    return x.mean((1, 2))


@pytest.fixture(scope="module")
def spectrogram():
    return np.random.default_rng(1).normal(size=(2, 40, 45, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def trained(spectrogram):
    """A narrow network with random weights and statistics, its output in float32."""
    model = ResNet(width=4)
    variables = random_variables(model, spectrogram)
    return model, variables, jax.jit(model.apply)(variables, spectrogram)


def test_resnet18_matches_numpy(trained, spectrogram):
    _, variables, features = trained
    expected = reference(spectrogram, variables["params"], variables["batch_stats"])
    assert features.shape == (2, 32)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_resnet18_of_a_two_second_sound_has_the_expected_shapes():
    model = ResNet()
    x = jax.ShapeDtypeStruct((3, 128, 173, 1), jnp.float32)
    features, variables = jax.eval_shape(
        lambda x: model.init_with_output(jax.random.key(0), x, capture_intermediates=True), x
    )
    maps = {name: out["__call__"][0].shape for name, out in variables["intermediates"].items() if "block" in name}
    assert variables["intermediates"]["stem_conv"]["__call__"][0].shape == (3, 64, 87, 64)
    assert maps["stage_1_block_1"] == maps["stage_1_block_2"] == (3, 32, 44, 64)
    assert maps["stage_2_block_2"] == (3, 16, 22, 128)
    assert maps["stage_3_block_2"] == (3, 8, 11, 256)
    assert maps["stage_4_block_2"] == (3, 4, 6, 512)
    assert features.shape == (3, 512)


def test_resnet18_has_the_published_parameter_count():
    """The published 11,689,512, without the classifier (513,000) and two of three input channels (6,272)."""
    shapes = jax.eval_shape(ResNet().init, jax.random.key(0), jnp.zeros((1, 64, 64, 1)))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == 11_689_512 - 513_000 - 6_272


def test_resnet18_in_training_uses_batch_statistics_and_updates_running_ones(trained, spectrogram):
    model, variables, evaluated = trained
    features, updated = jax.jit(lambda v, x: model.apply(v, x, True, mutable=["batch_stats"]))(variables, spectrogram)
    assert np.abs(features - evaluated).max() > 0.01
    stem = convolve(spectrogram, variables["params"]["stem_conv"]["kernel"], 2)
    before, after = variables["batch_stats"]["stem_norm"], updated["batch_stats"]["stem_norm"]
    np.testing.assert_allclose(after["mean"], 0.9 * before["mean"] + 0.1 * stem.mean((0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(after["var"], 0.9 * before["var"] + 0.1 * stem.var((0, 1, 2)), rtol=1e-4)


def test_resnet18_gradients_by_products_equal_plain_convolutions(spectrogram):
    plain = ResNet(16, (1, 1))
    by_products = ResNet(16, (1, 1), **backbone_parts("fast", True, jnp.float32, 16))
    assert by_products.conv.keywords == {"conv_general_dilated": convolve_by_products}
    variables = random_variables(plain, spectrogram)

    def gradients(model):
        def loss(params):
            features, _ = model.apply({**variables, "params": params}, spectrogram, train=True, mutable=["batch_stats"])
            return (features**2).sum()

        return jax.jit(jax.grad(loss))(variables["params"])

    for found, expected in zip(*map(jax.tree.leaves, (gradients(by_products), gradients(plain))), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 * np.abs(expected).max())


def test_resnet18_initial_values_have_the_expected_scale(spectrogram):
    key = jax.random.key(3, impl="unsafe_rbg")  # compiles in half the time
    params = jax.jit(ResNet(8, (1, 1)).init)(key, spectrogram)["params"]
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        names = [key.key for key in path]
        if names[-1] == "kernel" and leaf.size > 4000:
            height, width, _, features = leaf.shape
            np.testing.assert_allclose(leaf.std(), np.sqrt(2 / (height * width * features)), rtol=0.05)
        elif names[-1] == "scale":
            assert (leaf == (0 if names[-2] == "norm_2" else 1)).all(), names


@pytest.mark.slow
def test_resnet18_in_bfloat16_keeps_parameters_in_float32(trained, spectrogram):
    _, variables, expected = trained
    model = ResNet(width=4, dtype=jnp.bfloat16)

    def apply(variables, spectrogram):
        collections = ["batch_stats", "intermediates"]
        return model.apply(variables, spectrogram, True, mutable=collections, capture_intermediates=True)

    _, state = jax.eval_shape(apply, variables, spectrogram)
    inner = jax.tree.leaves({k: v for k, v in state["intermediates"].items() if k != "__call__"})
    assert {leaf.dtype for leaf in inner} == {jnp.dtype(jnp.bfloat16)}
    assert {leaf.dtype for leaf in jax.tree.leaves(state["batch_stats"])} == {jnp.dtype(jnp.float32)}
    created = jax.eval_shape(model.init, jax.random.key(0), spectrogram)
    assert {leaf.dtype for leaf in jax.tree.leaves(created)} == {jnp.dtype(jnp.float32)}

    features = jax.jit(model.apply)(variables, spectrogram)
    assert features.dtype == jnp.float32
    np.testing.assert_allclose(features, expected, rtol=0.1, atol=0.03 * np.abs(expected).max())
    assert np.abs(features - expected).max() > 1e-5  # it did compute in bfloat16
