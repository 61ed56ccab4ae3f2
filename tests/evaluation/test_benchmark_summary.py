"""The printed table of an evaluation."""

from vjax.audio.metrics import METRICS
from vjax.evaluation.benchmark_summary import csv_text, evaluation, table
from vjax.evaluation.results import Row, Target

TARGETS = [Target("a", "A", "ann", "presets", "a.vital", 48)]


def test_table_with_a_long_name_of_a_method_stays_in_columns():
    methods = ("random", "prediction+1000000", "floor")
    rows = {("a", method): Row("a", method, dict.fromkeys(METRICS, 1.5)) for method in methods}
    lines = table(evaluation({}, TARGETS, rows, methods)["summary"]).splitlines()[:4]
    assert [line.split()[0] for line in lines] == ["method", *methods]
    assert len({len(line) for line in lines}) == 1


def test_rows_from_before_mss_padded_are_summed_up():
    metrics = {name: 1.5 for name in METRICS if name != "mss_padded"}
    rows = {("a", method): Row("a", method, metrics) for method in ("random", "floor")}
    summary = evaluation({}, TARGETS, rows, ("random", "floor"))["summary"]
    assert summary["methods"]["random"]["metrics"]["mss"]["mean"] == 1.5
    assert summary["methods"]["random"]["metrics"]["mss_padded"]["n"] == 0
    assert (
        csv_text(TARGETS, list(rows.values()), summary).splitlines()[1].startswith("a,A,ann,presets,48,random,1.5,,1.5")
    )
    assert table(summary).splitlines()[1].split()[:3] == ["random", "1", "-"]
