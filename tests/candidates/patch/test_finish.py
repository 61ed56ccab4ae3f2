"""Tests of finished patches by renders of the real engine: what velocity and macros change and keep."""

import dataclasses
import functools
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from vjax.audio.distances import mss
from vjax.audio.loudness import loudness_lufs
from vjax.candidates.patch.finish import finished
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.vital.editability import editability
from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset
from vjax.vital.values import value_of, with_values

NOTE = 48
RENDER = RenderConfig(seconds=2.4, note_s=0.8)
RATE = RENDER.sample_rate
STEP = RATE // 100
MACROS = ("Brightness", "Movement", "Release", "Decay", "Space")


@pytest.fixture(scope="module")
def sound(by_hand) -> Callable[[str, str], np.ndarray]:
    """`sound(patch, version)`: [2, samples] of `before`, `after`, `soft`, `hard`, or a macro at 1.

    It is rendered when a test first asks for it.
    """

    def make(name: str, version: str) -> np.ndarray:
        preset = by_hand.patches[name]
        if version != "before":
            preset = finished(preset, NOTE, RENDER.velocity)
        if version in MACROS:
            preset = with_values(preset, {f"macro_control_{preset.macro_names.index(version) + 1}": 1.0})
        config = dataclasses.replace(RENDER, velocity={"soft": 0.2, "hard": 1.0}.get(version, RENDER.velocity))
        with RenderPool(config, 1) as pool:
            return pool.render(RenderJob(preset.to_json(), (NOTE,))).audio[0]

    return functools.cache(make)


def each(quick: Iterable[str], slow: Iterable[str]) -> pytest.MarkDecorator:
    """Runs a test for each patch."""
    return pytest.mark.parametrize("name", [*quick, *(pytest.param(name, marks=pytest.mark.slow) for name in slow)])


def loud_frames(audio: np.ndarray) -> np.ndarray:
    """[frames, bins] power spectra until note-off, every 10 ms, without those 40 dB below the loudest."""
    note = audio.mean(0)[: round(RENDER.note_s * RATE)]
    starts = range(0, len(note) - 4096, STEP)
    power = np.stack([np.abs(np.fft.rfft(note[at : at + 4096] * np.hanning(4096))) ** 2 for at in starts])
    return power[power.sum(1) > 1e-4 * power.sum(1).max()]


def centroid_hz(audio: np.ndarray) -> np.ndarray:
    """[frames] until note-off."""
    power = loud_frames(audio)
    return power @ np.fft.rfftfreq(4096, 1 / RATE) / power.sum(1)


