"""Tests of rhythms by renders of the real engine: presets with a loop, and the same presets without it."""

import dataclasses
import functools
import json
import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import pytest

from vjax.audio.distances import mss
from vjax.candidates.patch.curves import CUTOFF, LEVEL, needed_curves, own_curves
from vjax.candidates.patch.cycle import MOST_POINTS
from vjax.candidates.patch.rhythm import cutoff_rhythm, level_rhythm, looped, with_drawn_loops, with_rhythm
from vjax.candidates.patch.spectrogram import spectrogram
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.vital.editability import editability
from vjax.vital.laws.modulation import ENVELOPE, SECONDS, TEMPO, TRIGGER
from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route
from vjax.vital.values import value_of, with_routes, with_values

NOTE = 48
SHORT = RenderConfig()
NOTE_S = SHORT.note_s
LONG = RenderConfig(seconds=6.5, note_s=6.0)
RATE = SHORT.sample_rate
LEVELS = (1.0, 0.3, 0.6, 0.0, 0.8, 0.45, 0.9, 0.2)

SINE = shape_json("Sine", [(0, 0), (0.5, 1), (1, 0)], smooth=True)
SQUARE = shape_json("Square", [(0, 1), (0.5, 1), (0.5, 0), (1, 0)])
STEPS = shape_json("Steps", [((i + side) / 8, level) for i, level in enumerate(LEVELS) for side in (0, 1)])


class Played(NamedTuple):
    """A preset without its rhythm, with it, and the proposals. `sounds` are of 2 s: `plain`, `full` and `found`.

    `found` is the first proposal, if there is one.
    """

    plain: Preset
    full: Preset
    found: list[Preset]
    sounds: dict[str, np.ndarray]


def with_lfo(preset: Preset, number: int, shape, destination: str, low: float, amount: float, **lfo: float) -> Preset:
    values = {f"lfo_{number}_{knob}": value for knob, value in lfo.items()} | {destination: low}
    shapes = list(preset.lfo_shapes)
    shapes[number - 1] = shape
    shaped = dataclasses.replace(with_values(preset, values), lfo_shapes=tuple(shapes))
    return with_routes(shaped, Route(f"lfo_{number}", destination, amount))


def at_hz(hz: float) -> dict[str, float]:
    return {"sync": SECONDS, "frequency": math.log2(hz)}


def filter_lfo(preset: Preset) -> Preset:
    return with_lfo(preset, 1, SINE, CUTOFF, 55.0, 24 / 128, **at_hz(3))


def gate(preset: Preset) -> Preset:
    at_tempo = with_values(preset, {"beats_per_minute": 125 / 60})
    return with_lfo(at_tempo, 2, SQUARE, LEVEL, 0.0, 1.0, sync=TEMPO, tempo=9)


def tremolo(preset: Preset) -> Preset:
    low = math.sqrt(0.5)  # of the level, whose square is the amplitude
    return with_lfo(preset, 1, SINE, LEVEL, low, 1 - low, phase=0.3, **at_hz(6))


def steps(preset: Preset) -> Preset:
    return with_lfo(preset, 1, STEPS, LEVEL, 0.0, 1.0, **at_hz(2))


@functools.cache
def rendered(config: RenderConfig, preset: str) -> np.ndarray:
    """[2, samples] of a preset as JSON."""
    with RenderPool(config, 1) as pool:
        return pool.render(RenderJob(json.loads(preset), (NOTE,))).audio[0]


def sound_of(preset: Preset, config: RenderConfig = SHORT) -> np.ndarray:
    return rendered(config, json.dumps(preset.to_json()))


