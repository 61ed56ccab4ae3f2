"""Makes shards as Ray tasks: a task makes a whole shard on any CPU of the cluster.

The calling process receives the shards in order. Only this process needs the disk.
"""

import collections
import math
from collections.abc import Iterator

import ray
from ray.exceptions import RayError, RayTaskError

from vjax.data.shard import OnCandidate, Shard, ShardInputs, make_shard
from vjax.engine.ray_session import become_worker, node_cpus

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
    stored_inputs = ray.put(inputs)
    in_progress: collections.deque = collections.deque()
    number, rows_made = first, 0
    rows_per_shard = config.presets_per_shard * config.notes_per_preset  # an estimate
    try:
        while rows > 0:
            most = workers or 2 * max(sum(node_cpus().values()), 1)
            while len(in_progress) < min(most, math.ceil(rows / rows_per_shard)):
                in_progress.append(task.remote(stored_inputs, number + len(in_progress)))
            shard = _fetch_shard(in_progress.popleft(), number).first(rows, config.notes_per_preset)
            for candidate, check in enumerate(shard.checks):
                on_candidate(shard.number, candidate, check)
            yield shard
            number, rows, rows_made = number + 1, rows - shard.rows, rows_made + shard.rows
            rows_per_shard = max(rows_made / (number - first), 1)
    finally:
        for reference in in_progress:
            ray.cancel(reference, force=True)


def _make_shard(inputs: ShardInputs, number: int) -> Shard:
    """The Ray task. It computes features on the CPU, so that they are bit-identical on all nodes of a kind."""
    import jax

    become_worker()
    jax.config.update("jax_platforms", "cpu")
    return make_shard(inputs, number, workers=1)


def _fetch_shard(reference: ray.ObjectRef, number: int) -> Shard:
    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise error.cause from None
    except RayError as lost:
        raise ConnectionError(f"shard {number} was lost {MAX_LOST} times, because its workers ended: {lost}") from lost
