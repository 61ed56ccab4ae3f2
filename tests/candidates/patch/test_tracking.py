import numpy as np

from vjax.candidates.patch.tracking import with_key_tracking
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.vital.values import value_of

NOTE = 48


def test_with_key_tracking_filter_closed_an_octave_above_follows_the_keyboard(by_hand):
    shut = by_hand.patch(values={"filter_1_cutoff": NOTE + 2.0})
    with RenderPool(RenderConfig(), workers=2) as pool:
        found = with_key_tracking(shut, NOTE, (), pool)
        before, after = (pool.render(RenderJob(one.to_json(), (NOTE, NOTE + 12))).audio for one in (shut, found.preset))
    assert found.evals == 0
    np.testing.assert_allclose(after[0], before[0], atol=1e-5)
    assert np.std(after[1]) > 2 * np.std(before[1])
    assert np.std(after[1]) > np.std(after[0]) / 2


def test_with_key_tracking_filter_open_an_octave_above_is_unchanged(by_hand):
    for name in ("filtered", "unfiltered"):
        found = with_key_tracking(by_hand.patches[name], NOTE, (), None)
        assert value_of(found.preset, "filter_1_keytrack") == 0
