"""What is benchmarked: the prediction, what `vjax match` writes, and a search from each of several candidates."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence

from vjax.candidates.predicted import PREDICTION
from vjax.evaluation.targets import Task
from vjax.evaluation.workbench import Workbench
from vjax.inference.stream import Failure
from vjax.inference.target import Start
from vjax.matching.config import DEFAULT
from vjax.matching.result import MatchResult
from vjax.matching.work import Sound
from vjax.vital.preset import read_preset

Match = Callable[[Iterable[Sound]], Iterator[MatchResult | Failure]]
"""Matches sounds as `vjax match` does, with the note of each sound's config: the results in order."""

Refine = Callable[[Iterable[Sound], int], Iterator[MatchResult | Failure]]
"""Searches from the candidates of sounds with so many renders each: the results in order of completion."""

MATCH = "match"
"""What `vjax match` writes."""

BEST = "best"
"""The start at which all starts compete."""

NEAREST = "nearest"


def add_matches(bench: Workbench, tasks: Sequence[Task], match: Match) -> None:
    """The predicted preset of each target's sound, tuned and played at its note, and what `vjax match` writes."""
    left = [task for task in tasks if task in bench.missing(tasks, PREDICTION) + bench.missing(tasks, MATCH)]
    for task, result in zip(left, match(_sound(bench, task) for task in left), strict=True):
        if isinstance(result, Failure):
            bench.fail(task, [PREDICTION, MATCH], result.error)
            continue
        _add_prediction(bench, task, result)
        if not bench.results.has(task.target.id, MATCH):
            _add_result(bench, task, MATCH, result)


def _sound(bench: Workbench, task: Task, candidates: tuple[Start, ...] = ()) -> Sound:
    """A target as `vjax match` takes it. Of a preset's render the note and its length are known."""
    known = {} if task.clip is not None else {"note": task.target.note, "note_s": bench.note_s(task)}
    config = dataclasses.replace(DEFAULT, **known)
    clip = functools.partial(bench.clip, task)
    return Sound(task.target.id, clip, config, candidates=candidates, only_candidates=bool(candidates))


def _add_prediction(bench: Workbench, task: Task, result: MatchResult) -> None:
    if bench.results.has(task.target.id, PREDICTION):
        return
    predicted = result.predicted
    if predicted.audio is None:
        bench.fail(task, [PREDICTION], predicted.error)
        return
    bench.keep(task, PREDICTION, predicted.audio, predicted.preset)
    bench.score(task, PREDICTION, predicted.audio, label=result.prediction.summary())


def _add_result(bench: Workbench, task: Task, method: str, result: MatchResult) -> None:
    bench.keep(task, method, result.audio, result.preset)
    seconds = round(float(result.seconds), 3)
    bench.score(task, method, result.audio, evals=int(result.evals), seconds=seconds, label=result.label)


def add_refined(bench: Workbench, tasks: Sequence[Task], refine: Refine, start: str, evals: int) -> None:
    """Searches from `start` (prediction, nearest or best), and scores what comes out."""
    method = f"{start}+{evals}"
    left = {task.target.id: task for task in bench.missing(tasks, method)}

    def sounds() -> Iterator[Sound]:
        for task in list(left.values()):
            starts = tuple(_starts(bench, task, start))
            if starts:
                yield _sound(bench, task, starts)
            else:
                bench.fail(task, [method], _why_no_start(bench, task, start))

    for result in refine(sounds(), evals):
        if isinstance(result, Failure):
            bench.fail(left[result.name], [method], result.error)
        else:
            _add_result(bench, left[result.name], method, result)


def _starts(bench: Workbench, task: Task, start: str) -> Iterator[Start]:
    for name in _names(start):
        row = bench.results.rows.get((task.target.id, name))
        if row is not None and row.scored:
            yield Start(name, read_preset(bench.path(task, f"{name}.vital")))


def _names(start: str) -> tuple[str, ...]:
    return (MATCH, PREDICTION, NEAREST) if start == BEST else (start,)


def _why_no_start(bench: Workbench, task: Task, start: str) -> str:
    rows = [bench.results.rows.get((task.target.id, name)) for name in _names(start)]
    return f"nothing to start from: {'; '.join(row.error for row in rows if row is not None)}"
