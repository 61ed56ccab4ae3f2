"""Renders variations of one preset fast: a process keeps it loaded, and each variation is a fork with other values.

Loading takes 0.03 to 0.35 s, most of it for building wavetables. A fork takes a few milliseconds, and then 20 for the
memory pages that a render writes. Every variation starts from the same loaded state, so that its render is a pure
function of its values. No variation affects another, and equal values give equal bits on every worker. Refinement
renders thousands of variations.
"""

import collections
import functools
import math
import multiprocessing
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

from vjax.engine import synth
from vjax.engine.affinity import AffinityPool
from vjax.engine.config import RenderConfig
from vjax.engine.isolate import (
    IsolatedCallError,
    MachineError,
    begin,
    call_isolated,
    can_fork,
    end_process,
    ended_from_outside,
    start_process,
)
from vjax.engine.pool import TRIES, Rendering, default_workers, prepare_method

_KEPT = 4  # a worker can keep at least this many presets loaded; each takes about 35 MB
_GRACE_S = 10.0  # for loading and for sending the result, on a busy machine


class LivePreset:
    """A process with a preset loaded. For one thread at a time. Use as a context manager, or call `close`.

    Args:
      preset: Vital JSON.
      note: MIDI note that all renders play.
      config: how they are played.
      seed: position of the engine's random generators, as in `synth.render_notes`.
    """

    def __init__(self, preset: Mapping[str, Any], note: int, config: RenderConfig, seed: int = 0):
        self._limit_s = config.timeout_s + _GRACE_S
        self._rendered, self._ended, self._killed = False, "", False
        context: Any = multiprocessing.get_context(synth.start_method())  # this type has no `Process`
        self._connection, child_connection = context.Pipe()
        self._process = context.Process(target=_serve, args=(child_connection, preset, note, config, seed))
        start_process(self._process)
        child_connection.close()  # so that the connection gets an end of file when the process dies

    def __enter__(self) -> "LivePreset":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def render(self, values: Mapping[str, float]) -> Rendering:
        """Renders the preset with these controls at these native values: `audio` [1, 2, samples], or an `error`.

        If the preset cannot be loaded, every render returns an error. A variation that crashes or hangs the engine does
        not affect other variations.
        """
        if self._ended:
            return Rendering(None, self._ended)
        try:
            self._connection.send(dict(values))
            if not self._connection.poll(self._limit_s):
                return self._end(f"hung: no result within {self._limit_s:g} s")
            result = self._connection.recv()
        except (EOFError, OSError):
            self._process.join(_GRACE_S)  # it has ended, because its end of the connection is closed
            killed = self._rendered or ended_from_outside(self._process)
            why = "it was killed" if killed else "it could not load this preset"
            return self._end(f"crashed: the preset's process ended; {why}", killed)
        if isinstance(result, Rendering):
            return result
        self._rendered = True
        return Rendering(result[None])

    @property
    def lost(self) -> bool:
        """Whether the process was killed, so that loading the preset again will help."""
        return self._killed

    def _end(self, error: str, killed: bool = False) -> Rendering:
        self.close()
        self._ended, self._killed = error, killed
        return Rendering(None, error, by_machine=killed)

    def close(self) -> None:
        """Ends the process. Renders after this are errors."""
        self._ended = self._ended or "closed: the preset's process was ended"
        if not self._connection.closed:
            self._connection.close()
            end_process(self._process)  # nothing in it is still needed


class LiveCache:
    """The few LivePresets that one worker thread keeps. It drops the least recently used one. A context manager."""

    def __init__(self, size: int):
        self._size = size
        self._live: collections.OrderedDict[Any, LivePreset] = collections.OrderedDict()

    def __enter__(self) -> "LiveCache":
        return self

    def __exit__(self, *_) -> None:
        for live in self._live.values():
            live.close()
        self._live.clear()

    def __contains__(self, key: Any) -> bool:
        return key in self._live

    @property
    def full(self) -> bool:
        return len(self._live) >= self._size

    def keys(self) -> tuple[Any, ...]:
        """The keys of the kept presets, the least recently used one first."""
        return tuple(self._live)

    def render(self, key: Any, arguments: tuple, values: Mapping[str, float]) -> Rendering:
        """Renders a variation of `get(key, *arguments)`. Any exception becomes an error of this rendering.

        If the machine is at fault, it tries again, with the preset loaded again.
        """
        rendering = self._render(key, arguments, values)
        for _ in range(TRIES - 1):
            if not rendering.by_machine:
                break
            rendering = self._render(key, arguments, values)
        return rendering

    def _render(self, key: Any, arguments: tuple, values: Mapping[str, float]) -> Rendering:
        try:
            return self.get(key, *arguments).render(values)
        except Exception as error:
            by_machine = isinstance(error, (OSError, EOFError, MemoryError))
            return Rendering(None, f"failed: {type(error).__name__}: {error}", by_machine)

    def get(self, key: Any, *arguments: Any) -> LivePreset:
        """The preset kept under this key, or a new `LivePreset(*arguments)` if there is none or it was lost."""
        if key in self._live and self._live[key].lost:
            del self._live[key]
        if key not in self._live:
            while len(self._live) >= self._size:
                self._live.popitem(last=False)[1].close()
            self._live[key] = LivePreset(*arguments)
        self._live.move_to_end(key)
        return self._live[key]


