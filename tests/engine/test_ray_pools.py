"""Tests of the pools on a Ray cluster of three nodes: they return the bits of the local pools, also after a loss."""

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

# jax warns of forks. The forks that start the nodes are safe, because they start another program at once.
pytestmark = [pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning"), pytest.mark.slow]

SHORT = RenderConfig(seconds=0.2, note_s=0.1)


def preset(**values: float) -> dict:
    init = synth.init_preset()
    return {**init, "synth_version": "1.5.5", "settings": init["settings"] | values}


def jobs(n: int) -> list[RenderJob]:
    return [RenderJob(preset(osc_1_transpose=i % 12), (48, 60), seed=i % 3) for i in range(n)]


def test_render_pool_on_ray_equals_the_local_pool(cluster):
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
    for one, expected in zip(far[:4], local[:4], strict=True):
        np.testing.assert_array_equal(one.audio, expected.audio)
        assert one.audio.flags.writeable


def test_live_pool_on_ray_with_a_killed_worker_equals_the_local_pool(cluster):
    """It renders two presets in two rounds of variations. One of the two workers is killed in the first round."""
    variations = [Variation(key, {"osc_1_level": 0.1 + 0.02 * i}) for i in range(20) for key in ("one", "other")]
    found = []
    for name in ("local", "ray"):
        with open_live_pool(SHORT, 2, presets_at_once=2, scheduler=name) as pool:
            pool.load("one", preset(), 48)
            pool.load("other", preset(osc_1_transpose=12.0), 48)
            first = dict([next(rendered := pool.render(variations))])
            if name == "ray":
                rendering_actors("_LiveWorker")[0].kill()
            found.append((first | dict(rendered), dict(pool.render(variations))))
            assert "unknown" in dict(pool.render([Variation("unknown", {})]))[0].error
    for one_round in (0, 1):
        local, far = found[0][one_round], found[1][one_round]
        assert sorted(far) == sorted(local) == list(range(40))
        for i in range(40):
            np.testing.assert_array_equal(far[i].audio, local[i].audio)


def rendering_actors(worker: str) -> list[psutil.Process]:
    """The processes of a class of actors that render now."""
    title = f"ray::{worker}.render"
    return [process for process in psutil.process_iter(["name"]) if process.info["name"] == title]


@pytest.mark.slow
def test_render_pool_on_ray_uses_a_new_node_and_survives_its_loss(cluster):
    """The node is killed while it renders."""
    work = jobs(12)
    with open_render_pool(SHORT, 2) as pool:
        local = list(pool.map(work))
    deadline = time.monotonic() + 120  # a busy machine needs long to start a node

    def jobs_until_the_node_is_lost():
        for i in itertools.count():
            if i >= 40 and (node not in cluster.worker_nodes or time.monotonic() > deadline):
                return
            yield work[i % len(work)]

    far = []
    with open_render_pool(SHORT, scheduler="ray") as pool:
        assert pool.workers == 2
        node = cluster.add_node(num_cpus=1)
        for rendering in pool.map(jobs_until_the_node_is_lost()):
            far.append(rendering)
            if node in cluster.worker_nodes and len(rendering_actors("_RenderWorker")) == 3:
                cluster.remove_node(node, allow_graceful=False)
    assert node not in cluster.worker_nodes
    for i, rendering in enumerate(far):
        np.testing.assert_array_equal(rendering.audio, local[i % len(work)].audio)


@pytest.mark.slow
def test_refine_on_ray_returns_the_same_preset_as_locally(cluster):
    init = vital_preset.init()
    quiet = dataclasses.replace(init, continuous=init.continuous.copy())
    quiet.continuous[vital_preset.controls().position["osc_1_level"]] = 0.3
    candidate = Candidate("init", init)
    with open_render_pool(SHORT, 1) as pool:
        audio = pool.render(RenderJob(quiet.to_json(), (48,))).audio[0]
    config = RefineConfig(evals=28, strategy=StrategyConfig(population=8), parallel=1)
    found = []
    for name in ("local", "ray"):
        with open_render_pool(SHORT, 2, name) as pool:
            targets = rank([RefineTarget("quiet", audio, 48, (candidate,))], config, pool)
            (refined,) = refine(targets, config, SHORT, 2, scheduler=name, pool=pool)
        assert not refined.error
        found.append(refined)
    local, far = found
    assert far.trace == local.trace
    assert far.evals == local.evals == config.evals
    np.testing.assert_equal(far.after.distances, local.after.distances)
    np.testing.assert_array_equal(far.preset.continuous, local.preset.continuous)
    np.testing.assert_array_equal(far.after.audio, local.after.audio)
