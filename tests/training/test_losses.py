"""Tests of every loss against plain NumPy loops, and of the report's numbers, gates, masks and padding."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.data.reader import Routes
from vjax.model.heads import RouteScores
from vjax.model.inverse import Prediction
from vjax.sound.schema import Schema
from vjax.training.dense_routes import scatter_routes
from vjax.training.losses import (
    LossConfig,
    LossMeans,
    Targets,
    continuous_errors,
    cross_entropies,
    loss_masks,
    loss_means,
    loss_weights,
    total_loss,
    warmup,
    weigh,
)
from vjax.training.mean import Mean
from vjax.training.modulation import ModulationLoss, modulation_loss

SWITCH = ("Off", "On")
BATCH = 4
seeds = st.integers(0, 2**32 - 1)


def control(name, labels=(), maximum=1.0, **more):
    return {"name": name, "minimum": 0.0, "maximum": maximum, "default": 0.0, "discrete": bool(labels)} | {
        "labels": labels,
        **more,
    }


def make_schema(n_wavetables=3, n_lfo_shapes=2):
    """Ten knobs, the first five of an LFO as in the report's check; six menus; eleven wavetable and shape choices."""
    knobs = [f"lfo_1_{name}" for name in ("frequency", "phase", "delay_time", "fade_time", "stereo")]
    knobs += ["osc_1_level", "osc_1_pan", "filter_1_cutoff", "volume", "beats_per_minute"]
    controls = [control(name) for name in knobs]
    controls += [control("osc_1_on", SWITCH), control("filter_1_on", SWITCH)]
    controls += [control("filter_1_model", SWITCH, 4.0), control("lfo_1_sync", SWITCH, 4.0)]
    controls += [control("oversampling", SWITCH, 3.0), control("effect_chain_order", SWITCH, 2.0)]
    destinations = ["volume", "osc_1_pan", "osc_1_level"]
    return Schema.from_controls(controls, ["lfo_1", "env_2"], destinations, n_wavetables, n_lfo_shapes)


SCHEMA = make_schema()
COUNTS = SCHEMA.option_counts
REPORT = LossConfig()
OSC_ON, FILTER_ON = 0, 1
LEVEL, CUTOFF, TEMPO = 5, 7, 9


def random_batch(seed, n=BATCH):
    rng = np.random.default_rng(seed)
    active = rng.random((n, 2, 3)) < 0.4
    bipolar, stereo = rng.random((2, *active.shape)) < 0.5
    amount, power = rng.uniform(-1, 1, active.shape), 3 * rng.normal(size=active.shape)
    modulation = np.stack([amount, bipolar, power, stereo], axis=1)
    prediction = Prediction(
        continuous=rng.random((n, 10), np.float32),
        categorical_logits=rng.normal(size=(n, sum(COUNTS))).astype(np.float32) * 3,
        modulation=rng.normal(size=(n, 4, 2, 3)).astype(np.float32),
    )
    targets = Targets(
        continuous=rng.random((n, 10), np.float32),
        categorical=rng.integers(0, COUNTS, (n, len(COUNTS))).astype(np.int32),
        modulation=(modulation * active[:, None]).astype(np.float32),
    )
    return prediction, targets


@functools.partial(jax.jit, static_argnames=("config",))
def loss_of(prediction, targets, masks, config=REPORT, epoch=10, valid=None):
    return total_loss(prediction, targets, masks, config, epoch, COUNTS, valid)


@functools.partial(jax.jit, static_argnames=("config",))
def means_of(prediction, targets, masks, config):
    return loss_means(prediction, targets, masks, config, COUNTS)


@functools.partial(jax.jit, static_argnames=("config",))
def gradient_of(prediction, targets, masks, config=REPORT, epoch=10):
    return jax.grad(lambda p: total_loss(p, targets, masks, config, epoch, COUNTS).total)(prediction)


def cross_entropy(logit, label):
    """-log sigmoid(logit) for label 1, -log(1 - sigmoid(logit)) for 0."""
    return np.logaddexp(0, -logit if label else logit)


