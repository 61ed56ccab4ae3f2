"""The benchmark: scores every method on every target, together with reference rows.

A run may be stopped at any time, also by kill -9. Called again, it continues at the first missing (target, method).
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from vjax.candidates.predicted import PREDICTION
from vjax.engine.pool import RenderPool
from vjax.evaluation.attempts import (
    BEST,
    NEAREST,
    Match,
    Refine,
    add_matches,
    add_refined,
    match_methods,
)
from vjax.evaluation.baseline_bank import BaselineBank
from vjax.evaluation.baselines import TAKE, add_bank_rows, add_init, add_reference, add_takes
from vjax.evaluation.results import Results
from vjax.evaluation.targets import Task
from vjax.evaluation.workbench import Workbench, play_targets
from vjax.io.progress import progress_bar

STARTS = (PREDICTION, NEAREST, BEST)
"""The presets from which a refinement may begin. With `best`, the presets of the others and of `match` compete."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which methods run.

    Attributes:
      has_bank: whether there are random and nearest presets.
      has_model: whether there are predictions and matches.
      starts, refine_evals: refinement runs from each of `starts` with each budget of `refine_evals`, in renders.
      has_patches: whether matches make patches. If so, there are rows for the best patch, and for the best preset that
        was not made from the sound (`knobs`).
    """

    has_bank: bool
    has_model: bool
    starts: tuple[str, ...] = STARTS
    refine_evals: tuple[int, ...] = ()
    has_patches: bool = False

    def __post_init__(self):
        unknown = [start for start in self.starts if start not in STARTS]
        if unknown:
            raise ValueError(f"starts contains {unknown[0]!r}; expected only {', '.join(STARTS)}")
        if any(evals < 1 for evals in self.refine_evals):
            raise ValueError(f"a budget of {min(self.refine_evals)} evaluations refines nothing; give 1 or more")

    @property
    def refinements(self) -> tuple[tuple[str, int], ...]:
        """(start, evaluations) of each refinement.

        Leaves out starts that need a bank or a model that is missing. `best` needs both.
        """
        exist = {NEAREST: self.has_bank, PREDICTION: self.has_model, BEST: self.has_bank and self.has_model}
        return tuple((start, evals) for evals in self.refine_evals for start in self.starts if exist[start])

    def methods(self, task: Task) -> tuple[str, ...]:
        """The methods of a target, in the order of all tables."""
        bank = ("random", "nearest") if self.has_bank else ()
        model = match_methods(self.has_patches) if self.has_model else ()
        refined = tuple(f"{start}+{evals}" for start, evals in self.refinements)
        reference = ("floor",) if task.target.source != "audio" else (TAKE,) * bool(task.takes)
        return ("init", *bank, *model, *refined, *reference)

    def order(self, tasks: Sequence[Task]) -> tuple[str, ...]:
        """The methods of the task that has the most, in the order of all tables."""
        return max((self.methods(task) for task in tasks), key=len, default=())


def run_benchmark(
    tasks: Sequence[Task],
    folder: Path,
    plan: Plan,
    pool: RenderPool,
    bank: BaselineBank | None = None,
    match: Match | None = None,
    refine: Refine | None = None,
) -> Results:
    """Adds the rows that the folder lacks. If a target or a method fails, its row contains the reason.

    Args:
      tasks: the targets, see `vjax.evaluation.targets`.
      folder: see `vjax.evaluation.results`.
      plan: the methods to run.
      pool: renders everything; with the model's render settings if there is a model.
      bank, match, refine: required by the methods of `plan` that need a bank, a model or a search.
    """
    results = Results(folder)
    missing = sum(not results.has(task.target.id, method) for task in tasks for method in plan.methods(task))
    with progress_bar(total=missing, desc="evaluating", unit="row", disable=not missing) as bar:
        bench = Workbench(folder, results, pool, bar)
        failed = play_targets(bench, tasks)
        for task in tasks:
            if task.target.id in failed:
                bench.fail(task, plan.methods(task), f"the target: {failed[task.target.id]}")
        usable = [task for task in tasks if task.target.id not in failed]
        add_init(bench, usable)
        add_reference(bench, usable)
        add_takes(bench, [task for task in usable if task.takes])
        if plan.has_bank:
            assert bank is not None, "the plan has a bank"
            add_bank_rows(bench, usable, bank)
        if plan.has_model:
            assert match is not None, "the plan has a model"
            add_matches(bench, usable, match, plan.has_patches)
        for start, evals in plan.refinements:
            assert refine is not None, "the plan has searches"
            add_refined(bench, usable, refine, start, evals)
    return results
