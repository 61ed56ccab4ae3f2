"""Tests of vjax.matching.choose, with the real engine and short sounds."""

import dataclasses
import math

import numpy as np
import pytest

from vjax.audio.pitch import detect_pitch
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.matching.choose import choose, rank
from vjax.search.candidate import Candidate
from vjax.search.judge import Judge
from vjax.search.objective import Objective, ObjectiveConfig
from vjax.search.refine_config import RefineConfig
from vjax.search.target import RefineTarget, Sought
from vjax.vital.preset import controls, init
from vjax.vital.wavetables import FRAME, table_json

RENDER = RenderConfig(seconds=0.4, note_s=0.3)


CYCLE = sum(a * np.sin(2 * np.pi * k * np.arange(FRAME) / FRAME) for k, a in enumerate((1.0, 0.02, 0.5, 0.3), 1))


def candidate(label: str, table=None, volume: float = 0.5, level: float = 0.7, detune: float = 0.0) -> Candidate:
    """The init patch with fixed phases."""
    continuous, schema = init().continuous.copy(), controls()
    knobs = {"osc_1_random_phase": 0.0, "volume": volume, "osc_1_level": level, "osc_1_tune": 0.5 + detune}
    for name, value in knobs.items():
        continuous[schema.position[name]] = value
    tables = init().wavetables if table is None else (table, *init().wavetables[1:])
    return Candidate(label, dataclasses.replace(init(), continuous=continuous, wavetables=tables))


@pytest.fixture(scope="module")
def organ():
    """`chosen(*candidates, **settings)`: `choose` for a sound whose wavetable no candidate has."""
    with RenderPool(RENDER, 2) as pool:
        preset = candidate("organ", table_json("Organ", CYCLE[None])).preset
        audio = pool.render(RenderJob(preset.to_json(), (48,))).audio[0]
        objective = Objective(ObjectiveConfig(), 1, 4, RENDER.samples, RENDER.sample_rate)
        objective.set_target(0, audio)
        judge = Judge(objective, pool)
        pitch = detect_pitch(audio, RENDER.sample_rate)

        def chosen(*candidates, tune=False, **settings):
            sought = Sought(audio, 48, RENDER.note_s, RENDER.sample_rate, pitch if tune else None)
            return choose(candidates, sought, judge, 0, pool, **settings)

        chosen.judge, chosen.audio, chosen.pool = judge, audio, pool
        yield chosen


def losses_again(organ, choice) -> list[float]:
    """Losses of the chosen presets, rendered again."""
    presets = [one.preset for one in choice.candidates]
    losses, _, again = organ.judge.levelled(organ.judge.play(presets, 48), presets, 0)
    assert again == presets  # they are at the level of the sound already
    return losses.tolist()


def labels(choice) -> list[str]:
    return [one.label for one in choice.candidates]


def test_choose_with_different_volumes_sets_levels_without_a_render(organ):
    choice = organ(candidate("soft", volume=0.2), candidate("loud", volume=0.9), equalise=0)
    assert choice.evals == 2
    first, second = choice.candidates
    assert first.loss == pytest.approx(second.loss, rel=1e-2)  # the lower limit of quiet bands differs a little
    assert losses_again(organ, choice) == pytest.approx([first.loss, second.loss], rel=1e-2)
    volumes = [one.preset.continuous[controls().position["volume"]] for one in choice.candidates]
    assert volumes[0] == pytest.approx(volumes[1], abs=0.01)
    for one in choice.candidates:
        (audio,) = organ.judge.play([one.preset], 48)
        np.testing.assert_allclose(one.levelled_audio, audio, atol=1e-3)
        assert np.abs(one.audio - audio).max() > 0.01
    played = {one.label: one.preset.continuous[controls().position["volume"]] for one in choice.as_played}
    assert played == {"soft": 0.2, "loud": 0.9}


def test_choose_without_levelling_keeps_the_volume(organ):
    choice = organ(candidate("soft", volume=0.2), equalise=0, level=False)
    assert choice.best.preset.continuous[controls().position["volume"]] == 0.2


