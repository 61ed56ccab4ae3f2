"""Tests of vjax.search.judge, with the real engine and short sounds."""

import dataclasses

import pytest

from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.search.candidate import Candidate
from vjax.search.judge import Judge
from vjax.search.objective import Objective, ObjectiveConfig
from vjax.search.target import RefineTarget
from vjax.vital.preset import controls, init

RENDER = RenderConfig(seconds=0.4, note_s=0.3)


def candidate(label: str, **norm: float) -> Candidate:
    """The init patch with fixed phases and some knobs, in norm units."""
    continuous = init().continuous.copy()
    for name, value in {"osc_1_random_phase": 0.0, **norm}.items():
        continuous[controls().position[name]] = value
    return Candidate(label, dataclasses.replace(init(), continuous=continuous))


@pytest.fixture(scope="module")
def judged():
    """(a judge, the target in its lane 1). The candidate "exact" plays the target."""
    with RenderPool(RENDER, 2) as pool:
        audio = pool.render(RenderJob(candidate("exact").preset.to_json(), (48,))).audio[0]
        objective = Objective(ObjectiveConfig(), 2, 1, RENDER.samples, RENDER.sample_rate)
        objective.set_target(1, audio)
        yield Judge(objective, pool), RefineTarget("exact", audio, 48, ())


def test_best_of_three_candidates_returns_the_first_and_the_best(judged):
    judge, target = judged
    candidates = [candidate("low", osc_1_transpose=0.4), candidate("exact"), candidate("high", osc_1_transpose=0.6)]
    first, best = judge.best(candidates, target, 1)
    assert (first.label, best.label) == ("low", "exact")
    assert first.preset is candidates[0].preset
    assert best.loss == pytest.approx(0, abs=1e-4)
    assert first.loss > best.loss
    assert first.distances["mss"] > best.distances["mss"]
    assert judge.best(candidates[:1], target, 1)[1].label == "low"


def test_best_with_only_silent_candidates_is_an_error(judged):
    judge, target = judged
    silent = candidate("silent", osc_1_level=0.0)
    first, best = judge.best([silent, candidate("exact")], target, 1)
    assert (first.label, best.label) == ("silent", "exact")
    with pytest.raises(ValueError, match="the 2 best candidates are silent at note 48"):
        judge.best([silent, silent], target, 1)
