"""Tests of vjax.search.refine, search and judge, with the real engine and short sounds."""

import dataclasses
import json

import numpy as np
import pytest

from vjax.engine.config import RenderConfig
from vjax.engine.live import LivePool, Variation
from vjax.engine.pool import RenderJob, RenderPool
from vjax.matching.choose import rank
from vjax.search.candidate import Candidate
from vjax.search.evolution import Search
from vjax.search.judge import JUDGE_SEEDS
from vjax.search.refine import refine as search
from vjax.search.refine_config import RefineConfig
from vjax.search.strategy import StrategyConfig
from vjax.search.target import Ranking, RefineTarget
from vjax.vital import preset as vital_preset
from vjax.vital.preset import controls

RENDER = RenderConfig(seconds=0.4, note_s=0.3)
CONFIG = RefineConfig(evals=61, strategy=StrategyConfig(population=8), parallel=2)


def refine(targets, config, render, workers=2, fits=0, **more):
    """A search from the targets' starts, which are ranked first."""
    with RenderPool(render, workers) as pool:
        yield from search(rank(targets, config, pool, fits), config, render, workers, **more)


def edited(**norm: float) -> vital_preset.Preset:
    """The init patch with filter 1 on, fixed phases and some knobs, in norm units."""
    init = vital_preset.init()
    continuous, categorical = init.continuous.copy(), init.categorical.copy()
    categorical[controls().position["filter_1_on"]] = 1
    for name, value in {"osc_1_random_phase": 0.0, **norm}.items():
        continuous[controls().position[name]] = value
    return dataclasses.replace(init, continuous=continuous, categorical=categorical)


@pytest.fixture(scope="module")
def sounds() -> dict[str, np.ndarray]:
    """[2, samples] of two presets, played for themselves."""
    with RenderPool(RENDER, 2) as pool:
        presets = {"dark": edited(filter_1_cutoff=0.3), "quiet": edited(osc_1_level=0.3)}
        jobs = [RenderJob(preset.to_json(), (48,)) for preset in presets.values()]
        return {name: r.audio[0] for name, r in zip(presets, pool.map(jobs), strict=True)}


@pytest.fixture(scope="module")
def bright() -> Candidate:
    return Candidate("bright", edited(filter_1_cutoff=0.8))


@pytest.fixture(scope="module")
def refined(sounds, bright):
    """Both sounds from the same start, at once; with what `on_progress` was told."""
    seen = []
    targets = [RefineTarget(name, audio, 48, (bright,)) for name, audio in sounds.items()]
    return {r.name: r for r in refine(targets, CONFIG, RENDER, 2, on_progress=seen.append)}, seen


def test_it_comes_nearer_by_fresh_renders_and_by_other_metrics(refined):
    results, _ = refined
    assert set(results) == {"dark", "quiet"}
    for result in results.values():
        assert not result.error
        assert result.evals == CONFIG.evals
        assert result.label == "bright"
        assert result.after.loss < 0.9 * result.before.loss
        assert result.after.distances["wmfcc"] < result.before.distances["wmfcc"]
    cutoff = controls().position["filter_1_cutoff"]
    assert results["dark"].preset.continuous[cutoff] < 0.8


def test_what_is_judged_is_what_a_fresh_process_plays(refined, sounds):
    from vjax.audio.distances import mss

    result = refined[0]["dark"]
    with RenderPool(RENDER, 2) as pool:
        jobs = [RenderJob(result.preset.to_json(), (48,), seed) for seed in JUDGE_SEEDS]
        audio = np.stack([rendering.audio[0] for rendering in pool.map(jobs)])
    np.testing.assert_array_equal(audio[0], result.after.audio)
    assert result.after.distances["mss"] == pytest.approx(float(np.mean(mss(audio, sounds["dark"]))), rel=1e-4)


def test_the_trace_falls_and_ends_at_the_budget(refined):
    for result in refined[0].values():
        evals, losses = zip(*result.trace, strict=True)
        assert list(evals) == sorted(evals)
        assert evals[-1] == CONFIG.evals
        assert list(losses) == sorted(losses, reverse=True)


def test_progress_tells_of_each_generation_and_hands_over_what_is_better(refined):
    results, seen = refined
    for name, result in results.items():
        mine = [progress for progress in seen if progress.name == name]
        assert [progress.evals for progress in mine] == [evals for evals, _ in result.trace[1:]]
        better = [progress.loss for progress in mine if progress.better is not None]
        assert better == sorted(set(better), reverse=True)