def numpy_modulation(pred, target, pos_weight=20.0, presence="report"):
    """Computes the report's loss (phase 3c), or "margin" after the docstring of `modulation_loss`, cell by cell."""
    sums = dict.fromkeys(("presence", "amount", "power", "bipolar", "stereo"), 0.0)
    n_cells = n_active = 0
    for row, source, destination in np.ndindex(pred.shape[0], *pred.shape[2:]):
        p, t = np.float64(pred[row, :, source, destination]), np.float64(target[row, :, source, destination])
        active = abs(t[0]) > 1e-6
        n_cells, n_active = n_cells + 1, n_active + active
        logit = abs(p[0]) if presence == "report" else 50 * (abs(p[0]) - 0.05)
        cost = cross_entropy(logit, active) * (pos_weight if active else 1)
        if presence == "margin" and not active:
            cost -= cross_entropy(-2.5, 0)
        sums["presence"] += cost
        if active:
            sums["amount"] += (p[0] - t[0]) ** 2
            sums["bipolar"] += cross_entropy(p[1], t[1])
            sums["power"] += (p[2] - t[2]) ** 2
            sums["stereo"] += cross_entropy(p[3], t[3])
    parts = {name: total / max(n_active, 1) for name, total in sums.items()}
    parts["presence"] = sums["presence"] / n_cells if presence == "report" else 0.025 * parts["presence"]
    return {**parts, "total": sum(parts.values())}


def numpy_continuous(pred, target, categorical, importance, power=2):
    gates = {5: OSC_ON, 6: OSC_ON, 7: FILTER_ON}
    total = weights = 0.0
    for row, knob in np.ndindex(pred.shape):
        is_audible = knob not in gates or categorical[row, gates[knob]] == 1
        weight = importance[knob] * is_audible * (knob != TEMPO)
        total += weight * abs(float(pred[row, knob]) - float(target[row, knob])) ** power
        weights += weight
    return total / weights


def numpy_categorical(logits, target, smoothing, frozen=(4,)):
    losses, offsets = [], np.cumsum([0, *COUNTS])
    for row, menu in np.ndindex(target.shape):
        if menu in frozen:
            continue
        z = np.float64(logits[row, offsets[menu] : offsets[menu + 1]])
        log_p = z - np.log(np.exp(z).sum())
        label = np.full(len(z), smoothing / len(z))
        label[target[row, menu]] += 1 - smoothing
        losses.append(-(label * log_p).sum())
    return np.mean(losses)


def test_schema_fixture_matches_the_numpy_references():
    assert [SCHEMA.continuous_names[i] for i in (LEVEL, CUTOFF, 8)] == ["osc_1_level", "filter_1_cutoff", "volume"]
    assert SCHEMA.continuous_names[TEMPO] == "beats_per_minute"
    assert [SCHEMA.categorical_names[i] for i in (OSC_ON, FILTER_ON)] == ["osc_1_on", "filter_1_on"]
    assert SCHEMA.option_counts == (2, 2, 5, 5, 4, 3, *3 * [3], *8 * [2])
    assert SCHEMA.categorical_names[4] == "oversampling"


# Masks


def test_loss_masks_at_tier_1_exclude_lfo_parameters():
    """The report verifies these masks. Tempo is frozen at every tier."""
    assert np.flatnonzero(SCHEMA.static_mask(1)).tolist() == [0, 1, 2, 3, 4]
    assert not SCHEMA.static_mask(3).any()
    assert np.flatnonzero(loss_masks(SCHEMA, 1).continuous_weight == 0).tolist() == [0, 1, 2, 3, 4, TEMPO]
    assert np.flatnonzero(loss_masks(SCHEMA, 3).continuous_weight == 0).tolist() == [TEMPO]


@pytest.mark.parametrize(("tier", "learns"), [(1, False), (2, False), (3, True)])
def test_total_loss_gives_lfo_parameters_a_gradient_at_tier_3_only(tier, learns):
    prediction, targets = random_batch(0)
    gradient = gradient_of(prediction, targets, loss_masks(SCHEMA, tier)).continuous
    assert np.all((gradient[:, :5] != 0) == learns)


def test_loss_masks_with_importance_scale_the_weights():
    importance = np.arange(10, dtype=np.float32)
    expected = importance * (np.arange(10) != TEMPO)
    np.testing.assert_array_equal(loss_masks(SCHEMA, 3, importance).continuous_weight, expected)


def test_loss_masks_of_frozen_or_single_option_parameters_are_zero():
    for n_wavetables, n_lfo_shapes in ((1, 1), (1, 2), (3, 1)):
        masks = loss_masks(make_schema(n_wavetables, n_lfo_shapes), 3)
        expected = [1, 1, 1, 1, 0, 1, *3 * [n_wavetables > 1], *8 * [n_lfo_shapes > 1]]
        np.testing.assert_array_equal(masks.categorical_weight, expected)


