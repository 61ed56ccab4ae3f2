"""The pools of `vjax.engine` on a Ray cluster: one worker on each CPU of each node that is alive. Imports ray.

A worker is an actor that renders one sound at a time with a local pool of its own, so that a crash of the engine loses
only one render there too. If a worker or a node is lost, another worker does its current work again. A render is a pure
function of its job, so the result does not depend on the worker. Nodes that join later also get workers.
"""

import collections
import dataclasses
import functools
import math
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

import numpy as np
import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from vjax.engine.affinity import AffinityPool, WorkerLostError
from vjax.engine.config import RenderConfig
from vjax.engine.live import LiveCache, LivePool
from vjax.engine.pool import Rendering, RenderJob, RenderPool, in_order, prepare_method
from vjax.engine.ray_session import become_worker, node_cpus

_SPARE = 64  # threads for the CPUs of nodes that join later
_PATIENCE_S = 120.0  # time without any CPU, after which an error is raised
_MAX_FAILURES = 3  # workers that failed to start, while none works, after which an error is raised
_NODES_AGE_S = 2.0  # greatest age of the list of nodes
_PAUSE_S = 5.0  # pause before the next worker on a node where one failed to start


class RayRenderPool:
    """`RenderPool` on at most `workers` of the cluster's CPUs, by default on all. Use as a context manager."""

    def __init__(self, config: RenderConfig, workers: int | None = None):
        self.config = config
        self.workers, spare = _sizes(workers)
        opener = _WorkerOpener(_RenderWorker)
        self._affinity = AffinityPool(lambda closing: opener.open(closing, config), self.workers + spare)

    def __enter__(self) -> "RayRenderPool":
        return self

    def __exit__(self, *reason) -> None:
        self._affinity.__exit__(*reason)

    def render(self, job: RenderJob) -> Rendering:
        """As `RenderPool.render`. Raises ConnectionError if the cluster is lost."""
        return self._submit(job).result()

    def map(self, jobs: Iterable[RenderJob]) -> Iterator[Rendering]:
        """As `RenderPool.map`. Raises ConnectionError if the cluster is lost."""
        return in_order(self._submit, jobs, ahead=2 * self.workers)

    def _submit(self, job: RenderJob) -> Future:
        return self._affinity.submit(lambda worker: _copied(worker.call("render", job)))


def ray_live_pool(config: RenderConfig, workers: int | None = None, presets_at_once: int = 1) -> LivePool:
    """A `LivePool` whose caches are actors on the cluster: at most `workers`, by default one per CPU.

    Its renderings equal those of a local pool. `render` raises ConnectionError if the cluster is lost.
    """
    opener = _WorkerOpener(_LiveWorker)

    def open_cache(size: int, closing: threading.Event) -> "_RemoteCache | None":
        worker = opener.open(closing, size)
        return worker and _RemoteCache(worker, size)

    size, spare = _sizes(workers)
    return LivePool(config, size, presets_at_once, open_cache, spare)


class _RenderWorker:
    """An actor: a process with a render pool of its own."""

    def __init__(self, config: RenderConfig):
        become_worker()
        self._pool = RenderPool(config, workers=1)

    def ready(self) -> None:
        """Returns when the actor has started."""

    def render(self, job: RenderJob) -> Rendering:
        return self._pool.render(job)


class _LiveWorker:
    """An actor: a process that keeps `size` presets loaded, in processes of their own."""

    def __init__(self, size: int):
        become_worker()
        prepare_method()
        self._cache = LiveCache(size)

    def ready(self) -> None:
        """Returns when the actor has started."""

    def render(
        self, key: Hashable, arguments: tuple | None, values: Mapping[str, float]
    ) -> tuple[Rendering, tuple[Hashable, ...]]:
        """Returns (a variation, the keys loaded after it). `arguments` are needed if `key` is not loaded."""
        return self._cache.render(key, arguments or (), values), self._cache.keys()


class _RemoteWorker:
    """An actor, seen from the thread that gives it work. A context manager, which ends the actor."""

    def __init__(self, actor: Any, leave: Callable[[], None]):
        self._actor, self._leave = actor, leave

    def __enter__(self) -> "_RemoteWorker":
        return self

    def __exit__(self, *_) -> None:
        self._leave()
        ray.kill(self._actor)

    def __contains__(self, key: Hashable) -> bool:
        return False  # its work has no keys

    def call(self, method: str, *arguments: Any) -> Any:
        """Returns the result of a method of the actor. Raises WorkerLostError if actor, node or result is lost."""
        try:
            return ray.get(getattr(self._actor, method).remote(*arguments))
        except RayTaskError as error:
            raise error.cause from None
        except RayError as lost:
            raise WorkerLostError(f"{type(lost).__name__}: {lost}") from lost


