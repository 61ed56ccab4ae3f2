"""Tests of the modules that patches get, by renders of the real engine."""

import dataclasses

import numpy as np
import pytest

from vjax.candidates.patch import modules
from vjax.candidates.patch.modules import Improved, with_modules
from vjax.engine.pool import RenderPool
from vjax.search.target import Sought
from vjax.vital.editability import editability
from vjax.vital.preset import Preset
from vjax.vital.values import value_of, with_values

UNISON = {"osc_1_unison_voices": 6, "osc_1_unison_detune": 4.0}
NOISE = {"sample_on": 1, "sample_level": 0.2, "sample_destination": 3}


def improved(sketch, patch: Preset, truth: Preset) -> Improved:
    """Returns `patch` with the modules that bring it nearer to the render of `truth`."""
    (audio,) = sketch.play(truth)
    sought = Sought(audio, sketch.note, sketch.render.note_s, sketch.render.sample_rate)
    with RenderPool(sketch.render, 2) as pool:
        return with_modules(patch, sought, pool)


@pytest.mark.parametrize(
    ("values", "module"), [(UNISON, "unison"), pytest.param(NOISE, "noise", marks=pytest.mark.slow)]
)
def test_with_modules_sound_with_a_module_adds_that_module(sketch, by_hand, values, module, monkeypatch):
    monkeypatch.setattr(modules, "MOST_MODULES", 1)
    patch = by_hand.patches["filtered"]
    found = improved(sketch, patch, with_values(patch, values))
    assert found.modules == (module,)
    assert found.distance_db < 2.5
    assert found.evals > 10
    assert editability(found.preset).editable
    switch = "osc_1_unison_voices" if module == "unison" else "sample_on"
    assert value_of(found.preset, switch) > value_of(patch, switch)


def test_with_modules_plain_sound_adds_none(sketch, by_hand):
    patch = by_hand.patches["filtered"]
    found = improved(sketch, patch, patch)
    assert found.modules == ()
    assert np.array_equal(found.preset.continuous, patch.continuous)


def test_with_modules_patch_that_crashes_the_engine_is_infinitely_far(sketch, by_hand):
    patch = by_hand.patches["filtered"]
    table = {"groups": [{"components": [{"type": "No Such Source"}]}], "name": "Broken"}
    broken = dataclasses.replace(patch, wavetables=(patch.wavetables[0] | table, *patch.wavetables[1:]))
    (audio,) = sketch.play(patch)
    sought = Sought(audio, sketch.note, sketch.render.note_s, sketch.render.sample_rate)
    with RenderPool(sketch.render, 2) as pool:
        found = with_modules(broken, sought, pool)
    assert found.distance_db == np.inf
    assert found.modules == ()
