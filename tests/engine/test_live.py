"""Tests of vjax.engine.live: variations are pure functions of their values, and an error affects one render only."""

import dataclasses
import math
import os
import signal

import numpy as np
import pytest

from vjax.audio.distances import mss
from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.live import LiveCache, LivePool, LivePreset, Variation
from vjax.engine.pool import RenderJob, RenderPool

SHORT = RenderConfig(seconds=0.3, note_s=0.2)


@pytest.fixture(scope="module")
def preset():
    """The init patch with random phases, and a reverb whose tail would sound in the next note."""
    init = synth.init_preset()
    return {**init, "settings": init["settings"] | {"osc_1_random_phase": 1.0, "reverb_on": 1.0}}


@pytest.fixture(scope="module")
def live(preset):
    with LivePreset(preset, 48, SHORT) as one:
        yield one


def test_render_after_another_variation_is_unchanged(live):
    quiet = {"osc_1_level": 0.2, "filter_1_cutoff": 60.0}
    first = live.render(quiet).audio
    loud = live.render({"osc_1_level": 1.0, "reverb_dry_wet": 1.0}).audio
    assert np.abs(loud).max() > 2 * np.abs(first).max()
    np.testing.assert_array_equal(live.render(quiet).audio, first)


@pytest.mark.slow
def test_render_without_fork_renders_the_same_bits(preset, live, monkeypatch):
    changed = {"osc_1_level": 0.4}
    forked = [live.render(values) for values in (changed, {}, {"osc_1_level": 1000.0})]
    monkeypatch.setenv("VJAX_START_METHOD", "spawn")
    with LivePreset(preset, 48, SHORT) as live:
        spawned = [live.render(values) for values in (changed, {}, {"osc_1_level": 1000.0})]
    for i in range(2):
        np.testing.assert_array_equal(spawned[i].audio, forked[i].audio)
    assert spawned[2].error == forked[2].error != ""


@pytest.mark.parametrize(
    ("changed", "most_db"),
    [
        ({}, 0.001),
        pytest.param(
            {"osc_1_level": 0.6, "filter_1_cutoff": 66.0, "osc_1_transpose": 7.0}, 0.05, marks=pytest.mark.slow
        ),
        ({"osc_1_level": 0.2}, 0.5),
    ],
)
def test_render_with_values_equals_a_preset_loaded_with_them(preset, changed, most_db):
    """The phases are fixed, so that both renders have the same. After a large change, the end of a glide remains."""
    settings = preset["settings"] | {"osc_1_random_phase": 0.0, "filter_1_on": 1.0, "reverb_on": 0.0}
    with LivePreset({**preset, "settings": settings}, 48, SHORT) as live:
        varied = live.render(changed).audio
    with RenderPool(SHORT, 1) as pool:
        loaded = pool.render(RenderJob({**preset, "settings": settings | changed}, (48,))).audio
    assert mss(varied[0], loaded[0]) < most_db


@pytest.mark.parametrize(
    ("values", "message"),
    [({"osc_9_level": 0.5}, "no control 'osc_9_level'"), ({"osc_1_level": math.nan}, "osc_1_level is nan")],
)
def test_render_with_bad_values_is_an_error_of_that_render_only(live, values, message):
    assert message in live.render(values).error
    assert live.render({}).audio is not None


def test_render_of_a_preset_that_cannot_be_loaded_is_always_an_error(preset):
    broken = {**preset, "settings": preset["settings"] | {"osc_1_level": 99.0}}
    with LivePreset(broken, 48, SHORT) as live:
        for _ in range(2):
            assert live.render({}).error.startswith("invalid: osc_1_level is 99")


def test_render_of_a_preset_that_crashes_the_engine_is_an_error(preset):
    """An unknown component type in a wavetable crashes the process."""
    table = {**preset["settings"]["wavetables"][0], "groups": [{"components": [{"type": "Nothing", "keyframes": []}]}]}
    broken = {**preset, "settings": preset["settings"] | {"wavetables": [table] * 3}}
    with LivePreset(broken, 48, SHORT) as live:
        assert live.render({}).error.startswith("crashed")


def test_close_ends_the_process_and_later_renders_are_errors(preset):
    live = LivePreset(preset, 48, SHORT)
    pid = live._process.pid
    live.close()
    assert not os.path.exists(f"/proc/{pid}")
    assert live.render({}).error.startswith("closed")


def test_live_pool_with_any_number_of_workers_renders_the_same_bits(preset):
    other = {**preset, "settings": preset["settings"] | {"osc_1_transpose": 12.0}}
    variations = [Variation(key, {"osc_1_level": level}) for level in (0.3, 0.6, 0.9) for key in ("one", "other")]
    found = []
    for workers in (1, 2):
        with LivePool(SHORT, workers, presets_at_once=2) as pool:
            pool.load("one", preset, 48)
            pool.load("other", other, 48)
            found.append(dict(pool.render(variations)))
    assert sorted(found[0]) == sorted(found[1]) == list(range(6))
    for i in range(6):
        np.testing.assert_array_equal(found[0][i].audio, found[1][i].audio)
    assert len({found[0][i].audio.tobytes() for i in range(6)}) == 6


def test_live_pool_with_a_preset_that_is_not_loaded_returns_an_error():
    with LivePool(SHORT, 1) as pool:
        ((_, rendering),) = pool.render([Variation("unknown", {})])
    assert rendering.audio is None
    assert "unknown" in rendering.error


def test_live_cache_after_a_killed_process_loads_the_preset_again(preset):
    """No render is lost. A worker that always failed would be the fastest, and would take all other work."""
    with LiveCache(1) as cache:
        arguments = (preset, 48, SHORT, 0)
        before = cache.render("key", arguments, {})
        os.kill(cache.get("key", *arguments)._process.pid, signal.SIGKILL)
        np.testing.assert_array_equal(cache.render("key", arguments, {}).audio, before.audio)


def test_live_pool_with_note_s_plays_a_note_of_that_length(preset):
    """The renders equal those of a pool whose config has that note length."""
    longer = dataclasses.replace(SHORT, note_s=SHORT.seconds)
    with LivePool(SHORT, 1) as live, RenderPool(SHORT, 1) as pool, RenderPool(longer, 1) as other:
        live.load("short", preset, 48)
        live.load("long", preset, 48, note_s=SHORT.seconds)
        found = {i: r.audio for i, r in live.render([Variation("short", {}), Variation("long", {})])}
        with_note_s = pool.render(RenderJob(preset, (48,), note_s=SHORT.seconds)).audio
        np.testing.assert_array_equal(with_note_s, other.render(RenderJob(preset, (48,))).audio)
    tail = slice(round(0.28 * SHORT.sample_rate), None)
    assert np.abs(found[1][..., tail]).max() > 2 * np.abs(found[0][..., tail]).max()
