"""Tests of pitch curves by renders of the real engine: movements are estimated, written to a preset and rendered."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from vjax.candidates.patch.pitch_curve import PitchCurve, pitch_curve
from vjax.candidates.patch.pitch_shapes import DrawnCurve, Glide, Steps, Vibrato
from vjax.candidates.patch.pitch_track import Track, pitch_track
from vjax.candidates.patch.pitch_write import with_pitch_curve
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.vital.editability import editability
from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route
from vjax.vital.transpose import transposed
from vjax.vital.values import with_routes, with_values

NOTE = 48
RENDER = RenderConfig(seconds=2.0, note_s=1.5)
TRUTH = {
    "kick": Glide(36.0, 0.06, -2.0),
    "zap": Glide(48.0, 0.04, -2.0),
    "portamento": Glide(-7.0, 0.3, 0.0),
    "arpeggio": Steps((0.0, 0.125, 0.25, 0.375), (0.0, 4.0, 7.0, 12.0), 0.5, 120.0),
    "fast arpeggio": Steps((0.0, 0.04, 0.08, 0.12), (0.0, 3.0, 7.0, 12.0), 0.16, 93.75),
    "trill": Steps((0.0, 0.125), (0.0, 2.0), 0.25, 120.0),
    "sequence": Steps(tuple(np.arange(8) * 0.2), (0.0, 7.0, 3.0, 12.0, 5.0, 0.0, 10.0, 4.0), None, 75.0),
    "vibrato": Vibrato(5.5, 0.4),
    "late vibrato": Vibrato(5.5, 0.4, 0.5),
    "wide vibrato": Vibrato(4.0, 2.0),
    "drawn": DrawnCurve((0.0, 0.3, 0.8, 1.2, 1.5), (0.0, 8.0, 2.0, 5.0, 0.0)),
    "repeated": DrawnCurve((0.0, 0.2, 0.35), (0.0, 9.0, 0.0), 0.35),
}
STEADY = ("saw", "chord", "unison", "noise")
QUICK = ("saw", "chord", "kick", "arpeggio", "vibrato", "drawn")
"""The sounds of the quick tests: each costs a render. One of each kind, and two that do not move."""
SAW = {"filter_1_on": 0, "env_1_sustain": 1.0}
SINE = shape_json("Sine", [(0, 0), (0.5, 1), (1, 0)], smooth=True)


def played(preset: Preset) -> Track:
    """The pitch track of a render."""
    with RenderPool(RENDER, 1) as pool:
        return pitch_track(pool.render(RenderJob(preset.to_json(), (NOTE,))).audio[0], RENDER.sample_rate)


def moved(saw: Preset, truth: Glide | Steps | Vibrato | DrawnCurve) -> Preset:
    """A saw that an envelope or LFO 1 moves as a musician would do it: by a route to the oscillator."""
    if isinstance(truth, Glide):
        decay = {"env_2_attack": 0.0, "env_2_sustain": 0.0, "env_2_decay": truth.glide_s**0.25}
        low, _ = transposed(saw, -15 if truth.semitones_off > 0 else 0)
        values = with_values(low, decay | {"env_2_decay_power": truth.power})
        return with_routes(values, Route("env_2", "osc_1_transpose", truth.semitones_off / 96))
    if isinstance(truth, Vibrato):
        lfo = {"frequency": math.log2(truth.rate_hz), "phase": 0.25, "delay_time": truth.delay_s, "smooth_mode": 1}
        shape, route = SINE, Route("lfo_1", "osc_1_transpose", 2 * truth.depth / 96, bipolar=True)
    else:
        length_s = truth.period_s or RENDER.note_s + 0.1
        if isinstance(truth, Steps):
            ends = (*truth.start_s[1:], length_s)
            points = [
                (at / length_s, semitones / 12)
                for begin, end, semitones in zip(truth.start_s, ends, truth.semitones_each, strict=True)
                for at in (begin, end)
            ]
        else:
            points = [(s / length_s, v / 12) for s, v in zip(truth.point_s, truth.semitones_each, strict=True)]
            points += [(1.0, points[-1][1])] * (points[-1][0] < 1)
        lfo = {"frequency": -math.log2(length_s), "sync_type": 0 if truth.period_s else 2, "smooth_mode": 0}
        shape, route = shape_json("Moves", points), Route("lfo_1", "osc_1_transpose", 12 / 96)
    values = {f"lfo_1_{name}": value for name, value in {"sync": 0, "smooth_time": -10.0, **lfo}.items()}
    shaped = dataclasses.replace(with_values(saw, values), lfo_shapes=(shape, *saw.lfo_shapes[1:]))
    return with_routes(shaped, route)


def each(names: Iterable[str]) -> pytest.MarkDecorator:
    """Runs a test for each name. Those that are not in `QUICK` are slow."""
    params = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in names]
    return pytest.mark.parametrize("name", params)


@pytest.fixture(scope="module")
def saw(by_hand) -> Preset:
    return by_hand.patch(values=SAW)


@pytest.fixture(scope="module")
def track(saw) -> Callable[[str], Track]:
    """`track(name)`: of a sound, which is rendered when a test first asks for it."""
    chord = {f"osc_{i}_{name}": value for i in (2, 3) for name, value in (("on", 1), ("level", 0.35))}
    steady = {
        "saw": saw,
        "chord": with_values(saw, chord | {"osc_2_transpose": 4, "osc_3_transpose": 7}),
        "unison": with_values(saw, {"osc_1_unison_voices": 7, "osc_1_unison_detune": 4.0}),
        "noise": with_values(saw, {"osc_1_on": 0, "sample_on": 1, "sample_level": 0.5}),
    }
    return functools.cache(lambda name: played(steady[name] if name in steady else moved(saw, TRUTH[name])))


@pytest.fixture(scope="module")
def curve(track) -> Callable[[str], PitchCurve | None]:
    return functools.cache(lambda name: pitch_curve(track(name), None, RENDER.note_s))


@pytest.fixture(scope="module")
def written(saw, curve) -> Callable[[str], Preset]:
    """`written(name)`: the same saw, moved as estimated."""

    def write(name: str) -> Preset:
        at_reference = transposed(saw, curve(name).reference_midi - NOTE)[0]
        return with_pitch_curve(at_reference, curve(name), RENDER.seconds)

    return functools.cache(write)


@each(STEADY)
def test_pitch_curve_without_movement_is_none(curve, name):
    assert curve(name) is None


@each(TRUTH)
def test_pitch_curve_of_a_movement_has_its_kind(curve, name):
    assert curve(name).kind == type(TRUTH[name]).__name__.lower()


@each(name for name, truth in TRUTH.items() if isinstance(truth, Glide))
def test_pitch_curve_of_a_glide_is_near_the_glide(curve, name):
    found, truth = curve(name).shape, TRUTH[name]
    time_s = np.linspace(0.01, 0.3, 50)
    assert found.glide_s == pytest.approx(truth.glide_s, rel=0.15)
    assert found.semitones_off == pytest.approx(truth.semitones_off, rel=0.15)
    assert np.abs(found.semitones(time_s) - truth.semitones(time_s)).mean() < 0.5


@each(name for name, truth in TRUTH.items() if isinstance(truth, Steps))
def test_pitch_curve_of_steps_finds_times_semitones_and_tempo(curve, name):
    found, truth = curve(name).shape, TRUTH[name]
    bottom = curve(name).reference_midi - NOTE
    assert np.add(found.semitones_each, bottom) == pytest.approx(truth.semitones_each, abs=0.1)
    assert found.start_s == pytest.approx(truth.start_s, abs=0.006)
    assert found.bpm == pytest.approx(truth.bpm, rel=0.01)
    assert found.period_s == pytest.approx(truth.period_s, rel=0.01) if truth.period_s else found.period_s is None


@each(name for name, truth in TRUTH.items() if isinstance(truth, Vibrato))
def test_pitch_curve_of_a_vibrato_finds_rate_depth_and_delay(curve, name):
    found, truth = curve(name).shape, TRUTH[name]
    assert found.rate_hz == pytest.approx(truth.rate_hz, rel=0.01)
    assert found.depth == pytest.approx(truth.depth, rel=0.05)
    assert found.delay_s == pytest.approx(truth.delay_s, abs=0.02)
    assert curve(name).reference_midi == pytest.approx(NOTE, abs=0.1)


@each(name for name, truth in TRUTH.items() if isinstance(truth, DrawnCurve))
def test_pitch_curve_of_a_drawn_curve_follows_it(curve, name):
    found, truth = curve(name), TRUTH[name]
    time_s = np.linspace(0.03, 1.45, 100)
    off = found.reference_midi + found.semitones(time_s) - NOTE - truth.semitones(time_s)
    assert np.abs(off).mean() < 0.3
    assert len(found.shape.point_s) <= 16
    assert (found.shape.period_s is None) == (truth.period_s is None)


@each(TRUTH)
def test_with_pitch_curve_rendered_moves_like_the_original(track, written, name):
    target, render = track(name), played(written(name))
    both = (target.strength > 0.7) & (render.strength > 0.7) & (target.time_s < RENDER.note_s - 0.02)
    off = np.abs(target.midi - render.midi)[both]
    near = 0.5 if name != "zap" else 1.0  # the zap falls by 4 semitones a frame
    assert both.mean() > 0.6
    assert (off < near).mean() > 0.85
    assert np.median(off) < 0.1


@each(TRUTH)
def test_with_pitch_curve_of_any_kind_uses_one_route_and_stays_editable(written, name):
    assert sum(route is not None for route in written(name).routes) == 1
    assert editability(written(name)).editable


def test_with_pitch_curve_without_a_free_route_or_source_raises(saw):
    curve = PitchCurve(NOTE, Glide(12.0, 0.1, -2.0), 0.0)
    full = with_routes(saw, *(Route("env_2", f"osc_1_{name}", 0.1) for name in ("pan", "level", "tune") * 2))
    with pytest.raises(ValueError, match="6 routes"):
        with_pitch_curve(full, curve, 2.0)
    with pytest.raises(ValueError, match="env_3 already moves another parameter"):
        with_pitch_curve(with_routes(saw, Route("env_3", "osc_1_pan", 0.1)), curve, 2.0)


def test_pitch_track_of_silence_and_short_sounds_has_no_pitch():
    for audio in (np.zeros((2, 44100)), np.zeros((2, 100)), np.ones((2, 300)), np.zeros((2, 1))):
        track = pitch_track(audio, 44100)
        assert np.isnan(track.midi).all()
        assert pitch_curve(track) is None


def test_pitch_curve_with_another_octave_given_moves_the_reference(track):
    vibrato = track("vibrato")
    assert pitch_curve(vibrato, NOTE + 12.1).reference_midi == pytest.approx(NOTE + 12, abs=0.1)
    assert pitch_curve(vibrato, NOTE + 5).reference_midi == pytest.approx(NOTE, abs=0.1)
    assert pitch_curve(vibrato, math.nan).reference_midi == pytest.approx(NOTE, abs=0.1)
