"""Tests of vjax.candidates.resynthesis.fit_table."""

import jax.numpy as jnp
import numpy as np
import pytest

from vjax.audio.distances import mss
from vjax.candidates.resynthesis.fit_table import (
    HARMONICS,
    WavetableFitConfig,
    filled_upwards,
    fit_cycles,
    harmonic_amplitudes,
    sweep,
    sweep_positions,
)
from vjax.vital.wavetables import FRAME

RATE = 44100
SAMPLES = RATE // 4
T = np.arange(SAMPLES) / RATE


def test_harmonic_amplitudes_of_two_sines_are_their_amplitudes():
    sound = 0.5 * np.sin(2 * np.pi * 220 * T) + 0.1 * np.cos(2 * np.pi * 660 * T)
    found = harmonic_amplitudes(sound, RATE, 220.0, 4, 9)
    assert found.shape == (9, 4)
    inside = found[2:-2]  # whose windows lie inside the sound
    np.testing.assert_allclose(inside[:, [0, 2]], np.broadcast_to([0.5, 0.1], (5, 2)), rtol=0.03)
    assert inside[:, [1, 3]].max() < 0.01


def test_sweep_of_several_cycles_agrees_with_numpy():
    rng = np.random.default_rng(0)
    spectra = np.zeros((5, HARMONICS), np.complex64)
    spectra[:, :3] = rng.normal(size=(5, 3)) + 1j * rng.normal(size=(5, 3))
    frequency, position = 150 / RATE, np.linspace(0, 4, SAMPLES, dtype=np.float32)
    found = np.asarray(sweep(jnp.asarray(spectra), jnp.float32(frequency), position))
    # Each harmonic by itself: its complex amplitude goes in straight lines from cycle to cycle.
    expected = np.zeros(SAMPLES)
    for k in range(3):
        amplitude = np.interp(position, np.arange(5), spectra[:, k].real).astype(complex)
        amplitude += 1j * np.interp(position, np.arange(5), spectra[:, k].imag)
        expected += (amplitude * np.exp(2j * np.pi * (k + 1) * frequency * np.arange(SAMPLES))).real
    np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())


def test_fit_cycles_of_a_fast_tremolo_comes_nearer_with_more_steps():
    # Tremolo of 40 Hz is faster than the window that the cycles begin with.
    sound = (np.sin(2 * np.pi * 220 * T) * (1 + 0.9 * np.sin(2 * np.pi * 40 * T)) * 0.2).astype(np.float32)
    envelope = np.ones(SAMPLES, np.float32)
    distances = []
    for steps in (0, 60):
        config = WavetableFitConfig(frames=65, steps=steps)
        cycles = fit_cycles(sound, RATE, 220.0, envelope, config)
        assert (cycles.shape, cycles.dtype) == ((49, FRAME), np.float32)
        spectra = np.fft.rfft(cycles)[:, 1:-1] / (FRAME / 2)
        swept = np.asarray(sweep(jnp.asarray(spectra), jnp.float32(220 / RATE), sweep_positions(SAMPLES, RATE, config)))
        distances.append(float(mss(swept[None], sound[None])))
        assert np.sqrt((swept**2).mean() / (sound**2).mean()) == pytest.approx(1, abs=0.1)  # as loud
    assert distances[1] < 0.5 * distances[0]


def test_fit_cycles_with_a_low_envelope_makes_no_cycle_louder():
    envelope = np.where(T < 0.125, 1.0, 1e-3).astype(np.float32)
    sound = (0.3 * np.sin(2 * np.pi * 220 * T)).astype(np.float32)
    peaks = np.abs(fit_cycles(sound, RATE, 220.0, envelope, WavetableFitConfig(frames=9, steps=3))).max(1)
    assert peaks.max() == pytest.approx(peaks[:4].max())


def test_fit_cycles_of_a_steady_sound_makes_the_last_cycle_like_the_others():
    """A longer note stays on the last cycle, so it must be fitted to a part of the sound."""
    sound = sum(np.sin(2 * np.pi * 220 * k * T) / k for k in range(1, 20))
    cycles = fit_cycles(
        (0.2 * sound).astype(np.float32), RATE, 220.0, np.ones(SAMPLES), WavetableFitConfig(frames=65, steps=60)
    )
    spectra = np.abs(np.fft.rfft(cycles))[:, 1:20]
    assert np.abs(20 * np.log10(spectra[-1] / spectra[10:-5].mean(0))).max() < 3
    assert np.linalg.norm(spectra[-1]) == pytest.approx(np.linalg.norm(spectra[10:-5].mean(0)), rel=0.1)


def test_sweep_positions_of_a_short_sound_change_every_seven_milliseconds():
    found = sweep_positions(SAMPLES, RATE, WavetableFitConfig(frames=257))
    assert (found.shape, found.dtype) == ((SAMPLES,), np.float32)
    assert found[0] == 0
    assert (np.diff(found) >= 0).all()
    assert (found[-round(0.01 * RATE) :] == 192).all()  # stays on its last cycle
    assert np.abs(found - np.clip((T - 0.0074) / 0.225, 0, 1) * 192).max() < 1  # 0.225 s, behind by the 7.4 ms


def test_filled_upwards_of_a_saw_continues_the_slope_of_the_last_octave():
    """A saw (-6 dB an octave) with odd lines only, and cycles that already have all harmonics."""
    orders = np.arange(1, 501)
    spectra = np.zeros((2, HARMONICS + 2), complex)
    spectra[:, 1:501] = np.where(orders % 2, 1 / orders, 0) * np.array([[1.0], [0.5]])
    phase = np.random.default_rng(0).uniform(0, 2 * np.pi, HARMONICS)
    cycles = np.fft.irfft(spectra, FRAME)
    found = np.abs(np.fft.rfft(filled_upwards(cycles, 500, phase)))[:, 1:-1] / np.abs(np.fft.rfft(cycles))[0, 1]
    np.testing.assert_allclose(found[:, :500], np.abs(spectra[:, 1:501]), atol=1e-6)
    expected = np.where(np.arange(501, HARMONICS + 1) % 2, 1 / np.arange(501, HARMONICS + 1), 0)
    np.testing.assert_allclose(found[0, 500:], expected, rtol=0.1, atol=1e-6)
    np.testing.assert_allclose(found[1], found[0] / 2, atol=1e-6)
    assert filled_upwards(cycles, HARMONICS, phase) is cycles
    assert not filled_upwards(np.zeros_like(cycles), 500, phase).any()


@pytest.mark.parametrize(("seconds", "frames"), [(2.0, 257), (1.0, 129), (0.4, 65), (0.05, 9)])
def test_spread_over_a_short_sound_skips_no_cycle(seconds, frames):
    config = WavetableFitConfig().spread_over(seconds)
    assert config.frames == frames
    read = sweep_positions(round(seconds * RATE), RATE, config)
    assert np.diff(read[:: round(0.007 * RATE)]).max() < (1.6 if frames > 9 else 3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"frames": 1}, "frames=1; give 9 to 257"), ({"learning_rate": 0.0}, "learning_rate=0.0.*positive")],
)
def test_wavetable_fit_config_with_a_wrong_setting_raises(wrong, message):
    with pytest.raises(ValueError, match=message):
        WavetableFitConfig(**wrong)