@pytest.mark.parametrize(("tier", "weight"), [(1, 0), (2, 0), (3, 1)])
def test_loss_masks_of_lfo_shapes_are_nonzero_at_tier_3_only(tier, weight):
    weights = loss_masks(SCHEMA, tier).categorical_weight
    np.testing.assert_array_equal(weights[-8:], weight)
    np.testing.assert_array_equal(weights[6:9], 1)  # the wavetables


@pytest.mark.parametrize(
    ("importance", "message"),
    [
        (np.ones(9), r"importance has shape \(9,\); expected one weight per parameter, \(10,\)"),
        (np.where(np.arange(10) == 5, -1, 1), "importance of osc_1_level is -1.0"),
        (np.where(np.arange(10) == 7, np.nan, 1), "importance of filter_1_cutoff is nan"),
    ],
)
def test_loss_masks_with_invalid_importance_are_refused(importance, message):
    with pytest.raises(ValueError, match=message):
        loss_masks(SCHEMA, 3, importance)


def test_loss_masks_with_an_unknown_tier_are_refused():
    with pytest.raises(ValueError, match="tier 4"):
        loss_masks(SCHEMA, 4)


# Knobs


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_total_loss_continuous_term_matches_numpy(seed):
    prediction, targets = random_batch(seed)
    importance = np.random.default_rng(seed).uniform(0.1, 2, 10).astype(np.float32)
    expected = numpy_continuous(prediction.continuous, targets.continuous, targets.categorical, importance)
    found = loss_of(prediction, targets, loss_masks(SCHEMA, 3, importance)).continuous
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    rescaled = loss_of(prediction, targets, loss_masks(SCHEMA, 3, importance * 7)).continuous
    np.testing.assert_allclose(rescaled, found, rtol=1e-5)


def test_total_loss_with_absolute_errors_matches_numpy():
    prediction, targets = random_batch(3)
    three = prediction.continuous, targets.continuous, targets.categorical
    expected = numpy_continuous(*three, np.ones(10), power=1)
    total = loss_of(prediction, targets, loss_masks(SCHEMA, 3), LossConfig(knob_error="absolute"))
    np.testing.assert_allclose(total.continuous, expected, rtol=1e-5)
    np.testing.assert_array_equal(continuous_errors(np.float32([0.25, 1]), np.float32([1, 0.5])), [0.5625, 0.25])
    np.testing.assert_array_equal(continuous_errors(np.float32([0.25]), np.float32([1]), "absolute"), [0.75])


def test_total_loss_gives_parameters_of_modules_that_are_off_no_gradient():
    prediction, targets = random_batch(1)
    targets.categorical[:, OSC_ON] = (0, 1, 0, 1)
    targets.categorical[:, FILTER_ON] = (1, 1, 0, 0)
    gradient = gradient_of(prediction, targets, loss_masks(SCHEMA, 3)).continuous
    np.testing.assert_array_equal(gradient[:, LEVEL] != 0, [False, True, False, True])
    np.testing.assert_array_equal(gradient[:, CUTOFF] != 0, [True, True, False, False])
    assert not gradient[:, TEMPO].any()  # frozen
    assert np.all(gradient[:, 8] != 0)  # volume belongs to no module


def test_total_loss_with_gated_sources_ignores_sources_without_routes():
    prediction, targets = random_batch(4)
    targets.modulation[:, 0, 0] = np.array([0.5, 0, -0.5, 0])[:, None] * [1, 0, 0]  # lfo_1, in two of the four
    masks, config = loss_masks(SCHEMA, 3), LossConfig(gate_sources=True)
    offsets, sync = np.cumsum([0, *COUNTS]), 3
    gradient = gradient_of(prediction, targets, masks, config)
    plain = gradient_of(prediction, targets, masks)
    for found, expected in ((gradient, [True, False, True, False]), (plain, [True] * 4)):
        assert np.all((found.continuous[:, :5] != 0) == np.array(expected)[:, None])
        logits = found.categorical_logits[:, offsets[sync] : offsets[sync + 1]]
        assert np.all((logits != 0) == np.array(expected)[:, None])
        assert np.all(found.continuous[:, 8] != 0)  # volume belongs to no source
        assert np.all(found.categorical_logits[:, :2] != 0)
    # Excluded parameters change the mean only through the count.
    importance = np.ones(10, np.float32)
    audible_rows = np.array([0, 2])
    only = loss_of(*(take(tree, audible_rows) for tree in (prediction, targets)), masks, config).continuous
    batch = (prediction.continuous[audible_rows], targets.continuous[audible_rows], targets.categorical[audible_rows])
    np.testing.assert_allclose(only, numpy_continuous(*batch, importance), rtol=1e-5)


