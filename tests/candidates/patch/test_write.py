"""Presets of fitted patches: their values, their renders, and the laws that they invert."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.candidates.patch.fit import SKELETONS
from vjax.candidates.patch.model import N_NODES, Knobs
from vjax.candidates.patch.tables import cycles
from vjax.candidates.patch.write import (
    LEVEL_LFO,
    OSCILLATOR_LEVEL,
    analog_resonance,
    digital_resonance,
    patch_preset,
    reverb_gain_db,
    simplified,
)
from vjax.vital.editability import editability
from vjax.vital.laws import ANALOG, DB_24, low_pass_gain_db, mix_gains, reverb_t60_s
from vjax.vital.preset import Preset, controls
from vjax.vital.values import value_of, with_values

TABLE = cycles(1 / np.arange(1, 169.0)[None] ** 2)
TIMES = [name for name in Knobs._fields if name.endswith(("attack", "decay", "release"))]


def wild_knobs(seed: int) -> Knobs:
    """Knobs far outside what a fit may leave."""
    rng = np.random.default_rng(seed)
    shapes = {"spectrum_db": (4, 64), "drawn_cutoff": N_NODES, "drawn_gain_db": N_NODES}
    scales = dict.fromkeys(TIMES, 5.0) | {"cutoff": 200.0, "amount": 300.0, "drawn_cutoff": 100.0, "wet_db": 40.0}
    return Knobs(*(rng.normal(0, scales.get(name, 10.0), shapes.get(name, ())) for name in Knobs._fields))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.sampled_from(sorted(SKELETONS)), st.integers(1, 2), st.floats(-48, 48))
def test_patch_preset_of_any_knobs_is_in_range_and_equal_after_json(sketch, seed, name, n, semitones):
    preset = patch_preset(SKELETONS[name], wild_knobs(seed), sketch.axes(), [TABLE] * n, semitones, "Found")
    schema = controls()
    assert (preset.continuous >= -1e-6).all()
    assert (preset.continuous <= 1 + 1e-6).all()
    assert (preset.categorical >= 0).all()
    assert (preset.categorical < schema.option_counts).all()
    assert all(-1 <= route.amount <= 1 for route in preset.routes if route)
    assert editability(preset).editable
    written = preset.to_json()
    again = Preset.from_json(written)
    assert again.continuous == pytest.approx(preset.continuous, abs=1e-6)
    assert (again.categorical == preset.categorical).all()
    assert again.routes == preset.routes
    assert again.to_json() == written


def test_patch_preset_of_two_tables_plays_them_left_and_right(sketch):
    knobs = sketch.knobs(np.zeros(64))
    louder = patch_preset(SKELETONS["no filter"], knobs, sketch.axes(), [2 * TABLE, 0.5 * TABLE], 0.0, "Found")
    assert [value_of(louder, f"osc_{i}_pan") for i in (1, 2)] == [-1, 1]
    (audio,) = sketch.play(louder)
    left, right = (np.sqrt((channel**2).mean()) for channel in audio)
    assert 20 * np.log10(left / right) == pytest.approx(20 * np.log10(4), abs=0.2)


def test_patch_preset_of_one_table_writes_the_values_of_the_knobs(sketch):
    knobs = sketch.knobs(np.zeros(64), attack=0.05, decay=0.4, sustain=0.3, release=0.25, cutoff=60.0, amount=32.0, q=2)
    preset = patch_preset(SKELETONS["envelopes"]._replace(steep=1), knobs, sketch.axes(), [TABLE], -12.25, "Found")
    for stage, seconds in (("attack", 0.05), ("decay", 0.4), ("release", 0.25)):
        assert value_of(preset, f"env_1_{stage}") ** 4 == pytest.approx(seconds, rel=1e-4)
    assert value_of(preset, "env_1_sustain") == pytest.approx(0.3, abs=1e-5)
    assert value_of(preset, "osc_1_transpose") + value_of(preset, "osc_1_tune") == pytest.approx(-12.25, abs=1e-5)
    assert value_of(preset, "osc_1_level") == pytest.approx(OSCILLATOR_LEVEL, abs=1e-5)
    assert value_of(preset, "filter_1_cutoff") == pytest.approx(60, abs=1e-4)
    assert value_of(preset, "filter_1_style") == 1
    (route,) = [route for route in preset.routes if route]
    assert (route.source, route.destination, route.amount) == ("env_2", "filter_1_cutoff", 0.25)


def test_patch_preset_of_a_drawn_level_is_linear_in_db(sketch):
    """Two nodes are 40 dB apart. Between them, the engine's level is on a line in dB."""
    axes = sketch.axes()
    node_s = np.asarray(axes.node_s)
    gain_db = np.interp(node_s, [0, 0.1, 0.45, 0.8], [0, 0, -40, -40])
    knobs = sketch.knobs(np.zeros(64), drawn_gain_db=gain_db)
    preset = sketch.preset("drawn level", knobs, axes, filtered=0, filter_envelope=0)
    assert preset.lfo_shapes[LEVEL_LFO - 1]["num_points"] <= 6
    (audio,) = sketch.play(preset)
    rate = sketch.render.sample_rate
    period = round(rate / sketch.note_hz)
    power = np.convolve((audio**2).mean(0), np.ones(3 * period) / (3 * period), "same")
    time_s = np.arange(len(power)) / rate
    level_db = 10 * np.log10(np.maximum(power, 1e-12))
    at_rest = level_db[(time_s > 0.03) & (time_s < 0.08)].mean()
    falling = (time_s > 0.13) & (time_s < 0.42)
    slope, start_db = np.polyfit(time_s[falling], level_db[falling], 1)
    assert np.abs(level_db[falling] - start_db - slope * time_s[falling]).mean() < 0.3
    assert slope == pytest.approx(-40 / 0.35, rel=0.05)
    assert start_db + 0.1 * slope == pytest.approx(at_rest, abs=1.5)


