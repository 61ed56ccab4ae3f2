"""Summaries of an evaluation's rows: evaluation.json, evaluation.csv and the printed table."""

import csv
import dataclasses
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vjax.audio.metric_names import BY_NAME, HIGHER_IS_BETTER, METRICS, TRAITS
from vjax.evaluation import editing
from vjax.evaluation.preset_files import UNKNOWN
from vjax.evaluation.results import Row, Target
from vjax.evaluation.statistics import describe, macro_average, recovered_share
from vjax.io.json_files import short_number

_MEASURED = tuple(BY_NAME)

Rows = Mapping[tuple[str, str], Row]


def evaluation(settings: Mapping[str, Any], targets: Sequence[Target], rows: Rows, methods: Sequence[str]) -> dict:
    """The content of evaluation.json: settings, targets, rows (by target, then method) and summary."""
    chosen = [rows[target.id, method] for target in targets for method in methods if (target.id, method) in rows]
    return {
        "settings": dict(settings),
        "targets": [dataclasses.asdict(target) for target in targets],
        "rows": [dataclasses.asdict(row) for row in chosen],
        "summary": summarise(targets, chosen, methods),
    }


def summarise(targets: Sequence[Target], rows: Sequence[Row], methods: Sequence[str]) -> dict[str, Any]:
    """Statistics over all rows.

    Returns:
      A dictionary with these keys:

      - `n_targets`.
      - `failed`: the reason, by method and target.
      - `methods`: for each method `n_failed` (silence included), `editing` (see `vjax.evaluation.editing.summary`), and
        `metrics`. For each metric these are `n`, `mean`, `median`, their 95 % intervals, and `macro_average`: the mean
        over authors of each author's mean.
      - `recovered_share`: by metric and method, the attribute `share` of `statistics.Share`.
      - `recovered_share_interval`, `recovered_share_of_medians`, `recovered_share_n`: its other attributes.
      - `recovered_share_by_sound`: by metric, method and target.

      A value is None where no number exists, for example the share of a sound without a re-render reference (floor).
    """
    by_method = {method: {row.target: row for row in rows if row.method == method} for method in methods}
    columns = {
        (method, metric): np.array([_value(found.get(target.id), metric) for target in targets])
        for method, found in by_method.items()
        for metric in _MEASURED
    }
    authors = [target.author or UNKNOWN for target in targets]
    failed = {
        method: {target: row.error for target, row in found.items() if row.error} for method, found in by_method.items()
    }
    described = {
        method: {
            "n_failed": len(failed[method]),
            "metrics": {metric: _described(columns[method, metric], authors) for metric in _MEASURED},
            "editing": editing.summary(row.editing for row in by_method[method].values() if row.editing),
        }
        for method in methods
    }
    return {
        "n_targets": len(targets),
        "failed": {method: reasons for method, reasons in failed.items() if reasons},
        "methods": described,
        **_shares(columns, methods, [target.id for target in targets]),
    }


def csv_text(targets: Sequence[Target], rows: Sequence[Row], summary: Mapping[str, Any]) -> str:
    """CSV with a line for each row: its target, metrics, recovered share of MSS, and the parts of its preset."""
    about = {target.id: target for target in targets}
    shares = summary["recovered_share_by_sound"]["mss"]
    names = ["target", "name", "author", "class", "source", "note", "method", *_MEASURED, "recovered_share_mss"]
    text = io.StringIO()
    names += ["evals", "seconds", "label", "kind", "error", "known_note", "editable", *editing.PARTS]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        target = dataclasses.asdict(about[row.target])
        described = {name: target[name] for name in ("name", "author", "source", "note", "known_note")}
        described["class"] = target["sound_class"]
        plain = {name: value for name, value in dataclasses.asdict(row).items() if name not in ("metrics", "editing")}
        share = shares.get(row.method, {}).get(row.target)
        writer.writerow({**described, **plain, **row.metrics, **(row.editing or {}), "recovered_share_mss": share})
    return text.getvalue()


