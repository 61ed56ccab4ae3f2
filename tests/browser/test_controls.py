"""Tests the comparison of predictions with their targets, with the real and with a small schema."""

import numpy as np
import pytest

from vjax.browser.controls import ControlTexts, compare_controls, compare_routes, named_routes
from vjax.inference.confidence import confidence_maker
from vjax.inference.decode import PredictedPreset
from vjax.inference.decode_routes import PredictedRoute
from vjax.sound.schema import Schema


@pytest.fixture(scope="module")
def texts(engine_vocabulary) -> ControlTexts:
    """The texts of the real engine."""
    return ControlTexts(engine_vocabulary.schema(), engine_vocabulary)


def _set(schema: Schema, parameters, **values):
    """Sets parameters: categorical ones by option, continuous ones by norm."""
    for name, value in values.items():
        vector = parameters.continuous if name in schema.continuous_names else parameters.categorical
        vector[schema.position[name]] = value


def _route(schema: Schema, parameters, slot: int, source: str, destination: str, amount: float, **manner: float):
    cell = schema.sources.index(source) * len(schema.destinations) + schema.destinations.index(destination)
    parameters.route_index[slot] = cell
    parameters.route_value[slot] = (amount, manner.get("bipolar", 0), manner.get("power", 0), manner.get("stereo", 0))


def _prediction(schema: Schema, parameters, target) -> PredictedPreset:
    """A prediction with real confidence: 0.6 for each predicted option, a spread of 0.03 for each knob."""
    others = [0.4 / max(n - 1, 1) for n in schema.option_counts]
    menus = [np.full(n, other) for n, other in zip(schema.option_counts, others, strict=True)]
    for menu, option in zip(menus, parameters.categorical, strict=True):
        menu[option] = 0.6
    spread = np.full(len(schema.continuous), 0.03)
    routes = tuple(
        PredictedRoute(*pair, 0, 0, value[0], False, 0.0, False, 0.75)
        for pair, value in named_routes(parameters, schema).values()
    )
    confidence = confidence_maker(schema, 3)(parameters, np.concatenate(menus), spread, (0.75,) * len(routes))
    return PredictedPreset("row 0", parameters, routes, confidence, target=target, midi_note=60)


def _default_pair(schema: Schema):
    return schema.default_parameters(), schema.default_parameters()


def test_control_texts_value_reads_as_on_the_panel_or_as_option_name(texts):
    parameters = texts.schema.default_parameters()
    _set(texts.schema, parameters, osc_1_wavetable=1, lfo_2_shape=2, osc_1_transpose=0.25, env_1_sustain=0.5)
    values = {name: texts.value(name, parameters) for name in ("osc_1_wavetable", "lfo_2_shape", "osc_1_transpose")}
    shapes = texts.vocabulary.lfo_shapes.names
    assert values == {"osc_1_wavetable": "Hollow", "lfo_2_shape": shapes[2], "osc_1_transpose": "-24 st"}
    assert texts.value("osc_1_on", parameters) == "On"
    assert texts.option("osc_1_wavetable", 99) == "99"  # a dataset without a catalog


def test_compare_controls_lists_each_predicted_control_once_by_module(texts):
    predicted, target = _default_pair(texts.schema)
    controls = compare_controls(_prediction(texts.schema, predicted, target), texts, texts)
    frozen = texts.schema.frozen_continuous().sum() + texts.schema.frozen_categorical().sum()
    names = [control.name for control in controls]
    assert len(set(names)) == len(names) == len(texts.schema.position) - frozen
    modules = [control.module for control in controls]
    firsts = [module for i, module in enumerate(modules) if i == 0 or modules[i - 1] != module]
    assert len(set(firsts)) == len(firsts)  # the controls of a module are adjacent
    assert firsts.index("osc_1") < firsts.index("osc_2")  # in the init preset only oscillator 1 is on
    assert not any(control.differs for control in controls)


def test_compare_controls_with_changed_knobs_and_menus_measures_differences(texts):
    predicted, target = _default_pair(texts.schema)
    _set(texts.schema, predicted, osc_1_level=0.9, osc_1_wavetable=1, osc_2_level=0.1)
    _set(texts.schema, target, osc_1_level=0.4, osc_1_wavetable=2, osc_2_level=0.8)
    controls = {c.name: c for c in compare_controls(_prediction(texts.schema, predicted, target), texts, texts)}
    level = controls["osc_1_level"]
    assert level.difference_norm == pytest.approx(0.5, abs=1e-6)
    assert level.spread_norm == pytest.approx(0.03)
    assert level.probability is None
    table = controls["osc_1_wavetable"]
    assert table.difference_norm == 1
    assert table.predicted == "Hollow"
    assert table.best[0] == ("Hollow", pytest.approx(0.6))
    assert len(table.best) == 3
    # Oscillator 2 is off on both sides: the difference is inaudible.
    assert controls["osc_2_level"].difference_norm == pytest.approx(-0.7, abs=1e-6)
    assert not controls["osc_2_level"].differs
    assert {name for name, control in controls.items() if control.differs} == {"osc_1_level", "osc_1_wavetable"}