def test_a_run_repeats_on_any_number_of_workers(refined, sounds, bright):
    targets = [RefineTarget(name, audio, 48, (bright,)) for name, audio in sounds.items()]
    again = {r.name: r for r in refine(targets, CONFIG, RENDER, 1)}
    for name, result in refined[0].items():
        assert again[name].trace == result.trace
        np.testing.assert_array_equal(again[name].preset.continuous, result.preset.continuous)


def test_a_search_gets_the_same_bits_alone_and_beside_others(sounds, bright):
    """In another place, beside spaces of another size, on other workers, in another order."""
    many = edited(filter_1_cutoff=0.8)
    for module in ("osc_2", "osc_3", "filter_2"):
        many.categorical[controls().position[f"{module}_on"]] = 1
    wide = Candidate("wide", many)
    config = dataclasses.replace(CONFIG, evals=2 + 9 * 2)
    targets = [
        RefineTarget("first", sounds["quiet"], 48, (bright,)),
        RefineTarget("same", sounds["dark"], 48, (Candidate("plain", edited(filter_1_cutoff=0.6)), bright)),
        RefineTarget("wide", sounds["quiet"], 48, (wide,)),
    ]
    together = {r.name: r for r in refine(targets, config, RENDER, 2)}
    assert together["wide"].dimensions > together["same"].dimensions + 16
    turned = {r.name: r for r in refine(targets[:0:-1], dataclasses.replace(config, parallel=5), RENDER, 1)}
    (alone,) = refine(targets[1:2], config, RENDER, 2)
    for others in (turned, {"same": alone}):
        for name, result in others.items():
            assert result.trace == together[name].trace
            assert json.dumps(result.preset.to_json()) == json.dumps(together[name].preset.to_json())
            assert result.after.loss == together[name].after.loss


def test_refine_of_one_sound_under_two_names_gives_the_same_bytes(sounds, bright):
    """A path may be written in many ways; other sounds and other seeds get other samples."""
    targets = [RefineTarget(name, sounds["dark"], 48, (bright,)) for name in ("one", "two")]
    config = dataclasses.replace(CONFIG, evals=1 + 9 * 2)
    one, two = refine(targets, config, RENDER, 2)
    assert one.trace == two.trace
    assert json.dumps(one.preset.to_json()) == json.dumps(two.preset.to_json())
    (other,) = refine(targets[:1], dataclasses.replace(config, seed=1), RENDER, 2)
    assert other.trace[0] == one.trace[0]
    assert other.trace != one.trace


def test_generations_take_turns_between_the_engines_seeds(sounds):
    """The next candidates are variations of what plays with one draw of phases, then the other, then the first."""
    chorus = edited(osc_1_random_phase=1.0, osc_1_unison_voices=0.5, osc_1_unison_detune=0.6)
    target = RefineTarget("dark", sounds["dark"], 48, (Candidate("chorus", chorus),))
    with RenderPool(RENDER, 1) as fresh, LivePool(RENDER, 1, presets_at_once=4) as live:

        def play(key) -> np.ndarray:
            ((_, rendering),) = live.render([Variation(key, {})])
            return rendering.audio

        (target,) = rank([target], CONFIG, fresh)
        search = Search.begin(target, CONFIG, live, {})
        for seed in (0, 1):
            live.load(seed, search.space.preset.to_json(), 48, seed)
        assert not np.array_equal(play(0), play(1))
        for seed in (0, 1, 0):
            np.testing.assert_array_equal(play(search.live_key), play(seed))
            search.learn(search.ask()[:1], np.ones(1, np.float32), np.zeros(1))


def test_learn_without_anything_better_draws_the_trace_on(sounds, bright):
    """From the starts' loss to the end, though no candidate makes a sound; a better one is found all the same."""
    ranking = Ranking([dataclasses.replace(bright, loss=0.5, audio=sounds["dark"])], {"bright": 0.5}, 4)
    target = RefineTarget("dark", sounds["dark"], 48, (bright,), ranking=ranking)
    with LivePool(RENDER, 1, presets_at_once=2) as live:
        search = Search.begin(target, CONFIG, live, {})
        for loss in (np.nan, 0.75, 0.25):
            search.learn(search.ask(), np.full(9, loss, np.float32), np.zeros(9))
    assert search.trace == [(4, 0.5), (13, 0.5), (22, 0.5), (31, 0.25)]
    assert [one.loss for one in search.best] == [0.25, 0.5, 0.75]