@pytest.fixture(scope="module")
def played(by_hand) -> Callable[[str], Played]:
    """`played(name)`, rendered when a test first asks for it."""
    moving, still = by_hand.patches["filtered"], by_hand.patch()
    dying = with_values(moving, {"env_1_sustain": 0.1, "env_1_decay": 1.0})
    pairs = {
        "gate": (moving, gate(moving)),
        "steps": (moving, steps(moving)),
        "tremolo": (moving, tremolo(moving)),
        "filter": (still, filter_lfo(still)),
        "gate and filter": (still, gate(filter_lfo(still))),
        "dying gate": (moving, gate(dying)),
        "unfiltered gate": (by_hand.patches["unfiltered"], gate(by_hand.patches["unfiltered"])),
        "steady": (moving, moving),
        "decay": (moving, with_values(moving, {"env_1_sustain": 0.0, "env_1_decay": 1.0})),
        "filter decay": (still, moving),
        "unison": (moving, with_values(moving, {"osc_1_unison_voices": 3})),
    }

    def make(name: str) -> Played:
        sounds = {which: sound_of(one) for which, one in zip(("plain", "full"), pairs[name], strict=True)}
        found = with_rhythm(pairs[name][0], *(spectrogram(sounds[which], RATE) for which in ("full", "plain")), NOTE_S)
        if found:
            sounds["found"] = sound_of(found[0])
        return Played(*pairs[name], found, sounds)

    return functools.cache(make)


def needed(one: Played):
    sounds = (spectrogram(one.sounds[which], RATE) for which in ("full", "plain"))
    return needed_curves(one.plain, *sounds, NOTE_S)


def each(quick: Iterable[str], slow: Iterable[str]) -> pytest.MarkDecorator:
    """Runs a test for each name."""
    return pytest.mark.parametrize("name", [*quick, *(pytest.param(name, marks=pytest.mark.slow) for name in slow)])


def assert_loop_is_near(sounds: dict[str, np.ndarray]) -> None:
    without, having = (float(mss(sounds[which], sounds["full"], RATE)) for which in ("plain", "found"))
    assert having < 0.3 * without
    assert having < 0.9


@each(("gate", "filter"), ("steps", "tremolo", "gate and filter", "dying gate", "unfiltered gate"))
def test_with_rhythm_loop_is_nearer_to_the_sound(played, name):
    assert_loop_is_near(played(name).sounds)


@each(("gate",), ("filter", "steps", "tremolo", "gate and filter", "dying gate", "unfiltered gate"))
def test_with_rhythm_loop_is_nearer_to_the_sound_in_a_longer_note_too(played, name):
    one = played(name)
    presets = {"plain": one.plain, "full": one.full, "found": one.found[0]}
    assert_loop_is_near({which: sound_of(preset, LONG) for which, preset in presets.items()})


@each(("gate", "filter"), ("steps", "tremolo", "gate and filter", "dying gate", "unfiltered gate"))
def test_with_rhythm_loop_is_editable_has_few_points_and_runs_from_note_on(played, name):
    for preset in played(name).found:
        assert editability(preset).editable
        lfos = [route.source for route in preset.routes if route and route.source.startswith("lfo_")]
        assert lfos
        for lfo in lfos:
            assert value_of(preset, f"{lfo}_sync_type") == TRIGGER
            assert preset.lfo_shapes[int(lfo[-1]) - 1]["num_points"] <= MOST_POINTS


@each(("steady", "filter decay"), ("decay", "unison"))
def test_with_rhythm_steady_or_decaying_sounds_return_nothing(played, name):
    assert played(name).found == []


def test_with_rhythm_note_too_short_for_a_loop_returns_nothing(played):
    one = played("gate")
    sounds = [spectrogram(one.sounds[which], RATE) for which in ("full", "plain")]
    assert with_rhythm(one.plain, *sounds, 0.1) == with_drawn_loops(one.full, 0.1) == []


@each(("gate",), ("gate and filter", "dying gate", "unfiltered gate"))
def test_level_rhythm_gate_at_a_tempo_returns_its_period_and_closes(played, name):
    curves = needed(played(name))
    found = level_rhythm(curves.time_s, curves.gain_db)
    assert found.loop.period_s == pytest.approx(0.24, rel=0.02)
    assert found.cycle.shape["points"] == [0.0, 0.0, 0.5, 0.0, 0.5, 1.0, 1.0, 1.0]
    assert (found.cycle.low, found.cycle.high) == (0.0, 1.0)
    preset = looped(played(name).plain, found)
    assert value_of(preset, "beats_per_minute") == pytest.approx(125 / 60, rel=1e-6)


