"""Laws of routes and LFOs against what they move in the real engine."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.vital.laws import modulation
from vjax.vital.laws.filters import DIGITAL, filter_gain_db, note_hz
from vjax.vital.laws.modulation import (
    DOTTED,
    ENVELOPE,
    LOOP_HOLD,
    LOOP_POINT,
    SUSTAIN_ENVELOPE,
    TEMPO,
    TRIGGER,
    TRIPLET,
    lfo_phase,
    lfo_value,
    route_to,
    shape_route,
)
from vjax.vital.lfo_shapes import shape_json, shape_values

NOTE_S, SECONDS = 0.8, 1.2
SHAPES = {
    "triangle": shape_json("Triangle", [(0, 0), (0.5, 1), (1, 0)]),
    "hills": shape_json("Hills", [(0, 0.2), (0.3, 1), (0.6, 0.4), (1, 0.9)], smooth=True),
    "bent": {**shape_json("Bent", [(0, 0), (0.4, 0.9), (1, 0.3)]), "powers": [4.0, -6.0, 0.0]},
}


def drawn(shape):
    return np.reshape(shape["points"], (-1, 2)), np.array(shape["powers"]), shape["smooth"]


@pytest.mark.parametrize("bipolar", [0.0, 1.0])
def test_shape_route_equals_the_engine(play, bipolar):
    """Macro 1 moves a level: what a route adds comes before the square, and its negative in the right channel."""
    macros, powers, amounts = (0.3, 0.8), (0.0, -6.0), (0.6, -0.4)
    cases = list(itertools.product(macros, powers, amounts, (0.0, 1.0)))
    variations = [
        {
            "macro_control_1": macro,
            "modulation_1_power": power,
            "modulation_1_amount": amount,
            "modulation_1_stereo": stereo,
        }
        for macro, power, amount, stereo in cases
    ]
    routed = {
        "modulations": [{"source": "macro_control_1", "destination": "osc_1_level"}],
        "modulation_1_bipolar": bipolar,
        "osc_1_level": 0.4,
    }
    steady = play([{}], {"osc_1_level": 1.0})
    level = np.sqrt((play(variations, routed)[..., -4410:] ** 2).mean(-1) / (steady[..., -4410:] ** 2).mean(-1))
    for (macro, power, amount, stereo), channels in zip(cases, level, strict=True):
        added = shape_route(macro, amount, bipolar, power)
        knobs = (route_to(0.4, 0, 1, added), route_to(0.4, 0, 1, -added if stereo else added))
        np.testing.assert_allclose(channels, np.maximum(knobs, 0) ** 2, atol=3e-3)


def test_route_to_a_cutoff_equals_the_engine(play, harmonics_db):
    """Envelope 2 at sustain 0.6 opens the filter by 128 semitones times the amount times 0.6."""
    amounts = (0.25, -0.2)
    settings = {
        "modulations": [{"source": "env_2", "destination": "filter_1_cutoff"}],
        "env_2_attack": 0.0,
        "env_2_decay": 0.0,
        "env_2_sustain": 0.6,
        "filter_1_on": 1.0,
        "filter_1_model": float(DIGITAL),
        "filter_1_cutoff": 70.0,
    }
    variations = [{"osc_1_destination": 0.0, "modulation_1_amount": amount} for amount in amounts]
    frequency_hz, level_db = harmonics_db(play([{"osc_1_destination": 3.0}, *variations], settings)[:, 0])
    for amount, wet in zip(amounts, level_db[1:], strict=True):
        cutoff_hz = note_hz(route_to(70.0, 8, 136, shape_route(0.6, amount)))
        law = np.asarray(filter_gain_db(frequency_hz, cutoff_hz, 0.5))
        assert np.abs(law - (wet - level_db[0]))[:25].mean() < 0.05


@pytest.fixture(scope="module")
def lfo_in_the_engine(play):
    """`lfo_in_the_engine(shape, variations)`: (times, the LFO's values in each), where the tone's wave is not near 0.

    The LFO is the amplitude's root: it alone moves a level that is 0 without it.
    """
    steady = play([{}], {"osc_1_level": 1.0}, note=69, seconds=SECONDS)[0]

    def measure(shape, variations):
        settings = {
            "lfos": [shape] * 8,
            "modulations": [{"source": "lfo_1", "destination": "osc_1_level"}],
            "modulation_1_amount": 1.0,
            "osc_1_level": 0.0,
            "lfo_1_sync": 0.0,
            "lfo_1_smooth_mode": 0.0,
            "env_1_release": 1.5,
            "env_1_release_power": 10.0,  # the key is released, yet the tone stays
        }
        played = play(variations, settings, note=69, seconds=SECONDS, note_s=NOTE_S)[:, 0]
        loud = np.abs(steady[0]) > 0.3 * np.abs(steady[0]).max()
        values = np.sqrt(np.maximum(played[:, loud] / steady[0, loud], 0))
        return np.flatnonzero(loud) / 44100, values

    return measure


@pytest.mark.parametrize(
    "name", ["bent", *(pytest.param(name, marks=pytest.mark.slow) for name in ("triangle", "hills"))]
)
def test_lfo_value_in_every_sync_type_equals_the_engine(lfo_in_the_engine, name):
    cases = [
        (TRIGGER, 1.0, 0.0, 0.0),
        (TRIGGER, 2.3, 0.4, 0.2),
        (ENVELOPE, 0.5, 0.1, 0.0),
        (SUSTAIN_ENVELOPE, 1.0, 0.45, 0.0),
        (LOOP_POINT, 2.0, 0.4, 0.0),
        (LOOP_HOLD, 2.0, 0.6, 0.0),
    ]
    variations = [
        {
            "lfo_1_sync_type": float(sync_type),
            "lfo_1_frequency": knob,
            "lfo_1_phase": phase,
            "lfo_1_delay_time": delay_s,
        }
        for sync_type, knob, phase, delay_s in cases
    ]
    time_s, values = lfo_in_the_engine(SHAPES[name], variations)
    for (sync_type, knob, phase, delay_s), measured in zip(cases, values, strict=True):
        where = lfo_phase(time_s, modulation.lfo_frequency_hz(knob), phase, sync_type, NOTE_S, delay_s)
        law = lfo_value(where, *drawn(SHAPES[name])) * modulation.lfo_fade(time_s, 0.0, delay_s)
        assert np.abs(law - measured).mean() < 0.01, (sync_type, phase, delay_s)


def test_lfo_fade_and_smooth_values_equal_the_engine(lfo_in_the_engine):
    variations = [
        {"lfo_1_frequency": 1.0, "lfo_1_fade_time": 0.5},
        {"lfo_1_frequency": 1.0, "lfo_1_smooth_mode": 1.0, "lfo_1_smooth_time": -1.0},
        {"lfo_1_frequency": 1.0, "lfo_1_smooth_mode": 1.0, "lfo_1_phase": 0.3, "lfo_1_delay_time": 0.3},
    ]
    time_s, (faded, smoothed, delayed) = lfo_in_the_engine(SHAPES["hills"], variations)
    step_s = 1e-3
    every_s = np.arange(0, SECONDS, step_s)
    raw = lfo_value(lfo_phase(every_s, 2.0), *drawn(SHAPES["hills"]))
    law = np.interp(time_s, every_s, raw * modulation.lfo_fade(every_s, 0.5))
    assert np.abs(law - faded).mean() < 0.01
    law = jax.jit(modulation.smooth_values)(raw, step_s, modulation.smooth_half_life_s(-1.0))
    assert np.abs(np.interp(time_s, every_s, law) - smoothed).mean() < 0.01
    law = lfo_value(lfo_phase(time_s, 2.0, 0.3, delay_s=0.3), *drawn(SHAPES["hills"]))
    assert np.abs(law - delayed).mean() < 0.01


def test_tempo_and_keytrack_frequency_hz_equal_the_engine(lfo_in_the_engine):
    """At 120 and 150 beats a minute; note 69 tracked five octaves below itself."""
    cases = [(8, 2.0, TEMPO), (7, 2.5, DOTTED), (9, 2.5, TRIPLET)]
    variations = [
        {"lfo_1_tempo": float(tempo), "beats_per_minute": beats, "lfo_1_sync": float(sync)}
        for tempo, beats, sync in cases
    ]
    variations.append({"lfo_1_sync": float(modulation.KEYTRACK), "lfo_1_keytrack_transpose": -60.0})
    time_s, values = lfo_in_the_engine(SHAPES["triangle"], variations)
    frequencies = [modulation.tempo_frequency_hz(*case) for case in cases]
    frequencies.append(modulation.keytrack_frequency_hz(69, -60.0))
    assert float(frequencies[-1]) == pytest.approx(440 / 32)
    for frequency_hz, measured in zip(frequencies, values, strict=True):
        law = np.asarray(lfo_value(lfo_phase(time_s, frequency_hz), *drawn(SHAPES["triangle"])))
        assert np.abs(law - measured).mean() < 0.03, frequency_hz


def test_lfo_value_equals_shape_values():
    """The same curve as vjax/vital/lfo_shapes.py draws with NumPy."""
    for shape in SHAPES.values():
        law = lfo_value(jnp.linspace(0, 1, 512), *drawn(shape))
        np.testing.assert_allclose(law, shape_values(shape, 512), atol=1e-4)


def test_tempo_frequency_hz_of_the_menu():
    """At 120 beats a minute: frozen, a bar (4 s at "4/1" bars), a quarter note, a 64th."""
    np.testing.assert_allclose(modulation.tempo_frequency_hz(jnp.array([0, 4, 8, 12])), [0, 0.125, 2, 32])


def test_lfo_phase_rejects_an_unknown_sync_type():
    with pytest.raises(ValueError, match="sync_type is 6; it must be 0 to 5"):
        lfo_phase(0.0, 1.0, sync_type=6)


@given(
    sync_type=st.integers(0, 5),
    frequency_hz=st.floats(0.01, 50),
    phase=st.floats(0, 1),
    note_s=st.floats(0, 3),
    delay_s=st.floats(0, 1),
)
@settings(deadline=None)
def test_lfo_phase_stays_in_0_to_1(sync_type, frequency_hz, phase, note_s, delay_s):
    where = np.asarray(lfo_phase(np.linspace(0, 4, 65), frequency_hz, phase, sync_type, note_s, delay_s))
    assert ((where >= 0) & (where <= 1)).all()


@given(source=st.floats(0, 1), amount=st.floats(-1, 1), power=st.floats(-10, 10), bipolar=st.integers(0, 1))
@settings(deadline=None)
def test_shape_route_stays_within_its_amount(source, amount, power, bipolar):
    added = float(shape_route(source, amount, bipolar, power))
    assert abs(added) <= abs(amount) / (1 + bipolar) + 1e-6


def test_laws_of_modulation_have_finite_gradients_at_the_edges():
    knobs = jnp.array(list(itertools.product((0.0, 0.5, 1.0), (-1.0, 0.0), (0.0, 1.0), (-10.0, 0.0, 10.0))))
    assert np.isfinite(jax.jit(jax.vmap(jax.grad(lambda k: shape_route(*k))))(knobs)).all()
    points, powers, _ = (jnp.asarray(part) for part in drawn(SHAPES["bent"]))
    upright = points.at[1, 0].set(0.0)  # two points at one phase
    draw = jax.jit(jax.jacobian(lambda points, powers: lfo_value(jnp.linspace(0, 1, 9), points, powers), (0, 1)))
    for drawing in (points, upright):
        slopes = draw(drawing, 0 * powers)
        assert all(np.isfinite(slope).all() for slope in slopes)
    for sync_type in range(6):
        run = functools.partial(lfo_phase, jnp.linspace(0, 2, 9), sync_type=sync_type, note_s=0.5)
        assert np.isfinite(jax.jit(jax.jacobian(run))(0.0)).all()