def test_it_never_returns_worse_than_the_start(sounds):
    """The start is the answer: nothing can beat it, and it comes back."""
    answer = Candidate("answer", edited(filter_1_cutoff=0.3))
    config = dataclasses.replace(CONFIG, evals=20)
    (result,) = refine([RefineTarget("dark", sounds["dark"], 48, (answer,))], config, RENDER, 2)
    assert result.after.loss == pytest.approx(result.before.loss, abs=1e-6)
    np.testing.assert_array_equal(result.preset.continuous, answer.preset.continuous)


def test_starts_compete_and_the_first_is_what_is_compared_with(sounds, bright):
    near = Candidate("near", edited(filter_1_cutoff=0.35))
    config = dataclasses.replace(CONFIG, evals=20)
    (result,) = refine([RefineTarget("dark", sounds["dark"], 48, (bright, near))], config, RENDER, 2)
    assert result.label == "near"
    assert result.before.label == "bright"
    assert result.candidate_losses["near"] < result.candidate_losses["bright"]
    assert result.after.loss <= result.candidate_losses["near"] + 1e-6


def test_a_search_that_stands_still_tries_the_next_start(sounds):
    """The rival bears the same label: what is loaded must be told apart all the same."""
    starts = (Candidate("same", edited(filter_1_cutoff=0.31)), Candidate("same", edited(filter_1_cutoff=0.3105)))
    config = dataclasses.replace(CONFIG, evals=2 + 9 * 8, patience=1)
    (result,) = refine([RefineTarget("dark", sounds["dark"], 48, starts)], config, RENDER, 2)
    assert result.restarts >= 1
    assert result.evals == config.evals
    assert result.after.loss < result.before.loss


def test_and_without_another_start_it_takes_wider_steps(sounds):
    """From its answer nothing improves."""
    config = dataclasses.replace(CONFIG, evals=1 + 9 * 6, patience=1, restart_patience=1)
    answer = Candidate("answer", edited(filter_1_cutoff=0.3))
    (result,) = refine([RefineTarget("dark", sounds["dark"], 48, (answer,))], config, RENDER, 2)
    assert result.restarts >= 2
    # Left alone it goes on for longer than this budget: standing still for a while is how it learns its covariance.
    config = dataclasses.replace(config, restart_patience=0)
    (patient,) = refine([RefineTarget("dark", sounds["dark"], 48, (answer,))], config, RENDER, 2)
    assert patient.restarts == 0


def test_a_start_that_led_nowhere_is_left_for_the_best_found(sounds):
    """The rival is as near and stands still: the search comes back to what the first start found, once."""
    starts = (Candidate("first", edited(filter_1_cutoff=0.31)), Candidate("rival", edited(filter_1_cutoff=0.3105)))
    config = dataclasses.replace(CONFIG, evals=2 + 9 * 24, patience=1)
    (result,) = refine([RefineTarget("dark", sounds["dark"], 48, starts)], config, RENDER, 2)
    assert result.label == "first"
    assert result.restarts == 2


def test_what_cannot_be_refined_is_an_error_and_costs_nobody_else(sounds, bright):
    mute = edited()
    mute.continuous[controls().position["osc_1_level"]] = 0.0
    targets = [
        RefineTarget("silent target", np.zeros_like(sounds["dark"]), 48, (bright,)),
        RefineTarget("silent start", sounds["dark"], 48, (Candidate("mute", mute),)),
        RefineTarget("no start", sounds["dark"], 48, ()),
        RefineTarget("fine", sounds["dark"], 48, (bright,)),
    ]
    config = dataclasses.replace(CONFIG, evals=10)
    found = {r.name: r for r in refine(targets, config, RENDER, 2)}
    assert "silent" in found["silent target"].error
    assert "all 1 candidates are silent at note 48" in found["silent start"].error
    assert "all 0 candidates are silent" in found["no start"].error
    assert not found["fine"].error


def test_one_can_stop_and_gets_the_best_so_far(sounds, bright):
    targets = [RefineTarget(name, audio, 48, (bright,)) for name, audio in sounds.items()]
    found = list(refine(targets, CONFIG, RENDER, 2, should_stop=lambda: True))
    assert [result.evals for result in found] == [1 + 9, 1 + 9]
    assert all(result.after.loss <= result.before.loss for result in found)


