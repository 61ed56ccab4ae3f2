"""What is benchmarked: the model's prediction, what `vjax match` makes of it, and refinement from each start."""

from collections.abc import Callable, Iterator, Sequence

from vjax.evaluation.targets import Task
from vjax.evaluation.workbench import Workbench, broken
from vjax.inference.export import checkpoint_vocabulary
from vjax.inference.match import Match, MatchConfig, Matcher
from vjax.inference.predict import Answer, Predictor
from vjax.inference.refine import Refined
from vjax.inference.starts import PREDICTION
from vjax.inference.stream import Failure, predict_files
from vjax.inference.target import RefineTarget, Start
from vjax.vital.pool import RenderJob
from vjax.vital.preset import read_preset

Refine = Callable[[Sequence[RefineTarget], int], Iterator[Refined]]
"""Refines targets with so many evaluations each, in order of completion."""

Starts = Callable[[Match, str], RefineTarget]
"""What `vjax match` chooses from: a match as a target of refinement with all its starts, by the target's name."""

MATCH = "match"
"""What `vjax match` writes: the nearest of the prediction, its variants, the model's bank, and the sound itself."""

BEST = "best"
"""The start at which all starts compete."""

NEAREST = "nearest"

_REFINED_AT_ONCE = 64  # targets whose sounds and starts are in memory


def add_predictions(
    bench: Workbench, tasks: Sequence[Task], predictor: Predictor, starts: Starts, refine: Refine
) -> None:
    """The model's answer to each target's sound, tuned and played at its note, and what `vjax match` makes of it."""
    left = [task for task in tasks if task in bench.missing(tasks, PREDICTION) + bench.missing(tasks, MATCH)]
    for first in range(0, len(left), _REFINED_AT_ONCE):
        _add_predictions(bench, left[first : first + _REFINED_AT_ONCE], predictor, starts, refine)


def _add_predictions(
    bench: Workbench, tasks: Sequence[Task], predictor: Predictor, starts: Starts, refine: Refine
) -> None:
    by_path = {str(bench.path(task, "target.wav")): task for task in tasks}
    matcher = Matcher(predictor, checkpoint_vocabulary(predictor), bench.pool, MatchConfig())

    def answers() -> Iterator[Answer | Failure]:
        for answer in predict_files(predictor, by_path, confidence=True):
            known = isinstance(answer, Answer)
            yield answer._replace(midi_note=by_path[answer.name].target.note) if known else answer

    matches = matcher.matches(
        answers(), lambda answer: bench.audio(by_path[answer.name]), lambda answer: by_path[answer.name].target.name
    )
    wanted = {}
    for match in matches:
        task = by_path[match.name]
        if isinstance(match, Failure):
            bench.fail(task, [PREDICTION, MATCH], match.error)
            continue
        if not bench.results.has(task.target.id, PREDICTION):
            bench.keep(task, PREDICTION, match.audio, match.preset)
            bench.score(task, PREDICTION, match.audio, label=match.answer.summary())
        if not bench.results.has(task.target.id, MATCH):
            wanted[task.target.id] = task, starts(match, task.target.id)
    for refined in refine([target for _, target in wanted.values()], 0):  # no evaluations: the starts are ranked
        _add_refined(bench, wanted[refined.name][0], MATCH, refined)


def add_refined(bench: Workbench, tasks: Sequence[Task], refine: Refine, start: str, evals: int) -> None:
    """Refines from `start` (prediction, nearest or best), and scores what comes out in a settled render."""
    method = f"{start}+{evals}"
    left = bench.missing(tasks, method)
    for first in range(0, len(left), _REFINED_AT_ONCE):
        wanted = {}
        for task in left[first : first + _REFINED_AT_ONCE]:
            starts = tuple(_starts(bench, task, start))
            if starts:
                target = RefineTarget(task.target.id, bench.audio(task), task.target.note, starts)
                wanted[task.target.id] = task, target
            else:
                bench.fail(task, [method], _why_no_start(bench, task, start))
        for refined in refine([target for _, target in wanted.values()], evals):
            task, _ = wanted.pop(refined.name)
            _add_refined(bench, task, method, refined)
        for task, _ in wanted.values():
            bench.fail(task, [method], "refinement gave no answer")


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


def _add_refined(bench: Workbench, task: Task, method: str, refined: Refined) -> None:
    if refined.error:
        bench.fail(task, [method], refined.error)
        return
    rendering = bench.pool.render(RenderJob(refined.preset.to_json(), (task.target.note,)))
    reason = broken(task, rendering)
    if reason:
        bench.fail(task, [method], reason)
        return
    bench.keep(task, method, rendering.audio[0], refined.preset)
    seconds = round(float(refined.seconds), 3)
    bench.score(task, method, rendering.audio[0], evals=int(refined.evals), seconds=seconds, label=refined.start)
