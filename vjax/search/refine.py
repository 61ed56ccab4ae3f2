"""Refinement: evolution against the real engine, many targets at a time.

Each target has a place. A generation of all places is rendered by one pool of workers, and each render is scored on the
device as it arrives. What becomes of a target follows from its name, sound, candidates and the config alone: neither
the order of arrival nor the other targets, their number or the places change a bit of it. A target that is done gives
its place to the next. Continuous knobs and route amounts move (`vjax.search.space`); routing and menus stay those of
the start, whose wavetables may first be fitted (`vjax.inference.rank`), and a search that stands still goes on from
another start, or wider.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from vjax.engine.config import RenderConfig
from vjax.engine.live import LivePool, Variation
from vjax.engine.pool import RenderPool
from vjax.engine.scheduler import Scheduler, open_live_pool, open_render_pool
from vjax.search.evolution import Progress, Search
from vjax.search.judge import Judge, Judged
from vjax.search.objective import Objective
from vjax.search.refine_config import RefineConfig
from vjax.search.target import Kind, RefineTarget
from vjax.vital.preset import Preset

_BATCH = 1  # candidates scored in one call: in a batch, the last bits of a loss depend on its size


@dataclasses.dataclass(frozen=True, eq=False)
class Refined:
    """What became of a target. Losses are the objective's, distances by name those of `vjax.audio.distances`.

    Attributes:
      name: of the target.
      preset: the best one, by settled renders in fresh processes over several seeds; a start where nothing beat it.
      start, kind: label and kind of the start that it came from.
      before, after: `Judged` of the first start and of `preset`.
      trace: (evaluations, best loss so far) after each generation, by candidates' renders, each with the seed of
        its generation.
      start_losses: by label, of the starts that could be rendered.
      evals, seconds, dimensions, restarts: what the search took; dimensions of its last space.
      error: why there is no result; `preset`, `before` and `after` are then None.
    """

    name: str
    preset: Preset | None = None
    start: str = ""
    kind: Kind = Kind.GIVEN
    before: Judged | None = None
    after: Judged | None = None
    trace: tuple[tuple[int, float], ...] = ()
    start_losses: Mapping[str, float] = dataclasses.field(default_factory=dict)
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
      targets: with their ranked candidates (`vjax.matching.choose.rank`); taken one by one, as places become free.
      render: how starts and candidates are played.
      workers: render processes at a time; by default one a core.
      knob_error_norm: by knob, how far off starts are, see `space.make_space`.
      on_progress: called in this thread after each generation, for each target.
      should_stop: asked after each generation; True ends all searches, which then yield their best so far.
      scheduler: what renders, see `vjax.engine.scheduler`; the results are the same.
      pool: renders starts and what is judged, as `render` says; by default one of its own.

    Raises:
      ValueError: two targets of one name.
    """
    waiting, names, more = iter(targets), set(), True
    objective = Objective(config.objective, config.places, _BATCH, render.samples, render.sample_rate)
    searches: dict[int, Search] = {}
    with (
        contextlib.nullcontext(pool) if pool else open_render_pool(render, workers, scheduler) as fresh,
        open_live_pool(render, workers, config.places * config.engine_seeds, scheduler) as live,
    ):
        judge = Judge(objective, fresh)
        while more or searches:
            while more and len(searches) < config.places:
                target = next(waiting, None)
                if target is None:
                    more = False
                    break
                if target.name in names:
                    raise ValueError(f"two targets are called {target.name!r}; names must differ")
                names.add(target.name)
                place = min(set(range(config.places)) - searches.keys())
                try:
                    began_s = time.monotonic()
                    objective.set_target(place, target.audio)
                    searches[place] = Search.begin(target, config, live, knob_error_norm or {}, began_s)
                except ValueError as error:
                    yield Refined(target.name, error=f"{target.name}: {error}")
            _generation(searches, objective, live)
            stopping = should_stop is not None and should_stop()
            for place, search in list(searches.items()):
                if on_progress:
                    on_progress(search.progress())
                if stopping or search.exhausted():
                    del searches[place]
                    yield _result(search, place, judge)
            if stopping:
                return


def _generation(searches: dict[int, Search], objective: Objective, live: LivePool) -> None:
    """Asks, renders, scores and learns one generation of all places; the last one of a budget may be a part of it."""
    searches = {place: search for place, search in searches.items() if search.left()}
    asked = {place: search.ask()[: search.left()] for place, search in searches.items()}
    owners = [(place, k) for place, z in asked.items() for k in range(len(z))]
    variations = [Variation(searches[place].live_key, searches[place].values(asked[place][k])) for place, k in owners]
    losses = {place: np.full(len(z), np.nan, np.float32) for place, z in asked.items()}
    gains_db = {place: np.zeros(len(z)) for place, z in asked.items()}
    for i, rendering in live.render(variations):
        if rendering.audio is not None:
            place, k = owners[i]
            found = objective.levelled(rendering.audio, [place], np.array([searches[place].range_db]))
            (losses[place][k],), (gains_db[place][k],) = found
    for place, search in searches.items():
        search.learn(asked[place], losses[place], gains_db[place])
        search.move_on_if_stagnant()


def _result(search: Search, place: int, judge: Judge) -> Refined:
    try:
        before, after = judge.best(search.candidates(), search.target, place)
    except ValueError as error:
        return Refined(search.target.name, error=f"{search.target.name}: {error}", evals=search.evals)
    return Refined(
        name=search.target.name,
        preset=after.preset,
        start=after.label,
        kind=after.kind,
        before=before,
        after=after,
        trace=tuple(search.trace),
        start_losses=search.start_losses,
        evals=search.evals,
        seconds=time.monotonic() - search.began_s,
        dimensions=search.space.size,
        restarts=search.restarts,
    )
