"""Reads the folder of an evaluation."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vjax.evaluation.results import Results, Row, Target


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The folder of a `vjax evaluate` run, finished or not.

    Attributes:
      folder: its path.
      targets: in the order of targets.json.
      rows: by target id, then by method.
      methods: all methods that have a row, in the order of the page.
      settings: of the run; empty if the folder does not contain them.
    """

    folder: Path
    targets: tuple[Target, ...]
    rows: Mapping[str, Mapping[str, Row]]
    methods: tuple[str, ...]
    settings: Mapping[str, Any]


def read_evaluation(folder: Path) -> Evaluation:
    """Reads targets.json, results.jsonl and the settings.

    Raises ValueError if the folder contains no evaluation, or if an id or a method is not a plain file name. Such a
    name could lead out of the folder.
    """
    path = folder / "targets.json"
    if not path.is_file():
        raise ValueError(f"{folder} does not contain targets.json; give a folder that `vjax evaluate` wrote")
    try:
        targets = tuple(Target(**target) for target in json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a list of targets ({error}); run `vjax evaluate` again") from error
    rows: dict[str, dict[str, Row]] = {target.id: {} for target in targets}
    for (target, method), row in Results(folder).rows.items():
        if target in rows:  # a smaller run into the same folder leaves rows of other targets
            rows[target][method] = row
    methods = sorted({method for by_method in rows.values() for method in by_method}, key=method_order)
    for name in (*rows, *methods):
        if name != Path(name).name or name in ("", ".", "..") or "\\" in name:
            raise ValueError(f"{name!r} in {folder} is not a file name; ids and methods must not contain a path")
    return Evaluation(folder, targets, rows, tuple(methods), _settings(folder))


def method_order(method: str) -> tuple:
    """The sort key of a method.

    Methods without refinement come first, baselines before estimates. Then come refinements by budget, with those from
    `best` behind the others. The references (floor and take) come last.
    """
    refined, _, evals = method.partition("+")
    order = ("init", "random", "nearest", "prediction", "match", "closest", "knobs", "patch")
    position = order.index(refined) if refined in order else len(order)
    budget = int(evals) if evals.isdigit() else 0
    return (method in ("floor", "take"), refined == "best", bool(evals), budget, position, method)


def _settings(folder: Path) -> dict[str, Any]:
    """The settings of a run; empty if the folder does not contain them."""
    for name, field in (("evaluation.json", "settings"), ("settings.json", None)):
        path = folder / name
        if path.is_file():
            try:
                content = json.loads(path.read_text())
            except ValueError:
                continue  # the report shows settings but does not need them
            found = content.get(field) if field and isinstance(content, dict) else content
            if isinstance(found, dict):
                return found
    return {}
