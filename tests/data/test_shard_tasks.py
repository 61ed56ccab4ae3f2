"""Tests of generation on a Ray cluster: the bytes are those of one machine, even if a node is killed."""

import dataclasses
import threading
import time
from pathlib import Path

import pytest
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from vjax.data.generate import GenerationConfig, GenerationReport, generate
from vjax.engine.config import RenderConfig

# jax warns about forks. Those that start the nodes are harmless, because they run another program at once.
pytestmark = [pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning"), pytest.mark.slow]

# The silence limit rejects some candidates, and the last shard is cut within a preset.
TINY = GenerationConfig(
    render=RenderConfig(seconds=0.25, note_s=0.2), presets_per_shard=4, random_notes=3, silence_db=-40.0, seeds=2
)
ROWS, SEED = 40, 5


def make(out: Path, n: int = ROWS, scheduler: str = "ray", config: GenerationConfig = TINY) -> GenerationReport:
    return generate(config, out, n, seed=SEED, workers=None, progress=False, scheduler=scheduler)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def single(tmp_path_factory) -> tuple[Path, GenerationReport]:
    """A dataset that was made on this machine without interruption."""
    folder = tmp_path_factory.mktemp("single") / "data"
    return folder, make(folder, scheduler="local")


def test_generate_by_ray_with_a_killed_node_gives_the_bytes_of_one_machine(cluster, single, tmp_path):
    node = cluster.add_node(num_cpus=1)
    # On a busy machine, all shards would be made before the new node has a process for tasks.
    ray.get(_import_all.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.node_id, soft=False)).remote())
    while is_busy(node):
        time.sleep(0.01)
    n_files_at_kill = []

    def kill() -> None:
        """Kills the node while it makes a shard."""
        while not is_busy(node):
            time.sleep(0.01)
        n_files_at_kill.append(len(contents(tmp_path / "data")))
        cluster.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    report = make(tmp_path / "data")
    killer.join(60)
    assert n_files_at_kill[0] < len(contents(single[0])), "the node was killed after the last shard"
    assert report == single[1]
    assert report.rejected
    assert contents(tmp_path / "data") == contents(single[0])


@ray.remote(num_cpus=1)
def _import_all() -> None:
    import vjax.data.shard_tasks  # noqa: F401


def is_busy(node) -> bool:
    """Whether a task runs on the node."""
    available = ray._private.state.available_resources_per_node()
    return node.node_id in available and available[node.node_id].get("CPU", 0) < 1


def test_generate_with_each_scheduler_continues_the_folder_of_the_other(cluster, single, tmp_path):
    make(tmp_path / "ray first", n=20)
    make(tmp_path / "local first", n=20, scheduler="local")
    assert contents(tmp_path / "ray first") == contents(tmp_path / "local first")
    (tmp_path / "local first" / "shard-00007.h5.partial").write_bytes(b"killed here")
    assert make(tmp_path / "local first", n=31) == make(tmp_path / "ray first", n=31, scheduler="local")
    assert contents(tmp_path / "local first") == contents(tmp_path / "ray first")


def test_generate_by_ray_raises_the_error_of_a_task_as_on_one_machine(cluster, tmp_path):
    config = dataclasses.replace(TINY, silence_db=40.0)  # every sound counts as silent
    messages = []
    for scheduler in ("local", "ray"):
        with pytest.raises(ValueError, match="shard 0: every candidate was rejected") as error:
            make(tmp_path / scheduler, n=4, scheduler=scheduler, config=config)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_generate_with_an_unknown_scheduler_is_refused(tmp_path):
    with pytest.raises(ValueError, match="scheduler='spark'; choose 'local' or 'ray'"):
        make(tmp_path, scheduler="spark")