def blocks_db(audio: np.ndarray) -> np.ndarray:
    """Level every 10 ms."""
    blocks = audio[:, : audio.shape[1] // STEP * STEP].reshape(2, -1, STEP)
    return 10 * np.log10((blocks**2).mean((0, 2)) + 1e-12)


def tail_s(audio: np.ndarray) -> float:
    """Returns the last time at which the sound is within 40 dB of its maximum."""
    level_db = blocks_db(audio)
    return 0.01 * float(np.flatnonzero(level_db > level_db.max() - 40).max())


@each(("filtered", "unfiltered"), ("vibrato", "tremolo", "crowded", "plucked", "spacious"))
def test_finished_at_the_recorded_velocity_sounds_as_before(sound, name):
    before, after = sound(name, "before"), sound(name, "after")
    assert mss(after, before, RATE) < 0.05
    assert abs(loudness_lufs(after, RATE) - loudness_lufs(before, RATE)) < 0.05


def test_finished_for_another_velocity_sounds_as_before_at_that_velocity(by_hand):
    preset = by_hand.patches["filtered"]
    with RenderPool(dataclasses.replace(RENDER, velocity=0.5), 2) as pool:
        jobs = [RenderJob(one.to_json(), (NOTE,)) for one in (preset, finished(preset, NOTE, velocity=0.5))]
        before, after = (played.audio[0] for played in pool.map(jobs))
    assert np.abs(after - before).max() < 1e-5


@each(("filtered", "unfiltered"), ("vibrato", "tremolo", "crowded", "plucked", "spacious"))
def test_finished_at_a_low_velocity_is_softer_and_darker(by_hand, sound, name):
    soft, hard = sound(name, "soft"), sound(name, "hard")
    assert loudness_lufs(soft, RATE) < loudness_lufs(hard, RATE) - 4
    if value_of(by_hand.patches[name], "filter_1_on"):
        assert np.median(centroid_hz(soft)) < 0.9 * np.median(centroid_hz(hard))


@pytest.mark.parametrize(
    ("macro", "names"),
    [
        ("Brightness", ["filtered", "unfiltered", "vibrato", "tremolo", "plucked", "spacious"]),
        ("Movement", ["filtered", "vibrato", "tremolo", "plucked", "spacious"]),
        ("Release", ["filtered", "unfiltered", "vibrato", "tremolo", "spacious"]),
        ("Space", ["filtered", "unfiltered", "tremolo", "plucked", "spacious"]),
        ("Decay", ["plucked"]),
    ],
)
def test_finished_patch_has_the_macros_that_change_its_sound(by_hand, macro, names):
    assert [name for name, preset in by_hand.patches.items() if macro in finished(preset, NOTE).macro_names] == names


@each(("filtered", "unfiltered"), ("vibrato", "tremolo", "plucked", "spacious"))
def test_finished_with_brightness_up_has_a_higher_centroid(sound, name):
    ratio = np.median(centroid_hz(sound(name, "Brightness"))) / np.median(centroid_hz(sound(name, "after")))
    assert ratio > 1.5


@each(("filtered", "tremolo"), ("vibrato", "plucked", "spacious"))
def test_finished_with_movement_up_has_deeper_modulation(sound, name):
    still, moved = sound(name, "after"), sound(name, "Movement")
    if name == "tremolo":
        steady = slice(30, 78)  # without the attack and the release
        assert np.std(blocks_db(moved)[steady]) > 1.5 * np.std(blocks_db(still)[steady])
    else:
        spread = [np.ptp(np.log2(centroid_hz(audio))) for audio in (still, moved)]
        assert spread[1] > 1.1 * spread[0]


@each(("filtered",), ("unfiltered", "vibrato", "tremolo", "spacious"))
def test_finished_with_release_up_has_a_longer_tail(sound, name):
    assert tail_s(sound(name, "Release")) > tail_s(sound(name, "after")) + 0.3


@each(("filtered",), ("unfiltered", "tremolo", "plucked", "spacious"))
def test_finished_with_space_up_has_a_longer_tail(sound, name):
    assert tail_s(sound(name, "Space")) > tail_s(sound(name, "after")) + 0.3


def test_finished_sound_that_ends_before_note_off_has_a_decay_macro(sound):
    assert tail_s(sound("plucked", "Decay")) > tail_s(sound("plucked", "after")) + 0.3


def test_finished_twice_equals_once_and_is_editable(by_hand):
    for name, preset in by_hand.patches.items():
        once = finished(preset, NOTE)
        found = editability(once)
        assert found.editable, (name, found.reasons)
        assert found.sound_routes == editability(preset).sound_routes
        assert found.macros == sum(macro in MACROS for macro in once.macro_names)
        twice = finished(once, NOTE)
        assert twice.routes == once.routes, name
        np.testing.assert_array_equal(twice.continuous, once.continuous)


def test_finished_preset_with_macros_and_velocity_keeps_them(by_hand):
    own = by_hand.patch(
        *(route for route in by_hand.patches["filtered"].routes if route),
        by_hand.route("velocity", "osc_1_level", 0.5),
        by_hand.route("macro_control_1", "osc_1_pan", 1.0),
    )
    own = dataclasses.replace(own, macro_names=("Width", *own.macro_names[1:]))
    done = finished(with_values(own, {"macro_control_1": 0.5}), NOTE)
    assert done.routes[:3] == own.routes[:3]
    assert done.macro_names == ("Width", "Brightness", "Movement", "Release")
    assert value_of(done, "macro_control_1") == 0.5
    assert value_of(done, "velocity_track") == 0
    assert all(route is None or route.source != "velocity" for route in done.routes[3:])


def test_finished_distorted_sound_keeps_its_velocity_track(by_hand):
    done = finished(by_hand.patch(values={"distortion_on": 1, "distortion_drive": 12.0}), NOTE)
    assert value_of(done, "velocity_track") == 0


def test_finished_with_full_volume_keeps_its_velocity_track(by_hand):
    loud = by_hand.patch(values={"volume": 7399.0})
    assert value_of(finished(loud, NOTE), "velocity_track") == 0


def test_finished_with_the_most_effects_adds_no_other_effect(by_hand):
    three = {"chorus_on": 1, "phaser_on": 1, "flanger_on": 1}
    without = finished(by_hand.patch(values=three | {"filter_1_on": 0}), NOTE)
    assert without.macro_names[:2] == ("Release", "MACRO 2")
    delayed = finished(by_hand.patch(values=three | {"flanger_on": 0, "delay_on": 1}), NOTE)
    assert [r.destination for r in delayed.routes if r and r.source == "macro_control_3"] == ["delay_dry_wet"]


def test_finished_drawn_loudness_that_ends_the_sound_has_no_release_macro(by_hand):
    def drawn(end: float) -> Preset:
        curve = shape_json("Level", [(0, 1), (1, end)])
        preset = by_hand.patch(by_hand.route("lfo_1", "voice_amplitude", 1.0), values={"voice_amplitude": 0.0})
        return dataclasses.replace(preset, lfo_shapes=(curve, *preset.lfo_shapes[1:]))

    assert finished(drawn(0.0), NOTE).macro_names == ("Brightness", "Space", "MACRO 3", "MACRO 4")
    assert finished(drawn(0.5), NOTE).macro_names == ("Brightness", "Release", "Space", "MACRO 4")


def test_finished_filter_that_closes_early_has_no_release_macro(by_hand):
    preset = by_hand.patches["filtered"]  # its filter comes to rest at 262 Hz
    assert "Release" in finished(preset, 60).macro_names
    assert finished(preset, 84).macro_names == ("Brightness", "Movement", "Space", "MACRO 4")
    slow = with_values(preset, {"env_2_release": 1.0})
    assert "Release" in finished(slow, 84).macro_names


def test_finished_resonance_at_the_note_stays_there(by_hand):
    """A dense table through a narrow filter. The note is silent if the cutoff moves away from it."""
    values = {"filter_1_cutoff": NOTE + 0.5, "filter_1_resonance": 0.8}
    ready = finished(by_hand.patch(values=values), NOTE)
    bright = with_values(ready, {f"macro_control_{ready.macro_names.index('Brightness') + 1}": 1.0})
    found = []
    for velocity in (0.2, 0.8, 1.0):
        with RenderPool(dataclasses.replace(RENDER, velocity=velocity), 2) as pool:
            jobs = [RenderJob(one.to_json(), (NOTE,)) for one in (ready, bright)]
            found.append([float(loudness_lufs(played.audio[0], RATE)) for played in pool.map(jobs)])
    (soft, _), (as_before, opened), (hard, _) = found
    assert as_before - 8 < soft < as_before < hard
    assert opened > as_before - 3


def test_finished_brightness_of_an_open_filter_is_a_shelf(by_hand):
    ready = finished(by_hand.patch(values={"filter_1_cutoff": 130.0}), NOTE)
    bright = [route.destination for route in ready.routes if route and route.source == "macro_control_1"]
    assert (ready.macro_names[0], bright) == ("Brightness", ["eq_high_gain"])
