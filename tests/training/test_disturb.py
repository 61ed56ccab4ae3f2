"""Tests of disturbances: each does what it states, and the level agrees with the engine's volume."""

import jax
import numpy as np
import pytest

from vjax.audio.mel import MelConfig, mel_spectrogram
from vjax.data.stream import Batch
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.engine.schema import engine_schema
from vjax.training.disturb import DisturbConfig, disturb
from vjax.vital import preset as vital_preset

SCHEMA = engine_schema(n_wavetables=1, n_lfo_shapes=1)


def batch_of(mel, volume=5473.0):
    defaults = SCHEMA.default_parameters()
    continuous = np.tile(defaults.continuous, (len(mel), 1))
    at = SCHEMA.position["volume"]
    continuous[:, at] = SCHEMA.continuous[at].to_norm(volume)
    return Batch(mel, continuous, np.tile(defaults.categorical, (len(mel), 1)), None, None, np.ones(len(mel)))


def noise_mel(b=4, frames=20, seed=0):
    return np.log1p(np.random.default_rng(seed).exponential(5, (b, 1, 16, frames))).astype(np.float32)


def disturbed(batch, seed=0, **settings):
    return disturb(jax.random.key(seed), batch, DisturbConfig(**settings), SCHEMA)


def test_disturb_with_zeros_changes_nothing_but_rounding():
    batch = batch_of(noise_mel())
    found = disturbed(batch)
    np.testing.assert_allclose(found.mel, batch.mel, rtol=1e-5)
    np.testing.assert_array_equal(found.continuous, batch.continuous)
    assert DisturbConfig().changes_nothing
    assert not DisturbConfig(noise_db=1).changes_nothing


def test_disturb_gain_moves_volume_and_level_alike():
    batch = batch_of(noise_mel(b=64))
    found = disturbed(batch, gain_db=12.0)
    at = SCHEMA.position["volume"]
    before, after = (
        np.sqrt(SCHEMA.minimum[at] + np.asarray(one.continuous)[:, at] * SCHEMA.span[at]) - 80 for one in (batch, found)
    )
    level_db = 10 * np.log10(np.expm1(found.mel).mean((1, 2, 3)) / np.expm1(batch.mel).mean((1, 2, 3)))
    np.testing.assert_allclose(level_db, after - before, atol=1e-3)
    assert level_db.min() < -8
    assert level_db.max() > 4
    assert np.asarray(found.continuous)[:, at].max() <= 1


def test_disturb_gain_agrees_with_the_engine():
    """The spectrogram of a quieter volume is that of the engine at this volume."""
    render, mel = RenderConfig(seconds=0.5, note_s=0.3), MelConfig()
    one = vital_preset.init().to_json()
    with RenderPool(render, workers=1) as pool:

        def played(volume):
            one["settings"]["volume"] = volume
            (found,) = pool.map([RenderJob(one, (60,))])
            return np.asarray(mel_spectrogram(found.audio[0].mean(0), mel))[None, None]

        batch = batch_of(played(5473.0))
        found = disturbed(batch, seed=3, gain_db=20.0)
        at = SCHEMA.position["volume"]
        expected = played(SCHEMA.continuous[at].to_native(found.continuous[0, at]))
    assert abs(found.continuous[0, at] - batch.continuous[0, at]) > 0.05
    np.testing.assert_allclose(found.mel, expected, atol=0.02)


def test_disturb_shift_delays_with_silence():
    batch = batch_of(noise_mel(b=32))
    found = np.asarray(disturbed(batch, shift_frames=3).mel)
    starts = (found > 0).any((1, 2)).argmax(-1)
    assert set(starts.tolist()) == {0, 1, 2, 3}
    for row, start in enumerate(starts.tolist()):
        np.testing.assert_allclose(found[row, ..., start:], batch.mel[row, ..., : 20 - start], rtol=1e-5)


def test_disturb_tilt_is_a_straight_line_in_db():
    batch = batch_of(noise_mel(b=16))
    found = disturbed(batch, tilt_db=9.0)
    change_db = 10 * np.log10(np.expm1(np.asarray(found.mel, np.float64)) / np.expm1(batch.mel.astype(np.float64)))
    slope = change_db[:, 0, -1, 0]
    assert np.abs(slope).max() <= 9
    assert np.abs(slope).max() > 4
    np.testing.assert_allclose(change_db[:, 0, :, 0], slope[:, None] * np.linspace(-1, 1, 16), atol=1e-3)
    np.testing.assert_allclose(change_db, np.broadcast_to(change_db[..., :1], change_db.shape), atol=1e-3)


def test_disturb_noise_lies_between_its_levels():
    mel = np.zeros((64, 1, 16, 20), np.float32)
    mel[..., 0] = np.log1p(1000.0)
    found = np.expm1(np.asarray(disturbed(batch_of(mel), noise_db=60.0).mel, np.float64))
    level_db = 10 * np.log10(found[..., 1:].mean((1, 2, 3)) / 1000)
    assert level_db.min() >= -101
    assert level_db.max() <= -39
    assert level_db.max() - level_db.min() > 40


def test_disturb_with_another_key_differs_and_with_the_same_does_not():
    batch, settings = batch_of(noise_mel()), {"gain_db": 6.0, "tilt_db": 3.0, "noise_db": 50.0, "shift_frames": 2}
    one, same, other = (disturbed(batch, seed, **settings).mel for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.1


@pytest.mark.parametrize("field", ["gain_db", "tilt_db", "noise_db", "shift_frames"])
def test_disturb_config_refuses_negative_strengths(field):
    with pytest.raises(ValueError, match=f"{field}=-1; it must be at least 0"):
        DisturbConfig(**{field: -1})