def test_what_an_earlier_run_spent_is_not_spent_again(sounds, bright):
    target = RefineTarget("dark", sounds["dark"], 48, (bright,), spent=50)
    (result,) = refine([target], CONFIG, RENDER, 2)
    assert result.trace[0][0] == 51
    assert result.evals == CONFIG.evals


def test_a_spent_budget_still_ends_with_the_best_that_was_found(sounds, bright):
    """Killed while the end was judged: nothing is left to search, and the second start is what was found."""
    found = Candidate("bright, refined", edited(filter_1_cutoff=0.32))
    target = RefineTarget(
        "dark", sounds["dark"], 48, (bright, found, dataclasses.replace(bright, label="more")), spent=CONFIG.evals
    )
    (result,) = refine([target], CONFIG, RENDER, 2)
    assert result.label == "bright, refined"
    assert set(result.candidate_losses) == {"bright", "bright, refined"}


def test_the_best_start_is_told_before_anything_beats_it(sounds, bright):
    """So that a killed run finds it again."""
    exact = Candidate("exact", edited(filter_1_cutoff=0.3))
    seen = []
    config = dataclasses.replace(CONFIG, evals=21)
    list(
        refine([RefineTarget("dark", sounds["dark"], 48, (bright, exact))], config, RENDER, 2, on_progress=seen.append)
    )
    assert seen[0].better is not None
    cutoff = controls().position["filter_1_cutoff"]
    assert seen[0].better.continuous[cutoff] == pytest.approx(0.3, abs=0.1)
    assert all(progress.better is None or progress.loss < seen[0].loss for progress in seen[1:])


def test_refine_with_a_ranking_begins_at_its_best_and_plays_no_start(sounds, bright):
    """What the ranking took counts as used; the first start is what the result is compared with all the same."""
    near, mute = Candidate("near", edited(filter_1_cutoff=0.35)), Candidate("mute", edited(osc_1_level=0.0))
    scored = ((near, 0.25), (bright, 0.5))
    ranked = [dataclasses.replace(one, loss=loss, audio=sounds["dark"]) for one, loss in scored]
    ranking = Ranking(ranked, {"near": 0.25, "bright": 0.5}, 12)
    config = dataclasses.replace(CONFIG, evals=12 + 9)
    target = RefineTarget("dark", sounds["dark"], 48, (bright, mute), ranking=ranking)
    (result,) = search([target], config, RENDER, 2)
    assert result.trace[0] == (12, 0.25)
    assert result.evals == 12 + 9
    assert result.candidate_losses == {"near": 0.25, "bright": 0.5}
    assert (result.before.label, result.label) == ("bright", "near")
    (used_up,) = search([target], dataclasses.replace(CONFIG, evals=12), RENDER, 2)
    assert (used_up.label, used_up.evals, used_up.trace) == ("near", 12, ((12, 0.25),))
    nothing = target._replace(ranking=Ranking([], {}, 4))
    (failed,) = search([nothing], config, RENDER, 2)
    assert "all 2 candidates are silent at note 48" in failed.error
    (unranked,) = search([target._replace(ranking=None)], config, RENDER, 2)
    assert "its candidates are not ranked; see vjax.matching.choose.rank" in unranked.error


def test_a_search_goes_on_from_fitted_tables(sounds, bright):
    config = dataclasses.replace(CONFIG, evals=40)
    (result,) = refine([RefineTarget("dark", sounds["dark"], 48, (bright,))], config, RENDER, 2, fits=1)
    assert result.trace[0][0] == 4
    assert result.label == "bright, fitted"
    assert result.evals == 40
    assert result.after.loss < 0.6 * result.before.loss
    assert result.preset.wavetables[0]["name"] == "Init (fitted)"


def test_time_ends_a_search_too(sounds, bright):
    config = dataclasses.replace(CONFIG, evals=10**6, seconds=0.01)
    (result,) = refine([RefineTarget("dark", sounds["dark"], 48, (bright,))], config, RENDER, 2)
    assert result.evals == 1 + 9


def test_wrong_settings_are_refused(sounds, bright):
    with pytest.raises(ValueError, match="two targets are called 'dark'"):
        list(refine([RefineTarget("dark", sounds["dark"], 48, (bright,))] * 2, CONFIG, RENDER))
    wrong = {"evals": 0, "patience": 0, "parallel": 0, "engine_seeds": 0}
    for field, value in (wrong | {"seconds": -1.0, "restart_patience": -1}).items():
        with pytest.raises(ValueError, match=field):
            RefineConfig(**{field: value})
