"""Tests of importance weights, measured with real renders."""

import numpy as np
import pytest

from vjax.audio.mel import MelConfig
from vjax.data.importance import LARGEST_WEIGHT, SMALLEST_WEIGHT, measure_importance
from vjax.engine.config import RenderConfig
from vjax.sound.schema import Schema
from vjax.vital.standard_tables import standard_catalog
from vjax.vital.vocabulary import Vocabulary

RENDER = RenderConfig(seconds=0.3, note_s=0.2)
VOCABULARY = Vocabulary(standard_catalog())


def schema_of(*names: str) -> Schema:
    """The engine's schema with some of its knobs."""
    schema = VOCABULARY.schema()
    knobs = tuple(knob for knob in schema.continuous if knob.name in names)
    return Schema(knobs, schema.categorical, schema.sources, schema.destinations, schema.engine)


@pytest.fixture(scope="module")
def few_knobs() -> Schema:
    return schema_of("env_1_sustain", "lfo_1_phase", "osc_1_level", "osc_1_transpose", "osc_2_level", "polyphony")


def test_measure_importance_weighs_audible_parameters_more_than_inaudible_ones(few_knobs):
    presets = [(few_knobs.default_parameters(), 48)]
    weights = measure_importance(presets, few_knobs, VOCABULARY, RENDER, MelConfig(), progress=False)
    weight = dict(zip(few_knobs.continuous_names, weights, strict=True))
    assert weights.dtype == np.float32
    assert ((weights >= SMALLEST_WEIGHT) & (weights <= LARGEST_WEIGHT)).all()
    assert weight["osc_1_transpose"] > weight["osc_1_level"] > SMALLEST_WEIGHT
    # Oscillator 2 is off, LFO 1 has no route, and polyphony is frozen.
    assert {weight[name] for name in ("osc_2_level", "lfo_1_phase", "polyphony")} == {np.float32(SMALLEST_WEIGHT)}


def test_measure_importance_of_an_lfo_depends_on_its_route_and_shape():
    """The phase of an LFO is changed while the LFO has the shape of the preset."""
    schema = schema_of("lfo_1_phase", "osc_1_level")
    position, destinations = schema.position, schema.destinations
    weights = {}
    for shape in ("Saw Down", "Full"):  # the phase of a flat shape is inaudible
        routed = schema.default_parameters()
        cell = schema.sources.index("lfo_1") * len(destinations) + destinations.index("osc_1_level")
        routed.route_index[0], routed.route_value[0, 0] = cell, -0.7
        routed.categorical[position["lfo_1_shape"]] = VOCABULARY.lfo_shapes.names.index(shape)
        found = measure_importance([(routed, 48)], schema, VOCABULARY, RENDER, MelConfig(), progress=False)
        weights[shape] = found[position["lfo_1_phase"]]
    assert weights["Saw Down"] > SMALLEST_WEIGHT
    assert weights["Full"] == np.float32(SMALLEST_WEIGHT)


def test_measure_importance_without_presets_is_refused(few_knobs):
    with pytest.raises(ValueError, match="needs presets"):
        measure_importance([], few_knobs, VOCABULARY, RENDER, MelConfig())


def test_measure_importance_changes_an_integer_parameter_by_one_step():
    """A change of 0.1 would be rounded to none, because the chorus has 1 to 4 pairs of voices."""
    schema = schema_of("chorus_voices", "osc_1_level")
    preset = schema.default_parameters()
    preset.categorical[schema.position["chorus_on"]] = 1
    weights = measure_importance([(preset, 48)], schema, VOCABULARY, RENDER, MelConfig(), progress=False)
    assert weights[schema.position["chorus_voices"]] > SMALLEST_WEIGHT