def test_choose_with_equalise_replaces_the_best_by_equalised_ones(organ):
    candidates = (candidate("apart", detune=0.4), candidate("saw"), candidate("near", detune=0.1))
    choice, plain = organ(*candidates, equalise=2), organ(*candidates, equalise=0)
    assert choice.evals == 3 + 2 * 3
    assert labels(choice) == ["saw, fitted", "near, fitted", "apart"]
    assert choice.best.loss < 0.5 * plain.best.loss
    losses = [one.loss for one in choice.candidates]
    assert losses == sorted(losses)
    assert losses_again(organ, choice) == pytest.approx(losses, rel=1e-3)
    ranking = choice.ranking()
    assert [one.label for one in ranking.candidates] == labels(choice) == list(ranking.losses)


@pytest.mark.parametrize(("budget", "evals"), [(1, 1), (3, 3), (4, 4)])
def test_choose_with_a_budget_does_not_exceed_it(organ, budget, evals):
    choice = organ(candidate("saw"), candidate("apart", detune=0.4), equalise=1 if budget < 4 else 2, budget=budget)
    assert choice.evals == evals


def test_choose_with_failed_candidates_keeps_their_errors(organ):
    broken = candidate("broken").preset
    broken = dataclasses.replace(broken, wavetables=({"name": "x"}, *broken.wavetables[1:]))
    choice = organ(candidate("mute", level=0.0), candidate("saw"), Candidate("broken", broken), equalise=2)
    assert labels(choice)[0] == "saw, fitted"
    errors = {one.label: one.error for one in choice.candidates if one.error}
    assert errors["mute"] == "silent at note 48"
    assert "broken" in errors
    assert errors["broken"]
    assert organ(candidate("mute", level=0.0), equalise=1).best is None


def test_choose_with_the_true_preset_keeps_it_unchanged(organ):
    true = candidate("true", table_json("Organ", CYCLE[None]))
    choice = organ(true, equalise=1)
    assert choice.best.preset == true.preset
    assert choice.best.loss == pytest.approx(0, abs=1e-4)


def test_choose_with_tune_transposes_candidates_to_the_sound(organ):
    choice = organ(candidate("sharp", detune=0.3), candidate("in tune"), tune=True, equalise=0)
    by_label = {one.label: one for one in choice.candidates}
    assert by_label["sharp"].tuned_semitones == pytest.approx(-0.6, abs=0.05)
    assert abs(by_label["sharp"].pitch_error_semitones) < 0.1
    assert by_label["in tune"].tuned_semitones == 0
    assert choice.evals == 3
    assert all(math.isnan(one.pitch_error_semitones) for one in organ(candidate("saw"), equalise=0).candidates)


def test_choose_with_a_wrong_note_ranks_it_last(organ):
    """It has the least loss, and transposing does not tune it: its oscillator does not follow the keys."""
    wrong = candidate("wrong", table_json("Organ", CYCLE[None]))
    menus = wrong.preset.categorical.copy()
    menus[controls().categorical_names.index("osc_1_midi_track")] = 0
    continuous = wrong.preset.continuous.copy()
    continuous[controls().position["osc_1_transpose"]] = (1 + 48) / 96  # note 49
    wrong = Candidate("wrong", dataclasses.replace(wrong.preset, categorical=menus, continuous=continuous))
    other = candidate("other", table_json("Hiss", np.random.default_rng(0).normal(0, 0.3, (1, FRAME))))
    choice = organ(wrong, other, tune=True, equalise=0)
    assert choice.candidates[-1].label == "wrong"
    assert choice.candidates[-1].wrong_note


def test_rank_attaches_the_ranking_of_choose(organ):
    target = RefineTarget("organ", organ.audio, 48, (candidate("saw"), candidate("mute", level=0.0)))
    silent = RefineTarget("silent", np.zeros_like(organ.audio), 48, (candidate("saw"),))
    ranked, empty = rank([target, silent], RefineConfig(evals=9), organ.pool)
    assert list(ranked.ranking.losses) == ["saw"]
    assert ranked.ranking.evals == 2
    assert empty.ranking.candidates == []
