"""Tests of the scores of heads, on presets made by hand, so that every number can be counted."""

import numpy as np
import pytest

from vjax.engine.schema import engine_schema
from vjax.evaluation.head_scores import audible_controls, score_heads
from vjax.sound.encoding import CHAIN, EFFECTS, TargetEncoding


def preset(schema, knobs=(), menus=(), routes=()):
    """The default with some knobs (norm), menus, and cells of the matrix."""
    parameters = schema.default_parameters()
    continuous, categorical = parameters.continuous.copy(), parameters.categorical.copy()
    index, value = parameters.route_index.copy(), parameters.route_value.copy()
    for name, norm in dict(knobs).items():
        continuous[schema.position[name]] = norm
    for name, option in dict(menus).items():
        categorical[schema.position[name]] = option
    for slot, (source, destination) in enumerate(routes):
        index[slot] = schema.sources.index(source) * len(schema.destinations) + schema.destinations.index(destination)
        value[slot, 0] = 0.5
    return parameters._replace(continuous=continuous, categorical=categorical, route_index=index, route_value=value)


def by_name(scores):
    return {score.name: score for score in scores}


def test_score_heads_of_a_perfect_prediction_has_full_scores(schema):
    levels = (0.1, 0.5, 0.9)
    presets = [
        preset(schema, {"osc_1_level": level}, {"osc_1_wavetable": i}, [("lfo_1", "osc_1_level")] * (i > 0))
        for i, level in enumerate(levels)
    ]
    found = score_heads(presets, presets, schema)
    assert (found.sounds, found.knob_skill, found.menus_above) == (3, 1.0, 1.0)
    assert by_name(found.menus)["osc_1_wavetable"] == ("osc_1_wavetable", 3, 1.0, pytest.approx(1 / 3))
    assert by_name(found.knobs)["osc_1_level"][2:] == (0.0, pytest.approx(0.8 / 3, abs=1e-6))
    assert (found.routes.precision, found.routes.recall, found.routes.f1) == (1, 1, 1)


def test_score_heads_of_the_best_constant_has_no_skill(schema):
    targets = [preset(schema, {"osc_1_level": level}) for level in (0.1, 0.4, 0.9)]
    found = score_heads([preset(schema, {"osc_1_level": 0.4})] * 3, targets, schema)
    assert [knob.name for knob in found.knobs] == ["osc_1_level"]  # the others do not vary
    assert found.knob_skill == pytest.approx(0)
    assert found.menus == ()
    assert found.menus_above == 0


def test_audible_controls_excludes_inaudible_parameters(schema):
    """Controls of a module that is off, of a source without a route, and a frozen control."""
    targets = [
        preset(schema, {"osc_2_level": 0.2, "lfo_1_frequency": 0.3, "beats_per_minute": 0.1}),
        preset(schema, {"osc_2_level": 0.8}, {"osc_2_on": 1}),
        preset(schema, {"lfo_1_frequency": 0.9}, routes=[("lfo_1", "osc_1_level")]),
    ]
    stacked = type(targets[0])(*(np.stack(arrays) for arrays in zip(*targets, strict=True)))
    knobs, _ = audible_controls(stacked, schema, tier=3)
    counted = {name: knobs[:, schema.position[name]].tolist() for name in ("osc_2_level", "lfo_1_frequency")}
    assert counted == {"osc_2_level": [False, True, False], "lfo_1_frequency": [False, False, True]}
    assert not knobs[:, schema.position["beats_per_minute"]].any()
    assert score_heads(targets, targets, schema).knobs == ()


def test_score_heads_compares_routes_with_the_best_constant(schema):
    common, rare, wrong = ("lfo_1", "osc_1_level"), ("env_2", "filter_1_cutoff"), ("velocity", "osc_2_level")
    targets = [preset(schema, routes=routes) for routes in ([common], [common], [common, rare], [])]
    predictions = [preset(schema, routes=routes) for routes in ([common], [wrong], [rare], [])]
    found = score_heads(predictions, targets, schema).routes
    assert (found.true, found.predicted) == (1.0, 0.75)
    assert (found.precision, found.recall, found.f1) == pytest.approx((2 / 3, 2 / 4, 4 / 7))
    assert found.constant_routes == ("lfo_1 -> osc_1_level",)
    assert found.constant_f1 == pytest.approx(2 * 3 / (4 + 4))
    assert score_heads(predictions, targets, schema, routes=False).routes is None


@pytest.mark.parametrize("encoded", [False, True], ids=["controls", "encoded"])
def test_score_heads_counts_transpositions_right_to_the_semitone(schema, encoded):
    knob = schema.continuous[schema.position["osc_1_transpose"]]

    def form(semitones):
        plain = preset(schema, {"osc_1_transpose": knob.to_norm(semitones)})
        return encode(TargetEncoding(schema), plain) if encoded else plain

    form_schema = TargetEncoding(schema).schema if encoded else schema
    found = score_heads([form(n) for n in (0, 11, 12, 13)], [form(n) for n in (0, 12, 12, 12)], form_schema).semitones
    assert found[1:] == (4, 0.5, 0.75)


def test_score_heads_scores_effect_order_over_pairs_that_are_on():
    schema = engine_schema()
    on = {f"{effect}_on": 1 for effect in ("chorus", "delay", "reverb")}
    knob = schema.continuous[schema.position[CHAIN]]
    plain, other = (preset(schema, {CHAIN: knob.to_norm(code)}, on) for code in (0, 1))
    encoding = TargetEncoding(schema)
    for read, form in ((lambda one: one, schema), (lambda one: encode(encoding, one), encoding.schema)):
        found = score_heads([read(plain)] * 2, [read(plain), read(other)], form).order
        assert found.counted == 2 * 3
        assert found.score == found.constant  # the constant is the plain order
    reversed_order = score_heads(
        [plain], [preset(schema, {CHAIN: knob.to_norm(np.prod(range(1, 10)) - 1)}, on)], schema
    ).order
    assert (reversed_order.score, reversed_order.constant) == (0, 1)  # the last code is the reversed order
    assert len(EFFECTS) == 9


def encode(encoding, one):
    continuous, categorical = encoding.encode(one.continuous[None], one.categorical[None])
    return one._replace(continuous=continuous[0], categorical=categorical[0])


def test_score_heads_without_sounds_raises(schema):
    with pytest.raises(ValueError, match="at least one sound"):
        score_heads([], [], schema)
