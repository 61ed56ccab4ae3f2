"""The results of a listening test: which of two methods people find more like the target.

The page `listen.html` of an evaluation exports the answers of one listener as a JSON file
(`vjax.report.listening_page`).
"""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vjax.evaluation.statistics import bootstrap_interval

VERSION = 1
"""Of the files."""

_PREFERENCE = {"first": 1.0, "same": 0.5, "second": 0.0}


def read_answers(paths: Iterable[str | Path]) -> list[dict[str, Any]]:
    """The answers of all files: {"listener", "target", "first", "second", "answer"}.

    A listener who exported twice counts once, with the longer file.

    Raises ValueError naming a file that the page did not export, or if the files are of different evaluations.
    """
    by_listener: dict[str, list[dict[str, Any]]] = {}
    evaluations = set()
    for path in paths:
        content = _read(Path(path))
        evaluations.add(content["evaluation"])
        given = [{"listener": content["listener"]} | one for one in content["answers"]]
        by_listener[content["listener"]] = max(by_listener.get(content["listener"], []), given, key=len)
    if len(evaluations) > 1:
        raise ValueError(
            f"the answers are of different evaluations ({', '.join(sorted(evaluations))}); give those of one"
        )
    return list(itertools.chain.from_iterable(by_listener.values()))


def results(answers: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Counts the answers to each pair of methods.

    Returns:
      For each pair, in the order of its first answer: `method`, `other`; `wins`, `ties`, `losses` of `method`; `share`:
      the mean preference for `method` (a tie is a half), over (listener, target), and its 95 % bootstrap `interval`;
      `n`: the number of these; `consistent`: the share of comparisons whose two orders have the same result, None
      without such.
    """
    pairs: dict[tuple[str, str], dict[tuple[str, str], list[float]]] = {}
    for one in answers:
        pair, reverse = (one["first"], one["second"]), (one["second"], one["first"])
        swapped = pair not in pairs and reverse in pairs
        value = _PREFERENCE[one["answer"]]
        by_target = pairs.setdefault(reverse if swapped else pair, {})
        by_target.setdefault((one["listener"], one["target"]), []).append(1 - value if swapped else value)
    return [_result(pair, by_target) for pair, by_target in pairs.items()]


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """The printed table: a line for each pair."""
    width = max(10, *(len(one[name]) for one in found for name in ("method", "other"))) if found else 10
    counts = f"{'n':>4} {'wins':>5} {'ties':>5} {'losses':>6}"
    lines = [f"{'method':{width}} {'against':{width}} {'share':>6} {'interval':>12} {counts} {'consistent':>10}"]
    for one in found:
        low, high = one["interval"]
        consistent = "-" if one["consistent"] is None else f"{one['consistent']:.0%}"
        counts = f"{one['wins']:5} {one['ties']:5} {one['losses']:6}"
        interval = f"{low:.0%} to {high:.0%}"
        lines.append(
            f"{one['method']:{width}} {one['other']:{width}} {one['share']:>6.0%} {interval:>12} {one['n']:4} {counts} "
            f"{consistent:>10}"
        )
    lines.append("share: how often the method is preferred, a tie is a half; n: listeners times sounds; 95 % intervals")
    return "\n".join(lines)


def _result(pair: tuple[str, str], by_target: Mapping[tuple[str, str], Sequence[float]]) -> dict[str, Any]:
    values = list(itertools.chain.from_iterable(by_target.values()))
    means = np.array([np.mean(repeats) for repeats in by_target.values()])
    repeated = [repeats for repeats in by_target.values() if len(repeats) > 1]
    return {
        "method": pair[0],
        "other": pair[1],
        "n": len(means),
        "wins": values.count(1.0),
        "ties": values.count(0.5),
        "losses": values.count(0.0),
        "share": float(means.mean()),
        "interval": list(bootstrap_interval(means, lambda resampled: resampled.mean(-1))),
        "consistent": float(np.mean([len(set(repeats)) == 1 for repeats in repeated])) if repeated else None,
    }


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"{path} is not a file; give the files that listen.html exported")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        valid = content["version"] == VERSION and all(
            one["answer"] in _PREFERENCE and all(isinstance(one[name], str) for name in ("target", "first", "second"))
            for one in content["answers"]
        )
        if not (valid and isinstance(content["listener"], str) and isinstance(content["evaluation"], str)):
            raise ValueError("its answers are not those of this version")
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is not a file that a listening test exported ({error})") from error
    return content
