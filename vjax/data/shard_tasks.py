"""Makes shards as Ray tasks: a task makes a whole shard on any CPU of the cluster.

The calling process receives the shards in order. Only this process needs the disk.
"""

import collections
import math
from collections.abc import Iterator

import ray
from ray.exceptions import RayError, RayTaskError

from vjax.data.shard import OnCandidate, Shard, ShardInputs, make_shard
from vjax.engine.ray import become_worker, node_cpus

MAX_LOST = 20
"""How often a shard is made again after its worker or node was lost. After that, the shard is taken to be the cause."""


def make_shards_by_ray(
    inputs: ShardInputs, first: int, rows: int, workers: int | None, on_candidate: OnCandidate
) -> Iterator[Shard]:
    """Does the same as `vjax.data.shard.make_shards`, on the cluster of the Ray session.

    A shard needs one CPU. Two shards per CPU are in progress, or as many as are still needed. Nodes that join later are
    used too. If a node is lost, its shards that were in progress or not yet delivered are made again elsewhere.

    Args:
      workers: largest number of shards in progress; by default two per CPU.

    Raises:
      ConnectionError: a shard was lost MAX_LOST times.
    """
    config = inputs.config
    task = ray.remote(num_cpus=1, max_retries=MAX_LOST)(_make_shard)
    given = ray.put(inputs)
    under_way: collections.deque = collections.deque()
    number, made = first, 0
    a_shard = config.presets_per_shard * config.notes_per_preset  # expected number of rows
    try:
        while rows > 0:
            most = workers or 2 * max(sum(node_cpus().values()), 1)
            while len(under_way) < min(most, math.ceil(rows / a_shard)):
                under_way.append(task.remote(given, number + len(under_way)))
            shard = _received(under_way.popleft(), number).first(rows, config.notes_per_preset)
            for candidate, check in enumerate(shard.checks):
                on_candidate(shard.number, candidate, check)
            yield shard
            number, rows, made = number + 1, rows - shard.rows, made + shard.rows
            a_shard = max(made / (number - first), 1)
    finally:
        for answer in under_way:
            ray.cancel(answer, force=True)


def _make_shard(inputs: ShardInputs, number: int) -> Shard:
    """The Ray task. It computes features on the CPU, so that they are bit-identical on all nodes of a kind."""
    import jax

    become_worker()
    jax.config.update("jax_platforms", "cpu")
    return make_shard(inputs, number, workers=1)


def _received(answer, number: int) -> Shard:
    try:
        return ray.get(answer)
    except RayTaskError as error:
        raise error.cause from None
    except RayError as lost:
        raise ConnectionError(f"shard {number} was lost {MAX_LOST} times, its workers ended: {lost}") from lost
