"""Tests of playing presets where nothing was recorded, with the real engine."""

import dataclasses
import json
import math

import pytest

from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderPool
from vjax.evaluation.elsewhere import (
    CONDITIONS,
    INSTRUMENT,
    RECORDED,
    Condition,
    play_elsewhere,
    read_elsewhere,
    summarise,
    table,
)
from vjax.evaluation.results import Target
from vjax.vital.preset import init, write_preset
from vjax.vital.values import with_values

RENDER = RenderConfig(seconds=0.4, note_s=0.3)
METHODS = ("init", "match", "wrong", "floor")
QUICK = {name: CONDITIONS[name] for name in (RECORDED, "octave up", "half as long")}


def target(name: str, note: int = 48, source: str = "presets") -> Target:
    return Target(name, name, "ann", source, f"{name}.vital", note)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An evaluation of one target: `match` is its own preset, `wrong` plays a fixed pitch, `init` has no preset."""
    monkeypatch.setattr("vjax.evaluation.elsewhere.CONDITIONS", QUICK)
    fixed_phase = with_values(init(), {"osc_1_random_phase": 0.0})
    sounds = tmp_path / "sounds" / "a"
    sounds.mkdir(parents=True)
    write_preset(sounds / "target.vital", fixed_phase)
    write_preset(sounds / "match.vital", fixed_phase)
    write_preset(sounds / "wrong.vital", with_values(fixed_phase, {"osc_1_midi_track": 0}))
    return tmp_path


def test_play_elsewhere_compares_each_method_with_the_targets_own_preset(folder):
    lines = play_elsewhere(folder, [target("a")], METHODS, RENDER, workers=2)
    found = {(line["method"], line["condition"]): line["mss"] for line in lines}
    assert set(found) == {(method, name) for method in METHODS[1:] for name in QUICK}
    assert all(found["match", name] < 0.01 for name in QUICK)
    assert found["wrong", "octave up"] > 3
    assert found["wrong", "half as long"] == pytest.approx(found["wrong", RECORDED], rel=0.3)


def test_play_elsewhere_that_was_stopped_plays_only_what_is_missing(folder, monkeypatch):
    whole = play_elsewhere(folder, [target("a")], METHODS, RENDER, workers=2)
    log = folder / "elsewhere.jsonl"
    text = log.read_text()
    log.write_text("\n".join(text.splitlines()[:-2]) + '\n{"target": "a", "meth')
    played = []
    jobs = RenderPool.map
    monkeypatch.setattr(RenderPool, "map", lambda pool, work: jobs(pool, (played.append(1) or one for one in work)))
    again = play_elsewhere(folder, [target("a")], METHODS, RENDER, workers=2)
    assert len(played) == 3  # the target, and the two lines that were cut off
    assert sorted(map(str, again)) == sorted(map(str, whole))
    assert sorted(log.read_text().splitlines()) == sorted(text.splitlines())


def test_play_elsewhere_of_recordings_and_of_notes_off_the_keyboard_plays_nothing_there(folder):
    (folder / "sounds" / "b").mkdir()
    assert play_elsewhere(folder, [target("b", source="audio")], METHODS, RENDER, workers=1) == []
    high = play_elsewhere(folder, [target("a", note=120)], ("match",), RENDER, workers=1)
    assert {line["condition"] for line in high} == set(QUICK) - {"octave up"}


def test_play_elsewhere_with_a_silent_preset_has_no_number(folder):
    write_preset(folder / "sounds" / "a" / "match.vital", with_values(init(), {"osc_1_on": 0}))
    lines = play_elsewhere(folder, [target("a")], ("match",), RENDER, workers=1)
    assert {line["mss"] is None for line in lines if line["method"] == "match"} == {True}
    assert list(summarise(lines, ("match", "floor"))) == ["floor"]


def test_read_elsewhere_of_an_older_file_has_the_new_names(tmp_path):
    old = [{"target": "a", "method": "m", "condition": name, "mss": 1.0} for name in ("as heard", "held for 6 s")]
    (tmp_path / "elsewhere.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    assert [line["condition"] for line in read_elsewhere(tmp_path)] == [RECORDED, "6 s long"]


def test_summarise_counts_sounds_with_all_conditions_for_the_instrument():
    values = {"a": 1.0, "b": 3.0}
    lines = [
        {"target": name, "method": "match", "condition": condition, "mss": value + i}
        for name, value in values.items()
        for i, condition in enumerate(CONDITIONS)
    ]
    lines[-1]["mss"] = None
    found = summarise(lines, ("nearest", "match"))
    assert list(found) == ["match"]
    assert found["match"][RECORDED] == {"n": 2, "median": 2.0, "mean": 2.0}
    assert found["match"]["velocity 0.2"]["n"] == 1
    others = len(CONDITIONS) - 1
    assert found["match"][INSTRUMENT] == {"n": 1, "median": 1 + (others + 1) / 2, "mean": 1 + (others + 1) / 2}
    lines = table(found).splitlines()
    assert len({len(line) for line in lines[:2]}) == 1
    assert "2.00 (2.00)" in lines[1]
    assert table({}) == ""


def test_condition_render_changes_only_what_it_names():
    recorded = RenderConfig(seconds=2.0, note_s=1.5, velocity=0.7)
    assert Condition().render(recorded) == recorded
    assert Condition(share=0.5).render(recorded) == dataclasses.replace(recorded, note_s=0.75)
    long = Condition(note_s=6.0, seconds=8.0).render(recorded)
    assert (long.note_s, long.seconds, long.velocity) == (6.0, 8.0, 0.7)
    assert Condition(velocity=0.2).render(recorded).velocity == 0.2
    assert all(math.isfinite(one.semitones) for one in CONDITIONS.values())
