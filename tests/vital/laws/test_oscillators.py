"""Unison, level, pan and volume laws against steady tones of the real engine."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.vital.laws.oscillators import (
    level_gain,
    pan_gains,
    played_frame,
    stereo_shares,
    unison_cents,
    unison_gains,
    volume_db,
    volume_knob,
)
from vjax.vital.standard_tables import standard_catalog
from vjax.vital.wavetables import table_json

NOTE, PITCH_HZ = 69, 440.0
SECONDS, STEADY = 2.5, slice(22050, None)


@pytest.fixture(scope="module")
def sine():
    """Settings that make a tone one partial."""
    tables = dict(zip(standard_catalog().names, standard_catalog().tables, strict=True))
    return {"wavetables": [tables["Sine"]] * 3}


def partials(sound: np.ndarray, frequencies_hz: np.ndarray) -> tuple[np.ndarray, float]:
    """(amplitudes of partials at known frequencies, share of the power that they leave), by least squares."""
    wave = sound[STEADY]
    turns = 2 * np.pi * np.outer(np.arange(len(wave)) / 44100, frequencies_hz)
    basis = np.hstack([np.cos(turns), np.sin(turns)])
    weights, *_ = np.linalg.lstsq(basis, wave, rcond=None)
    left = wave - basis @ weights
    return np.hypot(*weights.reshape(2, -1)), float((left**2).mean() / (wave**2).mean())


@pytest.mark.parametrize(
    ("voices", "knobs"),
    [
        pytest.param(2, {}, marks=pytest.mark.slow),
        (3, {}),
        pytest.param(5, {"detune": 7.0, "detune_power": 0.0, "blend": 0.4}, marks=pytest.mark.slow),
        (8, {"detune": 8.0, "detune_power": -2.0, "detune_range": 3.0, "blend": 1.0}),
    ],
)
def test_unison_cents_and_gains_equal_the_engine(play, sine, voices, knobs):
    """Partials at the law's frequencies explain 99.7 % of either channel's power, at the law's amplitudes."""
    native = {"detune": 4.4721360206604, "detune_power": 1.5, "detune_range": 2.0, "blend": 0.8} | knobs
    names = {"detune": "unison_detune", "blend": "unison_blend"}
    moved = {f"osc_1_{names.get(knob, knob)}": value for knob, value in native.items()}
    one, many = play([{}, moved | {"osc_1_unison_voices": float(voices)}], sine, note=NOTE, seconds=SECONDS)
    single, _ = partials(one[0], np.array([PITCH_HZ]))
    cents = np.asarray(unison_cents(voices, native["detune"], native["detune_power"], native["detune_range"]))
    gains = np.asarray(unison_gains(voices, native["blend"]))
    for channel in range(2):
        amplitudes, left = partials(many[channel], PITCH_HZ * 2 ** (cents[:, channel] / 1200))
        assert left < 3e-3
        np.testing.assert_allclose(amplitudes / single, gains, rtol=5e-3)


def test_stereo_shares_equal_the_engine(play, sine):
    """With two voices: the other channel's voice appears in this one."""
    spreads = (0.0, 0.4, 1.0)
    variations = [{}, *({"osc_1_unison_voices": 2.0, "osc_1_stereo_spread": spread} for spread in spreads)]
    one, *many = play(variations, sine, note=NOTE, seconds=SECONDS)
    single, _ = partials(one[0], np.array([PITCH_HZ]))
    for spread, sound in zip(spreads, many, strict=True):
        amplitudes, _ = partials(sound[0], PITCH_HZ * 2 ** (np.asarray(unison_cents(2, 4.4721360206604))[0] / 1200))
        np.testing.assert_allclose(amplitudes / single, stereo_shares(spread), atol=0.01)


def test_level_pan_and_volume_equal_the_engine(play):
    variations = [
        {},
        {"osc_1_level": 0.5},
        {"osc_1_pan": -0.6},
        {"osc_1_pan": 1.0},
        {"volume": 4000.0},
    ]
    level = np.sqrt((play(variations, {"osc_1_level": 0.3})[..., -8820:] ** 2).mean(-1))
    left, right = (level / level[0]).T
    np.testing.assert_allclose(left[1], level_gain(0.5) / level_gain(0.3), rtol=1e-3)
    for i, pan in ((2, -0.6), (3, 1.0)):
        np.testing.assert_allclose((left[i], right[i]), pan_gains(pan), atol=3e-3)
    gain_db = float(volume_db(4000.0) - volume_db(5473.0405))
    assert 20 * np.log10(left[4]) == pytest.approx(gain_db, abs=0.01)


def test_played_frame_equals_the_engine(play, harmonics_db):
    """Of a table whose odd frames alone have a second harmonic."""
    turns = 2 * np.pi * np.arange(2048) / 2048
    frames = np.stack([np.sin(turns) + 0.8 * (i % 2) * np.sin(2 * turns) for i in range(257)])
    knobs = np.array([0.0, 0.4, 10.6, 11.0, 11.4, 11.6, 256.0])
    variations = [{"osc_1_wave_frame": knob} for knob in knobs]
    _, level_db = harmonics_db(play(variations, {"wavetables": [table_json("Odd", frames)] * 3})[:, 0])
    np.testing.assert_array_equal(level_db[:, 1] - level_db[:, 0] > -20, played_frame(knobs) % 2 == 1)


def test_volume_knob_is_the_inverse_of_volume_db():
    np.testing.assert_allclose(volume_db(volume_knob(np.linspace(-70, 6, 9))), np.linspace(-70, 6, 9), atol=1e-3)


@given(voices=st.integers(1, 16), blend=st.floats(0, 1), detune=st.floats(0, 10), power=st.floats(-5, 5))
@settings(deadline=None, max_examples=30)
def test_unison_laws_keep_power_and_mirror_the_channels(voices, blend, detune, power):
    gains, cents = np.asarray(unison_gains(voices, blend)), np.asarray(unison_cents(voices, detune, power))
    assert gains.shape == ((voices + 1) // 2,)
    assert cents.shape == ((voices + 1) // 2, 2)
    assert (gains**2).sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(cents.sum(-1), 0, atol=1e-4)
    assert np.abs(cents).max() <= 2 * detune**2 + 1e-3


@pytest.mark.parametrize("voices", [1, 2, 5])
def test_unison_laws_have_finite_gradients_at_the_edges(voices):
    slopes = jax.jit(jax.jacobian(lambda k: unison_cents(voices, k[0], k[1], k[2])))(jnp.zeros(3))
    assert np.isfinite(slopes).all()
    assert np.isfinite(jax.jit(jax.vmap(jax.jacobian(lambda b: unison_gains(voices, b))))(jnp.array([0.0, 1.0]))).all()
    assert np.isfinite(jax.grad(volume_db)(0.0))
