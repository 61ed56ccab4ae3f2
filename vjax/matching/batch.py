"""Matches many sounds over one pool. A run may be killed and called again."""

import contextlib
import dataclasses
import functools
import itertools
import math
import sys
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from vjax.audio.mel_images import log_comparison
from vjax.engine.isolate import MachineError
from vjax.engine.pool import RenderPool
from vjax.engine.scheduler import Scheduler
from vjax.inference.predict import Predictor, knob_errors
from vjax.inference.predict_many import Failure, map_ahead
from vjax.io.atomic import DISK_ERRORS
from vjax.io.errors import error_text, show_tracebacks
from vjax.io.file_names import as_text
from vjax.io.progress import progress_bar
from vjax.matching.config import DEFAULT, MatchConfig
from vjax.matching.finish import finish
from vjax.matching.index import (
    index_row,
    row_recorder,
    write_summaries,
)
from vjax.matching.outputs import closest_path, write_result
from vjax.matching.prepare import Banks, Prepared, no_banks, prepare
from vjax.matching.result import MatchResult
from vjax.matching.traces import read_part, remove_part, write_part
from vjax.matching.work import Sound, Work
from vjax.search.evolution import Progress as SearchProgress
from vjax.search.refine import refine
from vjax.search.refine_config import RefineConfig
from vjax.search.target import RefineTarget
from vjax.training.writer import Writer

_AT_ONCE = 2  # sounds at a time on few cores: one is analysed while the engine renders the other's candidates
_WORKERS_A_SOUND = 8  # with more workers within one sound, they wait for each other


class Written(NamedTuple):
    """A preset that was written.

    Attributes:
      name: of the sound.
      path: of the preset.
      label: of the candidate that it came from.
      mss_db: its MSS distance to the sound; NaN if it is silent.
      closest: path of the closest preset, if it is another one.
      closest_label, closest_mss_db: the same of the closest preset.
    """

    name: str
    path: Path
    label: str
    mss_db: float
    closest: Path | None = None
    closest_label: str = ""
    closest_mss_db: float = math.nan


@dataclasses.dataclass(frozen=True)
class BatchReport:
    """The result of a run.

    Attributes:
      written: presets that were written now.
      existing: number of presets that existed before.
      failures: sounds without a preset.
    """

    written: tuple[Written, ...]
    existing: int
    failures: tuple[Failure, ...]

    @property
    def median_mss_db(self) -> float:
        """The median over the audible presets that were written now; NaN if there are none."""
        found = [one.mss_db for one in self.written if math.isfinite(one.mss_db)]
        return float(np.median(found)) if found else float("nan")


