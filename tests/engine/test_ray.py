"""The pools on a Ray cluster of three nodes: the bits of the local ones, whatever is killed meanwhile."""

import dataclasses
import itertools
import time

import numpy as np
import psutil
import pytest

from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.live import Variation
from vjax.engine.pool import RenderJob
from vjax.engine.scheduler import open_live_pool, open_render_pool
from vjax.matching.choose import rank
from vjax.search.candidate import Candidate
from vjax.search.refine import RefineConfig, refine
from vjax.search.strategy import StrategyConfig
from vjax.search.target import RefineTarget
from vjax.vital import preset as vital_preset

# jax warns of forks; those that start the nodes are at once other programs.
pytestmark = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")

SHORT = RenderConfig(seconds=0.2, note_s=0.1)


def preset(**values: float) -> dict:
    init = synth.init_preset()
    return {**init, "synth_version": "1.5.5", "settings": init["settings"] | values}


def jobs(n: int) -> list[RenderJob]:
    return [RenderJob(preset(osc_1_transpose=i % 12), (48, 60), seed=i % 3) for i in range(n)]


def test_renders_are_those_of_the_local_pool(cluster):
    broken = preset()
    table = {**broken["settings"]["wavetables"][0], "groups": [{"components": [{"type": "Nothing", "keyframes": []}]}]}
    broken["settings"]["wavetables"] = [table] * 3
    work = [*jobs(4), RenderJob(broken, (48,)), RenderJob(preset(osc_1_transpose=1000.0), (48,))]
    found = []
    for name in ("local", "ray"):
        with open_render_pool(SHORT, 2, name) as pool:
            found.append(list(pool.map(work)))
    local, far = found
    assert [one.error for one in far] == [one.error for one in local]
    assert "SIGSEGV" in far[4].error
    assert far[5].error.startswith("invalid")
    for ours, theirs in zip(far[:4], local[:4], strict=True):
        np.testing.assert_array_equal(ours.audio, theirs.audio)
        assert ours.audio.flags.writeable


def test_variations_are_those_of_the_local_pool_whatever_dies(cluster):
    """Two presets, two waves of variations; one of the two workers is killed in the first."""
    variations = [Variation(key, {"osc_1_level": 0.1 + 0.02 * i}) for i in range(20) for key in ("one", "other")]
    found = []
    for name in ("local", "ray"):
        with open_live_pool(SHORT, 2, presets_at_once=2, scheduler=name) as pool:
            pool.load("one", preset(), 48)
            pool.load("other", preset(osc_1_transpose=12.0), 48)
            first = dict([next(rendered := pool.render(variations))])
            if name == "ray":
                at_work("_LiveWorker")[0].kill()
            found.append((first | dict(rendered), dict(pool.render(variations))))
            assert "unknown" in dict(pool.render([Variation("unknown", {})]))[0].error
    for wave in (0, 1):
        local, far = found[0][wave], found[1][wave]
        assert sorted(far) == sorted(local) == list(range(40))
        for i in range(40):
            np.testing.assert_array_equal(far[i].audio, local[i].audio)


def at_work(worker: str) -> list[psutil.Process]:
    """The actors of a class that render now."""
    title = f"ray::{worker}.render"
    return [process for process in psutil.process_iter(["name"]) if process.info["name"] == title]


def test_a_node_that_joins_is_used_and_costs_only_its_work_when_it_is_lost(cluster):
    """It is killed while it renders."""
    work = jobs(12)
    with open_render_pool(SHORT, 2) as pool:
        local = list(pool.map(work))
    deadline = time.monotonic() + 120  # a busy machine takes its time to start a node

    def until_the_guest_is_lost():
        for i in itertools.count():
            if i >= 40 and (guest not in cluster.worker_nodes or time.monotonic() > deadline):
                return
            yield work[i % len(work)]

    far = []
    with open_render_pool(SHORT, scheduler="ray") as pool:
        assert pool.workers == 2
        guest = cluster.add_node(num_cpus=1)
        for rendering in pool.map(until_the_guest_is_lost()):
            far.append(rendering)
            if guest in cluster.worker_nodes and len(at_work("_RenderWorker")) == 3:
                cluster.remove_node(guest, allow_graceful=False)
    assert guest not in cluster.worker_nodes
    for i, rendering in enumerate(far):
        np.testing.assert_array_equal(rendering.audio, local[i % len(work)].audio)


def test_a_refinement_gives_the_same_preset_by_either_engine(cluster):
    init = vital_preset.init()
    quiet = dataclasses.replace(init, continuous=init.continuous.copy())
    quiet.continuous[vital_preset.controls().position["osc_1_level"]] = 0.3
    start = Candidate("init", init)
    with open_render_pool(SHORT, 1) as pool:
        audio = pool.render(RenderJob(quiet.to_json(), (48,))).audio[0]
    config = RefineConfig(evals=28, strategy=StrategyConfig(population=8), parallel=1)
    found = []
    for name in ("local", "ray"):
        with open_render_pool(SHORT, 2, name) as pool:
            targets = rank([RefineTarget("quiet", audio, 48, (start,))], config, pool)
            (refined,) = refine(targets, config, SHORT, 2, scheduler=name, pool=pool)
        assert not refined.error
        found.append(refined)
    local, far = found
    assert far.trace == local.trace
    assert far.evals == local.evals == config.evals
    np.testing.assert_equal(far.after.distances, local.after.distances)
    np.testing.assert_array_equal(far.preset.continuous, local.preset.continuous)
    np.testing.assert_array_equal(far.after.audio, local.after.audio)
