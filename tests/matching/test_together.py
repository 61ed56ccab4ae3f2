"""Tests of one preset for several recordings of an instrument, with the real engine."""

import dataclasses
import math

import numpy as np
import pytest

from vjax.audio.clip import Clip
from vjax.engine.pool import RenderJob, RenderPool
from vjax.inference.predict import Predictor, render_config
from vjax.matching.choose import Choice
from vjax.matching.config import DEFAULT
from vjax.matching.match import match
from vjax.matching.prepare import prepare
from vjax.matching.together import BEST, together
from vjax.search.candidate import Candidate, Kind
from vjax.search.refine_config import RefineConfig
from vjax.vital.preset import controls, init

RATE = 44100
LOW, HIGH = 48, 72
CONFIG = dataclasses.replace(DEFAULT, note=LOW, note_s=0.3, patch=False, resynthesis=None, variants=0, equalise=0)


def edited(**native):
    """The init patch with fixed phases and other values: knobs in native units, menus as indices."""
    schema, continuous, categorical = controls(), init().continuous.copy(), init().categorical.copy()
    for name, value in ({"osc_1_random_phase": 0.0} | native).items():
        if name in schema.categorical_names:
            categorical[schema.categorical_names.index(name)] = value
        else:
            continuous[schema.position[name]] = schema.continuous[schema.position[name]].to_norm(value)
    return dataclasses.replace(init(), continuous=continuous, categorical=categorical)


FILTER = {"filter_1_on": 1, "osc_1_destination": 0, "filter_1_resonance": 0.0}
TRACKED = edited(**FILTER, filter_1_cutoff=66.0, filter_1_keytrack=1.0)
FIXED = edited(**FILTER, filter_1_cutoff=66.0 + (LOW - 60), filter_1_keytrack=0.0)
"""Two presets that are alike at the low note: the first filter follows the keys, the second does not."""


@pytest.fixture(scope="module")
def predictor(engine_run):
    return Predictor.from_checkpoint(engine_run, batch_size=1)


@pytest.fixture(scope="module")
def pool(predictor):
    with RenderPool(render_config(predictor), workers=2) as pool:
        yield pool


@pytest.fixture(scope="module")
def clips(pool):
    """The preset TRACKED at both notes."""

    def clip(name, note):
        audio = pool.render(RenderJob(TRACKED.to_json(), (note,), note_s=0.3)).audio[0]
        return Clip(f"{name}.wav", name, audio, RATE, audio[:, :0])

    return clip("low", LOW), clip("high", HIGH)


@pytest.fixture(scope="module")
def candidates():
    """FIXED is a little closer to the low sound."""
    near = edited(**FILTER, filter_1_cutoff=64.0, filter_1_keytrack=1.0)
    return Candidate("tracked", near, kind=Kind.NEIGHBOUR), Candidate("fixed", FIXED, kind=Kind.NEIGHBOUR)


def test_match_of_several_recordings_returns_the_best_preset_for_all(predictor, pool, clips, candidates):
    low, high = clips
    alone = match(low, None, pool, CONFIG, candidates=candidates, only_candidates=True)
    assert (alone.label, alone.recordings, alone.candidates[0].each_mss_db) == ("fixed", (), ())
    both = match(low, None, pool, CONFIG, candidates=candidates, only_candidates=True, others=[(high, HIGH)])
    assert both.label == "tracked"
    assert both.evals == alone.evals + 2
    assert [(one.name, one.note) for one in both.recordings] == [("low.wav", LOW), ("high.wav", HIGH)]
    assert both.metrics == both.recordings[0].metrics
    for one, clip in zip(both.recordings, clips, strict=True):
        job = RenderJob(both.preset.to_json(), (one.note,), note_s=one.note_s)
        np.testing.assert_array_equal(pool.render(job).audio[0], one.audio)
        assert one.audio.shape == clip.audio.shape
    first = both.candidates[0]
    assert first.mss_db == pytest.approx(np.mean(first.each_mss_db))
    assert first.each_mss_db == pytest.approx([one.mss_db for one in both.recordings], abs=0.3)  # of one seed
    assert "the best for 'high' at C5 as well" in both.preset.comments
    recordings = both.as_json()["preset"]["recordings"]
    assert [(one["sound"], one["note"]) for one in recordings] == [("low.wav", LOW), ("high.wav", HIGH)]


def test_match_of_several_recordings_estimates_their_notes(predictor, pool, clips, candidates):
    low, high = clips
    estimated = dataclasses.replace(CONFIG, note=None)
    result = match(low, None, pool, estimated, candidates=candidates, only_candidates=True, others=[(high, None)])
    assert [one.note for one in result.recordings] == [LOW, HIGH]


def test_match_of_several_recordings_with_a_search_raises(predictor, pool, clips, candidates):
    search = dataclasses.replace(CONFIG, refine=RefineConfig(evals=5))
    with pytest.raises(ValueError, match="a search is for one recording, there are 2"):
        match(clips[0], None, pool, search, candidates=candidates, only_candidates=True, others=[(clips[1], HIGH)])


def test_match_of_several_recordings_with_a_silent_one_raises(predictor, pool, clips, candidates):
    mute = dataclasses.replace(clips[1], name="mute.wav", audio=np.zeros_like(clips[1].audio))
    with pytest.raises(ValueError, match=r"mute\.wav: the target is silent"):
        match(clips[0], None, pool, CONFIG, candidates=candidates, only_candidates=True, others=[(mute, HIGH)])


def test_together_renders_the_best_of_each_family_and_ranks_them_first(pool, clips):
    given, others = [Candidate("x", FIXED)], [(clips[1], HIGH)]
    ready = prepare(clips[0], None, pool, CONFIG, candidates=given, only_candidates=True, others=others)
    knobs = [Candidate(f"{i}", FIXED, 0.1 * i, float(i), kind=Kind.NEIGHBOUR) for i in range(BEST + 2)]
    patch = Candidate("patch", TRACKED, 9.0, 90.0, kind=Kind.PATCH)
    mute = Candidate("mute", edited(osc_1_on=0), 0.0, 0.0, kind=Kind.RESYNTHESIS)
    failed = Candidate("failed", FIXED, error="hung", kind=Kind.PATCH)
    choice = together(Choice((mute, *knobs, patch, failed), (), 7), ready.recordings, pool)
    assert choice.evals == 7 + BEST + 2
    labels = [one.label for one in choice.candidates]
    assert set(labels[: BEST + 1]) == {"patch", *(f"{i}" for i in range(BEST))}
    assert labels[BEST + 1 : BEST + 3] == [f"{BEST}", f"{BEST + 1}"]  # not rendered for all
    by_label = {one.label: one for one in choice.candidates}
    assert by_label["mute"].error == f"silent at note {HIGH}"
    assert by_label["failed"].error == "hung"
    assert by_label["patch"].each_mss_db == pytest.approx((90.0, 0.0), abs=0.1)
    assert by_label["patch"].mss_db == pytest.approx(45.0, abs=0.1)
    assert math.isnan(by_label["4"].pitch_error_semitones)
