"""Selects where sounds are rendered: on this machine or on a Ray cluster. Both have one interface and equal results."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any, Literal

from vjax.engine.config import RenderConfig
from vjax.engine.live import LivePool
from vjax.engine.pool import RenderPool

Scheduler = Literal["local", "ray"]


@contextlib.contextmanager
def scheduler_session(scheduler: Scheduler) -> Iterator[None]:
    """Connects to the Ray cluster if `scheduler` is "ray", so that pools opened inside share the connection.

    Raises:
      ValueError: there is no such scheduler, or Ray is not installed.
      ConnectionError: the Ray cluster does not respond.
    """
    if scheduler == "local":
        yield
        return
    if scheduler != "ray":
        raise ValueError(f"scheduler={scheduler!r}; choose 'local' or 'ray'")
    # Ray reports a lost node on stdout, with pages of its log. This variable stops that. Ray reads it at import.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    try:
        from vjax.engine.ray_session import ray_session
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise ValueError('the scheduler "ray" needs Ray; install it with: pip install "vjax[cluster]"') from error
    with ray_session():
        yield


@contextlib.contextmanager
def open_render_pool(
    config: RenderConfig, workers: int | None = None, scheduler: Scheduler = "local"
) -> Iterator[RenderPool]:
    """A pool of `workers` processes; by default one on each core of this machine, or of the cluster.

    The pool of a cluster has `config`, `workers`, `render` and `map` of a RenderPool, and no more.
    """
    with scheduler_session(scheduler):
        if scheduler == "ray":
            from vjax.engine.ray_pools import RayRenderPool

            far_pool: Any = RayRenderPool(config, workers)
            with far_pool:
                yield far_pool
        else:
            with RenderPool(config, workers) as pool:
                yield pool


@contextlib.contextmanager
def open_live_pool(
    config: RenderConfig, workers: int | None = None, presets_at_once: int = 1, scheduler: Scheduler = "local"
) -> Iterator[LivePool]:
    """A pool for variations of `presets_at_once` presets; workers as in `open_render_pool`."""
    with scheduler_session(scheduler):
        if scheduler == "ray":
            from vjax.engine.ray_pools import ray_live_pool

            with ray_live_pool(config, workers, presets_at_once) as pool:
                yield pool
        else:
            with LivePool(config, workers, presets_at_once) as pool:
                yield pool
