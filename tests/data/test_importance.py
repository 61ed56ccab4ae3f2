"""Importance weights from real renders of turned knobs."""

import numpy as np
import pytest

from vjax.audio.mel import MelConfig
from vjax.data.importance import LARGEST_WEIGHT, SMALLEST_WEIGHT, measure_importance
from vjax.schema import Schema
from vjax.vital.engine import RenderConfig
from vjax.vital.wavetables import standard_catalog

RENDER = RenderConfig(seconds=0.3, note_s=0.2)


@pytest.fixture(scope="module")
def few_knobs() -> Schema:
    """The engine's schema with six knobs of the init patch."""
    schema = Schema.from_engine(len(standard_catalog()))
    names = ("env_1_sustain", "lfo_1_phase", "osc_1_level", "osc_1_transpose", "osc_2_level", "polyphony")
    knobs = tuple(knob for knob in schema.continuous if knob.name in names)
    return Schema(knobs, schema.categorical, schema.sources, schema.destinations, schema.engine)


def test_what_is_heard_weighs_more_than_what_is_not(few_knobs):
    presets = [(few_knobs.default_parameters(), 48)]
    weights = measure_importance(presets, few_knobs, standard_catalog(), RENDER, MelConfig(), progress=False)
    weight = dict(zip(few_knobs.continuous_names, weights, strict=True))
    assert weights.dtype == np.float32
    assert ((weights >= SMALLEST_WEIGHT) & (weights <= LARGEST_WEIGHT)).all()
    assert weight["osc_1_transpose"] > weight["osc_1_level"] > SMALLEST_WEIGHT
    # Oscillator 2 is off, LFO 1 drives nothing, and polyphony is no part of a sound.
    assert {weight[name] for name in ("osc_2_level", "lfo_1_phase", "polyphony")} == {np.float32(SMALLEST_WEIGHT)}


def test_without_presets_there_is_nothing_to_measure(few_knobs):
    with pytest.raises(ValueError, match="needs presets"):
        measure_importance([], few_knobs, standard_catalog(), RENDER, MelConfig())
