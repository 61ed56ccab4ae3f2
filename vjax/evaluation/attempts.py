"""The methods of a benchmark that estimate presets: the prediction, `vjax match`, and searches from candidates."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence

from vjax.candidates.predicted import PREDICTION
from vjax.engine.isolate import MachineError
from vjax.engine.pool import MACHINE_REMEDY, RenderJob
from vjax.evaluation.targets import Task
from vjax.evaluation.workbench import Workbench, broken
from vjax.inference.predict_many import Failure
from vjax.matching.config import DEFAULT
from vjax.matching.result import FoundPreset, MatchResult
from vjax.matching.work import Sound
from vjax.search.candidate import Candidate, Kind
from vjax.search.judge import JUDGE_SEEDS
from vjax.vital.preset import read_preset

Match = Callable[[Iterable[Sound]], Iterator[MatchResult | Failure]]
"""Matches sounds as `vjax match` does, each with its own config. Returns the results in order."""

Refine = Callable[[Iterable[Sound], int], Iterator[MatchResult | Failure]]
"""Searches from the candidates of each sound, with the given number of renders a sound.

Returns the results in order of completion.
"""

MATCH = "match"
"""The method whose preset is the one that `vjax match` writes."""

CLOSEST = "closest"
"""The method whose preset is the closest candidate of the match."""

FAMILIES = ("knobs", "patch")
"""The methods whose presets are the best candidates of these families (`Kind.family`).

They exist only if the match makes patches. Without patches, `match` is the same as `knobs`.
"""

BEST = "best"
"""A search that begins with the presets of `match`, `prediction` and `nearest` as candidates."""

NEAREST = "nearest"


def match_methods(patches: bool) -> tuple[str, ...]:
    """The methods that one match scores, in the order of tables; with `FAMILIES` if the match makes patches."""
    return (PREDICTION, MATCH, CLOSEST, *(FAMILIES if patches else ()))


def add_matches(bench: Workbench, tasks: Sequence[Task], match: Match, patches: bool = False) -> None:
    """Adds the rows of `match_methods`. All rows of a target come from one match of its sound.

    `prediction` is the predicted preset, tuned and played at the target's note.
    """
    methods = match_methods(patches)
    left = [task for task in tasks if any(bench.missing([task], method) for method in methods)]
    for task, result in zip(left, match(_sound(bench, task) for task in left), strict=True):
        _refuse_faults_of_the_machine(result)
        if isinstance(result, Failure):
            bench.fail(task, methods, result.error)
            continue
        _add_prediction(bench, task, result)
        for method in methods[1:]:
            if not bench.results.has(task.target.id, method):
                if method in FAMILIES:
                    _add_candidate(bench, task, method, result)
                else:
                    found = result.closest if method == CLOSEST else None
                    _add_result(bench, task, method, result, found)


def _sound(bench: Workbench, task: Task, candidates: tuple[Candidate, ...] = ()) -> Sound:
    """A target as `vjax match` takes it. If it is a preset's render, the config contains its note and note length."""
    note = {} if task.clip is not None else {"note": task.target.note, "note_s": bench.note_s(task)}
    # In a search from several candidates, all of them compete, whatever their kinds.
    config = dataclasses.replace(DEFAULT, prefer="closest" if candidates else DEFAULT.prefer, **note)
    clip = functools.partial(bench.clip, task)
    return Sound(task.target.id, clip, config, candidates=candidates, only_candidates=bool(candidates))


def _add_prediction(bench: Workbench, task: Task, result: MatchResult) -> None:
    if bench.results.has(task.target.id, PREDICTION):
        return
    predicted, prediction = result.predicted, result.prediction
    assert predicted is not None, "the match has a model, so a predicted preset competes"
    assert prediction is not None, "the match has a model"
    if predicted.audio is None:
        bench.fail(task, [PREDICTION], predicted.error)
        return
    bench.keep(task, PREDICTION, predicted.audio, predicted.preset)
    bench.score(task, PREDICTION, predicted.audio, label=prediction.summary())


def _add_result(
    bench: Workbench, task: Task, method: str, result: MatchResult, found: FoundPreset | None = None
) -> None:
    """Adds the row of the preset that a match wrote, or of `found`, another preset of the match."""
    one, seconds = found or result, round(float(result.seconds), 3)
    bench.keep(task, method, one.audio, one.preset)
    bench.score(task, method, one.audio, evals=int(result.evals), seconds=seconds, label=one.label, kind=one.kind)


def _add_candidate(bench: Workbench, task: Task, family: str, result: MatchResult) -> None:
    """Adds the row of the best candidate of a family.

    The preset, at the level of the sound, is rendered again with the first of JUDGE_SEEDS.
    """
    candidates = [one for one in result.candidates if one.kind.family == family]
    if not candidates or candidates[0].error:
        missing = f"there is no candidate of the family {family!r}"
        bench.fail(task, [family], candidates[0].error if candidates else missing)
        return
    best = candidates[0]
    (played,) = bench.play([RenderJob(best.preset.to_json(), (result.note,), JUDGE_SEEDS[0], result.note_s)])
    if reason := broken(task, played):
        bench.fail(task, [family], reason)
        return
    bench.keep(task, family, played.played[0], best.preset)
    bench.score(task, family, played.played[0], evals=int(result.evals), label=best.label, kind=best.kind)


def add_refined(bench: Workbench, tasks: Sequence[Task], refine: Refine, start: str, evals: int) -> None:
    """Searches from the presets of `start` (one of `benchmark.STARTS`), and adds the rows of the resulting presets."""
    method = f"{start}+{evals}"
    left = {task.target.id: task for task in bench.missing(tasks, method)}

    def sounds() -> Iterator[Sound]:
        for task in list(left.values()):
            candidates = tuple(_candidates(bench, task, start))
            if candidates:
                yield _sound(bench, task, candidates)
            else:
                bench.fail(task, [method], _why_no_candidate(bench, task, start))

    for result in refine(sounds(), evals):
        _refuse_faults_of_the_machine(result)
        if isinstance(result, Failure):
            bench.fail(left[result.name], [method], result.error)
        else:
            _add_result(bench, left[result.name], method, result)


def _refuse_faults_of_the_machine(result: MatchResult | Failure) -> None:
    """Raises MachineError if a sound, or one of its candidates, failed by a fault of the machine; see `reliable`."""
    found = (result,) if isinstance(result, Failure) else result.candidates
    for fault in (one.error for one in found if one.by_machine):
        raise MachineError(f"{result.name}: {fault}. {MACHINE_REMEDY}")


def _candidates(bench: Workbench, task: Task, start: str) -> Iterator[Candidate]:
    for name in _names(start):
        row = bench.results.rows.get((task.target.id, name))
        if row is not None and row.scored:
            yield Candidate(name, read_preset(bench.path(task, f"{name}.vital")), kind=Kind(row.kind or Kind.GIVEN))


def _names(start: str) -> tuple[str, ...]:
    return (MATCH, PREDICTION, NEAREST) if start == BEST else (start,)


def _why_no_candidate(bench: Workbench, task: Task, start: str) -> str:
    rows = [bench.results.rows.get((task.target.id, name)) for name in _names(start)]
    return f"the search has no candidate: {'; '.join(row.error for row in rows if row is not None)}"
