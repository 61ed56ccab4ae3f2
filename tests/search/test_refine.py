"""Tests of vjax.search.refine, search and judge, with the real engine and short sounds."""

import dataclasses
import json

import numpy as np
import pytest

from vjax.engine import isolate, live
from vjax.engine.config import RenderConfig
from vjax.engine.isolate import MachineError
from vjax.engine.live import LivePool, Variation
from vjax.engine.pool import RenderJob, RenderPool
from vjax.matching.choose import rank
from vjax.search import judge
from vjax.search.candidate import Candidate
from vjax.search.evolution import Search
from vjax.search.judge import JUDGE_SEEDS
from vjax.search.refine import Refined
from vjax.search.refine import refine as search
from vjax.search.refine_config import RefineConfig
from vjax.search.strategy import StrategyConfig
from vjax.search.target import Ranking, RefineTarget
from vjax.vital import preset as vital_preset
from vjax.vital.preset import controls

RENDER = RenderConfig(seconds=0.4, note_s=0.3)
CONFIG = RefineConfig(evals=26, strategy=StrategyConfig(population=4), parallel=2)
SAMPLES = 1 + CONFIG.strategy.population  # of a generation: the mean too


def refine(targets, config, render, workers=2, n_fitted=0, **more):
    """Ranks the candidates of the targets, and searches from them."""
    with RenderPool(render, workers) as pool:
        yield from search(rank(targets, config, pool, n_fitted), config, render, workers, **more)


def edited(**norm: float) -> vital_preset.Preset:
    """The init patch with filter 1 on, fixed phases and some knobs, in norm units."""
    init = vital_preset.init()
    continuous, categorical = init.continuous.copy(), init.categorical.copy()
    categorical[controls().position["filter_1_on"]] = 1
    for name, value in {"osc_1_random_phase": 0.0, **norm}.items():
        continuous[controls().position[name]] = value
    return dataclasses.replace(init, continuous=continuous, categorical=categorical)


def with_more_modules() -> vital_preset.Preset:
    """A preset with a larger space than those of `edited`."""
    many = edited(filter_1_cutoff=0.8)
    for module in ("osc_2", "osc_3", "filter_2"):
        many.categorical[controls().position[f"{module}_on"]] = 1
    return many


def assert_same_bits(result: Refined, other: Refined) -> None:
    assert result.trace == other.trace
    assert json.dumps(result.preset.to_json()) == json.dumps(other.preset.to_json())
    assert result.after.loss == other.after.loss


@pytest.fixture(scope="module")
def sounds() -> dict[str, np.ndarray]:
    """Renders [2, samples] of two presets, by name."""
    with RenderPool(RENDER, 2) as pool:
        presets = {"dark": edited(filter_1_cutoff=0.3), "quiet": edited(osc_1_level=0.3)}
        jobs = [RenderJob(preset.to_json(), (48,)) for preset in presets.values()]
        return {name: r.audio[0] for name, r in zip(presets, pool.map(jobs), strict=True)}


@pytest.fixture(scope="module")
def bright() -> Candidate:
    return Candidate("bright", edited(filter_1_cutoff=0.8))


@pytest.fixture
def one_seed(monkeypatch) -> None:
    """Presets are judged with one seed of the engine instead of three, for tests that do not ask which one is chosen.

    `test_judge.py` tests the judgement with all seeds.
    """
    monkeypatch.setattr(judge, "JUDGE_SEEDS", JUDGE_SEEDS[:1])


@pytest.fixture(scope="module")
def refined(sounds, bright):
    """(results of both sounds by name, from the same candidate; the arguments of `on_progress`)."""
    seen = []
    targets = [RefineTarget(name, audio, 48, (bright,)) for name, audio in sounds.items()]
    return {r.name: r for r in refine(targets, CONFIG, RENDER, 2, on_progress=seen.append)}, seen


def test_refine_lowers_the_loss_of_fresh_renders_and_other_metrics(refined):
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


def test_refine_result_equals_the_renders_of_a_fresh_process(refined, sounds):
    from vjax.audio.distances import mss

    result = refined[0]["dark"]
    with RenderPool(RENDER, 2) as pool:
        jobs = [RenderJob(result.preset.to_json(), (48,), seed) for seed in JUDGE_SEEDS]
        audio = np.stack([rendering.audio[0] for rendering in pool.map(jobs)])
    np.testing.assert_array_equal(audio[0], result.after.audio)
    assert result.after.distances["mss"] == pytest.approx(float(np.mean(mss(audio, sounds["dark"]))), rel=1e-4)