class _RemoteCache:
    """The `LiveCache` of an actor, seen from its thread. A preset is sent only if the actor has not loaded it."""

    def __init__(self, worker: _RemoteWorker, size: int):
        self._worker, self._size = worker, size
        self._keys: tuple[Hashable, ...] = ()

    def __enter__(self) -> "_RemoteCache":
        return self

    def __exit__(self, *reason) -> None:
        self._worker.__exit__(*reason)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._keys

    @property
    def full(self) -> bool:
        return len(self._keys) >= self._size

    def render(self, key: Hashable, arguments: tuple, values: Mapping[str, float]) -> Rendering:
        rendering, self._keys = self._worker.call("render", key, None if key in self else arguments, values)
        return _copied(rendering)


class _WorkerOpener:
    """Opens workers: actors of a class, one on each CPU of each node that is alive, spread evenly.

    Actors do not use up Ray's own count of CPUs, because an evaluation has several pools at a time, of which one works.
    """

    def __init__(self, actor: type):
        self._actor = ray.remote(num_cpus=0)(actor)
        self._lock = threading.Lock()
        self._taken: collections.Counter[str] = collections.Counter()
        self._cpus: dict[str, int] = {}
        self._paused_until_s: dict[str, float] = {}
        self._listed_s = -math.inf
        self._worked_s = time.monotonic()
        self._working = self._failures = 0  # failures since a worker started

    def open(self, closing: threading.Event, *arguments: Any) -> _RemoteWorker | None:
        """A worker with a new actor, `actor(*arguments)`, that is ready; or None if no actor can start now.

        Returns None when `closing` is set. Without this, an actor on a node that has just died would be waited for
        until Ray notices.

        Raises ConnectionError if no actor starts, or if there was no CPU for _PATIENCE_S.
        """
        with self._lock:
            node = self._choose()
            if node is None:
                return None
            self._taken[node] += 1
        on_node = NodeAffinitySchedulingStrategy(node, soft=False)
        actor: Any = self._actor.options(scheduling_strategy=on_node).remote(*arguments)
        started, ready = actor.ready.remote(), []
        while not (ready or closing.is_set()):
            ready, _ = ray.wait([started], timeout=0.5)
        try:
            if ready:
                ray.get(started)
                with self._lock:
                    self._failures, self._working = 0, self._working + 1
                return _RemoteWorker(actor, functools.partial(self._leave, node))
        except RayError as error:
            self._failed(node, error)
        ray.kill(actor)
        with self._lock:
            self._taken[node] -= 1
        return None

    def _choose(self) -> str | None:
        now_s = time.monotonic()
        if now_s - self._listed_s > _NODES_AGE_S:
            self._cpus, self._listed_s = node_cpus(), now_s
        if self._taken.total() or self._cpus:
            self._worked_s = now_s
        elif now_s - self._worked_s > _PATIENCE_S:
            raise ConnectionError(f"no node of the Ray cluster has had a CPU for {_PATIENCE_S:g} s")
        free = [
            node
            for node, cpus in self._cpus.items()
            if self._taken[node] < cpus and self._paused_until_s.get(node, now_s) <= now_s
        ]
        return min(free, key=lambda node: self._taken[node], default=None)

    def _failed(self, node: str, error: RayError) -> None:
        with self._lock:
            self._paused_until_s[node] = time.monotonic() + _PAUSE_S
            self._failures += 1
            if self._failures >= _MAX_FAILURES and not self._working:
                self._taken[node] -= 1
                raise ConnectionError(
                    f"no worker started on the Ray cluster; install vjax on each node. The last error: {error}"
                ) from error

    def _leave(self, node: str) -> None:
        with self._lock:
            self._taken[node] -= 1
            self._working -= 1


def _sizes(workers: int | None) -> tuple[int, int]:
    """(number of workers now, number of threads for workers that come later)."""
    if workers is not None and workers < 1:
        raise ValueError(f"workers={workers}; at least one is needed")
    return (workers, 0) if workers else (max(sum(node_cpus().values()), 1), _SPARE)


def _copied(rendering: Rendering) -> Rendering:
    """Copies audio out of Ray's shared memory, where arrays are read-only and take space that later ones need."""
    return dataclasses.replace(rendering, audio=None if rendering.audio is None else np.array(rendering.audio))
