"""Tests of probabilities, spread and audible parameters, against plain NumPy."""

import jax
import numpy as np
import pytest
from scipy.special import softmax

from vjax.inference.confidence import confidence_maker, knob_spread, menu_probabilities
from vjax.model.heads import split_logits
from vjax.model.inverse import InverseModel, ModelConfig


def test_menu_probabilities_of_large_logits_equal_the_softmax(schema):
    logits = np.random.default_rng(0).normal(0, 300, (3, sum(schema.option_counts))).astype(np.float32)
    found = split_logits(menu_probabilities(logits, schema.option_counts), schema.option_counts)
    for one, z in zip(found, split_logits(logits, schema.option_counts), strict=True):
        np.testing.assert_allclose(one, softmax(z, axis=-1), rtol=1e-5, atol=1e-30)


@pytest.fixture(scope="module")
def dropping():
    model = InverseModel(ModelConfig(5, (2, 3), width=32, stage_sizes=(1,), dropout=0.5))
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(model.init, jax.random.key(0), np.zeros((1, 1, 32, 40), np.float32))
    variables = jax.tree.map(lambda leaf: rng.normal(0, 0.3, leaf.shape).astype(np.float32), shapes)
    features = np.abs(rng.normal(size=(4, 32))).astype(np.float32)
    return model, variables, features


def test_knob_spread_equals_the_spread_of_a_head_computed_by_hand(dropping):
    """The head computed by hand uses other random masks, so the spreads are equal only in distribution."""
    model, variables, features = dropping
    found = jax.jit(lambda f: knob_spread(model, variables, f, samples=2000))(features)
    rng = np.random.default_rng(1)
    layers = [variables["params"]["continuous_head"][f"Dense_{i}"] for i in range(3)]
    kernels, biases = ([np.asarray(layer[name]) for layer in layers] for name in ("kernel", "bias"))
    outputs = []
    for _ in range(2000):
        x = features
        for kernel, bias in zip(kernels[:2], biases[:2], strict=True):
            x = np.maximum(x @ kernel + bias, 0) * rng.integers(0, 2, kernel.shape[1]) / 0.5
        outputs.append(1 / (1 + np.exp(-(x @ kernels[2] + biases[2]))))
    expected = np.std(outputs, axis=0)
    np.testing.assert_allclose(found, expected, rtol=0.15)


def test_knob_spread_repeats_and_does_not_depend_on_the_batch(dropping):
    model, variables, features = dropping
    spread = jax.jit(lambda f: knob_spread(model, variables, f))
    together, alone = spread(features), spread(features[2:3])
    np.testing.assert_array_equal(together, spread(features))
    np.testing.assert_allclose(alone[0], together[2], rtol=1e-4)


def test_confidence_maker_means_count_only_audible_parameters(schema):
    """Modules that are off, unrouted modulators and frozen parameters do not affect the sound."""
    parameters = schema.default_parameters()  # oscillator 1 on; filter, oscillator 2 and reverb off; no routes
    probabilities = np.concatenate([np.full(n, 1 / n, np.float32) for n in schema.option_counts])
    spread = np.arange(len(schema.continuous), dtype=np.float32)
    measure = confidence_maker(schema, tier=3)
    silent = measure(parameters, probabilities, spread, ())
    # env_3 is not a source in this schema, so only the tier determines that it is inaudible.
    always = ("env_1_attack", "osc_1_level", "osc_1_transpose", "volume")
    audible_names = (*always, "env_3_attack")
    assert silent.mean_spread_norm == pytest.approx(np.mean([schema.position[name] for name in audible_names]))
    switches = ("filter_1_on", "osc_1_on", "osc_2_on", "reverb_on", "osc_1_wavetable")
    counts = [schema.option_counts[schema.position[name]] for name in switches]
    assert silent.mean_probability == pytest.approx(np.mean(1 / np.array(counts)))

    below_routes = confidence_maker(schema, tier=2)(parameters, probabilities, spread, ())
    assert below_routes.mean_spread_norm == pytest.approx(np.mean([schema.position[name] for name in always]))

    route_index, route_value = parameters.route_index.copy(), parameters.route_value.copy()
    route_value[0, 0] = 0.5
    route_index[0] = schema.sources.index("lfo_1") * len(schema.destinations)
    parameters.categorical[schema.position["reverb_on"]] = 1
    more = measure(parameters._replace(route_index=route_index, route_value=route_value), probabilities, spread, (0.9,))
    audible_names += ("reverb_dry_wet", "lfo_1_frequency", "lfo_1_phase")
    assert more.mean_spread_norm == pytest.approx(np.mean([schema.position[name] for name in audible_names]))
    assert more.presence == (0.9,)