def table(summary: Mapping[str, Any]) -> str:
    """The printed table.

    It has a line for each method: the number of scored sounds; the recovered share, the mean and the mean over authors
    of MSS; then the median of each metric with its interval. Below, a second table has the differences of traits, such
    as the attack, and a third one describes each method's presets.
    """
    ends = f"{'share':>6} {'mean':>6} {'author':>6}"
    width = max(14, *map(len, summary["methods"]))
    lines = [f"{'method':{width}} {'n':>4} {ends} {_titles(METRICS)}"]
    for method, described in summary["methods"].items():
        share = summary["recovered_share"]["mss"][method]
        mss = described["metrics"]["mss"]
        means = " ".join("     -" if mss[k] is None else f"{mss[k]:6.2f}" for k in ("mean", "macro_average"))
        shown = "-" if share is None else f"{share:.0%}"
        lines.append(f"{method:{width}} {mss['n']:4} {shown:>6} {means} {_cells(described, METRICS)}")
    lines.append("medians and 95 % intervals; share: recovered of MSS, from random to re-render reference (floor)")
    lines.append("mean and author: MSS over all sounds, and over authors with equal weights")
    lines.append("MSS is over the time in which either sound plays; MSS padded is over the whole clip")
    if any("+" in method for method in summary["methods"]):
        lines.append("searches minimise MSS, MRSTFT, loudness and the average spectrum; the others are only reported")
    lines += _trait_table(summary, width)
    parts = editing.table({method: described["editing"] for method, described in summary["methods"].items()})
    return "\n".join([*lines, *([parts] if parts else [])])


def _trait_table(summary: Mapping[str, Any], width: int) -> list[str]:
    """The lines of the second table; none if no sound has traits, as in an evaluation by an older version."""
    methods = summary["methods"].items()
    if not any(described["metrics"][trait]["n"] for _, described in methods for trait in TRAITS):
        return []
    lines = ["", f"{'method':{width}} {_titles(TRAITS)}"]
    lines += [f"{method:{width}} {_cells(described, TRAITS)}" for method, described in methods]
    return [
        *lines,
        "medians and 95 % intervals of differences; 0 is equal. attack: centroid of the first 80 ms, and rise time;",
        "fall: how fast the level falls (1 octave: twice or half as fast); pitch: where both are clear; width: stereo",
    ]


def _titles(metrics: Sequence[str]) -> str:
    return " ".join(f"{BY_NAME[metric].column:>15}" for metric in metrics)


def _cells(described: Mapping[str, Any], metrics: Sequence[str]) -> str:
    return " ".join(f"{_cell(described['metrics'][metric], BY_NAME[metric].digits):>15}" for metric in metrics)


def _value(row: Row | None, metric: str) -> float:
    value = None if row is None else row.metrics.get(metric)
    return math.nan if value is None else value


def _described(values: np.ndarray, authors: Sequence[str]) -> dict[str, Any]:
    found = describe(values)
    return {
        "n": found.n,
        "mean": short_number(found.mean),
        "mean_interval": _interval(found.mean_interval),
        "median": short_number(found.median),
        "median_interval": _interval(found.median_interval),
        "macro_average": short_number(macro_average(values, authors)),
    }


def _interval(interval: tuple[float, float]) -> list[float] | None:
    return None if math.isnan(interval[0]) else list(interval)


def _shares(
    columns: Mapping[tuple[str, str], np.ndarray], methods: Sequence[str], ids: Sequence[str]
) -> dict[str, Any]:
    none = np.full(len(ids), np.nan)
    found: dict[str, dict] = {}
    for metric in _MEASURED:
        ends = [columns.get((end, metric), none) for end in ("random", "floor")]
        for method in methods:
            share = recovered_share(ends[0], columns[method, metric], ends[1], metric in HIGHER_IS_BETTER)
            for name, value in (
                ("recovered_share", short_number(share.share)),
                ("recovered_share_interval", _interval(share.interval)),
                ("recovered_share_of_medians", short_number(share.of_medians)),
                ("recovered_share_n", share.n),
                ("recovered_share_by_sound", dict(zip(ids, map(short_number, share.by_sound.tolist()), strict=True))),
            ):
                found.setdefault(name, {}).setdefault(metric, {})[method] = value
    return found


def _cell(described: Mapping[str, Any], decimals: int) -> str:
    if described["median"] is None:
        return "-"
    low, high = (f"{end:.{max(decimals - 1, 0)}f}" for end in described["median_interval"])
    return f"{described['median']:.{decimals}f} {low}-{high}"
