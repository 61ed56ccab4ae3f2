"""How close the sound is: every method on every target, between the rows that give the numbers meaning.

A run may be stopped at any time, also by kill -9, and called again: it goes on at the first missing (target, method).
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
from vjax.evaluation.baseline_bank import SoundBank
from vjax.evaluation.baselines import add_bank_rows, add_floor, add_init
from vjax.evaluation.results import Results
from vjax.evaluation.targets import Task
from vjax.evaluation.workbench import Workbench, play_targets
from vjax.io.progress import progress_bar

STARTS = (PREDICTION, NEAREST, BEST)
"""What refinement may start from; at `best` the others compete."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which methods run.

    Attributes:
      has_bank, has_model: random and nearest presets, predictions and matches.
      starts, refine_evals: refinement from each of these with each of these budgets.
      has_patches: whether matches make patches: their rows, and those of knobs alone.
    """

    has_bank: bool
    has_model: bool
    starts: tuple[str, ...] = STARTS
    refine_evals: tuple[int, ...] = ()
    has_patches: bool = False

    def __post_init__(self):
        unknown = [start for start in self.starts if start not in STARTS]
        if unknown:
            raise ValueError(f"there is no start {unknown[0]!r}; choose from {', '.join(STARTS)}")
        if any(evals < 1 for evals in self.refine_evals):
            raise ValueError(f"a budget of {min(self.refine_evals)} evaluations refines nothing; give 1 or more")

    @property
    def refinements(self) -> tuple[tuple[str, int], ...]:
        """(start, evaluations); starts that do not exist here are left out, and `best` where only one exists."""
        exist = {NEAREST: self.has_bank, PREDICTION: self.has_model, BEST: self.has_bank and self.has_model}
        return tuple((start, evals) for evals in self.refine_evals for start in self.starts if exist[start])

    def methods(self, task: Task) -> tuple[str, ...]:
        """In the order of all tables."""
        bank = ("random", "nearest") if self.has_bank else ()
        model = match_methods(self.has_patches) if self.has_model else ()
        refined = tuple(f"{start}+{evals}" for start, evals in self.refinements)
        floor = ("floor",) if task.target.source != "audio" else ()
        return ("init", *bank, *model, *refined, *floor)

    def order(self, tasks: Sequence[Task]) -> tuple[str, ...]:
        """The methods that any of the tasks has."""
        return max((self.methods(task) for task in tasks), key=len, default=())


def run_benchmark(
    tasks: Sequence[Task],
    folder: Path,
    plan: Plan,
    pool: RenderPool,
    bank: SoundBank | None = None,
    match: Match | None = None,
    refine: Refine | None = None,
) -> Results:
    """Adds the rows that the folder lacks. A target or a method that fails is a row with its reason.

    Args:
      tasks: the targets, see `vjax.evaluation.targets`.
      folder: see `vjax.evaluation.results`.
      plan: the methods; those that need a bank, a model or a search need `bank`, `match` or `refine` too.
      pool: plays everything; of the model's settings where there is one.
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
        add_floor(bench, usable)
        if plan.has_bank:
            add_bank_rows(bench, usable, bank)
        if plan.has_model:
            add_matches(bench, usable, match, plan.has_patches)
        for start, evals in plan.refinements:
            add_refined(bench, usable, refine, start, evals)
    return results
