"""Tests of vjax.candidates.harmonic_eq: its tables, and renders of them by the engine."""

import base64
import dataclasses

import numpy as np
import pytest

from vjax.audio.pitch import detect_pitch
from vjax.candidates.harmonic_eq import average_power, with_spectrum
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.vital.preset import Preset, controls, init
from vjax.vital.wavetables import FRAME, table_json

RENDER = RenderConfig(seconds=0.5, note_s=0.4)
SAMPLE_RATE = RENDER.sample_rate


def edited(table=None, **native: float) -> Preset:
    """The init patch with fixed phases, other knobs or menus (native values) and another table in oscillator 1."""
    schema, patch = controls(), init()
    continuous, categorical = patch.continuous.copy(), patch.categorical.copy()
    for name, value in {"osc_1_random_phase": 0.0, **native}.items():
        at = schema.position[name]
        if name in schema.continuous_names:
            continuous[at] = schema.continuous[at].to_norm(value)
        else:
            categorical[at] = int(value)
    tables = patch.wavetables if table is None else (table, *patch.wavetables[1:])
    return dataclasses.replace(patch, continuous=continuous, categorical=categorical, wavetables=tables)


def cycles(table) -> np.ndarray:
    keys = table["groups"][0]["components"][0]["keyframes"]
    return np.stack([np.frombuffer(base64.b64decode(key["wave_data"]), "<f4") for key in keys])


def organ(*amplitudes: float) -> np.ndarray:
    """A cycle [2048] of these harmonics."""
    phase = 2 * np.pi * np.arange(FRAME) / FRAME
    return sum(a * np.sin(k * phase) for k, a in enumerate(amplitudes, start=1))


@pytest.fixture(scope="module")
def play():
    """A function from a preset and a note to its render [2, samples]."""
    with RenderPool(RENDER, 1) as pool:

        def render(preset: Preset, note: int = 48) -> np.ndarray:
            return pool.render(RenderJob(preset.to_json(), (note,))).audio[0]

        yield render


def test_average_power_of_a_sine_peaks_at_its_frequency():
    t_s = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    power = average_power(np.stack([np.sin(2 * np.pi * 1000 * t_s)] * 2))
    assert power.argmax() == round(1000 * 2 * (len(power) - 1) / SAMPLE_RATE)


@pytest.mark.parametrize("native", [{}, {"osc_1_transpose": -12}, {"osc_1_midi_track": 0}, {"voice_transpose": 7}])
def test_with_spectrum_after_three_steps_has_the_harmonics_of_the_target(play, native):
    """A saw becomes an organ at any transposition of its oscillator. Each harmonic is within 1.5 dB."""
    amplitudes = (1.0, 0.05, 0.4, 0.3, 0.05, 0.2, 0.1, 0.15)
    wanted = average_power(play(edited(table_json("Organ", organ(*amplitudes)[None]), **native), 55))
    preset = edited(**native)
    for _ in range(3):
        preset = with_spectrum(preset, 55, wanted, average_power(play(preset, 55)), SAMPLE_RATE)
    assert preset.wavetables[0]["name"] == "Init (fitted)"
    rendered = play(preset, 55)
    pitch_hz = detect_pitch(rendered, SAMPLE_RATE).frequency_hz
    at = np.rint(np.arange(1, 9) * pitch_hz * 8192 / SAMPLE_RATE).astype(int)
    found_db, wanted_db = (10 * np.log10(power[at] / power[at[0]]) for power in (average_power(rendered), wanted))
    np.testing.assert_allclose(found_db, wanted_db, atol=1.5)


def test_with_spectrum_of_several_cycles_filters_all_alike_and_keeps_phases():
    rng = np.random.default_rng(1)
    table = table_json("Noise", rng.normal(size=(3, FRAME)))
    wanted, rendered = (average_power(rng.normal(size=(2, 20000))) for _ in range(2))
    fitted = with_spectrum(edited(table), 48, wanted, rendered, SAMPLE_RATE).wavetables[0]
    ratio = np.fft.rfft(cycles(fitted))[:, 1:-1] / np.fft.rfft(cycles(table))[:, 1:-1]
    np.testing.assert_allclose(ratio.imag, 0, atol=1e-3)
    np.testing.assert_allclose(ratio.real, np.broadcast_to(ratio.real[0], ratio.shape), rtol=1e-3)
    assert np.abs(cycles(fitted)).max() == pytest.approx(1)
    assert (fitted["name"], len(table["groups"][0]["components"][0]["keyframes"])) == ("Noise (fitted)", 3)
    assert Preset.from_json(dataclasses.replace(init(), wavetables=(fitted,) * 3).to_json()).notes == ()


def test_with_spectrum_without_a_table_of_plain_cycles_is_none():
    table = table_json("Filtered", organ(1.0, 0.5)[None])
    table["groups"][0]["components"].append({"type": "Wave Warp", "keyframes": []})
    noise = average_power(np.random.default_rng(2).normal(size=(2, 20000)))
    saw = average_power(np.random.default_rng(3).normal(size=(2, 20000)).cumsum(-1))
    assert with_spectrum(edited(table), 48, noise, saw, SAMPLE_RATE) is None
    assert with_spectrum(edited(osc_1_on=0), 48, noise, saw, SAMPLE_RATE) is None
    empty = table_json("Empty", organ(1.0)[None])
    empty["groups"][0]["components"][0]["keyframes"] = []
    assert with_spectrum(edited(empty), 48, noise, saw, SAMPLE_RATE) is None
