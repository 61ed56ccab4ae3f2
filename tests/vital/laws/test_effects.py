"""Laws of effects against the real engine: mixes, the reverb's decay, the soft clip."""

import numpy as np
import pytest

from vjax.vital.laws.effects import mix_gains, reverb_t60_s, soft_clip
from vjax.vital.laws.oscillators import volume_knob


def test_mix_gains_equal_the_engine(play):
    """Of the reverb: the dry gain before its first echo, the wet one after that."""
    mixes = (0.0, 0.25, 0.6, 1.0)
    variations = [{"reverb_dry_wet": mix} for mix in mixes]
    settings = {"reverb_on": 1.0, "reverb_size": 1.0, "osc_1_level": 0.5}
    played = play(variations, settings)[:, 0]
    early, late = played[:, 44:441], played[:, 8820:]
    dry = (early * early[0]).sum(-1) / (early[0] ** 2).sum()
    np.testing.assert_allclose(dry, mix_gains(np.array(mixes))[0], atol=0.01)
    wet = late - dry[:, None] * late[0]
    level = np.sqrt((wet**2).mean(-1))
    np.testing.assert_allclose(level / level[-1], mix_gains(np.array(mixes))[1], atol=0.02)


def test_reverb_t60_s_equals_the_engine(play):
    """Within 12 %, of the fall from 10 to 40 dB below all that follows the note, with the shelves off."""
    cases = [(0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (1.5, 0.75)]
    settings = {
        "reverb_on": 1.0,
        "reverb_dry_wet": 1.0,
        "reverb_high_shelf_gain": 0.0,
        "reverb_chorus_amount": 0.0,
        "env_1_release": 0.1,
        "osc_1_level": 0.7,
    }
    variations = [{"reverb_decay_time": decay_time, "reverb_size": size} for decay_time, size in cases]
    for sound, case in zip(play(variations, settings, note=45, seconds=4.0, note_s=0.05), cases, strict=True):
        power = (sound**2).sum(0)
        left_db = 10 * np.log10(np.cumsum(power[::-1])[::-1] / power.sum())  # Schroeder's backward integration
        first, last = np.searchsorted(-left_db, (10, 40))
        assert 2 * (last - first) / 44100 == pytest.approx(float(reverb_t60_s(*case)), rel=0.12), case


@pytest.mark.parametrize(
    "drive_db", [6.0, *(pytest.param(drive_db, marks=pytest.mark.slow) for drive_db in (-12.0, 18.0))]
)
def test_soft_clip_equals_the_engine(play, drive_db):
    """Sample by sample, of a tone without much that folds at the sample rate."""
    settings = {"volume": float(volume_knob(0.0)), "osc_1_level": 0.7, "filter_1_on": 1.0, "filter_1_cutoff": 70.0}
    dry, wet = play([{}, {"distortion_on": 1.0, "distortion_drive": drive_db}], settings)[:, 0, -8820:]
    predicted = np.asarray(soft_clip(dry, drive_db))
    assert np.abs(predicted - wet).mean() < 0.005 * np.abs(wet).max()