def values(parts: ModulationLoss) -> ModulationLoss:
    """The means of the parts."""
    return ModulationLoss(*(mean.value() for mean in parts))


def take(tree, rows):
    return type(tree)(*(None if leaf is None else leaf[rows] for leaf in tree))


def test_total_loss_with_zero_importance_is_zero():
    prediction, targets = random_batch(2)
    masks = loss_masks(SCHEMA, 3, np.zeros(10))
    losses = loss_of(prediction, targets, masks)
    assert losses.continuous == 0
    assert not np.any(gradient_of(prediction, targets, masks).continuous)


# Menus


@settings(deadline=None, max_examples=25)
@given(seeds, st.sampled_from([0.0, 0.1, 0.5]))
def test_total_loss_categorical_term_matches_numpy(seed, smoothing):
    prediction, targets = random_batch(seed)
    found = loss_of(prediction, targets, loss_masks(SCHEMA, 3), LossConfig(label_smoothing=smoothing)).categorical
    expected = numpy_categorical(prediction.categorical_logits, targets.categorical, smoothing)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    each = cross_entropies(jnp.asarray(prediction.categorical_logits), targets.categorical, COUNTS, smoothing)
    assert each.shape == targets.categorical.shape
    np.testing.assert_allclose(np.delete(each, 4, axis=1).mean(), expected, rtol=1e-5)


def test_total_loss_with_gated_menus_ignores_modules_that_are_off():
    prediction, targets = random_batch(3)
    targets.categorical[:, FILTER_ON] = (0, 1, 0, 1)
    masks, offsets = loss_masks(SCHEMA, 3), np.cumsum([0, *COUNTS])
    model, oversampling = (slice(offsets[menu], offsets[menu + 1]) for menu in (2, 4))
    gradient = gradient_of(prediction, targets, masks).categorical_logits
    assert not gradient[:, oversampling].any()
    assert np.all(gradient[:, model] != 0)
    gated = gradient_of(prediction, targets, masks, LossConfig(gate_menus=True)).categorical_logits
    assert np.all((gated[:, model] != 0) == np.array([[False], [True], [False], [True]]))
    assert np.all(gated[:, : offsets[2]] != 0)  # the switches themselves


def test_total_loss_with_huge_logits_is_finite():
    prediction, targets = random_batch(4)
    prediction = prediction._replace(categorical_logits=prediction.categorical_logits * 1e6)
    assert np.isfinite(loss_of(prediction, targets, loss_masks(SCHEMA, 3)).categorical)


def test_cross_entropies_compile_one_softmax_per_option_count():
    """126 menus with 12 option counts must compile to 12 softmaxes. Otherwise compiling takes a minute."""
    counts = tuple(
        np.repeat([2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14], [55, 1, 12, 13, 9, 3, 2, 3, 6, 3, 15, 4]).tolist()
    )
    logits, target = jnp.zeros((2, sum(counts))), jnp.zeros((2, 126), jnp.int32)
    jaxpr = str(jax.make_jaxpr(lambda z: cross_entropies(z, target, counts, 0.1))(logits))
    assert jaxpr.count("= exp ") == 12


# Routes