def test_compare_controls_with_a_module_on_in_one_preset_marks_it_audible(texts):
    predicted, target = _default_pair(texts.schema)
    _set(texts.schema, target, osc_2_on=1)
    _set(texts.schema, predicted, osc_2_level=0.1, lfo_1_phase=0.9, lfo_2_phase=0.9, lfo_1_frequency=0.9)
    _route(texts.schema, predicted, 0, "lfo_1", "osc_1_level", 0.5)
    differing = {
        c.name for c in compare_controls(_prediction(texts.schema, predicted, target), texts, texts) if c.differs
    }
    # lfo_2 modulates nothing, and lfo_1 follows the tempo on both sides.
    assert differing == {"osc_2_on", "osc_2_level", "lfo_1_phase"}


def test_compare_controls_with_a_smaller_target_schema_leaves_targets_empty(texts, schema):
    """The target has the hand-made schema of twelve knobs, one of which has another range."""
    target = schema.default_parameters()
    predicted = texts.schema.default_parameters()
    small = ControlTexts(schema, texts.vocabulary)
    controls = {c.name: c for c in compare_controls(_prediction(texts.schema, predicted, target), texts, small)}
    assert controls["osc_3_level"].target == ""
    assert np.isnan(controls["osc_3_level"].difference_norm)
    assert not controls["osc_3_level"].differs
    attack, ranges = (
        controls["env_1_attack"],
        [s.continuous[s.position["env_1_attack"]] for s in (texts.schema, schema)],
    )
    assert ranges[0].maximum != ranges[1].maximum
    assert attack.difference_norm == pytest.approx(
        ranges[0].to_norm(ranges[0].default) - ranges[0].to_norm(ranges[1].default), abs=1e-6
    )


def test_compare_routes_sorts_by_found_missed_and_invented(texts):
    predicted, target = _default_pair(texts.schema)
    _route(texts.schema, target, 0, "lfo_1", "osc_1_level", 0.5, bipolar=1)
    _route(texts.schema, target, 1, "env_2", "filter_1_cutoff", -0.9)
    _route(texts.schema, target, 2, "env_3", "filter_1_cutoff", 0.2)
    _route(texts.schema, predicted, 0, "lfo_1", "osc_1_level", -0.1)
    _route(texts.schema, predicted, 1, "lfo_2", "osc_1_pan", 0.3)
    found = compare_routes(_prediction(texts.schema, predicted, target), texts, texts)
    kinds = [(route.kind, route.source, route.destination) for route in found]
    assert kinds == [
        ("found", "lfo_1", "osc_1_level"),
        ("missed", "env_2", "filter_1_cutoff"),
        ("missed", "env_3", "filter_1_cutoff"),
        ("invented", "lfo_2", "osc_1_pan"),
    ]
    assert found[0].target == (0.5, 1, 0, 0)
    assert found[0].predicted[0] == pytest.approx(-0.1)
    assert [route.presence for route in found] == [0.75, None, None, 0.75]


def test_compare_routes_with_a_modulated_route_in_another_slot_finds_it(texts):
    predicted, target = _default_pair(texts.schema)
    _route(texts.schema, target, 0, "env_2", "osc_1_pan", 0.5)
    _route(texts.schema, target, 1, "lfo_1", "osc_1_level", 0.5)
    _route(texts.schema, target, 2, "velocity", "modulation_2_amount", 0.4)
    _route(texts.schema, predicted, 0, "lfo_1", "osc_1_level", 0.5)
    _route(texts.schema, predicted, 1, "velocity", "modulation_1_amount", 0.2)
    found = compare_routes(_prediction(texts.schema, predicted, target), texts, texts)
    assert [(route.kind, route.destination) for route in found] == [
        ("found", "osc_1_level"),
        ("found", "amount of (lfo_1 > osc_1_level)"),
        ("missed", "osc_1_pan"),
    ]
    assert found[1].presence == 0.75