def test_refine_trace_falls_and_ends_at_the_budget(refined):
    for result in refined[0].values():
        evals, losses = zip(*result.trace, strict=True)
        assert list(evals) == sorted(evals)
        assert evals[-1] == CONFIG.evals
        assert list(losses) == sorted(losses, reverse=True)


def test_refine_progress_reports_each_generation_and_each_better_preset(refined):
    results, seen = refined
    for name, result in results.items():
        of_target = [progress for progress in seen if progress.name == name]
        assert [progress.evals for progress in of_target] == [evals for evals, _ in result.trace[1:]]
        better = [progress.loss for progress in of_target if progress.better is not None]
        assert better == sorted(set(better), reverse=True)


@pytest.mark.slow
def test_refine_with_another_number_of_workers_repeats(refined, sounds, bright):
    targets = [RefineTarget(name, audio, 48, (bright,)) for name, audio in sounds.items()]
    again = {r.name: r for r in refine(targets, CONFIG, RENDER, 1)}
    for name, result in refined[0].items():
        assert again[name].trace == result.trace
        np.testing.assert_array_equal(again[name].preset.continuous, result.preset.continuous)


def test_refine_alone_and_beside_another_target_returns_the_same_bits(sounds, bright, one_seed):
    """Alone, the target has another lane, and it renders with one worker."""
    config = dataclasses.replace(CONFIG, evals=1 + SAMPLES * 2)
    targets = [
        RefineTarget("wide", sounds["quiet"], 48, (Candidate("wide", with_more_modules()),)),
        RefineTarget("same", sounds["dark"], 48, (bright,)),
    ]
    together = {r.name: r for r in refine(targets, config, RENDER, 2)}
    assert together["wide"].dimensions > together["same"].dimensions + 16
    (alone,) = refine(targets[1:], config, RENDER, 1)
    assert_same_bits(alone, together["same"])


@pytest.mark.slow
def test_refine_alone_and_beside_other_targets_returns_the_same_bits(sounds, bright):
    """The other runs have other lanes, spaces of other sizes, other workers and another order."""
    wide = Candidate("wide", with_more_modules())
    config = dataclasses.replace(CONFIG, evals=2 + SAMPLES * 2)
    targets = [
        RefineTarget("first", sounds["quiet"], 48, (bright,)),
        RefineTarget("same", sounds["dark"], 48, (Candidate("plain", edited(filter_1_cutoff=0.6)), bright)),
        RefineTarget("wide", sounds["quiet"], 48, (wide,)),
    ]
    together = {r.name: r for r in refine(targets, config, RENDER, 2)}
    assert together["wide"].dimensions > together["same"].dimensions + 16
    reversed_ = {r.name: r for r in refine(targets[:0:-1], dataclasses.replace(config, parallel=5), RENDER, 1)}
    (alone,) = refine(targets[1:2], config, RENDER, 2)
    for others in (reversed_, {"same": alone}):
        for name, result in others.items():
            assert_same_bits(result, together[name])


@pytest.mark.slow
def test_refine_of_one_sound_under_two_names_gives_the_same_bytes(sounds, bright):
    """A path may be written in many ways. Another seed gives other samples."""
    targets = [RefineTarget(name, sounds["dark"], 48, (bright,)) for name in ("one", "two")]
    config = dataclasses.replace(CONFIG, evals=1 + SAMPLES * 2)
    one, two = refine(targets, config, RENDER, 2)
    assert one.trace == two.trace
    assert json.dumps(one.preset.to_json()) == json.dumps(two.preset.to_json())
    (other,) = refine(targets[:1], dataclasses.replace(config, seed=1), RENDER, 2)
    assert other.trace[0] == one.trace[0]
    assert other.trace != one.trace


def test_live_key_of_each_generation_uses_the_engine_seeds_in_turn(sounds):
    """The samples of a generation are variations of the preset with one seed, then the other seed, then the first."""
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