@settings(deadline=None, max_examples=25)
@given(seeds, st.sampled_from(["report", "margin"]), st.sampled_from([1.0, 20.0]))
def test_modulation_loss_matches_numpy(seed, presence, pos_weight):
    prediction, targets = random_batch(seed)
    found = jax.jit(modulation_loss, static_argnums=(2, 3))(
        prediction.modulation, targets.modulation, pos_weight, presence
    )
    expected = numpy_modulation(prediction.modulation, targets.modulation, pos_weight, presence)
    np.testing.assert_allclose(found.total, expected["total"], rtol=1e-4, atol=1e-6)
    for name, value in values(found)._asdict().items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_modulation_loss_of_two_cells_matches_a_hand_calculation():
    """One of two cells is active. Presence is (20 softplus(-0.5) + softplus(0.2)) / 2; other parts use this cell."""
    pred, target = np.zeros((2, 1, 4, 1, 2), np.float32)
    pred[0, :, 0, 0], target[0, :, 0, 0] = (-0.5, 0.0, 1.0, 0.0), (0.3, 1, -1.0, 0)
    pred[0, :, 0, 1] = (0.2, 9, 9, 9)
    parts = modulation_loss(pred, target)
    loss = values(parts)
    assert loss.presence == pytest.approx((20 * np.log1p(np.exp(-0.5)) + np.log1p(np.exp(0.2))) / 2, rel=1e-6)
    assert (float(loss.amount), float(loss.power)) == pytest.approx((0.64, 4.0))
    assert (float(loss.bipolar), float(loss.stereo)) == pytest.approx((np.log(2), np.log(2)))
    assert parts.total == pytest.approx(sum(map(float, loss)), rel=1e-6)
    assert (float(parts.presence.count), float(parts.amount.count)) == (2, 1)


@pytest.mark.parametrize(("presence", "cost"), [("report", np.log(2)), ("margin", 0.0)])
def test_modulation_loss_of_empty_matrices_is_the_minimum_cost(presence, cost):
    silent = np.zeros((2, 4, 32, 428), np.float32)
    loss = values(modulation_loss(silent, silent, presence=presence))
    np.testing.assert_allclose(loss.presence, cost, rtol=1e-6, atol=1e-4)
    assert loss[1:5] == (0, 0, 0, 0)


def test_modulation_loss_with_margin_separates_cells_at_the_metric_threshold():
    """The presence part predicts a cell that is active in more than 1 / (1 + pos_weight) = 4.8 % of the sounds."""
    target = np.zeros((100, 4, 1, 1), np.float32)
    target[:8, 0] = 0.06

    def cost(amount, n_active):
        pred = jnp.zeros_like(target).at[:, 0].set(amount)
        # Presence is divided by the number of active cells. The product compares sets of different sizes.
        return n_active * modulation_loss(pred, target, presence="margin").presence.value()

    slope = jax.grad(cost)
    assert slope(0.05, 8) < 0  # 8 % of the sounds: the amount rises above the threshold
    target[2:8, 0] = 0
    assert slope(0.05, 2) > 0  # 2 %: it falls below


@pytest.mark.parametrize(("amount", "within"), [(0.1, 0.06), (0.3, 1e-3), (-0.5, 1e-3), (1.0, 1e-3)])
def test_modulation_loss_with_margin_keeps_certain_amounts_calibrated(amount, within):
    """Gradient descent on one cell that always has this amount ends within the bound that the docstring states."""
    target = np.zeros((1, 4, 1, 1), np.float32)
    target[0, 0] = amount

    @jax.jit
    @jax.grad
    def slope(x):
        return modulation_loss(jnp.zeros_like(target).at[0, 0].set(x), target, presence="margin").total

    x = 0.02 * np.sign(amount)
    for _ in range(2000):
        x -= 0.01 * float(slope(x))
    assert abs(x - amount) < within
    assert abs(x) > 0.05


@pytest.mark.parametrize("presence", ["report", "margin"])
def test_modulation_loss_of_large_predictions_is_finite(presence):
    _, targets = random_batch(5)
    pred = np.full_like(targets.modulation, 1e4)
    losses, slopes = jax.value_and_grad(lambda p: modulation_loss(p, targets.modulation, presence=presence).total)(pred)
    assert np.isfinite(losses)
    assert np.isfinite(slopes).all()


def test_modulation_loss_of_empty_cells_depends_on_presence_only():
    prediction, targets = random_batch(6)
    slopes = jax.grad(lambda p: modulation_loss(p, targets.modulation).total)(prediction.modulation)
    absent = np.abs(targets.modulation[:, 0]) <= 1e-6
    assert absent.any()
    assert np.all(slopes[:, 0][absent] != 0)
    for channel in (1, 2, 3):
        assert not slopes[:, channel][absent].any()
        assert np.all(slopes[:, channel][~absent] != 0)


def test_modulation_loss_with_mismatched_shapes_is_refused():
    with pytest.raises(ValueError, match=r"prediction \(1, 4, 2, 3\) and target \(1, 4, 2, 5\)"):
        modulation_loss(np.zeros((1, 4, 2, 3)), np.zeros((1, 4, 2, 5)))


