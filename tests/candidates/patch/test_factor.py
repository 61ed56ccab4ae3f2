"""Sounds of the model, decomposed by medians and compared with their true cutoff."""

import jax
import jax.numpy as jnp
import numpy as np

from vjax.candidates.patch import factor as factoring
from vjax.candidates.patch.factor import factor
from vjax.candidates.patch.fit import SKELETONS
from vjax.candidates.patch.model import cutoff_midi, level_db
from vjax.candidates.patch.spectrogram import FLOOR_DB

SAW_DB = -20 * np.log10(np.geomspace(1, 150, 64))
ON, OFF = jnp.float32(1), jnp.float32(0)


def test_factor_of_a_sound_of_the_model_finds_its_cutoff(monkeypatch, sketch):
    axes, skeleton = sketch.axes(), SKELETONS["envelopes"]._replace(steep=1)
    truth = sketch.knobs(SAW_DB, attack=0.04, decay=0.2, cutoff=64.0, amount=40.0, filter_sustain=0.1)
    level = level_db(truth, skeleton, axes)
    sound_db = jnp.maximum(level - level.max(), FLOOR_DB)
    found = factor(sound_db, axes.band, ON, ON, ON)
    while_on = np.asarray(axes.time_s < axes.note_s)
    off = np.asarray(found.cutoff)[while_on] - np.asarray(cutoff_midi(truth, skeleton, axes))[while_on]
    assert np.abs(off - np.median(off)).mean() < 3  # a darker table and a brighter filter sound the same
    assert found.error_db < 0.5 * factor(sound_db, axes.band, ON, ON, OFF).error_db
    monkeypatch.setattr(factoring, "_ROUNDS", 1)
    once = jax.jit(lambda *sound: factor.__wrapped__(*sound))(sound_db, axes.band, ON, ON, ON)
    assert found.error_db < 0.9 * once.error_db


def test_factor_of_silence_is_finite():
    found = factor(jnp.full((20, 64), FLOOR_DB), jnp.linspace(20, 130, 64), ON, ON, ON)
    assert all(np.isfinite(field).all() for field in found)