def test_learn_without_a_better_sample_extends_the_trace(sounds, bright):
    """Silent samples extend the trace with the loss of the candidates. A later, better sample is still found."""
    ranking = Ranking([dataclasses.replace(bright, loss=0.5, audio=sounds["dark"])], {"bright": 0.5}, 4)
    target = RefineTarget("dark", sounds["dark"], 48, (bright,), ranking=ranking)
    with LivePool(RENDER, 1, presets_at_once=2) as live:
        search = Search.begin(target, CONFIG, live, {})
        for loss in (np.nan, 0.75, 0.25):
            search.learn(search.ask(), np.full(SAMPLES, loss, np.float32), np.zeros(SAMPLES))
    assert search.trace == [(4, 0.5), (9, 0.5), (14, 0.5), (19, 0.25)]
    assert [one.loss for one in search.best] == [0.25, 0.5, 0.75]


def test_refine_from_the_optimum_returns_the_first_candidate(sounds, one_seed):
    """The candidate is the target itself. No sample can be better, so the candidate is returned."""
    exact = Candidate("exact", edited(filter_1_cutoff=0.3))
    config = dataclasses.replace(CONFIG, evals=1 + SAMPLES)
    (result,) = refine([RefineTarget("dark", sounds["dark"], 48, (exact,))], config, RENDER, 2)
    assert result.after.loss == pytest.approx(result.before.loss, abs=1e-6)
    np.testing.assert_array_equal(result.preset.continuous, exact.preset.continuous)


def test_refine_of_two_candidates_returns_the_better_and_compares_with_the_first(sounds, bright, one_seed):
    near = Candidate("near", edited(filter_1_cutoff=0.35))
    config = dataclasses.replace(CONFIG, evals=2 + SAMPLES)
    (result,) = refine([RefineTarget("dark", sounds["dark"], 48, (bright, near))], config, RENDER, 2)
    assert result.label == "near"
    assert result.before.label == "bright"
    assert result.candidate_losses["near"] < result.candidate_losses["bright"]
    assert result.after.loss <= result.candidate_losses["near"] + 1e-6


def test_search_that_stagnates_enters_the_next_near_candidate_and_then_returns_to_the_best(sounds, bright):
    """The third candidate is too far. Without progress, the search returns to the best, then takes wider steps."""
    others = [dataclasses.replace(bright, label=label, loss=loss) for label, loss in (("near", 0.6), ("far", 0.7))]
    first = dataclasses.replace(bright, loss=0.5)
    ranking = Ranking([first, *others], {}, 3)
    target = RefineTarget("dark", sounds["dark"], 48, (first, *others), ranking=ranking)
    config = dataclasses.replace(CONFIG, evals=100, patience=1, restart_patience=1)

    def generation(loss: float) -> tuple[str, int]:
        search.learn(search.ask(), np.full(SAMPLES, loss, np.float32), np.zeros(SAMPLES))
        search.move_on_if_stagnant()
        return search.label, search.restarts

    with LivePool(RENDER, 1, presets_at_once=2) as live:
        search = Search.begin(target, config, live, {})
        assert [generation(loss) for loss in (0.4, 0.4)] == [("bright", 0), ("near", 1)]
        assert [generation(loss) for loss in (0.6, 0.6)] == [("near", 1), ("bright", 2)]
        first_steps = search.ask()[1:].std()
        assert [generation(loss) for loss in (0.4, 0.4)] == [("bright", 2), ("bright", 3)]
        assert search.ask()[1:].std() > 1.3 * first_steps


@pytest.mark.slow
def test_refine_that_stagnates_continues_from_the_next_candidate(sounds, one_seed):
    """Both candidates have the same label. Their loaded presets must differ all the same."""
    candidates = (Candidate("same", edited(filter_1_cutoff=0.31)), Candidate("same", edited(filter_1_cutoff=0.3105)))
    config = dataclasses.replace(CONFIG, evals=2 + SAMPLES * 5, patience=1)
    (result,) = refine([RefineTarget("dark", sounds["dark"], 48, candidates)], config, RENDER, 2)
    assert result.restarts >= 1
    assert result.evals == config.evals
    assert result.after.loss < result.before.loss


