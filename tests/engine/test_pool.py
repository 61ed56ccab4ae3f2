"""Tests of the render pool: order, number of workers, crashes, hangs and bad presets."""

import copy
import dataclasses
import itertools

import numpy as np
import pytest

from vjax.engine import isolate, synth
from vjax.engine.config import RenderConfig
from vjax.engine.isolate import MachineError
from vjax.engine.pool import RenderGroup, RenderJob, RenderPool, reliable

SHORT = RenderConfig(seconds=0.2, note_s=0.1)


def preset(transpose: float = 0.0) -> dict:
    preset = copy.deepcopy(synth.init_preset())
    preset["synth_version"] = "1.5.5"
    preset["settings"]["osc_1_transpose"] = transpose
    return preset


def test_map_with_any_workers_and_order_renders_the_same_bits():
    jobs = [RenderJob(preset(transpose), (48, 60), seed=i % 3) for i, transpose in enumerate((0, 7, -12, 3))]
    with RenderPool(SHORT, workers=1) as pool:
        one = [rendering.audio for rendering in pool.map(jobs)]
    with RenderPool(SHORT, workers=3) as pool:
        three = [rendering.audio for rendering in pool.map(reversed(jobs))][::-1]
    np.testing.assert_array_equal(one, three)
    assert not np.array_equal(one[0], one[1])


def test_map_without_fork_renders_the_same_bits(monkeypatch):
    jobs = [RenderJob(preset(), (48, 60), seed=1), RenderJob(preset(1000.0), (48,))]
    renderings = []
    for method in ("", "spawn"):
        monkeypatch.setenv("VJAX_START_METHOD", method)
        with RenderPool(SHORT, workers=1) as pool:
            renderings.append(list(pool.map(jobs)))
    (forked, refused), (spawned, also_refused) = renderings
    np.testing.assert_array_equal(spawned.audio, forked.audio)
    assert also_refused == refused


def test_map_of_endless_jobs_takes_only_a_few_in_advance():
    taken = itertools.count()
    jobs = (RenderJob(preset(), (48,)) for _ in iter(lambda: next(taken), None))
    with RenderPool(SHORT, workers=1) as pool:
        renderings = pool.map(jobs)
        assert next(renderings).audio is not None
        renderings.close()
    assert next(taken) < 8


def component_of(preset: dict) -> dict:
    return preset["settings"]["wavetables"][0]["groups"][0]["components"][0]


def test_map_with_a_crash_loses_only_that_job():
    """A wavetable component of an unknown type crashes the real engine."""
    crashing = preset()
    component_of(crashing)["type"] = "No Such Source"
    with RenderPool(SHORT, workers=2) as pool:
        before, crashed, after = pool.map([RenderJob(p, (48,)) for p in (preset(), crashing, preset())])
    assert before.audio is not None
    np.testing.assert_array_equal(before.audio, after.audio)
    assert crashed.audio is None
    assert "SIGSEGV" in crashed.error


def test_map_with_a_hang_loses_only_that_job():
    """A keyframe far outside the table hangs the real engine for minutes."""
    hanging = preset()
    component_of(hanging)["keyframes"][0]["position"] = 10**6
    config = dataclasses.replace(SHORT, timeout_s=1.0)
    with RenderPool(config, workers=2) as pool:
        before, hung, after = pool.map([RenderJob(p, (48,)) for p in (preset(), hanging, preset())])
    assert hung.audio is None
    assert hung.error.startswith("hung: no result within")
    np.testing.assert_array_equal(before.audio, after.audio)


def failing_starts(monkeypatch, n: int) -> None:
    """The first `n` starts of a process fail, as on a machine without memory."""
    left, start = [n], isolate.start_process
    monkeypatch.setattr(isolate, "_PAUSE_S", 0.01)

    def start_process(process):
        left[0] -= 1
        if left[0] >= 0:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        start(process)

    monkeypatch.setattr(isolate, "start_process", start_process)


def test_render_after_a_fault_of_the_machine_tries_again(monkeypatch):
    with RenderPool(SHORT, workers=1) as pool:
        before = pool.render(RenderJob(preset(), (48,)))
        failing_starts(monkeypatch, 5)
        np.testing.assert_array_equal(pool.render(RenderJob(preset(), (48,))).audio, before.audio)


def test_reliable_with_a_fault_of_the_machine_raises(monkeypatch):
    failing_starts(monkeypatch, 1000)
    invalid = RenderJob(preset(transpose=1000.0), (48,))
    with RenderPool(SHORT, workers=1) as pool:
        with pytest.raises(MachineError, match=r"temporarily unavailable\. Set TMPDIR to a short path"):
            list(reliable(pool.map([RenderJob(preset(), (48,))])))
        monkeypatch.undo()
        (rendering,) = reliable(pool.map([invalid]))
    assert rendering.error.startswith("invalid")


def test_render_of_an_invalid_preset_returns_an_error():
    with RenderPool(SHORT, workers=1) as pool:
        rendering = pool.render(RenderJob(preset(transpose=1000.0), (48,)))
    assert rendering.audio is None
    assert rendering.error.startswith("invalid: osc_1_transpose is 1000.0")


def test_render_pool_with_zero_workers_is_an_error():
    with pytest.raises(ValueError, match="workers=0"):
        RenderPool(SHORT, workers=0)


def test_render_group_with_a_crash_renders_each_job_alone():
    crashing = preset()
    component_of(crashing)["type"] = "No Such Source"
    jobs = tuple(RenderJob(p, (48,)) for p in (crashing, crashing))
    with RenderPool(SHORT, workers=1) as pool:
        renderings = pool.render_group(RenderGroup(jobs))
    assert [rendering.audio for rendering in renderings] == [None, None]
    assert all("SIGSEGV" in rendering.error for rendering in renderings)


def test_render_group_of_different_tables_renders_each_job_alone():
    other = preset(7)
    other["settings"]["wavetables"] = other["settings"]["wavetables"][::-1]
    other["settings"]["wavetables"][0]["name"] = "Other"
    jobs = [RenderJob(preset(), (48,)), RenderJob(other, (48,), seed=1)]
    with RenderPool(SHORT, workers=1) as pool:
        grouped = pool.render_group(RenderGroup(tuple(jobs)))
        for job, rendering in zip(jobs, grouped, strict=True):
            np.testing.assert_array_equal(rendering.audio, pool.render(job).audio)


def test_render_group_after_a_fault_of_the_machine_gives_the_same_bits(monkeypatch):
    group = RenderGroup(tuple(RenderJob(preset(transpose), (48,)) for transpose in (0, 7)))
    with RenderPool(SHORT, workers=1) as pool:
        undisturbed = pool.render_group(group)
        failing_starts(monkeypatch, isolate._TRIES)
        again = pool.render_group(group)
        failing_starts(monkeypatch, 99)
        broken = pool.render_group(group)
    for one, other in zip(undisturbed, again, strict=True):
        np.testing.assert_array_equal(one.audio, other.audio)
    assert [rendering.by_machine for rendering in broken] == [True, True]
