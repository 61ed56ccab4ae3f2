"""Tests of the summary of recordings: classes, right pitches, causes and failures; and of its tables."""

import json

import pytest

from vjax.audio.metric_names import METRICS, TRAITS
from vjax.evaluation.recording_tables import MOST_PRINTED, tables, text
from vjax.evaluation.recordings import summarise
from vjax.evaluation.results import Row, Target, failed_row

METHODS = ("init", "nearest", "match", "take")


def target(name, sound_class="", **about):
    return Target(name, f"{name}.wav", "", "audio", f"{name}.wav", 60, sound_class, **about)


def row(name, method, mss, **metrics):
    found = dict.fromkeys(METRICS, 0.5) | dict.fromkeys(TRAITS, 0.0) | {"mss": mss, "rse": mss / 10} | metrics
    return Row(name, method, found)


def write(folder, file, lines):
    (folder / file).write_text("".join(json.dumps(line) + "\n" for line in lines))


PLAIN = {"several_pitches": False, "clear": True, "onsets": 1, "attack_s": 0.01, "after_db": None}


@pytest.fixture
def evaluated(tmp_path):
    """(folder, targets, rows): two basses, of which one is wrong in many ways, a drum, a chord, and a broken file."""
    targets = [
        target("bass1", "bass", known_note=48),
        target("bass2", "bass"),
        target("kick", "drums"),
        target("chord"),
        target("broken"),
    ]
    scores = {"bass1": (5.0, 3.0), "bass2": (2.0, 3.0), "kick": (1.0, 6.0), "chord": (7.0, 8.0)}
    rows = {}
    for name, (match, nearest) in scores.items():
        rows |= {(name, "match"): row(name, "match", match), (name, "nearest"): row(name, "nearest", nearest)}
        rows[name, "init"] = row(name, "init", 20.0)
    rows["bass1", "match"] = row("bass1", "match", 5.0, fall=1.5, attack_time=80.0, attack_centroid=0.9)
    rows["bass2", "take"] = row("bass2", "take", 2.5)
    rows |= {("broken", method): failed_row("broken", method, "the target: no sound") for method in METHODS[:3]}
    pitches = {
        ("bass1", "target"): 36.0,
        ("bass1", "match"): 36.1,
        ("bass2", "target"): 50.0,
        ("bass2", "match"): 50.2,
        ("bass2", "nearest"): 55.0,
        ("kick", "target"): 40.0,
        ("kick", "match"): 41.0,
        ("chord", "target"): 40.0,
        ("chord", "match"): None,
    }
    clear = {"bass1": True, "bass2": True, "kick": False, "chord": True}
    write(
        tmp_path,
        "pitches.jsonl",
        [{"target": t, "method": m, "midi": midi, "clear": clear[t]} for (t, m), midi in pitches.items()],
    )
    chord = PLAIN | {"several_pitches": True, "after_db": -3.0}
    found = {"bass1": PLAIN, "bass2": PLAIN, "kick": PLAIN | {"clear": False}, "chord": chord}
    write(tmp_path, "causes.jsonl", [{"target": name} | one for name, one in found.items()])
    return tmp_path, targets, rows


def test_summarise_describes_each_class_and_all_sounds(evaluated):
    folder, targets, rows = evaluated
    found = summarise(folder, targets, rows, METHODS)
    assert [(one["class"], one["n"]) for one in found["classes"]] == [
        ("bass", 2),
        ("drums", 1),
        ("no class", 2),
        ("all sounds", 5),
    ]
    bass, drums, _, everything = found["classes"]
    assert bass["methods"]["match"]["mss"] == {"n": 2, "median": 3.5, "interval": None}
    assert bass["methods"]["take"]["mss"]["median"] == 2.5
    assert "take" not in drums["methods"]
    assert bass["note"] == {"n": 1, "class": 1.0, "octave": 0.0}  # 60 estimated, 48 known
    assert bass["methods"]["match"]["pitch"] == {"n": 2, "class": 1.0, "octave": 0.5}
    assert drums["methods"]["match"]["pitch"]["n"] == 0
    assert everything["methods"]["match"]["pitch"] == {"n": 3, "class": 2 / 3, "octave": 1 / 3}
    assert everything["methods"]["match"]["rse"] == {"n": 4, "median": 0.35, "interval": None}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_summarise_with_five_sounds_has_intervals(tmp_path):
    targets = [target(name, "keys") for name in "abcde"]
    rows = {(name, "match"): row(name, "match", mss) for name, mss in zip("abcde", (1, 2, 3, 4, 5), strict=True)}
    for one in summarise(tmp_path, targets, rows, ("match",))["classes"]:
        low, high = one["methods"]["match"]["mss"]["interval"]
        assert 1 <= low < 3 < high <= 5


