"""Datasets made by a Ray cluster: the bytes of the single machine, with a node killed in the middle."""

import dataclasses
import threading
import time
from pathlib import Path

import pytest
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from vjax.data.generate import GenerationConfig, GenerationReport, generate
from vjax.engine.config import RenderConfig

# jax warns of forks; those that start the nodes are at once other programs.
pytestmark = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")

# So picky that some candidates are rejected, and that the last shard is cut within a preset.
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
    """Made on this machine, never interrupted."""
    folder = tmp_path_factory.mktemp("single") / "data"
    return folder, make(folder, scheduler="local")


def test_with_a_node_killed_in_the_middle_the_bytes_are_those_of_one_machine(cluster, single, tmp_path):
    doomed = cluster.add_node(num_cpus=1)
    # On a busy machine all would be made before the new node has a process that takes work.
    ray.get(
        _import_all.options(scheduling_strategy=NodeAffinitySchedulingStrategy(doomed.node_id, soft=False)).remote()
    )
    while is_busy(doomed):
        time.sleep(0.01)
    at_work = []

    def kill() -> None:
        """While the node makes a shard."""
        while not is_busy(doomed):
            time.sleep(0.01)
        at_work.append(len(contents(tmp_path / "data")))
        cluster.remove_node(doomed, allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    report = make(tmp_path / "data")
    killer.join(60)
    assert at_work[0] < len(contents(single[0])), "the node was killed when all was done"
    assert report == single[1]
    assert report.rejected
    assert contents(tmp_path / "data") == contents(single[0])


@ray.remote(num_cpus=1)
def _import_all() -> None:
    import vjax.data.shard_tasks  # noqa: F401


def is_busy(node) -> bool:
    """Whether a task runs on the node."""
    left = ray._private.state.available_resources_per_node()
    return node.node_id in left and left[node.node_id].get("CPU", 0) < 1


def test_each_scheduler_goes_on_with_the_folder_of_the_other(cluster, single, tmp_path):
    make(tmp_path / "far first", n=20)
    make(tmp_path / "near first", n=20, scheduler="local")
    assert contents(tmp_path / "far first") == contents(tmp_path / "near first")
    (tmp_path / "near first" / "shard-00007.h5.partial").write_bytes(b"killed here")
    assert make(tmp_path / "near first", n=31) == make(tmp_path / "far first", n=31, scheduler="local")
    assert contents(tmp_path / "near first") == contents(tmp_path / "far first")


def test_what_a_task_finds_wrong_is_told_as_on_one_machine(cluster, tmp_path):
    deaf = dataclasses.replace(TINY, silence_db=40.0)
    said = []
    for scheduler in ("local", "ray"):
        with pytest.raises(ValueError, match="shard 0: every candidate was rejected") as told:
            make(tmp_path / scheduler, n=4, scheduler=scheduler, config=deaf)
        said.append(str(told.value))
    assert said[0] == said[1]


def test_an_unknown_scheduler_is_refused(tmp_path):
    with pytest.raises(ValueError, match="scheduler='spark'; choose 'local' or 'ray'"):
        make(tmp_path, scheduler="spark")
