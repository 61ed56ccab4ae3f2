"""Renders streams of presets on all cores, each in a fresh process, lazily and in order."""

import collections
import dataclasses
import functools
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.in_turn import render_in_turn
from vjax.engine.isolate import IsolatedCallError, MachineError, Method, call_isolated

MACHINE_REMEDY = "Set TMPDIR to a short path that can be written, such as /tmp, and free memory and processes"

TRIES = 3
"""Attempts to render if the machine is at fault."""


@dataclasses.dataclass(frozen=True)
class RenderJob:
    """A preset (Vital JSON) to be played at `notes`.

    Attributes:
      seed: position of the engine's random generators.
      note_s: note length in seconds; by default that of the pool's config.
    """

    preset: Mapping[str, Any]
    notes: tuple[int, ...]
    seed: int = 0
    note_s: float | None = None


@dataclasses.dataclass(frozen=True)
class RenderGroup:
    """Presets that differ only in control values, see `vjax.engine.in_turn`. One process renders them all.

    Attributes:
      jobs: all with the same `seed` and `note_s`.
    """

    jobs: tuple[RenderJob, ...]


@dataclasses.dataclass(frozen=True)
class Rendering:
    """The result of a job: `audio` is float32 [len(notes), 2, samples], or None with the reason in `error`.

    `by_machine`: whether the machine is at fault, see `MachineError`. Otherwise the preset is at fault, and another
    attempt would fail too.
    """

    audio: np.ndarray | None
    error: str = ""
    by_machine: bool = False

    @property
    def played(self) -> np.ndarray:
        """`audio`, of a job that did not fail."""
        assert self.audio is not None, f"the rendering failed: {self.error}"
        return self.audio


def reliable(renderings: Iterable[Rendering]) -> Iterator[Rendering]:
    """Yields the renderings, for a caller that stores what it concludes from them.

    Raises MachineError for one that failed by a fault of the machine: this must not be stored as a fault of the preset.
    """
    for rendering in renderings:
        if rendering.by_machine:
            raise MachineError(f"the engine cannot run on this machine: {rendering.error}. {MACHINE_REMEDY}")
        yield rendering


def default_workers() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare_method() -> Method:
    """Returns how render processes are started here, see `synth.start_method`.

    A fork server will hold an unused Synth.
    """
    method = synth.start_method()
    if method == "forkserver":
        multiprocessing.get_context(method).set_forkserver_preload(["vjax.engine.preload"])
    return method


class RenderPool:
    """Runs up to `workers` processes at a time, each for one job. Use as a context manager.

    The threads here only wait. Processes that are forked from a server with an unused Synth do the rendering. A crash,
    a hang or a bad value affects only its own job, which returns a `Rendering` with an `error`.
    """

    def __init__(self, config: RenderConfig, workers: int | None = None):
        if workers is not None and workers < 1:
            raise ValueError(f"workers={workers}; at least one is needed")
        self.config = config
        self.workers = workers or default_workers()
        self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="render")
        self._closing = False
        self._method: Method = prepare_method()

    def __enter__(self) -> "RenderPool":
        return self

    def __exit__(self, *_) -> None:
        self._closing = True
        self._threads.shutdown(wait=True, cancel_futures=True)

    def isolated(self, function: Callable[..., Any], *arguments: Any, timeout_s: float) -> Future:
        """A future of `function(*arguments)`, in a fresh process that holds an unused Synth (see `call_isolated`)."""
        return self._threads.submit(call_isolated, function, *arguments, timeout_s=timeout_s, method=self._method)

    def render(self, job: RenderJob) -> Rendering:
        """Renders one job now, in the calling thread. If the machine is at fault, it tries again."""
        rendering = self._render(job)
        for _ in range(TRIES - 1):
            if not rendering.by_machine or self._closing:
                break
            rendering = self._render(job)
        return rendering

    def _render(self, job: RenderJob) -> Rendering:
        # The process enforces the limit of each note. The whole job gets this limit once per note and once to load.
        limit_s = self.config.timeout_s * (len(job.notes) + 1)
        arguments = (job.preset, job.notes, self.config.with_note_s(job.note_s), job.seed)
        try:
            return Rendering(call_isolated(synth.render_notes, *arguments, timeout_s=limit_s, method=self._method))
        except ValueError as error:
            return Rendering(None, f"invalid: {error}")
        except IsolatedCallError as error:
            return Rendering(None, str(error), by_machine=isinstance(error, MachineError))

    def render_group(self, group: RenderGroup) -> list[Rendering]:
        """Renders a group now, in the calling thread.

        If its process crashes or hangs, or the presets differ in more than control values, it renders each job alone.
        If the machine is at fault, it tries again.
        """
        if len(group.jobs) == 1:
            return [self.render(group.jobs[0])]
        first = group.jobs[0]
        presets, notes = [job.preset for job in group.jobs], [job.notes for job in group.jobs]
        arguments = (presets, notes, self.config.with_note_s(first.note_s), first.seed)
        limit_s = self.config.timeout_s * (sum(map(len, notes)) + 1)
        left = TRIES
        while True:
            left -= 1
            try:
                results = call_isolated(render_in_turn, *arguments, timeout_s=limit_s, method=self._method)
                break
            except MachineError as error:
                # Not each alone: its sounds would differ a little from those of an undisturbed run.
                if self._closing or not left:
                    return [Rendering(None, str(error), by_machine=True)] * len(group.jobs)
            except (ValueError, IsolatedCallError):
                return [self.render(job) for job in group.jobs]
        return [Rendering(None, one) if isinstance(one, str) else Rendering(one) for one in results]

    def map_groups(self, groups: Iterable[RenderGroup]) -> Iterator[Rendering]:
        """Renders the jobs of `groups` in order, as `map` does for single jobs."""
        submit = functools.partial(self._threads.submit, self.render_group)
        for renderings in in_order(submit, groups, ahead=self.workers):
            yield from renderings

    def map(self, jobs: Iterable[RenderJob]) -> Iterator[Rendering]:
        """Renders `jobs` in order. Takes only a few jobs in advance, so that `jobs` may be endless."""
        return in_order(functools.partial(self._threads.submit, self.render), jobs, ahead=2 * self.workers)


def in_order(submit: Callable[[Any], Future], jobs: Iterable[Any], ahead: int) -> Iterator[Any]:
    """Yields the results of `jobs` in order. Submits `ahead` jobs in advance, so that none waits for a slow one."""
    pending: collections.deque[Future] = collections.deque()
    for job in jobs:
        pending.append(submit(job))
        if len(pending) > ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