@pytest.mark.slow
@settings(deadline=None, max_examples=15)
@given(seeds, st.sampled_from(["report", "margin"]), st.booleans())
def test_modulation_loss_of_sparse_routes_equals_that_of_the_matrix(seed, presence, padded):
    """Losses and gradients are equal, with empty slots, cells out of range, zero amounts and invalid rows."""
    rng = np.random.default_rng(seed)
    size, slots = (3, 7), 8
    scores = RouteScores(*(rng.normal(size=shape).astype(np.float32) for shape in ((4, 3, 5), (4, 5, 5), (4, 7, 5))))
    index = np.stack([rng.permutation(21)[:slots] for _ in range(4)]).astype(np.int32)
    index[rng.random(index.shape) < 0.4] = -1
    index[0, 0] = 21
    value = rng.normal(size=(4, slots, 4)).astype(np.float32)
    value[..., (1, 3)] = rng.integers(0, 2, (4, slots, 2))
    value[rng.random(index.shape) < 0.2] = 0
    valid = np.array([1, 0, 1, 1], np.float32) if padded else None

    def dense(scores):
        loss = modulation_loss(scores.matrix(), scatter_routes(index, value, *size), 5.0, presence, valid)
        return loss.total, values(loss)

    def sparse(scores, form=lambda scores: scores):
        loss = modulation_loss(form(scores), Routes(index, value), 5.0, presence, valid)
        return loss.total, values(loss)

    expected = jax.grad(dense, has_aux=True)(scores)
    for loss in (sparse, functools.partial(sparse, form=RouteScores.matrix)):
        found = jax.grad(loss, has_aux=True)(scores)
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-5, atol=1e-6)
        for a, b in zip(found[0], expected[0], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max())


@pytest.mark.parametrize(
    "call",
    [
        lambda p: LossConfig(presence=p),
        lambda p: modulation_loss(jnp.zeros(1), jnp.zeros(1), presence=p),
    ],
)
def test_losses_with_an_unknown_presence_are_refused(call):
    with pytest.raises(ValueError, match=r"presence is 'marginal'; choose one of \('report', 'margin'\)"):
        call("marginal")


# The total loss


@pytest.mark.parametrize(("epoch", "weight"), [(0, 0.0), (1, 0.06), (5, 0.3), (10, 0.3)])
def test_warmup_matches_the_reports_weights(epoch, weight):
    config = LossConfig(modulation_weight=0.3, modulation_warmup_epochs=5)
    assert float(config.modulation_weight * warmup(epoch, config)) == pytest.approx(weight, abs=1e-7)
    prediction, targets = random_batch(7)
    losses = loss_of(prediction, targets, loss_masks(SCHEMA, 3), config, epoch)
    expected = losses.continuous + 0.5 * losses.categorical + weight * losses.modulation
    np.testing.assert_allclose(losses.total, expected, rtol=1e-6)
    assert losses.modulation > 0


def test_warmup_of_zero_epochs_is_1():
    assert warmup(0, LossConfig(modulation_warmup_epochs=0)) == 1


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 100), st.floats(0, 100), st.integers(0, 20))
def test_warmup_rises_from_0_to_1(a, b, warmup_epochs):
    config = LossConfig(modulation_warmup_epochs=warmup_epochs)
    low, high = warmup(min(a, b), config), warmup(max(a, b), config)
    assert 0 <= low <= high <= 1


@pytest.mark.parametrize("missing", ["head", "routes"])
def test_total_loss_without_a_head_or_routes_has_no_modulation_term(missing):
    prediction, targets = random_batch(8)
    if missing == "head":
        prediction = prediction._replace(modulation=None)
    else:
        targets = targets._replace(modulation=None)
    losses = loss_of(prediction, targets, loss_masks(SCHEMA, 3))
    assert losses[3:] == (0, 0, 0, 0, 0, 0)
    np.testing.assert_allclose(losses.total, losses.continuous + 0.5 * losses.categorical, rtol=1e-6)


def test_total_loss_is_the_weighted_sum_of_its_terms():
    prediction, targets = random_batch(9)
    config = LossConfig(
        continuous_weight=2.0,
        categorical_weight=0.25,
        modulation_weight=0.5,
        modulation_pos_weight=3.0,
        presence="margin",
    )
    masks = loss_masks(SCHEMA, 1)
    losses = loss_of(prediction, targets, masks, config)
    modulation = numpy_modulation(prediction.modulation, targets.modulation, 3.0, "margin")
    expected = 2 * losses.continuous + 0.25 * losses.categorical + 0.5 * modulation["total"]
    np.testing.assert_allclose(losses.total, expected, rtol=1e-4)
    for name in ("presence", "amount", "power", "bipolar", "stereo"):
        np.testing.assert_allclose(getattr(losses, name), modulation[name], rtol=1e-4)