@pytest.mark.slow
def test_refine_that_stagnates_without_another_candidate_takes_wider_steps(sounds):
    """The candidate is the target itself, so nothing improves."""
    config = dataclasses.replace(CONFIG, evals=1 + SAMPLES * 8, patience=1, restart_patience=1)
    exact = Candidate("exact", edited(filter_1_cutoff=0.3))
    (result,) = refine([RefineTarget("dark", sounds["dark"], 48, (exact,))], config, RENDER, 2)
    assert result.restarts >= 2
    # By default, the patience is longer than this budget: a strategy may need many generations to adapt its steps.
    config = dataclasses.replace(config, restart_patience=0)
    (patient,) = refine([RefineTarget("dark", sounds["dark"], 48, (exact,))], config, RENDER, 2)
    assert patient.restarts == 0


@pytest.mark.slow
def test_refine_after_a_candidate_without_progress_returns_to_the_best(sounds):
    """The second candidate is as near, but makes no progress. The search returns once to the best from the first."""
    candidates = (Candidate("first", edited(filter_1_cutoff=0.31)), Candidate("second", edited(filter_1_cutoff=0.3105)))
    config = dataclasses.replace(CONFIG, evals=2 + SAMPLES * 40, patience=1)
    (result,) = refine([RefineTarget("dark", sounds["dark"], 48, candidates)], config, RENDER, 2)
    assert result.label == "first"
    assert result.restarts == 2


def test_refine_with_unusable_targets_returns_errors_for_them_only(sounds, bright, one_seed):
    silent = edited()
    silent.continuous[controls().position["osc_1_level"]] = 0.0
    targets = [
        RefineTarget("silent target", np.zeros_like(sounds["dark"]), 48, (bright,)),
        RefineTarget("silent candidate", sounds["dark"], 48, (Candidate("silent", silent),)),
        RefineTarget("no candidate", sounds["dark"], 48, ()),
        RefineTarget("fine", sounds["dark"], 48, (bright,)),
    ]
    config = dataclasses.replace(CONFIG, evals=1 + SAMPLES)
    found = {r.name: r for r in refine(targets, config, RENDER, 2)}
    assert "silent" in found["silent target"].error
    assert "all 1 candidates are silent at note 48" in found["silent candidate"].error
    assert "all 0 candidates are silent" in found["no candidate"].error
    assert not found["fine"].error


def test_refine_with_an_engine_that_cannot_start_raises(sounds, bright, monkeypatch):
    """All samples of a generation fail by the machine. The candidate must not be the result of the search."""

    def no_process(_):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    targets = rank([RefineTarget("dark", sounds["dark"], 48, (bright,))], CONFIG, RenderPool(RENDER, 1))
    target = next(iter(targets))
    for module in (isolate, live):
        monkeypatch.setattr(module, "start_process", no_process)
    with pytest.raises(MachineError, match=r"the engine cannot run on this machine: .*temporarily unavailable"):
        list(search([target], CONFIG, RENDER, 1))


def test_refine_with_should_stop_returns_the_best_so_far(sounds, bright, one_seed):
    target = RefineTarget("dark", sounds["dark"], 48, (bright,))
    (result,) = refine([target], CONFIG, RENDER, 2, should_stop=lambda: True)
    assert result.evals == 1 + SAMPLES
    assert result.after.loss <= result.before.loss


@pytest.mark.slow
def test_refine_with_spent_renders_counts_them_in_the_budget(sounds, bright):
    target = RefineTarget("dark", sounds["dark"], 48, (bright,), spent=CONFIG.evals - 11)
    (result,) = refine([target], CONFIG, RENDER, 2)
    assert result.trace[0][0] == CONFIG.evals - 10
    assert result.evals == CONFIG.evals


def test_refine_with_a_spent_budget_returns_the_best_candidate(sounds, bright, one_seed):
    """The earlier run was killed while it judged its result. The second candidate is what it found."""
    found = Candidate("bright, refined", edited(filter_1_cutoff=0.32))
    target = RefineTarget(
        "dark", sounds["dark"], 48, (bright, found, dataclasses.replace(bright, label="more")), spent=CONFIG.evals
    )
    (result,) = refine([target], CONFIG, RENDER, 2)
    assert result.label == "bright, refined"
    assert set(result.candidate_losses) == {"bright", "bright, refined"}


