"""Tests of variations and of differing candidates, with the real engine."""

import dataclasses

import numpy as np
import pytest

from vjax.audio.distances import mss
from vjax.audio.pitch import detect_pitch
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.matching.differing import DIFFERENT_DB, differ, differing, structure_of
from vjax.matching.variations import variations
from vjax.search.candidate import Candidate, Kind
from vjax.search.target import Sought
from vjax.vital.level import level_db
from vjax.vital.preset import Route, init
from vjax.vital.values import with_routes, with_values

RENDER = RenderConfig(seconds=0.5, note_s=0.4)
RATE = RENDER.sample_rate


@pytest.fixture(scope="module")
def pool():
    with RenderPool(RENDER, 2) as pool:
        yield pool


@pytest.fixture(scope="module")
def origin():
    preset = with_values(init(), {"filter_1_on": 1, "osc_1_random_phase": 0.0, "filter_1_cutoff": 80.0})
    return Candidate("bright", preset, kind=Kind.PATCH)


@pytest.fixture(scope="module")
def sought(pool, origin):
    audio = pool.render(RenderJob(origin.preset.to_json(), (48,))).audio[0]
    return Sought(audio, 48, 0.4, RATE, detect_pitch(audio, RATE))


@pytest.fixture(scope="module")
def found(pool, origin, sought):
    return variations(origin, sought, pool, 2, seed=1)


def test_variations_differ_by_sound_from_the_origin_and_from_each_other(found, sought):
    assert len(found) == 2
    sounds = [sought.audio, *(one.levelled_audio for one in found)]
    distances = [float(mss(a, b, RATE)) for i, a in enumerate(sounds) for b in sounds[:i]]
    assert min(distances) > DIFFERENT_DB


def test_variations_are_ranked_in_tune_and_named_after_their_origin(found):
    distances = [one.mss_db for one in found]
    assert distances == sorted(distances)
    assert {(one.label, one.kind) for one in found} == {("bright, varied", Kind.PATCH)}
    assert all(abs(one.pitch_error_semitones) < 0.3 for one in found)


def test_variations_are_at_the_level_of_the_sound(pool, origin, sought):
    soft = sought._replace(audio=0.1 * sought.audio)
    for one in variations(origin, soft, pool, 1, seed=1):
        assert level_db(one.preset) < level_db(origin.preset) - 10


def test_variations_of_a_variation_have_its_label(pool, found, sought):
    (again,) = variations(found[0], sought, pool, 1)
    assert again.label == "bright, varied"


def test_variations_of_a_silent_preset_raises_value_error(pool, sought):
    off = Candidate("off", with_values(init(), {"osc_1_on": 0, "filter_1_on": 1}))
    with pytest.raises(ValueError, match="silent at note 48"):
        variations(off, sought, pool, 1)


def test_variations_at_no_distance_raises_value_error(pool, origin, sought):
    with pytest.raises(ValueError, match="away_db=0"):
        variations(origin, sought, pool, away_db=0)


def test_differing_leaves_out_what_sounds_and_is_built_alike(tone):
    low, high = (np.repeat(tone(hz, 0.5), 2, axis=0) for hz in (220, 440))
    same = Candidate("a", init(), audio=low)
    louder, other = (dataclasses.replace(same, label=name, audio=x) for name, x in (("b", 2 * low), ("c", high)))
    wrong = dataclasses.replace(other, label="wrong", pitch_error_semitones=12.0)
    silent = dataclasses.replace(other, label="silent", error="silent at note 57")
    candidates = [same, louder, silent, wrong, other]
    assert [one.label for one in differing(candidates, 3, RATE)] == ["a", "c"]
    assert [one.label for one in differing(candidates, 1, RATE)] == ["a"]
    assert [one.label for one in differing(candidates, 3, RATE, beside=[other])] == ["a"]


def test_differ_counts_another_structure_only_if_asked(tone):
    low = np.repeat(tone(220, 0.5), 2, axis=0)
    plain = Candidate("a", init(), audio=low)
    routed = Candidate("b", with_routes(init(), Route("env_2", "osc_1_level", 0.3)), audio=low)
    assert structure_of(plain.preset) != structure_of(routed.preset)
    assert differ(plain, routed, RATE)
    assert not differ(plain, routed, RATE, structure=False)
