"""Tests of vjax.vital.level against the engine."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.vital.level import is_free, level_range_db, with_gain
from vjax.vital.preset import Preset, Route, controls, init

VOLUME = controls().position["volume"]


def fixed_phase() -> Preset:
    continuous = init().continuous.copy()
    continuous[controls().position["osc_1_random_phase"]] = 0.0
    return dataclasses.replace(init(), continuous=continuous)


def test_with_gain_renders_louder_by_that_factor():
    gains_db = np.array([0.0, -30.0, 6.0, 12.0])
    with RenderPool(RenderConfig(seconds=0.4, note_s=0.3), 2) as pool:
        jobs = [RenderJob(with_gain(fixed_phase(), gain_db).to_json(), (48,)) for gain_db in gains_db]
        sounds = np.stack([played.audio[0] for played in pool.map(jobs)])
    expected = sounds[0] * 10 ** (gains_db[:, None, None] / 20)
    np.testing.assert_allclose(sounds, expected, atol=2e-5 * np.abs(sounds).max())


def test_level_range_db_ends_at_the_knobs_ends():
    softer, louder = level_range_db(init())
    assert (softer, louder) == (pytest.approx(-73.98, abs=0.01), pytest.approx(12.04, abs=0.01))
    assert with_gain(init(), louder).continuous[VOLUME] == pytest.approx(1)
    assert with_gain(init(), softer).continuous[VOLUME] == pytest.approx(0)


@given(st.floats(-60, 12))
def test_with_gain_and_its_negative_restores_the_volume(gain_db):
    back = with_gain(with_gain(init(), gain_db), -gain_db)
    assert back.continuous[VOLUME] == pytest.approx(init().continuous[VOLUME], rel=1e-6)


def test_with_gain_of_an_inaudible_gain_changes_nothing():
    assert with_gain(init(), 0.01) is init()


def test_is_free_with_a_modulated_volume_is_false():
    preset = dataclasses.replace(init(), routes=(Route("lfo_1", "volume", 0.3), *init().routes[1:]))
    assert is_free(init())
    assert not is_free(preset)
    assert level_range_db(preset) == (0.0, 0.0)