@pytest.mark.slow
def test_level_rhythm_steps_return_their_levels(played):
    curves = needed(played("steps"))
    found = level_rhythm(curves.time_s, curves.gain_db)
    assert found.loop.period_s == pytest.approx(0.5, rel=0.02)
    heights = found.cycle.values((np.arange(8) + 0.5) / 8, 1.0)
    np.testing.assert_allclose(heights, LEVELS, atol=0.03)


def test_level_rhythm_tremolo_returns_its_depth(played):
    curves = needed(played("tremolo"))
    found = level_rhythm(curves.time_s, curves.gain_db)
    assert found.cycle.shape["name"] == "Sine"
    assert found.loop.period_s == pytest.approx(1 / 6, rel=0.02)
    assert 1 - found.cycle.low**2 == pytest.approx(0.5, rel=0.15)


@each(("filter",), ("gate and filter",))
def test_cutoff_rhythm_filter_lfo_with_or_without_a_gate_returns_its_depth(played, name):
    curves = needed(played(name))
    found = cutoff_rhythm(curves.time_s, curves.cutoff)
    assert found.cycle.shape["name"] == "Sine"
    assert found.loop.period_s == pytest.approx(1 / 3, rel=0.02)
    assert found.cycle.high - found.cycle.low == pytest.approx(24, rel=0.15)
    assert found.fade is None


def test_cutoff_rhythm_over_a_decay_returns_an_envelope_with_the_decay():
    time_s = np.arange(0.02, 1.49, 0.01)
    found = cutoff_rhythm(time_s, 60 + 6 * np.sin(2 * np.pi * 5 * time_s) + 24 * np.exp(-5 * time_s))
    assert found.cycle.high - found.cycle.low == pytest.approx(12, rel=0.15)
    assert found.fade.amount == pytest.approx(24, rel=0.3)


def test_with_drawn_loops_curve_that_repeats_becomes_a_loop(by_hand):
    period_s = 0.24
    times_s = np.arange(0, 1.5, period_s / 2)
    ends_s = np.append(times_s[1:], 2.0)
    points = [
        (float(at_s) / 2, float(1 - i % 2))
        for i, (begin_s, end_s) in enumerate(zip(times_s, ends_s, strict=True))
        for at_s in (begin_s, end_s)
    ]
    drawn = with_lfo(
        by_hand.patches["filtered"],
        *(1, shape_json("Level", points), LEVEL, 0.0, 1.0),
        **{"sync": SECONDS, "frequency": -1.0, "sync_type": ENVELOPE},
    )
    (found,) = with_drawn_loops(drawn, NOTE_S)
    assert value_of(found, "lfo_1_sync_type") == TRIGGER
    assert value_of(found, "beats_per_minute") == pytest.approx(125 / 60, rel=0.02)
    assert found.lfo_shapes[0]["num_points"] == 4
    time_s = np.arange(0.02, 1.5, 0.001)
    before, after = (own_curves(one, time_s, NOTE_S).gain_db for one in (drawn, found))
    assert np.mean(np.abs(before - after)) < 2.0


def test_with_drawn_loops_curve_without_repetition_returns_nothing(by_hand):
    assert with_drawn_loops(by_hand.patches["filtered"], NOTE_S) == []


def test_looped_second_rhythm_that_fits_the_tempo_follows_it(played):
    gated, moved = needed(played("gate")), needed(played("filter"))
    level = level_rhythm(gated.time_s, gated.gain_db)
    cutoff = cutoff_rhythm(moved.time_s, moved.cutoff)
    slow = cutoff._replace(loop=cutoff.loop._replace(period_s=0.4805))
    preset = looped(played("filter").plain, level, slow)
    assert (value_of(preset, "lfo_2_sync"), value_of(preset, "lfo_2_tempo")) == (TEMPO, 8)
    assert value_of(looped(preset, cutoff), "lfo_2_sync") == SECONDS


def test_looped_effect_that_follows_the_tempo_keeps_it(played):
    delayed = with_values(played("gate").plain, {"delay_on": 1, "delay_sync": TEMPO})
    curves = needed(played("gate"))
    preset = looped(delayed, level_rhythm(curves.time_s, curves.gain_db))
    assert value_of(preset, "beats_per_minute") == value_of(delayed, "beats_per_minute")
    assert value_of(preset, "lfo_1_sync") == SECONDS
