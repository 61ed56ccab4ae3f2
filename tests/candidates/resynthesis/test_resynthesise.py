"""Tests of vjax.candidates.resynthesis.resynthesise, by renders of the real engine."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vjax.audio.distances import mss
from vjax.audio.pitch import detect_pitch
from vjax.candidates.resynthesis.fit_table import WavetableFitConfig, harmonic_amplitudes
from vjax.candidates.resynthesis.release import amplitude, release_of
from vjax.candidates.resynthesis.resynthesise import (
    DENSE,
    RESYNTHESIS,
    LongNote,
    _on_keyboard,
    resynthesised,
    swept_preset,
)
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.vital.preset import Preset, controls, init
from vjax.vital.wavetables import FRAME

RENDER = RenderConfig(seconds=0.6, note_s=0.4)
RATE = RENDER.sample_rate
T = np.arange(RENDER.samples) / RATE
QUICK = WavetableFitConfig(frames=65, steps=40)
HASTY = WavetableFitConfig(frames=65, steps=2)  # for tests that do not ask how near a table comes
A3 = 57  # 220 Hz
SWEPT = np.minimum(np.linspace(0, 0.6, 13) / 0.55, 1)  # a sweep ends 0.05 s before the sound


def play(presets: list[Preset], note: int = A3, **settings) -> list[np.ndarray]:
    with RenderPool(dataclasses.replace(RENDER, **settings), 2) as pool:
        return [rendering.audio[0] for rendering in pool.map([RenderJob(p.to_json(), (note,)) for p in presets])]


def brighter() -> np.ndarray:
    """[65, 2048]: a sine whose octave becomes as loud at the end."""
    x = 2 * np.pi * np.arange(FRAME) / FRAME
    return np.sin(x) + np.linspace(0, 1, 65)[:, None] * np.sin(2 * x)


def brightness(audio: np.ndarray) -> np.ndarray:
    """[13] over the sound: the level of the second harmonic of A3 relative to the first."""
    first, second = harmonic_amplitudes(audio[0], RATE, 220.0, 2, 13).T
    return second / np.maximum(first, 1e-9)


def test_swept_preset_of_a_table_sweeps_it_once():
    (audio,) = play([swept_preset([brighter()], 0.0, 1.0, RENDER, "sweep")])
    np.testing.assert_allclose(brightness(audio)[1:-1], SWEPT[1:-1], atol=0.06)
    assert np.abs(audio[0] - audio[1]).max() < 1e-4  # one oscillator, in the middle


def test_swept_preset_in_a_longer_note_waits_for_note_off():
    preset = swept_preset([brighter()], 0.0, 1.0, RENDER, "sweep")
    (longer,) = play([preset], seconds=1.2, note_s=0.9)
    found = brightness(longer)  # every 0.1 s
    np.testing.assert_allclose(found[5:9], 0.4 / 0.55, atol=0.05)
    assert found[11] > 0.8


def test_amplitude_of_a_release_agrees_with_the_engine():
    preset = swept_preset([brighter()[:1].repeat(2, 0)], 0.0, 0.5, RENDER, "still")
    (audio,) = play([preset])
    rendered = harmonic_amplitudes(audio[0], RATE, 220.0, 1, 61)[:, 0]  # every 10 ms
    np.testing.assert_allclose(rendered[10:57] / rendered[20], amplitude(0.5, RENDER)[:: RATE // 100][10:57], atol=0.04)
    assert release_of(audio, RENDER) == pytest.approx(0.5, rel=0.15)


def test_release_of_a_sound_that_is_over_at_note_off_is_none():
    assert release_of(np.zeros((2, RENDER.samples)) + np.exp(-60 * T), RENDER) is None
    steady = np.sin(2 * np.pi * 220 * T)[None].repeat(2, 0)
    assert release_of(steady, RENDER) == pytest.approx(4.0)
    assert release_of(steady, dataclasses.replace(RENDER, note_s=RENDER.seconds)) is None


def test_resynthesised_bell_is_near_and_dense_is_nearer():
    rng = np.random.default_rng(0)
    tone = np.sin(2 * np.pi * 220 * T) + 0.5 * np.sin(2 * np.pi * 3.01 * 220 * T)  # the third partial is out of tune
    sound = (0.2 * (tone + 0.05 * rng.normal(size=len(T))) * np.exp(-4 * T)).astype(np.float32)[None].repeat(2, 0)
    candidates = resynthesised(sound, A3, RENDER, QUICK, "Bell")
    assert [one.label for one in candidates] == [DENSE, RESYNTHESIS]
    assert {one.preset.name for one in candidates} == {"Bell"}
    (plain,) = play([init()])
    dense, harmonic = (float(mss(audio, sound)) for audio in play([one.preset for one in candidates]))
    assert dense < harmonic < 0.5 * float(mss(plain, sound))
    assert dense < 3


def test_resynthesised_wide_sound_uses_two_oscillators_and_is_wide():
    left, right = 0.2 * np.sin(2 * np.pi * 220 * T), 0.1 * np.sin(2 * np.pi * 440 * T)
    wide = np.stack([left, right]).astype(np.float32)
    presets = [one.preset for one in resynthesised(wide, A3, RENDER, HASTY)]
    on = controls().categorical_names.index("osc_2_on")
    assert all(preset.categorical[on] == 1 for preset in presets)
    for audio in play(presets):
        power = (audio**2).mean(1)
        assert power[0] / power[1] == pytest.approx(4, rel=0.3)  # 0.2 against 0.1
        assert abs(np.corrcoef(audio)[0, 1]) < 0.2


def test_resynthesised_sound_with_a_silent_channel_leaves_it_silent():
    tone = 0.2 * np.sin(2 * np.pi * 220 * T)
    left = np.stack([tone, np.zeros_like(tone)]).astype(np.float32)
    for audio in play([one.preset for one in resynthesised(left, A3, RENDER, HASTY)]):
        assert np.abs(audio[1]).max() < 1e-3 * np.abs(audio[0]).max()


@pytest.mark.parametrize("note", [0, pytest.param(127, marks=pytest.mark.slow)])
def test_resynthesised_noise_and_silence_at_extreme_notes_are_finite(note):
    """The preset of silence is silent. `prepare_clip` rejects silence as a target."""
    noise = np.random.default_rng(0).normal(0, 0.1, (2, RENDER.samples)).astype(np.float32)
    for sound in (noise, np.zeros_like(noise)):
        candidates = resynthesised(sound, note, RENDER, HASTY)
        audios = play([one.preset for one in candidates], note)
        assert all(np.isfinite(audio).all() for audio in audios)
        assert (max(np.abs(audio).max() for audio in audios) > 1e-3) == sound.any()


def test_resynthesised_low_note_returns_one_preset():
    low = np.sin(2 * np.pi * 27.5 * T).astype(np.float32)[None].repeat(2, 0)
    assert [one.label for one in resynthesised(low, 21, RENDER, HASTY)] == [RESYNTHESIS]


@given(st.floats(0, 140), st.integers(0, 127))
def test_on_keyboard_of_any_pitch_is_octaves_away_and_can_be_played(midi, note):
    found = _on_keyboard(midi, note)
    assert (found - midi) % 12 == pytest.approx(0, abs=1e-6) or (found - midi) % 12 == pytest.approx(12, abs=1e-6)
    assert found - note >= -48 - 1e-6
    assert found - note <= 48 + 1e-6 or found < 28  # below the lowest pitch that reaches up to 20 kHz


def test_swept_preset_without_note_off_stays_on_its_last_cycle():
    render = dataclasses.replace(RENDER, note_s=RENDER.seconds)
    preset = swept_preset([brighter()], 0.0, None, render, "longer")
    (audio,) = play([preset], note_s=RENDER.seconds)
    np.testing.assert_allclose(brightness(audio)[1:-1], SWEPT[1:-1], atol=0.06)
    (longer,) = play([preset], seconds=1.2, note_s=1.0)
    found = brightness(longer)  # every 0.1 s
    np.testing.assert_allclose(found[7:10], 1, atol=0.05)
    assert np.abs(longer[:, round(1.15 * RATE) :]).max() < 0.1 * np.abs(longer[:, : RATE // 2]).max()  # off at 1.0 s
    assert release_of(audio, render) is None


LONG = RenderConfig(seconds=1.0, note_s=0.75)
PATCHES = {
    "tone": {},
    "pluck": {"env_1_decay": 1.3, "env_1_sustain": 0.0},
    "pad": {"env_1_attack": 0.7, "osc_1_unison_voices": 5.0, "osc_1_unison_detune": 2.0},
}


def patch(knobs: dict[str, float]) -> Preset:
    """The init patch, a saw, with other native values."""
    schema, continuous = controls(), init().continuous.copy()
    for name, value in knobs.items():
        continuous[schema.position[name]] = schema.continuous[schema.position[name]].to_norm(value)
    return dataclasses.replace(init(), continuous=continuous)


def levels_at(audio: np.ndarray, times_s: list[float]) -> np.ndarray:
    """Levels in dB of the 0.1 s after each time."""
    blocks = [audio[:, round(at * RATE) : round((at + 0.1) * RATE)] for at in times_s]
    return np.array([10 * np.log10(np.mean(block**2) + 1e-12) for block in blocks])


@pytest.mark.slow
@pytest.mark.parametrize("kind", PATCHES)
@pytest.mark.parametrize("note_s", [0.75, 1.0])
def test_resynthesised_in_a_longer_note_continues_like_the_sound(kind, note_s):
    render = dataclasses.replace(LONG, note_s=note_s)
    sought = patch(PATCHES[kind])
    (sound,) = play([sought], seconds=1.0, note_s=note_s)
    presets = [one.preset for one in resynthesised(sound, A3, render, QUICK)]
    target, *renders = play([sought, *presets], seconds=7.0, note_s=5.0)
    second = slice(0, RATE), slice(RATE, 3 * RATE)
    for audio in renders:
        short, long = (float(mss(audio[:, part], target[:, part])) for part in second)
        assert long < short + 3
        gain = levels_at(target, [0.4]) - levels_at(audio, [0.4])
        for boundary in (note_s, 1.0):  # no jump
            around = [boundary - 0.2, boundary - 0.1, boundary, boundary + 0.1]
            changes, natural = (np.abs(np.diff(levels_at(one, around))).max() for one in (audio, target))
            assert changes < natural + 1.5
        later, end = levels_at(audio, [4.0, 4.9]) + gain - levels_at(target, [4.0, 4.9])
        if kind == "pluck":
            assert levels_at(audio, [4.0])[0] < levels_at(audio, [0.4])[0] - 40
        else:
            assert max(abs(later), abs(end)) < (6 if kind == "pad" else 3)  # the pad beats
        before, *after = levels_at(audio, [4.9, 5.0, 5.1, 5.2, 5.4, 6.0])
        assert max(after) < max(before, -90) + 1
        assert after[-1] < max(before - 20, -90)


@pytest.mark.slow
def test_resynthesised_with_a_longer_recording_follows_it_after_the_clip():
    """The octave fades for two seconds after a clip of one second. Note-off is at 3 s."""
    t = np.arange(4 * RATE) / RATE
    octave = np.interp(t, [1, 3], [1, 0.1]) * np.sin(2 * np.pi * 440 * t)
    tone = 0.2 * (np.sin(2 * np.pi * 220 * t) + octave) * np.minimum(np.exp(-(t - 3) / 0.1), 1)
    sound = tone.astype(np.float32)[None].repeat(2, 0)
    render = dataclasses.replace(LONG, note_s=1.0)
    candidates = resynthesised(sound[:, :RATE], A3, render, QUICK, after=sound[:, RATE:])
    for audio in play([one.preset for one in candidates], seconds=4.0, note_s=3.0):
        first, second = harmonic_amplitudes(audio[0], RATE, 220.0, 2, 41).T  # every 0.1 s
        np.testing.assert_allclose(
            second[[5, 12, 16, 20, 25]] / first[[5, 12, 16, 20, 25]],
            np.interp([0.5, 1.2, 1.6, 2, 2.5], [1, 3], [1, 0.1]),
            atol=0.15,
        )
        fall = levels_at(audio, [2.8, 3.0, 3.1, 3.2]) - levels_at(sound, [2.8, 3.0, 3.1, 3.2])
        assert np.abs(fall - fall[0]).max() < 4  # released as recorded


def test_resynthesised_with_an_empty_rest_equals_none():
    sound = (0.2 * np.sin(2 * np.pi * 220 * T)).astype(np.float32)[None].repeat(2, 0)
    render = dataclasses.replace(RENDER, note_s=RENDER.seconds)
    pitch = detect_pitch(sound, RATE)
    one, other = (
        resynthesised(sound, A3, render, HASTY, "x", pitch, after)[0].preset.to_json() for after in (None, sound[:, :0])
    )
    assert one == other
    assert all(len(t["groups"][0]["components"][0]["keyframes"]) <= 257 for t in one["settings"]["wavetables"])
    assert Preset.from_json(one).notes == ()


def test_swept_preset_with_a_note_longer_than_the_delay_ignores_later_cycles():
    render = dataclasses.replace(RENDER, seconds=5.0, note_s=4.5)
    long_note = LongNote(cycles=17, seconds=0.3, back=0.0, fall=None)
    (audio,) = play([swept_preset([brighter()], 0.0, 0.5, render, "long", long_note)], seconds=5.0, note_s=4.5)
    first, second = harmonic_amplitudes(audio[0], RATE, 220.0, 2, 51).T
    np.testing.assert_allclose(second[40:44] / first[40:44], np.linspace(4, 4.3, 4) / 4.95 * 0.75, atol=0.05)
