"""Refinement: evolution strategies that render with the real engine, for many targets at a time.

Each target has a lane. One pool of workers renders a generation of all lanes. Each render is scored on the
device as it arrives. When a target is done, the next one takes its lane.

The result of a target depends only on the target itself and the config. The order of arrival, the other targets, their
number and the lanes do not change a single bit of it.

A search changes continuous parameters and route amounts (`vjax.search.space`). Routing and categorical parameters stay
those of the candidate. Its wavetables may have been equalised before (`vjax.matching.choose`). A search that
stagnates continues from another candidate, or with wider steps.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from vjax.engine.config import RenderConfig
from vjax.engine.isolate import MachineError
from vjax.engine.live import LivePool, Variation
from vjax.engine.pool import MACHINE_REMEDY, RenderPool
from vjax.engine.scheduler import Scheduler, open_live_pool, open_render_pool
from vjax.search.candidate import Kind
from vjax.search.evolution import Progress, Search
from vjax.search.judge import Judge, Judged
from vjax.search.objective import Objective
from vjax.search.refine_config import RefineConfig
from vjax.search.target import RefineTarget
from vjax.vital.preset import Preset

_BATCH = 1  # samples scored in one call: the last bits of a loss depend on the size of the batch


@dataclasses.dataclass(frozen=True, eq=False)
class Refined:
    """The result of a target. Losses are those of the objective, distances by name those of `vjax.audio.distances`.

    Attributes:
      name: of the target.
      preset: the best preset, by settled renders in fresh processes over several seeds. A candidate, if no sample was
        better.
      label, kind: of the candidate that it came from.
      before, after: `Judged` of the first candidate and of `preset`.
      trace: (renders, best loss so far) after each generation. The losses are those of the samples' own renders, with
        the seed of their generation.
      candidate_losses: losses of the audible candidates, by label.
      evals: number of renders.
      seconds: the time that the search took.
      dimensions: of its last space.
      restarts: how often it continued from another candidate or with wider steps.
      error: why there is no result; `preset`, `before` and `after` are then None.
    """

    name: str
    preset: Preset | None = None
    label: str = ""
    kind: Kind = Kind.GIVEN
    before: Judged | None = None
    after: Judged | None = None
    trace: tuple[tuple[int, float], ...] = ()
    candidate_losses: Mapping[str, float] = dataclasses.field(default_factory=dict)
    evals: int = 0
    seconds: float = 0.0
    dimensions: int = 0
    restarts: int = 0
    error: str = ""


def refine(
    targets: Iterable[RefineTarget],
    config: RefineConfig,
    render: RenderConfig,
    workers: int | None = None,
    knob_error_norm: Mapping[str, float] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    scheduler: Scheduler = "local",
    pool: RenderPool | None = None,
) -> Iterator[Refined]:
    """Refines targets, and yields each as soon as it is done.

    Args:
      targets: with their ranked candidates (`vjax.matching.choose.rank`). They are taken one by one, as lanes become
        free.
      render: how candidates and samples are rendered.
      workers: render processes at a time; by default one per core.
      knob_error_norm: the error of predictions, by continuous parameter; see `space.make_space`.
      on_progress: called in this thread after each generation, for each target.
      should_stop: called after each generation. True ends all searches, which then yield their best preset so far.
      scheduler: where renders run, see `vjax.engine.scheduler`; the results are the same.
      pool: renders the presets that are judged; its config must be `render`. By default a new one.

    Raises:
      ValueError: two targets have the same name.
    """
    waiting, names, more = iter(targets), set(), True
    objective = Objective(config.objective, config.parallel, _BATCH, render.samples, render.sample_rate)
    searches: dict[int, Search] = {}
    with (
        contextlib.nullcontext(pool) if pool else open_render_pool(render, workers, scheduler) as fresh,
        open_live_pool(render, workers, config.parallel * config.engine_seeds, scheduler) as live,
    ):
        judge = Judge(objective, fresh)
        while more or searches:
            while more and len(searches) < config.parallel:
                target = next(waiting, None)
                if target is None:
                    more = False
                    break
                if target.name in names:
                    raise ValueError(f"two targets are called {target.name!r}; names must differ")
                names.add(target.name)
                lane = min(set(range(config.parallel)) - searches.keys())
                try:
                    began_s = time.monotonic()
                    objective.set_target(lane, target.audio)
                    searches[lane] = Search.begin(target, config, live, knob_error_norm or {}, began_s)
                except ValueError as error:
                    yield Refined(target.name, error=f"{target.name}: {error}")
            _generation(searches, objective, live)
            stopping = should_stop is not None and should_stop()
            for lane, search in list(searches.items()):
                if on_progress:
                    on_progress(search.progress())
                if stopping or search.exhausted():
                    del searches[lane]
                    yield _result(search, lane, judge)
            if stopping:
                return


def _generation(searches: dict[int, Search], objective: Objective, live: LivePool) -> None:
    """Asks, renders, scores and learns one generation of all lanes. The last one of a budget may have fewer samples."""
    searches = {lane: search for lane, search in searches.items() if search.left()}
    asked = {lane: search.ask()[: search.left()] for lane, search in searches.items()}
    owners = [(lane, k) for lane, z in asked.items() for k in range(len(z))]
    variations = [Variation(searches[lane].live_key, searches[lane].values(asked[lane][k])) for lane, k in owners]
    losses = {lane: np.full(len(z), np.nan, np.float32) for lane, z in asked.items()}
    gains_db = {lane: np.zeros(len(z)) for lane, z in asked.items()}
    faults = 0
    for i, rendering in live.render(variations):
        faults += rendering.by_machine
        if faults == len(variations):  # else single ones count as silent
            raise MachineError(f"the engine cannot run on this machine: {rendering.error}. {MACHINE_REMEDY}")
        if rendering.audio is not None:
            lane, k = owners[i]
            found = objective.levelled(rendering.audio, [lane], np.array([searches[lane].range_db]))
            (losses[lane][k],), (gains_db[lane][k],) = found
    for lane, search in searches.items():
        search.learn(asked[lane], losses[lane], gains_db[lane])
        search.move_on_if_stagnant()


def _result(search: Search, lane: int, judge: Judge) -> Refined:
    try:
        before, after = judge.best(search.candidates(), search.target, lane)
    except ValueError as error:
        return Refined(search.target.name, error=f"{search.target.name}: {error}", evals=search.evals)
    return Refined(
        name=search.target.name,
        preset=after.preset,
        label=after.label,
        kind=after.kind,
        before=before,
        after=after,
        trace=tuple(search.trace),
        candidate_losses=search.candidate_losses,
        evals=search.evals,
        seconds=time.monotonic() - search.began_s,
        dimensions=search.space.size,
        restarts=search.restarts,
    )
