"""Tests of vjax.inference.rank, with the real engine and short sounds."""

import dataclasses

import numpy as np
import pytest

from vjax.inference.judge import Judge
from vjax.inference.objective import Objective, ObjectiveConfig
from vjax.inference.rank import rank_starts
from vjax.inference.target import RefineTarget, Start
from vjax.vital.engine import RenderConfig
from vjax.vital.pool import RenderJob, RenderPool
from vjax.vital.preset import controls, init
from vjax.vital.wavetables import FRAME, table_json

RENDER = RenderConfig(seconds=0.4, note_s=0.3)


CYCLE = sum(a * np.sin(2 * np.pi * k * np.arange(FRAME) / FRAME) for k, a in enumerate((1.0, 0.02, 0.5, 0.3), 1))


def start(label: str, table=None, volume: float = 0.5, level: float = 0.7, detune: float = 0.0) -> Start:
    """The init patch with fixed phases."""
    continuous, schema = init().continuous.copy(), controls()
    knobs = {"osc_1_random_phase": 0.0, "volume": volume, "osc_1_level": level, "osc_1_tune": 0.5 + detune}
    for name, value in knobs.items():
        continuous[schema.position[name]] = value
    tables = init().wavetables if table is None else (table, *init().wavetables[1:])
    return Start(label, dataclasses.replace(init(), continuous=continuous, wavetables=tables))


@pytest.fixture(scope="module")
def organ():
    """(a target whose wavetable no start has, a judge that has it in place 0)."""
    with RenderPool(RENDER, 2) as pool:
        preset = start("organ", table_json("Organ", CYCLE[None])).preset
        audio = pool.render(RenderJob(preset.to_json(), (48,))).audio[0]
        objective = Objective(ObjectiveConfig(), 1, 4, RENDER.samples, RENDER.sample_rate)
        objective.set_target(0, audio)
        yield RefineTarget("organ", audio, 48, ()), Judge(objective, pool)


def heard(judge, ranking) -> list[float]:
    """Losses of the ranked presets, rendered anew."""
    presets = [one.start.preset for one in ranking.starts]
    losses, again = judge.levelled(judge.play(presets, 48), presets, 0)
    assert again == presets  # they are at the level of the target already
    return losses.tolist()


def test_starts_take_the_level_of_the_target_without_a_render(organ):
    target, judge = organ
    target = target._replace(starts=(start("soft", volume=0.2), start("loud", volume=0.9)))
    ranking = rank_starts(target, 0, judge, fits=0, budget=10)
    assert ranking.evals == 2
    soft, loud = (ranking.losses[label] for label in ("soft", "loud"))
    assert soft == pytest.approx(loud, rel=1e-2)  # the floor under quiet bands moves a little
    assert heard(judge, ranking) == pytest.approx([one.loss for one in ranking.starts], rel=1e-2)
    soft, loud = (one.start.preset.continuous[controls().position["volume"]] for one in ranking.starts)
    assert soft == pytest.approx(loud, abs=0.01)


def test_the_best_are_fitted_and_stand_in_the_place_of_their_originals(organ):
    target, judge = organ
    target = target._replace(starts=(start("apart", detune=0.4), start("saw"), start("near", detune=0.1)))
    ranking = rank_starts(target, 0, judge, fits=2, budget=100)
    assert ranking.evals == 3 + 2 * 3
    assert [one.start.label for one in ranking.starts] == ["saw, fitted", "near, fitted", "apart"]
    assert ranking.losses["saw, fitted"] < 0.5 * ranking.losses["saw"]
    assert list(ranking.losses.values()) == sorted(ranking.losses.values())
    assert set(ranking.losses) == {"saw, fitted", "saw", "near, fitted", "near", "apart"}
    assert heard(judge, ranking) == pytest.approx([one.loss for one in ranking.starts], rel=1e-3)


@pytest.mark.parametrize(("budget", "evals", "labels"), [(1, 1, ["saw"]), (0, 1, ["saw"]), (3, 3, None), (4, 4, None)])
def test_the_budget_is_kept(organ, budget, evals, labels):
    target, judge = organ
    target = target._replace(starts=(start("saw"), start("apart", detune=0.4)))
    ranking = rank_starts(target, 0, judge, fits=2 if labels else 1, budget=budget)
    assert ranking.evals == evals
    assert labels is None or [one.start.label for one in ranking.starts] == labels


def test_what_cannot_be_heard_is_left_out(organ):
    target, judge = organ
    target = target._replace(starts=(start("mute", level=0.0), start("saw")))
    ranking = rank_starts(target, 0, judge, fits=2, budget=3)
    assert [one.start.label for one in ranking.starts] == ["saw, fitted"]
    assert list(ranking.losses) == ["saw, fitted", "saw"]
    assert rank_starts(target._replace(starts=target.starts[:1]), 0, judge, fits=1, budget=9).starts == []


def test_a_start_that_is_the_answer_stays_as_it_is(organ):
    target, judge = organ
    answer = start("answer", table_json("Organ", CYCLE[None]))
    ranking = rank_starts(target._replace(starts=(answer,)), 0, judge, fits=1, budget=9)
    assert ranking.starts[0].start == answer
    assert ranking.starts[0].loss == pytest.approx(0, abs=1e-4)
