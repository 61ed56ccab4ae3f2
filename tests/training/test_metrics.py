"""Tests of metrics against NumPy and the report's numbers, and of their accumulation as (sum, count)."""

import functools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.model.inverse import Prediction
from vjax.training.losses import Targets, loss_masks
from vjax.training.mean import Mean
from vjax.training.metrics import batch_metrics, merge_metrics, metric_layout, modulation_metrics, summarise

measure = jax.jit(batch_metrics, static_argnums=(3,))


@functools.cache
def arrays(n_knobs, counts, n_sources, n_destinations, seed=0, n=6):
    rng = np.random.default_rng(seed)
    matrix = np.where(rng.random((2, n, 4, n_sources, n_destinations)) < 0.3, rng.uniform(-1, 1, n_destinations), 0)
    prediction = Prediction(
        rng.random((n, n_knobs), np.float32),
        rng.normal(size=(n, sum(counts))).astype(np.float32),
        matrix[0].astype(np.float32),
    )
    categorical = rng.integers(0, counts, (n, len(counts))).astype(np.int32)
    return prediction, Targets(rng.random((n, n_knobs), np.float32), categorical, matrix[1].astype(np.float32))


@pytest.fixture
def batch(schema):
    sizes = len(schema.sources), len(schema.destinations)
    return arrays(len(schema.continuous), schema.option_counts, *sizes)


def test_modulation_metrics_of_one_hit_false_alarm_and_miss_match_the_report():
    """The report verifies precision 0.5, recall 0.5 and amount MAE 0.2."""
    pred, target = np.zeros((2, 1, 4, 32, 406), np.float32)
    pred[0, 0, 1, 2], target[0, 0, 1, 2] = 0.8, 0.9  # a hit, off by 0.1
    pred[0, 0, 5, 7] = 0.6  # a false alarm
    target[0, 0, 30, 400] = -0.3  # a miss, off by 0.3
    pred[0, 0, 0, 0] = target[0, 0, 0, 1] = 0.05  # not above the threshold, so not routes
    pred[0, 1:], target[0, 1:] = 7, 3  # the other channels are ignored
    metrics = modulation_metrics(pred, target, threshold=0.05)
    assert [round(float(value), 6) for value in metrics] == [0.5, 0.5, 0.5, 0.2]
    assert modulation_metrics(pred[0], target[0]) == metrics