def match_each(
    sounds: Iterable[Sound | Failure], predictor: Predictor | None, pool: RenderPool, banks: Banks = no_banks
) -> Iterator[MatchResult | Failure]:
    """Matches sounds without a search. Yields the results in order, and works on a few sounds at a time."""
    one = functools.partial(_prepared, predictor=predictor, pool=pool, banks=banks, then=finish)
    at_once = max(_AT_ONCE, pool.workers // _WORKERS_A_SOUND)
    with contextlib.closing(map_ahead(one, sounds, at_once, at_once)) as results:
        yield from results


def search_each(
    sounds: Iterable[Sound | Failure],
    refine_config: RefineConfig,
    predictor: Predictor | None,
    pool: RenderPool,
    banks: Banks = no_banks,
    scheduler: Scheduler = "local",
    on_progress: Callable[[SearchProgress], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[MatchResult | Failure]:
    """Matches sounds with a search. Yields each result as soon as it is done.

    The candidates of the next sound are ranked while earlier sounds are searched. All searches share the workers of the
    pool.
    """
    prepared: dict[str, Prepared] = {}
    failures: list[Failure] = []

    def targets() -> Iterator[RefineTarget]:
        ready = map_ahead(lambda sound: (sound, _prepared(sound, predictor, pool, banks)), sounds, 1, 1)
        with contextlib.closing(ready):
            for sound, result in itertools.takewhile(lambda _: not should_stop(), ready):
                target: Any = result
                if not isinstance(target, Failure):
                    target = _tried(sound.name, functools.partial(result.refine_target, sound.spent))
                if isinstance(target, Failure):
                    failures.append(target)
                    continue
                prepared[target.name] = result
                yield target

    errors = knob_errors(predictor) if predictor else {}
    searches = refine(
        targets(), refine_config, pool.config, pool.workers, errors, on_progress, should_stop, scheduler, pool
    )
    for refined in searches:
        yield from failures
        failures.clear()
        begun = prepared.pop(refined.name)
        yield _tried(refined.name, functools.partial(finish, begun, pool, refined))
    yield from failures


def match_many(
    work: Work,
    out: Path,
    predictor: Predictor,
    pool: RenderPool,
    config: MatchConfig = DEFAULT,
    banks: Banks = no_banks,
    *,
    scheduler: Scheduler = "local",
    tensorboard: str = "",
    overwrite: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
    page: bool = False,
) -> BatchReport:
    """Matches the sounds of `work`, and writes for each the files that `MatchResult.save` writes.

    If `out` is a folder, it also gets `index.csv` and `index.json`, with a row for each sound of this run and of
    earlier ones. With a search (`config.refine`), the sounds share the pool. A search that was killed continues from
    its best preset so far.

    Args:
      tensorboard: a folder for sounds and images as TensorBoard events; empty for none.
      scheduler: of the search's renders.
      page: also write the page of each match.
    """
    failures: list[Failure] = []
    done: list[Written] = []
    record = row_recorder(out, work)

    def save(result: MatchResult | Failure) -> None:
        if isinstance(result, Failure):
            failures.append(result)
            record({"name": as_text(result.name), "error": as_text(result.error)})
            tqdm.write(f"failed: {as_text(result.error)}", file=sys.stderr)
            return
        path = work.paths[result.name]
        # The row comes before the preset: a sound whose preset exists is skipped, and must be in the index.
        row = index_row(result, path)
        try:
            write_result(result, path, True, with_target=work.of_dataset, before_preset=lambda: record(row), page=page)
        except OSError as error:
            if error.errno in DISK_ERRORS:
                raise
            save(Failure(result.name, f"{as_text(result.name)}: {error_text(error)}"))
            return
        for warning in result.warnings:
            tqdm.write(f"warning: {as_text(result.name)}: {warning}", file=sys.stderr)
        if writer:
            sounds = {"target": result.target, "preset": result.audio}
            tag = as_text(path.name if path == out else path.relative_to(out)).removesuffix(".vital")
            log_comparison(writer, f"match/{tag}", sounds, predictor.sample_rate, predictor.step)
        written, closest = Written(result.name, path, result.label, result.mss_db), result.closest
        if closest:
            about = {"closest": closest_path(path), "closest_label": closest.label, "closest_mss_db": closest.mss_db}
            written = written._replace(**about)
        done.append(written)

    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(progress_bar(total=len(work.paths), desc="matching", unit="sound"))
        writer = stack.enter_context(Writer(tensorboard)) if tensorboard else None
        results = stack.enter_context(
            contextlib.closing(_results(work, predictor, pool, config, banks, scheduler, should_stop))
        )
        for result in results:
            save(result)
            bar.update()
            if should_stop() and not config.refine:
                break
    write_summaries(out, work)
    return BatchReport(tuple(done), work.existing, tuple(failures))


def _results(
    work: Work,
    predictor: Predictor,
    pool: RenderPool,
    config: MatchConfig,
    banks: Banks,
    scheduler: Scheduler,
    should_stop: Callable[[], bool],
) -> Generator[MatchResult | Failure]:
    sounds = work.sounds(pool, config)
    if config.refine is None:
        yield from match_each(sounds, predictor, pool, banks)
        return
    stems = {name: path.with_suffix("") for name, path in work.paths.items()}

    def continued(sound: Sound | Failure) -> Sound | Failure:
        """The sound with the best preset that a killed run had found for it."""
        if isinstance(sound, Failure):
            return sound
        part = read_part(stems[sound.name])
        return dataclasses.replace(sound, candidates=(part.candidate,), spent=part.evals) if part else sound

    def follow(progress: SearchProgress) -> None:
        stems[progress.name].parent.mkdir(parents=True, exist_ok=True)
        write_part(stems[progress.name], progress)

    sounds = map(continued, sounds)
    for result in search_each(sounds, config.refine, predictor, pool, banks, scheduler, follow, should_stop):
        yield result
        if isinstance(result, MatchResult):  # it has been written by now
            remove_part(stems[result.name])


def _prepared(
    sound: Sound | Failure,
    predictor: Predictor | None,
    pool: RenderPool,
    banks: Banks,
    then: Callable[[Prepared, RenderPool], Any] = lambda prepared, pool: prepared,
) -> Any:
    """Ranks the candidates of a sound, and returns what `then` makes of them; or a `Failure`."""
    if isinstance(sound, Failure):
        return sound

    def work() -> Any:
        prepared = prepare(
            sound.clip(),
            predictor,
            pool,
            sound.config,
            banks,
            prediction=sound.prediction,
            candidates=sound.candidates,
            only_candidates=sound.only_candidates,
        )
        return then(prepared, pool)

    return _tried(sound.name, work)


def _tried(name: str, work: Callable[[], Any]) -> Any:
    """What `work` returns, or a `Failure` with the reason: a batch continues, even after a bug in vjax."""
    try:
        return work()
    except Exception as error:
        if show_tracebacks():
            traceback.print_exc()
        text = error_text(error)
        by_machine = isinstance(error, (OSError, MemoryError, MachineError))
        return Failure(name, text if as_text(name) in text else f"{name}: {text}", by_machine)
