"""Tests of vjax.inference.resynthesis, by renders of the real engine."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vjax.audio.distances import mss
from vjax.inference.resynthesis import (
    DENSE,
    RESYNTHESIS,
    _on_keyboard,
    amplitude,
    release_of,
    resynthesised,
    swept_preset,
)
from vjax.inference.wavetable_fit import WavetableFitConfig, harmonic_amplitudes
from vjax.vital.engine import RenderConfig
from vjax.vital.pool import RenderJob, RenderPool
from vjax.vital.preset import Preset, controls, init
from vjax.vital.wavetables import FRAME

RENDER = RenderConfig(seconds=0.6, note_s=0.4)
RATE = RENDER.sample_rate
T = np.arange(RENDER.samples) / RATE
QUICK = WavetableFitConfig(frames=65, steps=40)
A3 = 57  # 220 Hz


def play(presets: list[Preset], note: int = A3, **settings) -> list[np.ndarray]:
    with RenderPool(dataclasses.replace(RENDER, **settings), 2) as pool:
        return [rendering.audio[0] for rendering in pool.map([RenderJob(p.to_json(), (note,)) for p in presets])]


def brighter() -> np.ndarray:
    """[65, 2048]: a sine to which its octave comes, as loud at the end."""
    x = 2 * np.pi * np.arange(FRAME) / FRAME
    return np.sin(x) + np.linspace(0, 1, 65)[:, None] * np.sin(2 * x)


def brightness(audio: np.ndarray) -> np.ndarray:
    """[13] over the sound: the second harmonic of A3 beside the first."""
    first, second = harmonic_amplitudes(audio[0], RATE, 220.0, 2, 13).T
    return second / np.maximum(first, 1e-9)


def test_a_table_is_swept_once_while_the_sound_lasts():
    (audio,) = play([swept_preset([brighter()], 0.0, 1.0, RENDER, "sweep")])
    np.testing.assert_allclose(brightness(audio)[1:-1], np.linspace(0, 1, 13)[1:-1], atol=0.06)
    assert np.abs(audio[0] - audio[1]).max() < 1e-4  # one oscillator, in the middle


def test_a_held_key_stays_where_the_note_ended_and_goes_on_when_let_go():
    preset = swept_preset([brighter()], 0.0, 1.0, RENDER, "sweep")
    (held,) = play([preset], seconds=1.2, note_s=0.9)
    found = brightness(held)  # every 0.1 s
    np.testing.assert_allclose(found[5:9], 2 / 3, atol=0.05)  # 0.4 of 0.6 s
    assert found[11] > 0.8


def test_the_release_is_vitals():
    preset = swept_preset([brighter()[:1].repeat(2, 0)], 0.0, 0.5, RENDER, "still")
    (audio,) = play([preset])
    heard = harmonic_amplitudes(audio[0], RATE, 220.0, 1, 61)[:, 0]  # every 10 ms
    np.testing.assert_allclose(heard[10:57] / heard[20], amplitude(0.5, RENDER)[:: RATE // 100][10:57], atol=0.04)
    assert release_of(audio, RENDER) == pytest.approx(0.5, rel=0.15)


def test_a_sound_that_is_over_has_no_release_to_be_heard():
    assert release_of(np.zeros((2, RENDER.samples)) + np.exp(-60 * T), RENDER) is None
    steady = np.sin(2 * np.pi * 220 * T)[None].repeat(2, 0)
    assert release_of(steady, RENDER) == pytest.approx(4.0)
    assert release_of(steady, dataclasses.replace(RENDER, note_s=RENDER.seconds)) is None


def test_a_sound_comes_back_from_the_engine():
    rng = np.random.default_rng(0)
    tone = np.sin(2 * np.pi * 220 * T) + 0.5 * np.sin(2 * np.pi * 3.01 * 220 * T)  # the third partial is out of tune
    sound = (0.2 * (tone + 0.05 * rng.normal(size=len(T))) * np.exp(-4 * T)).astype(np.float32)[None].repeat(2, 0)
    starts = resynthesised(sound, A3, RENDER, QUICK, "Bell")
    assert [start.label for start in starts] == [DENSE, RESYNTHESIS]
    assert {start.preset.name for start in starts} == {"Bell"}
    (plain,) = play([init()])
    dense, harmonic = (float(mss(audio, sound)) for audio in play([start.preset for start in starts]))
    assert dense < harmonic < 0.5 * float(mss(plain, sound))
    assert dense < 3


def test_what_is_wide_takes_two_oscillators_and_comes_out_wide():
    left, right = 0.2 * np.sin(2 * np.pi * 220 * T), 0.1 * np.sin(2 * np.pi * 440 * T)
    wide = np.stack([left, right]).astype(np.float32)
    presets = [start.preset for start in resynthesised(wide, A3, RENDER, QUICK)]
    on = controls().categorical_names.index("osc_2_on")
    assert all(preset.categorical[on] == 1 for preset in presets)
    for audio in play(presets):
        power = (audio**2).mean(1)
        assert power[0] / power[1] == pytest.approx(4, rel=0.3)  # 0.2 against 0.1
        assert abs(np.corrcoef(audio)[0, 1]) < 0.2


def test_a_silent_side_stays_silent():
    tone = 0.2 * np.sin(2 * np.pi * 220 * T)
    left = np.stack([tone, np.zeros_like(tone)]).astype(np.float32)
    for audio in play([start.preset for start in resynthesised(left, A3, RENDER, QUICK)]):
        assert np.abs(audio[1]).max() < 1e-3 * np.abs(audio[0]).max()


@pytest.mark.parametrize("note", [0, 127])
def test_no_note_and_no_sound_is_out_of_reach(note):
    """The preset of a silence is silent; that it is no target is said elsewhere."""
    noise = np.random.default_rng(0).normal(0, 0.1, (2, RENDER.samples)).astype(np.float32)
    config = dataclasses.replace(QUICK, steps=2)
    for sound in (noise, np.zeros_like(noise)):
        starts = resynthesised(sound, note, RENDER, config)
        audios = play([start.preset for start in starts], note)
        assert all(np.isfinite(audio).all() for audio in audios)
        assert (max(np.abs(audio).max() for audio in audios) > 1e-3) == sound.any()


def test_a_low_note_needs_one_table_only():
    low = np.sin(2 * np.pi * 27.5 * T).astype(np.float32)[None].repeat(2, 0)
    assert [start.label for start in resynthesised(low, 21, RENDER, QUICK)] == [RESYNTHESIS]


@given(st.floats(0, 140), st.integers(0, 127))
def test_pitches_keep_their_names_and_can_be_played(midi, note):
    found = _on_keyboard(midi, note)
    assert (found - midi) % 12 == pytest.approx(0, abs=1e-6) or (found - midi) % 12 == pytest.approx(12, abs=1e-6)
    assert found - note >= -48 - 1e-6
    assert found - note <= 48 + 1e-6 or found < 28  # below the lowest pitch that reaches up to 20 kHz


def test_a_sound_whose_key_was_never_let_go_ends_with_its_last_cycle():
    render = dataclasses.replace(RENDER, note_s=RENDER.seconds)
    preset = swept_preset([brighter()], 0.0, None, render, "held")
    (audio,) = play([preset], note_s=RENDER.seconds)
    np.testing.assert_allclose(brightness(audio)[1:-1], np.linspace(0, 1, 13)[1:-1], atol=0.06)
    (longer,) = play([preset], seconds=1.2, note_s=1.0)
    found = brightness(longer)  # every 0.1 s
    np.testing.assert_allclose(found[7:10], 1, atol=0.05)
    assert np.abs(longer[:, round(1.15 * RATE) :]).max() < 0.1 * np.abs(longer[:, : RATE // 2]).max()  # let go at 1.0 s
    assert release_of(audio, render) is None