def test_refine_progress_reports_the_best_candidate_first(sounds, bright, one_seed):
    """A killed run then finds it again."""
    exact = Candidate("exact", edited(filter_1_cutoff=0.3))
    seen = []
    config = dataclasses.replace(CONFIG, evals=2 + SAMPLES * 2)
    list(
        refine([RefineTarget("dark", sounds["dark"], 48, (bright, exact))], config, RENDER, 2, on_progress=seen.append)
    )
    assert seen[0].better is not None
    cutoff = controls().position["filter_1_cutoff"]
    assert seen[0].better.continuous[cutoff] == pytest.approx(0.3, abs=0.1)
    assert all(progress.better is None or progress.loss < seen[0].loss for progress in seen[1:])


def test_refine_with_a_ranking_begins_at_its_best_candidate(sounds, bright, one_seed):
    """The renders of the ranking count as used. The result is compared with the first candidate all the same."""
    near, silent = Candidate("near", edited(filter_1_cutoff=0.35)), Candidate("silent", edited(osc_1_level=0.0))
    scored = ((near, 0.25), (bright, 0.5))
    ranked = [dataclasses.replace(one, loss=loss, audio=sounds["dark"]) for one, loss in scored]
    ranking = Ranking(ranked, {"near": 0.25, "bright": 0.5}, 12)
    config = dataclasses.replace(CONFIG, evals=12 + SAMPLES)
    target = RefineTarget("dark", sounds["dark"], 48, (bright, silent), ranking=ranking)
    (result,) = search([target], config, RENDER, 2)
    assert result.trace[0] == (12, 0.25)
    assert result.evals == 12 + SAMPLES
    assert result.candidate_losses == {"near": 0.25, "bright": 0.5}
    assert (result.before.label, result.label) == ("bright", "near")
    (used_up,) = search([target], dataclasses.replace(CONFIG, evals=12), RENDER, 2)
    assert (used_up.label, used_up.evals, used_up.trace) == ("near", 12, ((12, 0.25),))
    empty = target._replace(ranking=Ranking([], {}, 4))
    (failed,) = search([empty], config, RENDER, 2)
    assert "all 2 candidates are silent at note 48" in failed.error
    (unranked,) = search([target._replace(ranking=None)], config, RENDER, 2)
    assert "its candidates are not ranked; see vjax.matching.choose.rank" in unranked.error


def test_refine_with_fitted_wavetables_continues_from_them(sounds, bright, one_seed):
    config = dataclasses.replace(CONFIG, evals=4 + SAMPLES)
    (result,) = refine([RefineTarget("dark", sounds["dark"], 48, (bright,))], config, RENDER, 2, n_fitted=1)
    assert result.trace[0][0] == 4
    assert result.label == "bright, fitted"
    assert result.evals == 4 + SAMPLES
    assert result.after.loss < 0.6 * result.before.loss
    assert result.preset.wavetables[0]["name"] == "Init (fitted)"


def test_refine_with_a_time_limit_ends_early(sounds, bright, one_seed):
    config = dataclasses.replace(CONFIG, evals=10**6, seconds=0.01)
    (result,) = refine([RefineTarget("dark", sounds["dark"], 48, (bright,))], config, RENDER, 2)
    assert result.evals == 1 + SAMPLES


def test_refine_with_wrong_settings_is_an_error(sounds, bright):
    with pytest.raises(ValueError, match="two targets are called 'dark'"):
        list(refine([RefineTarget("dark", sounds["dark"], 48, (bright,))] * 2, CONFIG, RENDER))
    wrong = {"evals": 0, "patience": 0, "parallel": 0, "engine_seeds": 0}
    for field, value in (wrong | {"seconds": -1.0, "restart_patience": -1}).items():
        with pytest.raises(ValueError, match=field):
            RefineConfig(**{field: value})


def test_refine_with_locks_changes_only_the_rest(sounds, bright, one_seed):
    target = RefineTarget("dark", sounds["dark"], 48, (bright,))
    config = dataclasses.replace(CONFIG, evals=1 + SAMPLES * 3, locked=("envelopes", "oscillators"))
    (found,) = refine([target], config, RENDER)
    changed = np.flatnonzero(~np.isclose(found.preset.continuous, bright.preset.continuous))
    names = {controls().continuous_names[i] for i in changed}
    assert "filter_1_cutoff" in names
    assert not any(name.startswith(("env_", "osc_")) for name in names)


def test_refine_with_an_unknown_lock_raises_value_error():
    with pytest.raises(ValueError, match="'all' cannot be locked"):
        RefineConfig(locked=("all",))