def test_summarise_lists_failures_by_rule_with_the_worst_first(evaluated):
    folder, targets, rows = evaluated
    found = summarise(folder, targets, rows, METHODS)
    assert found["judged"] == "match"
    assert [(one["target"], one["mss"], one["what"], one["why"]) for one in found["failures"]] == [
        ("broken", None, ["no score: the target: no sound"], []),
        ("chord", 7.0, ["no pitch", "far"], ["several pitches", "longer than the clip"]),
        (
            "bass1",
            5.0,
            [
                "pitch -1 octave",
                "far",
                "farther than the nearest preset",
                "time of the attack",
                "fall",
                "note 60 estimated, known 48",
            ],
            [],
        ),
    ]
    counts = {one["cause"]: (one["n"], one["failed"], one["mss"]) for one in found["causes"]}
    assert counts == {
        "several pitches": (1, 1, 7.0),
        "no clear pitch": (1, 0, 1.0),
        "longer than the clip": (1, 1, 7.0),
        "none of these": (2, 1, 3.5),
    }


def test_summarise_without_a_model_judges_the_nearest_preset(evaluated):
    folder, targets, rows = evaluated
    found = summarise(folder, targets, rows, ("init", "nearest"))
    assert found["judged"] == "nearest"
    assert [one["target"] for one in found["failures"]] == ["broken", "chord", "kick", "bass1", "bass2"]
    assert found["failures"][4]["what"] == ["pitch +5.0 semitones"]
    assert summarise(folder, targets, rows, ("init",))["failures"] == []


def test_summarise_of_an_unfinished_evaluation_skips_missing_rows(evaluated):
    folder, targets, _ = evaluated
    found = summarise(folder, targets, {("kick", "match"): row("kick", "match", 9.0)}, ("match",))
    assert [one["target"] for one in found["failures"]] == ["kick"]
    assert "match" not in found["classes"][0]["methods"]
    assert len(tables(found)) == 4  # no table of pitches


def test_summarise_of_presets_is_empty(tmp_path):
    targets = [Target("a", "a", "", "presets", "a.vital", 48)]
    found = summarise(tmp_path, targets, {("a", "match"): row("a", "match", 1.0)}, ("match",))
    assert found == {}
    assert tables(found) == []


def test_tables_have_the_numbers_of_the_summary(evaluated):
    folder, targets, rows = evaluated
    found = {one.title: one for one in tables(summarise(folder, targets, rows, METHODS))}
    assert list(found) == [
        "Recordings by class: MSS dB",
        "Recordings by class: RSE",
        "Right pitch",
        "What is hard about the recordings",
        "What fails and why",
    ]
    scores = found["Recordings by class: MSS dB"]
    assert scores.head == ("class", "n", *METHODS)
    assert scores.rows[0] == ("bass", "2", "20.00", "3.00", "3.50", "2.50")
    assert scores.rows[1] == ("drums", "1", "20.00", "6.00", "1.00", "-")
    assert "take: another recording of the same note" in scores.note
    pitches = found["Right pitch"]
    assert pitches.head == ("class", "n", "nearest", "match", "known notes")
    assert pitches.rows == [
        ("bass", "2", "0% / 0%", "100% / 50%", "100% / 0% of 1"),
        ("no class", "1", "-", "0% / 0%", "-"),
        ("all sounds", "3", "0% / 0%", "67% / 33%", "100% / 0% of 1"),
    ]
    failures = found["What fails and why"]
    chord = ("chord.wav", "7.00", "0.700", "", "no pitch; far", "several pitches; longer than the clip")
    assert failures.rows[1] == chord
    for one in found.values():
        assert {len(cells) for cells in one.rows} == {len(one.head)}


def test_tables_of_an_older_evaluation_leave_out_missing_metrics(tmp_path):
    metrics = {name: 1.5 for name in METRICS if name not in ("rse", "mss_padded")}
    rows = {("a", "match"): Row("a", "match", metrics)}
    found = tables(summarise(tmp_path, [target("a")], rows, ("match",)))
    assert [one.title for one in found] == ["Recordings by class: MSS dB"]  # its causes were not measured
    assert found[0].rows == [("all sounds", "1", "1.50")]


def test_text_prints_aligned_columns_and_the_worst_failures(tmp_path):
    names = [f"s{i:02}" for i in range(MOST_PRINTED + 3)]
    rows = {(name, "match"): row(name, "match", 5.0 + i) for i, name in enumerate(names)}
    found = tables(summarise(tmp_path, [target(name, "fx") for name in names], rows, ("match",)))
    lines = text(found).splitlines()
    first = lines.index("What fails and why")
    assert [line.split()[0] for line in lines[first + 2 : first + 4]] == ["s14.wav", "s13.wav"]
    assert lines[first + 2 + MOST_PRINTED] == "and 3 more, which the report lists"
    assert lines[0] == "Recordings by class: MSS dB"
    assert len({len(line) for line in lines[1:4]}) == 1
