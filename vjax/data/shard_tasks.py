"""Shards as Ray tasks: any CPU of the cluster makes one whole; this process takes them in order, and has the disk."""

import collections
import math
from collections.abc import Iterator

import ray
from ray.exceptions import RayError, RayTaskError

from vjax.data.shard import Hear, Material, Shard, make_shard
from vjax.engine.ray import become_worker, node_cpus

LOSSES = 20
"""So often a shard is made again where its worker or node was lost; then it is taken to be the shard's own fault."""


def make_shards_by_ray(material: Material, first: int, rows: int, workers: int | None, hear: Hear) -> Iterator[Shard]:
    """As `vjax.data.shard.make_shards`, on the cluster of the Ray session.

    A shard needs one CPU. Two for each CPU are under way, or as many as will be needed; nodes that join are used, and
    what a lost node had in hand, or had made and not delivered, is made again elsewhere.

    Args:
      workers: shards under way at most, by default two for each CPU.

    Raises:
      ConnectionError: a shard was lost LOSSES times.
    """
    config = material.config
    task = ray.remote(num_cpus=1, max_retries=LOSSES)(_make_shard)
    given = ray.put(material)
    under_way: collections.deque = collections.deque()
    number, made = first, 0
    a_shard = config.presets_per_shard * config.notes_per_preset  # rows, to be expected
    try:
        while rows > 0:
            most = workers or 2 * max(sum(node_cpus().values()), 1)
            while len(under_way) < min(most, math.ceil(rows / a_shard)):
                under_way.append(task.remote(given, number + len(under_way)))
            shard = _received(under_way.popleft(), number).first(rows, config.notes_per_preset)
            for candidate, verdict in enumerate(shard.verdicts):
                hear(shard.number, candidate, verdict)
            yield shard
            number, rows, made = number + 1, rows - shard.rows, made + shard.rows
            a_shard = max(made / (number - first), 1)
    finally:
        for answer in under_way:
            ray.cancel(answer, force=True)


def _make_shard(material: Material, number: int) -> Shard:
    """The task. Its features come from the CPU, where they are the same bits on all nodes of a kind."""
    import jax

    become_worker()
    jax.config.update("jax_platforms", "cpu")
    return make_shard(material, number, workers=1)


def _received(answer, number: int) -> Shard:
    try:
        return ray.get(answer)
    except RayTaskError as error:
        raise error.cause from None
    except RayError as lost:
        raise ConnectionError(f"shard {number} was lost {LOSSES} times, its workers ended: {lost}") from lost
