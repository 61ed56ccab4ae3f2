"""Tests of benchmarks/recovery.py: drawn patches, the measures of recovery, and runs that continue."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from vjax.audio.silence import is_silent
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.io.json_lines import read_lines
from vjax.vital.editability import editability
from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route, init
from vjax.vital.values import value_of, with_routes, with_values

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))  # as for a script that runs there
recovery = importlib.import_module("recovery")

MANY = [recovery.draw_patch(np.random.default_rng((0, number))) for number in range(120)]
FILTERED = {"filter_1_on": 1, "filter_1_cutoff": 60.0, "env_2_decay": 0.3**0.25, "env_2_sustain": 0.2}
TIME_S = np.arange(0.005, 1.5, 0.005)


def filtered(values: dict | None = None, *routes: Route) -> Preset:
    return with_routes(with_values(init(), FILTERED | (values or {})), *routes)


def test_draw_patch_is_repeatable_editable_and_varied():
    again = recovery.draw_patch(np.random.default_rng((0, 7)))
    assert again.to_json() == MANY[7].to_json()
    assert all(editability(preset).editable for preset in MANY)
    for module in recovery.MODULES:
        on = sum(module in recovery.modules(preset) for preset in MANY)
        assert 3 <= on <= 108, module
    assert {value_of(preset, "filter_1_style") for preset in MANY} == {0, 1}


def test_draw_patch_is_audible():
    with RenderPool(RenderConfig(seconds=0.5, note_s=0.4), 2) as pool:
        played = list(pool.map(RenderJob(preset.to_json(), (48,)) for preset in MANY[:8]))
    assert not any(is_silent(one.audio[0]) for one in played)


def test_recovered_truth_against_itself_is_right_everywhere():
    rows = [json.loads(json.dumps(recovery.recovered(preset, preset, 48))) for preset in MANY]
    table = recovery.summary(rows)
    assert all(one["share"] == 1 and one["n"] > 10 for one in table["shares"].values())
    assert all(one["f1"] == 1 for one in table["modules"].values())


def test_recovered_init_patch_misses_filters_and_modules():
    table = recovery.summary([recovery.recovered(preset, init(), 48) for preset in MANY])
    assert table["shares"]["cutoff_start"]["share"] == 0
    assert table["shares"]["env_2_decay"]["share"] == 0
    assert table["shares"]["slope"] == {"share": None, "n": 0}
    assert all(one["f1"] == 0 for one in table["modules"].values())


def test_recovered_cutoff_is_the_sum_of_knob_key_tracking_and_routes():
    tracked = filtered({"filter_1_keytrack": 0.5}, Route("env_2", "filter_1_cutoff", 0.25))
    truth = filtered({"filter_1_cutoff": 54.0}, Route("env_2", "filter_1_cutoff", 0.25))
    row = recovery.recovered(truth, tracked, 48)
    assert [row[name] for name in recovery.CUTOFFS] == pytest.approx([0, 0, 0], abs=1e-5)
    shifted = recovery.recovered(truth, with_values(truth, {"filter_1_cutoff": 57.0}), 48)
    assert [shifted[name] for name in recovery.CUTOFFS] == pytest.approx([3, 3, 3], abs=1e-5)
    velocity = filtered(
        {"filter_1_cutoff": 54.0 - 0.8 * 16}, *truth.routes[:1], Route("velocity", "filter_1_cutoff", 1 / 8)
    )
    assert recovery.recovered(truth, velocity, 48)["cutoff_end"] == pytest.approx(0, abs=1e-5)


def test_cutoff_path_follows_a_drawn_curve_and_averages_a_repeating_lfo():
    curve = shape_json("Down", [(0, 1), (1, 0)])
    once = filtered(
        {"lfo_1_sync_type": 2, "lfo_1_sync": 0, "lfo_1_frequency": 0.0}, Route("lfo_1", "filter_1_cutoff", 0.25)
    )
    shaped = dataclasses.replace(once, lfo_shapes=(curve, *once.lfo_shapes[1:]))
    path = recovery.cutoff_path(shaped, 48, TIME_S, 1.5)
    np.testing.assert_allclose(path, 60 + 32 * np.clip(1 - TIME_S, 0, 1), atol=0.1)
    repeats = with_values(shaped, {"lfo_1_sync_type": 0})
    np.testing.assert_allclose(recovery.cutoff_path(repeats, 48, TIME_S, 1.5), 76, atol=0.1)


def test_recovered_cutoff_end_is_at_the_last_audible_moment():
    pluck = filtered({"env_1_sustain": 0.0, "env_1_decay": 0.2**0.25}, Route("env_2", "filter_1_cutoff", 0.25))
    # From 0.3 s on another cutoff, when the sound is over.
    other = with_values(pluck, {"env_2_sustain": 0.25})
    assert abs(recovery.recovered(pluck, other, 48)["cutoff_end"]) < 32 * 0.05
    sustained = with_values(pluck, {"env_1_sustain": 1.0})
    assert recovery.recovered(sustained, with_values(other, {"env_1_sustain": 1.0}), 48)["cutoff_end"] == (
        pytest.approx(32 * 0.05, abs=1e-4)
    )


def test_recovered_inaudible_times_are_left_out_and_bends_count():
    sustained = filtered({"env_1_sustain": 1.0})
    assert "env_1_decay" not in recovery.recovered(sustained, init(), 48)
    pluck = filtered({"env_1_sustain": 0.0, "env_1_decay": 0.2**0.25})
    assert recovery.recovered(pluck, sustained, 48)["env_1_decay"] is None
    row = recovery.recovered(pluck, with_values(pluck, {"env_1_decay": 0.4**0.25}), 48)
    assert row["env_1_decay"] == pytest.approx(1)
    assert "env_1_release" not in row  # the sound is over before note-off
    straight = {"env_1_decay_power": 0.0, "env_1_decay": (0.2 * 0.28) ** 0.25 / 0.5**0.25}
    assert abs(recovery.recovered(pluck, with_values(pluck, straight), 48)["env_1_decay"]) < 0.05
    fast = [with_values(pluck, {"env_1_attack": seconds**0.25}) for seconds in (0.001, 0.009)]
    assert recovery.recovered(*fast, 48)["env_1_attack"] == 0


def test_modules_panned_pair_is_one_oscillator_and_a_drawn_curve_is_not_an_lfo():
    wide = with_values(init(), {"osc_2_on": 1, "osc_1_pan": -1.0, "osc_2_pan": 1.0})
    assert recovery.modules(wide) == []
    assert recovery.modules(with_values(wide, {"osc_1_pan": 0.0, "osc_2_pan": 0.0})) == ["oscillator_2"]
    tremolo = with_routes(init(), Route("lfo_1", "voice_amplitude", -0.2))
    assert recovery.modules(tremolo) == ["lfo_level"]
    assert recovery.modules(with_values(tremolo, {"lfo_1_sync_type": 2, "lfo_1_sync": 0})) == []


def test_measure_stopped_run_continues_and_fit_receives_clip_pool_and_note(tmp_path):
    calls = []

    def fit(clip, pool, note):
        calls.append((clip.audio.shape[1], clip.name, pool.config.note_s, note))
        return init()

    log = tmp_path / "recovery.jsonl"
    recovery.measure(fit, 2, 0, log)
    assert [name for _, name, _, _ in calls] == ["patch 0", "patch 1"]
    recovery.measure(fit, 3, 0, log)
    rows = read_lines(log)
    assert [row["patch"] for row in rows] == [0, 1, 2]
    assert len(calls) == 3
    assert all(row["mss"] > 0 and row["note"] in recovery.NOTES for row in rows)
    assert recovery.summary(rows)["patches"] == 3