curves = st.lists(st.floats(-60, 60, allow_subnormal=False), min_size=2, max_size=40).map(np.array)


@settings(deadline=None)
@given(curves, st.integers(2, 30), st.floats(0.01, 10))
def test_simplified_of_any_curve_has_few_points_and_stays_near(values, most, tolerance):
    x = np.arange(len(values), dtype=float)
    kept = simplified(x, values, most, tolerance)
    assert kept == sorted(set(kept))
    assert (kept[0], kept[-1]) == (0, len(x) - 1)
    assert len(kept) <= most
    off = np.abs(values - np.interp(x, x[kept], values[kept])).max()
    assert off <= tolerance or len(kept) == most
    assert len(simplified(x, values, len(x), tolerance)) >= len(kept)


def test_simplified_of_a_bent_line_keeps_its_bend():
    x = np.linspace(0, 1, 51)
    assert simplified(x, np.abs(x - 0.4), 24, 0.01) == [0, 20, 50]
    assert simplified(x, 3 * x - 1, 24, 0.01) == [0, 50]


@pytest.mark.parametrize("q", [0.5, 0.7, 1.0, 2.0, 4.0, 8.0])
def test_digital_resonance_of_a_q_gives_the_filter_that_q(q):
    """At the cutoff a two-pole low-pass has the gain Q; the engine's compensation for resonance divides it."""
    resonance = digital_resonance(q)
    gain_db = float(low_pass_gain_db(500.0, 500.0, resonance))
    far_db = float(low_pass_gain_db(5.0, 500.0, resonance))
    assert gain_db - far_db == pytest.approx(20 * np.log10(q), abs=0.1)


@pytest.mark.parametrize("q", [0.5, 0.7, 1.0, 2.0, 4.0])
def test_analog_resonance_of_a_q_gives_the_filter_that_q(q):
    resonance = analog_resonance(q)
    at, far = (float(low_pass_gain_db(hz, 500.0, resonance, model=ANALOG)) for hz in (500.0, 5.0))
    assert at - far == pytest.approx(20 * np.log10(q), abs=0.6)
    steep, wide = (float(low_pass_gain_db(hz, 500.0, resonance, model=ANALOG, style=DB_24)) for hz in (500.0, 5.0))
    assert steep - wide == pytest.approx(at - far, abs=0.6)  # the second stage has a Q of 1


@given(st.floats(-5, 1e4))
def test_resonances_of_any_q_are_between_0_and_1(q):
    q = max(q, 1e-3)
    assert 0 <= digital_resonance(q) <= 1
    assert 0 <= analog_resonance(q) <= 1


@pytest.mark.parametrize(("wet_db", "t60_s"), [(-20.0, 0.5), (-8.0, 1.0), (2.0, 3.0)])
def test_patch_preset_of_a_reverb_inverts_the_mix_and_the_decay(sketch, wet_db, t60_s):
    knobs = sketch.knobs(np.zeros(64), wet_db=wet_db, t60=t60_s)
    preset = patch_preset(SKELETONS["envelopes, reverb"], knobs, sketch.axes(), [TABLE], 0.0, "Found")
    assert float(reverb_t60_s(value_of(preset, "reverb_decay_time"))) == pytest.approx(t60_s, rel=0.01)
    dry, wet = (float(gain) for gain in mix_gains(value_of(preset, "reverb_dry_wet")))
    assert 20 * np.log10(wet / dry) + reverb_gain_db(t60_s) == pytest.approx(wet_db, abs=0.05)


def test_reverb_gain_db_of_a_long_note_agrees_with_the_engine(sketch):
    """With equal mix, a steady saw becomes louder as the law predicts, after its tail has mostly built up."""
    t60_s = 0.4
    knobs = sketch.knobs(np.zeros(64), sustain=0.999, wet_db=reverb_gain_db(t60_s), t60=t60_s)
    wet = patch_preset(SKELETONS["envelopes, reverb"]._replace(filtered=0), knobs, sketch.axes(), [TABLE], 0.0, "Found")
    dry = with_values(wet, {"reverb_on": 0})
    assert value_of(wet, "reverb_dry_wet") == pytest.approx(0.5, abs=1e-3)
    steady = slice(round(0.3 * sketch.render.sample_rate), round(0.5 * sketch.render.sample_rate))
    power = [float((audio[:, steady] ** 2).mean()) for audio in sketch.play(dry, wet)]
    # At equal mix both gains are -3 dB.
    assert 10 * np.log10(2 * power[1] / power[0] - 1) == pytest.approx(reverb_gain_db(t60_s), abs=1.5)