def test_modulation_metrics_of_perfect_and_empty_predictions_are_1_and_0():
    _, targets = arrays(1, (2,), 3, 4)
    np.testing.assert_array_equal(modulation_metrics(targets.modulation, targets.modulation), [1, 1, 1, 0])
    empty = np.zeros_like(targets.modulation)
    np.testing.assert_array_equal(modulation_metrics(empty, empty), [0, 0, 0, 0])
    missed = modulation_metrics(empty, targets.modulation)
    np.testing.assert_array_equal(missed[:3], [0, 0, 0])
    true = np.abs(targets.modulation[:, 0]) > 0.05
    assert missed.amount_mae == pytest.approx(np.abs(targets.modulation[:, 0])[true].mean(), rel=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_modulation_metrics_f1_is_the_harmonic_mean(seed):
    prediction, targets = arrays(1, (2,), 3, 4, seed, n=2)
    precision, recall, f1, _ = map(float, modulation_metrics(prediction.modulation, targets.modulation))
    assert 0 <= min(precision, recall, f1) <= max(precision, recall, f1) <= 1
    if precision + recall > 0:
        assert f1 == pytest.approx(2 * precision * recall / (precision + recall), rel=1e-5)


def test_modulation_metrics_with_mismatched_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(1, 4, 2, 3\), the true ones \(1, 4, 2, 5\)"):
        modulation_metrics(np.zeros((1, 4, 2, 3)), np.zeros((1, 4, 2, 5)))


def audible_sources(schema, matrix, on):
    """Returns whether each source modulates something audible. No control of this schema shapes another source."""
    is_audible = dict.fromkeys(schema.sources, False)
    for _ in range(2):  # a route to lfo_1_frequency is audible only if lfo_1 has another audible route
        for source, destination in np.argwhere(np.abs(matrix[0]) > 1e-6):
            module = schema.module(schema.destinations[destination])
            is_audible[schema.sources[source]] |= on.get(f"{module}_on", True) and is_audible.get(module, True)
    return is_audible


@pytest.mark.parametrize("tier", [1, 3])
def test_batch_metrics_match_numpy(schema, batch, tier):
    prediction, targets = batch
    valid = np.array([1, 1, 0, 1, 1, 0], np.float32)
    summary = summarise(measure(prediction, targets, loss_masks(schema, tier), metric_layout(schema), valid))

    absolute, by_module = [], {}
    correct, audible_correct, offsets = [], [], np.cumsum([0, *schema.option_counts])
    for row in np.flatnonzero(valid):
        on = {name: targets.categorical[row, i] == 1 for i, name in enumerate(schema.categorical_names)}
        lfo_1 = audible_sources(schema, targets.modulation[row], on)["lfo_1"]
        for i, knob in enumerate(schema.continuous):
            needs_routes = knob.name.startswith(("lfo_", "env_3"))
            module = schema.module(knob.name)
            if knob.frozen or (tier == 1 and needs_routes) or not on.get(f"{module}_on", True):
                continue
            if module == "lfo_1" and not lfo_1:
                continue
            error = float(prediction.continuous[row, i]) - float(targets.continuous[row, i])
            absolute.append(abs(error))
            by_module.setdefault(module, []).append(error**2)
        for i, name in enumerate(schema.categorical_names):
            chosen = np.argmax(prediction.categorical_logits[row, offsets[i] : offsets[i + 1]])
            correct.append(chosen == targets.categorical[row, i])
            if name.endswith("_on") or on.get(f"{schema.module(name)}_on", True):
                audible_correct.append(correct[-1])

    assert summary["continuous_mae"] == pytest.approx(np.mean(absolute), rel=1e-5)
    assert summary["categorical_accuracy"] == pytest.approx(np.mean(correct), rel=1e-5)
    assert summary["audible_categorical_accuracy"] == pytest.approx(np.mean(audible_correct), rel=1e-5)
    assert len(audible_correct) < len(correct)
    menus = targets.categorical[valid > 0].T
    commonest = [np.bincount(menu).max() for menu in menus]  # how often the commonest option of each menu is right
    assert summary["categorical_majority"] == pytest.approx(sum(commonest) / menus.size)
    found = {name.removeprefix("mse/"): value for name, value in summary.items() if name.startswith("mse/")}
    assert found == pytest.approx({module: np.mean(errors) for module, errors in by_module.items()}, rel=1e-5)
    assert ("lfo_1" in found) == (tier == 3)

    rates = modulation_metrics(*(matrix[valid > 0] for matrix in (prediction.modulation, targets.modulation)))
    for name, value in rates._asdict().items():
        assert summary[f"mod_{name}"] == pytest.approx(float(value), rel=1e-5)


def test_summarise_majority_is_the_best_constant_prediction(schema, batch):
    """No constant logits are more accurate than the majority. Those of the commonest options are equally accurate."""
    _, targets = batch
    masks, layout = loss_masks(schema, 3), metric_layout(schema)
    best = 0.0
    for seed in range(20):
        constant = np.random.default_rng(seed).normal(size=sum(schema.option_counts)).astype(np.float32)
        prediction = batch[0]._replace(categorical_logits=np.tile(constant, (6, 1)))
        summary = summarise(measure(prediction, targets, masks, layout))
        best = max(best, summary["categorical_accuracy"])
    assert best <= summary["categorical_majority"]
    commonest = [
        np.eye(n)[np.bincount(menu).argmax()]
        for n, menu in zip(schema.option_counts, targets.categorical.T, strict=True)
    ]
    prediction = batch[0]._replace(categorical_logits=np.tile(np.float32(np.concatenate(commonest)), (6, 1)))
    summary = summarise(measure(prediction, targets, masks, layout))
    assert summary["categorical_accuracy"] == pytest.approx(summary["categorical_majority"])


def test_batch_metrics_use_importance_as_a_mask_only(schema, batch):
    importance = np.where(np.arange(len(schema.continuous)) % 2, 5.0, 0.0)
    masks = [loss_masks(schema, 3, weights) for weights in (importance, importance / 5)]
    one, other = (summarise(measure(*batch, m, metric_layout(schema)))["continuous_mae"] for m in masks)
    assert one == other != summarise(measure(*batch, loss_masks(schema, 3), metric_layout(schema)))["continuous_mae"]


def test_batch_metrics_without_a_modulation_head_have_no_route_metrics(schema, batch):
    prediction, targets = batch
    metrics = measure(prediction._replace(modulation=None), targets, loss_masks(schema, 3), metric_layout(schema))
    assert not [name for name in summarise(metrics) if name.startswith("mod_")]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.booleans(), min_size=6, max_size=6))
def test_merge_metrics_of_two_halves_equals_the_whole(schema, first):
    """The rows are split into two batches, as in a validation. The result does not depend on the split."""
    sizes = len(schema.sources), len(schema.destinations)
    batch = arrays(len(schema.continuous), schema.option_counts, *sizes)
    first = np.array(first, np.float32)
    masks, layout = loss_masks(schema, 3), metric_layout(schema)
    halves = [measure(*batch, masks, layout, valid) for valid in (first, 1 - first)]
    whole = summarise(measure(*batch, masks, layout, np.ones(6, np.float32)))
    assert summarise(merge_metrics(*halves)) == pytest.approx(whole, rel=1e-5)


def test_merge_metrics_with_different_names_is_refused():
    with pytest.raises(ValueError, match=r"\['mod_hits'\]"):
        merge_metrics({"a": Mean(1.0, 1.0)}, {"a": Mean(1.0, 1.0), "mod_hits": Mean(0.0, 1.0)})


def test_summarise_omits_metrics_without_a_count():
    metrics = {"mse/osc_3": Mean(np.float32(0), np.float32(0)), "continuous_mae": Mean(np.float32(1), np.float32(4))}
    assert summarise(metrics) == {"continuous_mae": 0.25}
