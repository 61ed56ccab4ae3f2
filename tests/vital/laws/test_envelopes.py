"""Envelope laws against the amplitude of a steady tone in the real engine, sample by sample."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.vital.laws.envelopes import envelope, knob_seconds, power_scale, seconds_knob, voice_amplitude

NOTE_S, SECONDS = 1.0, 1.5
STAGES = ("delay", "attack", "hold", "decay", "sustain", "release", "attack_power", "decay_power", "release_power")
SHAPES = {  # native knobs in the order of STAGES
    "gate": (0.0, 0.0, 0.0, 0.8, 1.0, 0.7, 0.0, -2.0, -2.0),
    "pluck": (0.0, 0.0, 0.0, 0.6, 0.0, 0.7, 0.0, -2.0, -2.0),
    "slow": (0.0, 0.6, 0.0, 0.8, 0.5, 0.7, 0.0, -2.0, -2.0),
    "bent": (0.0, 0.6, 0.0, 0.8, 0.2, 0.7, -5.0, 4.0, -2.0),
    "all stages": (0.5, 0.7, 0.6, 0.8, 0.3, 0.7, 3.0, -2.0, 4.0),
    "released while rising": (0.0, 1.2, 0.0, 0.8, 1.0, 0.8, 0.0, -2.0, 0.0),
    "straight": (0.0, 0.3, 0.0, 0.4, 0.7, 0.8, 0.0, 0.0, 0.0),
}


def law(shape, time_s, note_s=NOTE_S):
    delay, attack, hold, decay, sustain, release, *powers = shape
    times_s = [knob_seconds(knob) for knob in (delay, attack, hold, decay)]
    return envelope(time_s, note_s, *times_s, sustain, knob_seconds(release), *powers)


@pytest.fixture(scope="module")
def measured(play):
    """(times, {name: amplitude}): only where the tone's wave is far from 0."""
    names = [f"env_1_{stage}" for stage in STAGES]
    variations = [dict(zip(names, shape, strict=True)) for shape in SHAPES.values()]
    settings = {"osc_1_level": 0.7}
    steady = play([{}], settings, note=69, seconds=SECONDS)[0, 0]
    played = play(variations, settings, note=69, seconds=SECONDS, note_s=NOTE_S)[:, 0]
    loud = np.abs(steady) > 0.3 * np.abs(steady).max()
    return np.arange(len(steady))[loud] / 44100, dict(zip(SHAPES, played[:, loud] / steady[loud], strict=True))


@pytest.mark.parametrize("name", SHAPES)
def test_voice_amplitude_of_an_envelope_equals_the_engine(measured, name):
    """In the mean 0.4 % of the peak and 0.2 dB. A release begins up to 3 ms late, at the engine's next block."""
    time_s, amplitudes = measured
    predicted, amplitude = np.asarray(voice_amplitude(law(SHAPES[name], time_s))), amplitudes[name]
    assert np.abs(predicted - amplitude).mean() < 0.004
    audible = np.minimum(predicted, amplitude) > 1e-3
    assert audible.mean() > 0.05
    assert np.abs(20 * np.log10(predicted[audible] / amplitude[audible])).mean() < 0.2


def test_voice_amplitude_with_velocity_equals_the_engine(play):
    tracks = (-1.0, 0.0, 0.5, 1.0)
    variations = [{"velocity_track": track} for track in tracks] + [{"velocity_track": 1.0, "voice_amplitude": 0.7}]
    level = np.sqrt((play(variations, velocity=0.5)[:, 0, -8820:] ** 2).mean(-1))
    predicted = [*(voice_amplitude(1.0, 0.5, track) for track in tracks), voice_amplitude(1.0, 0.5, 1.0, 0.7)]
    np.testing.assert_allclose(level / level[1], predicted, rtol=1e-3)


def test_knob_seconds_and_seconds_knob_are_inverses():
    knobs = np.linspace(0, 2.378, 9)
    np.testing.assert_allclose(seconds_knob(knob_seconds(knobs)), knobs, rtol=1e-5)


@given(x=st.floats(0, 1), power=st.floats(-20, 20))
@settings(deadline=None)  # jax compiles in the first call
def test_power_scale_equals_the_formula_of_the_source(x, power):
    formula = np.expm1(power * x) / np.expm1(power) if abs(power) >= 0.01 else x
    assert float(power_scale(x, power)) == pytest.approx(formula, abs=2e-3 if abs(power) < 0.011 else 1e-5)


@given(power=st.floats(-100, 100))
@settings(deadline=None)  # jax compiles in the first call
def test_power_scale_rises_from_0_to_1(power):
    values = np.asarray(power_scale(np.linspace(0, 1, 50), power))
    assert values[0] == 0
    assert values[-1] == pytest.approx(1)
    assert (np.diff(values) >= 0).all()


def test_power_scale_has_a_gradient_at_power_0():
    """A fit that starts at a straight line can leave it."""
    slope = jax.grad(lambda power: power_scale(0.5, power))
    assert float(slope(0.0)) == pytest.approx(-0.125)
    assert float(slope(0.0099)) == pytest.approx(float(slope(0.0101)), rel=0.01)


times = st.floats(0, 2)


@given(
    shape=st.tuples(times, times, times, times, st.floats(0, 1), times, *[st.floats(-20, 20)] * 3),
    note_s=st.floats(0, 3),
)
@settings(deadline=None)  # jax compiles in the first call
def test_envelope_stays_in_0_to_1_and_its_gradients_are_finite(shape, note_s):
    time_s = jnp.linspace(0, 4, 33)
    values, tangents = _values_and_slopes(jnp.array(shape), note_s, time_s)
    assert (values >= -1e-5).all()
    assert (values <= 1 + 1e-5).all()
    assert np.isfinite(tangents).all()


@jax.jit
def _values_and_slopes(shape, note_s, time_s):
    def run(shape):
        return envelope(time_s, note_s, *shape)

    return run(shape), jax.jacfwd(run)(shape)


def test_envelope_of_zero_times_has_finite_gradients():
    zeros = jnp.zeros(9)
    slopes = jax.jit(jax.jacobian(lambda shape: envelope(jnp.linspace(0, 1, 5), 0.5, *shape)))(zeros)
    assert np.isfinite(slopes).all()


def test_envelope_broadcasts_and_maps():
    time_s = jnp.linspace(0, 1, 7)
    attacks = jnp.array([0.1, 0.2, 0.3])
    both = envelope(time_s, 0.8, 0.0, attacks[:, None], 0.0, 0.3, 0.5, 0.2)
    one = jax.jit(jax.vmap(lambda attack_s: envelope(time_s, 0.8, 0.0, attack_s, 0.0, 0.3, 0.5, 0.2)))(attacks)
    assert both.shape == (3, 7)
    np.testing.assert_allclose(both, one, atol=1e-6)