def _serve(connection: Connection, preset: Mapping[str, Any], note: int, config: RenderConfig, seed: int) -> None:
    begin()
    error, play = "", functools.partial(synth.load_and_play_variation, preset, seed)
    try:
        loaded = synth.load(preset, config, seed)
        if can_fork():
            synth.settle(loaded, note, config.velocity)  # once for all variations
            play = functools.partial(synth.play_variation, loaded)
    except ValueError as refused:
        loaded, error = None, f"invalid: {refused}"
    while True:
        try:
            values = connection.recv()
        except (EOFError, OSError):  # the caller closed, or was killed
            return
        result: np.ndarray | Rendering = Rendering(None, error)
        if loaded is not None:
            try:
                synth.validate_values(values)
                result = call_isolated(play, note, config, values, timeout_s=config.timeout_s, method="fork")
            except ValueError as refused:
                result = Rendering(None, f"invalid: {refused}")
            except IsolatedCallError as broken:
                result = Rendering(None, str(broken), isinstance(broken, MachineError))
        try:
            connection.send(result)
        except OSError:  # the caller closed meanwhile
            return


class Variation(NamedTuple):
    """A render to do: `values` to set in the preset `live`, a hashable key that was given to `LivePool.load`."""

    live: Hashable
    values: Mapping[str, float]


class LivePool:
    """Renders variations of several presets on `workers` cores. Use as a context manager.

    Each worker keeps a few presets loaded and takes work for those first. `AffinityPool` states when it loads another.

    Args:
      config: how all are played.
      workers: processes that render at a time; by default one a core.
      presets_at_once: number of presets that are varied at a time.
      open_cache: returns a worker's cache. Its arguments are the number of presets and an event, see `open_worker` of
        `AffinityPool`. By default, the cache is in this process.
      spare: threads beyond `workers`, for caches that cannot be opened yet.
    """

    def __init__(
        self,
        config: RenderConfig,
        workers: int | None = None,
        presets_at_once: int = 1,
        open_cache: Callable[[int, threading.Event], AbstractContextManager | None] | None = None,
        spare: int = 0,
    ):
        self.workers = workers or default_workers()
        self._config = config
        kept = max(_KEPT, math.ceil(2 * presets_at_once / self.workers))  # per worker; twice, to help other workers
        self._presets: dict[Hashable, tuple[Mapping[str, Any], int, RenderConfig, int]] = {}
        prepare_method()
        open_worker = functools.partial(open_cache, kept) if open_cache else lambda closing: LiveCache(kept)
        self._affinity = AffinityPool(open_worker, self.workers + spare)

    def __enter__(self) -> "LivePool":
        return self

    def __exit__(self, *reason) -> None:
        self._affinity.__exit__(*reason)

    def load(
        self, key: Hashable, preset: Mapping[str, Any], note: int, seed: int = 0, note_s: float | None = None
    ) -> None:
        """Registers a preset (Vital JSON) and its note under `key`, see `RenderJob`. Its first variation loads it."""
        self._presets[key] = (preset, note, self._config.with_note_s(note_s), seed)

    def unload(self, key: Hashable) -> None:
        """Removes a preset; workers unload it when they need the space."""
        self._presets.pop(key, None)

    def render(self, variations: Sequence[Variation]) -> Iterator[tuple[int, Rendering]]:
        """Yields (position in `variations`, rendering), in the order in which they are done."""
        work = [(functools.partial(self._play, variation), variation.live) for variation in variations]
        futures = {future: i for i, future in enumerate(self._affinity.submit_all(work))}
        for done in as_completed(futures):
            yield futures[done], done.result()

    def _play(self, variation: Variation, cache: Any) -> Rendering:
        arguments = self._presets.get(variation.live)
        if arguments is None:
            return Rendering(None, f"no preset {variation.live!r} is loaded; call `load` first")
        return cache.render(variation.live, arguments, variation.values)
