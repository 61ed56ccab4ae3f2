"""Tests of the summary and the printed table of an evaluation."""

import csv
import dataclasses
import io

from vjax.audio.metric_names import METRICS, TRAITS
from vjax.evaluation.benchmark_summary import csv_text, evaluation, table
from vjax.evaluation.results import Row, Target

TARGETS = [Target("a", "A", "ann", "presets", "a.vital", 48)]


def test_table_with_a_long_method_name_keeps_its_columns():
    methods = ("random", "prediction+1000000", "floor")
    rows = {("a", method): Row("a", method, dict.fromkeys(METRICS, 1.5)) for method in methods}
    lines = table(evaluation({}, TARGETS, rows, methods)["summary"]).splitlines()[:4]
    assert [line.split()[0] for line in lines] == ["method", *methods]
    assert len({len(line) for line in lines}) == 1


def test_evaluation_with_rows_without_mss_padded_summarises_them():
    metrics = {name: 1.5 for name in METRICS if name != "mss_padded"}
    rows = {("a", method): Row("a", method, metrics) for method in ("random", "floor")}
    summary = evaluation({}, TARGETS, rows, ("random", "floor"))["summary"]
    assert summary["methods"]["random"]["metrics"]["mss"]["mean"] == 1.5
    assert summary["methods"]["random"]["metrics"]["mss_padded"]["n"] == 0
    head, first = (line.split(",") for line in csv_text(TARGETS, list(rows.values()), summary).splitlines()[:2])
    written = dict(zip(head, first, strict=True))
    assert first[:7] == ["a", "A", "ann", "", "presets", "48", "random"]
    assert (written["mss"], written["mss_padded"]) == ("1.5", "")
    assert table(summary).splitlines()[1].split()[:3] == ["random", "1", "-"]
    assert "editable" not in table(summary)


def test_table_with_traits_has_a_second_table():
    rows = {
        ("a", method): Row("a", method, dict.fromkeys(METRICS, 1.5) | dict.fromkeys(TRAITS, value))
        for method, value in (("random", 30.0), ("match", 1.2), ("floor", 0.0))
    }
    rows["a", "match"].metrics["pitch"] = None
    summary = evaluation({}, TARGETS, rows, ("random", "match", "floor"))["summary"]
    assert summary["recovered_share"]["attack_time"]["match"] == 0.96
    lines = table(summary).splitlines()
    second = lines[lines.index("") + 1 :]
    assert [line.split()[0] for line in second[:4]] == ["method", "random", "match", "floor"]
    assert "attack ms" in second[0]
    assert " ".join(second[2].split()) == "match 1.20 1.2-1.2 1 1-1 1.20 1.2-1.2 - 1.2 1-1"
    assert len({len(line) for line in second[:4]}) == 1
    written = csv_text(TARGETS, list(rows.values()), summary).splitlines()
    assert ",attack_centroid,attack_time,fall,pitch,width," in written[0]


def test_table_and_csv_contain_the_editing_of_presets():
    parts = {"editable": True, "oscillators": 2, "filters": 1, "effects": 1, "routes": 3, "cycles": 1, "macros": 4}
    other = parts | {"editable": False, "routes": 9, "macros": 0}
    targets = [Target(name, name, "ann", "presets", f"{name}.vital", 48) for name in "abc"]
    rows = {(name, "match"): Row(name, "match", dict.fromkeys(METRICS, 1.5)) for name in "abc"}
    rows["a", "match"], rows["b", "match"] = (
        dataclasses.replace(rows[name, "match"], editing=one) for name, one in zip("ab", (parts, other), strict=True)
    )
    rows |= {("a", "init"): Row("a", "init", dict.fromkeys(METRICS, 9.0))}  # without a preset
    summary = evaluation({}, targets, rows, ("init", "match"))["summary"]
    found = summary["methods"]["match"]["editing"]
    assert found == {"n": 2, "editable": 0.5, "macros": 0.5} | {
        "oscillators": 2,
        "filters": 1,
        "effects": 1,
        "routes": 6,
        "cycles": 1,
    }
    assert summary["methods"]["init"]["editing"]["n"] == 0
    lines = [line.split() for line in table(summary).splitlines()]
    assert ["match", "2", "50%", "50%", "2", "1", "1", "6", "1"] in lines
    assert sum(line[:1] == ["init"] for line in lines) == 1
    written = csv_text(targets, list(rows.values()), summary).splitlines()
    assert written[0].endswith(",error,known_note,editable,oscillators,filters,effects,routes,cycles,macros")
    assert written[2].endswith(",False,2,1,1,9,1,0")


def test_csv_contains_the_class_and_the_known_note_of_a_recording():
    targets = [Target("a", "a.wav", "", "audio", "a.wav", 48, sound_class="drums, loud", known_note=36)]
    rows = {("a", "match"): Row("a", "match", dict.fromkeys(METRICS, 1.5))}
    summary = evaluation({}, targets, rows, ("match",))["summary"]
    (line,) = csv.DictReader(io.StringIO(csv_text(targets, list(rows.values()), summary)))
    assert (line["class"], line["known_note"], line["note"]) == ("drums, loud", "36", "48")
