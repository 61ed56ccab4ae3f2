"""Tests of how a patch continues in a note that is longer than the analysed sound."""

import numpy as np
import pytest

from vjax.candidates.patch.hold import SAME_DB, with_fall
from vjax.candidates.resynthesis.sustain import Fall
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.vital.preset import Preset, init
from vjax.vital.values import value_of, with_values

NOTE_S, LONG_S = 2.0, 5.0


def levels_db(preset: Preset) -> np.ndarray:
    """[n] every 0.1 s of a note of 5 s."""
    with RenderPool(RenderConfig(seconds=LONG_S, note_s=LONG_S), workers=1) as pool:
        audio = pool.render(RenderJob(preset.to_json(), (60,))).audio[0]
    blocks = audio[:, : audio.shape[1] // 4410 * 4410].reshape(2, -1, 4410)
    return 10 * np.log10((blocks**2).mean((0, 2)) + 1e-12)


def envelope(**stages: float) -> Preset:
    steady = {"osc_1_random_phase": 0.0, "env_1_attack": 0.2}
    return with_values(init(), steady | {f"env_1_{name}": value for name, value in stages.items()})


@pytest.mark.parametrize(
    "preset", [envelope(sustain=1.0), envelope(decay=1.4, sustain=0.5, decay_power=0.0)], ids=["steady", "decaying"]
)
def test_with_fall_in_a_longer_note_is_the_same_and_then_falls(preset):
    falling = with_fall(preset, Fall(4.0, 2.0), NOTE_S)
    before, after = levels_db(preset), levels_db(falling)
    inside = slice(0, round(NOTE_S / 0.1))
    assert np.abs(after - before)[inside].mean() < SAME_DB + 0.1
    assert after[-1] < before[-1] - 6
    assert (np.diff(after[inside.stop :]) < 0.1).all()


def test_with_fall_of_none_changes_nothing():
    preset = envelope(sustain=0.5, decay=1.0)
    assert with_fall(preset, None, NOTE_S) is preset


def test_with_fall_that_one_envelope_cannot_play_changes_nothing():
    """A fast decay to a level that then falls slowly takes two stages."""
    preset = envelope(decay=0.4, sustain=0.2, decay_power=0.0)
    falling = with_fall(preset, Fall(30.0, 0.5), NOTE_S)
    assert value_of(falling, "env_1_decay") == value_of(preset, "env_1_decay")
