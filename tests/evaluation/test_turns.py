"""Tests of turning knobs, with the real engine."""

import dataclasses

import pytest

from vjax.engine import isolate
from vjax.engine.config import RenderConfig
from vjax.engine.isolate import MachineError
from vjax.engine.pool import RenderPool
from vjax.evaluation.results import Target
from vjax.evaluation.turns import WORKS_DB, play_turns, summarise, table, text
from vjax.vital.preset import Route, init, write_preset
from vjax.vital.values import with_values

RENDER = RenderConfig(seconds=0.4, note_s=0.3)
TARGET = Target("a", "a", "ann", "presets", "a.vital", 48)
FILTERED = with_values(init(), {"osc_1_destination": 0, "filter_1_on": 1, "filter_1_cutoff": 100.0})


def with_macros(preset, *destinations: str):
    """A named macro on each destination."""
    routes = [Route(f"macro_control_{i + 1}", name, 0.9) for i, name in enumerate(destinations)]
    names = tuple("Knob" if i < len(destinations) else f"MACRO {i + 1}" for i in range(4))
    return dataclasses.replace(preset, routes=(*routes, *preset.routes[len(routes) :]), macro_names=names)


PRESETS = {
    "open": with_macros(FILTERED, "filter_1_cutoff", "filter_2_cutoff"),  # the second filter is off
    "low": with_values(FILTERED, {"filter_1_cutoff": 20.0}),
    "unfiltered": init(),
    "bypassed": with_values(FILTERED, {"osc_1_destination": 3}),  # straight to the effects
}


@pytest.fixture
def folder(tmp_path):
    sounds = tmp_path / "sounds" / "a"
    sounds.mkdir(parents=True)
    for name, preset in PRESETS.items():
        write_preset(sounds / f"{name}.vital", preset)
    return tmp_path


def test_play_turns_measures_what_each_knob_changes(folder):
    methods = (*PRESETS, "init")  # `init` has no preset
    found = {line["method"]: line for line in play_turns(folder, [TARGET], methods, RENDER, workers=2)}
    assert list(found) == list(PRESETS)
    assert found["open"]["cutoff"] > WORKS_DB
    works, without_effect = found["open"]["macros"]
    assert works > WORKS_DB > 0.1 > without_effect
    assert found["low"]["cutoff"] > WORKS_DB  # turned up, because it cannot be turned down
    assert found["unfiltered"]["cutoff"] is None
    assert found["bypassed"]["cutoff"] < 0.1
    assert all(line["macros"] == [] for name, line in found.items() if name != "open")
    assert found["open"]["bytes"] == (folder / "sounds" / "a" / "open.vital").stat().st_size


def test_play_turns_with_an_engine_that_cannot_start_stores_no_line(folder, monkeypatch):
    def no_process(_):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as no_processes:
        no_processes.setattr(isolate, "start_process", no_process)
        with pytest.raises(MachineError, match="the engine cannot run on this machine"):
            play_turns(folder, [TARGET], ("unfiltered",), RENDER, workers=1)
    assert not (folder / "turns.jsonl").exists()


def test_play_turns_that_was_stopped_plays_only_what_is_missing(folder, monkeypatch):
    whole = play_turns(folder, [TARGET], tuple(PRESETS), RENDER, workers=2)
    log = folder / "turns.jsonl"
    before = log.read_text()
    log.write_text("\n".join(before.splitlines()[:-1]) + '\n{"target": "a", ')
    played = []
    jobs = RenderPool.map
    monkeypatch.setattr(RenderPool, "map", lambda pool, work: jobs(pool, (played.append(1) or one for one in work)))
    assert play_turns(folder, [TARGET], tuple(PRESETS), RENDER, workers=2) == whole
    assert len(played) == 2  # the last preset, and its cutoff
    assert log.read_text() == before


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"cutoff": None, "macros": [], "bytes": 41234}, "turned: no filter; no named macros; 41 kB"),
        (
            {"cutoff": 3.21, "macros": [2.0, 0.1, None], "bytes": 500},
            "turned: cutoff changes the sound by 3.2 dB; 1 of 3 named macros change the sound; 0 kB",
        ),
        ({"cutoff": 0.2, "macros": [], "bytes": 900}, "turned: cutoff has no effect; no named macros; 1 kB"),
    ],
)
def test_text_describes_what_the_knobs_do(line, expected):
    assert text(line) == expected


def test_play_turns_with_a_silent_preset_has_no_change(folder):
    write_preset(folder / "sounds" / "a" / "open.vital", with_values(PRESETS["open"], {"osc_1_on": 0}))
    (line,) = play_turns(folder, [TARGET], ("open",), RENDER, workers=1)
    assert (line["cutoff"], line["macros"]) == (None, [None, None])


def test_summarise_counts_knobs_that_work():
    lines = [
        {"target": "a", "method": "match", "cutoff": 5.0, "macros": [2.0, 0.5], "bytes": 100_000},
        {"target": "b", "method": "match", "cutoff": None, "macros": [None], "bytes": 300_000},
        {"target": "a", "method": "closest", "cutoff": 0.2, "macros": [], "bytes": 900_000},
    ]
    found = summarise(lines, ("nearest", "match", "closest"))
    assert found == {
        "match": {"n": 2, "cutoff": 0.5, "macros": pytest.approx(1 / 3), "kilobytes": 200.0},
        "closest": {"n": 1, "cutoff": 0.0, "macros": None, "kilobytes": 900.0},
    }
    lines = table(found).splitlines()
    assert lines[1].split() == ["match", "2", "50%", "33%", "200"]
    assert lines[2].split() == ["closest", "1", "0%", "-", "900"]
