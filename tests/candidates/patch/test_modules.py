from vjax.candidates.patch.modules import with_modules
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.search.target import Sought
from vjax.vital.values import with_values


def test_with_modules_softer_patch_of_the_same_sound_adds_none(by_hand):
    patch = with_values(by_hand.patches["plucked"], {"osc_1_level": 0.1})
    with RenderPool(RenderConfig(), workers=2) as pool:
        rendered = pool.render(RenderJob(patch.to_json(), (48,))).audio[0]
        loud = 4 * rendered
        sought = Sought(loud, 48, 1.5, 44100)
        found = with_modules(patch, sought, pool)
    assert found.modules == ()
    assert found.distance_db < 0.5