@settings(deadline=None, max_examples=15)
@given(seeds, st.sampled_from(["report", "margin"]))
def test_total_loss_ignores_invalid_rows(seed, presence):
    """Invalid rows may contain NaN."""
    prediction, targets = random_batch(seed)
    masks, config = loss_masks(SCHEMA, 3), LossConfig(presence=presence, gate_menus=True)
    valid = np.array([1, 0, 1, 0], np.float32)
    kept = jax.tree.map(lambda array: array[valid > 0], (prediction, targets))
    for array in prediction:
        array[valid == 0] = np.nan
    found = loss_of(prediction, targets, masks, config, valid=valid)
    np.testing.assert_allclose(found, loss_of(*kept, masks, config), rtol=1e-5)


def test_total_loss_of_a_batch_of_padding_is_zero():
    prediction, targets = random_batch(10)
    losses = loss_of(prediction, targets, loss_masks(SCHEMA, 3), valid=np.zeros(BATCH, np.float32))
    np.testing.assert_array_equal(losses, 0)


@settings(deadline=None, max_examples=10)
@given(seeds, st.sampled_from(["report", "margin"]), st.booleans())
def test_loss_means_of_two_batches_merge_to_the_loss_of_all_rows(seed, presence, gated):
    """The batches may differ. A mean of their losses would weigh each row by its batch."""
    prediction, targets = random_batch(seed, n=8)
    targets.modulation[4:, :, :, 0] = 0  # fewer routes in the second batch
    masks = loss_masks(SCHEMA, 3)
    config = LossConfig(presence=presence, gate_menus=gated, gate_sources=gated)
    parts = [
        means_of(*(take(tree, rows) for tree in (prediction, targets)), masks, config)
        for rows in (np.arange(4), np.arange(4, 8))
    ]
    merged = LossMeans(*(a.merge(b) for a, b in zip(*parts, strict=True)))
    expected = loss_of(prediction, targets, masks, config)
    np.testing.assert_allclose(weigh(merged, config, 10), expected, rtol=1e-5)


def test_loss_weights_when_gated_exclude_more_than_the_report():
    _, targets = random_batch(11)
    targets.categorical[:, [OSC_ON, FILTER_ON]] = [[0, 1], [1, 0], [1, 1], [0, 0]]
    targets.modulation[:] = 0
    masks = loss_masks(SCHEMA, 3)
    knobs, menus = loss_weights(targets, masks, REPORT)
    np.testing.assert_array_equal(knobs[:, [LEVEL, CUTOFF]], [[0, 1], [1, 0], [1, 1], [0, 0]])
    assert np.all(knobs[:, :5] == 1)
    assert np.all(menus == masks.categorical_weight)
    knobs, menus = loss_weights(targets, masks, LossConfig(gate_menus=True, gate_sources=True))
    assert np.all(knobs[:, :5] == 0)  # of an LFO without a route
    np.testing.assert_array_equal(menus[:, 2], [1, 0, 1, 0])
    without_routes, _ = loss_weights(targets._replace(modulation=None), masks, LossConfig(gate_sources=True))
    assert np.all(without_routes[:, :5] == 1)


def test_mean_none_has_value_0_and_does_not_change_a_merge():
    some = Mean.of(jnp.array([1.0, jnp.nan]), jnp.array([2.0, 0.0]))
    assert [float(mean.value()) for mean in (Mean.none(), some, some.merge(Mean.none()))] == [0, 1, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"continuous_weight": -1.0}, "continuous_weight is -1.0"),
        ({"modulation_weight": float("nan")}, "modulation_weight is nan"),
        ({"modulation_warmup_epochs": -1}, "modulation_warmup_epochs is -1"),
        ({"modulation_pos_weight": 0.0}, "modulation_pos_weight is 0.0"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0"),
        ({"knob_error": "cubed"}, "knob_error is 'cubed'; choose one of"),
    ],
)
def test_loss_config_with_invalid_weights_names_them(change, message):
    with pytest.raises(ValueError, match=message):
        LossConfig(**change)
