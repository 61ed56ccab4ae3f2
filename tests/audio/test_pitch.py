"""Tests of the pitch of sines, saws and engine renders. The confidence is low for sounds without a pitch."""

import copy
import math
import re
import subprocess
import sys

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.audio.clip import prepare_clip
from vjax.audio.files import AudioError
from vjax.audio.pitch import Pitch, detect_pitch, note_name, parse_note
from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.vital.standard_tables import standard_catalog

RATE = 44100


def tone(midi: float | np.ndarray, harmonics=(1,), seconds: float = 1.0) -> np.ndarray:
    """[samples]: harmonics of a note, or of one that moves (`midi` of `seconds * RATE` values), falling as 1 / k."""
    hz = 440 * 2 ** ((np.broadcast_to(midi, round(seconds * RATE)) - 69) / 12)
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    return sum(np.sin(k * phase) / k for k in harmonics if k * hz.max() < RATE / 2)


def noise(level: float, shape=RATE) -> np.ndarray:
    return level * np.random.default_rng(0).standard_normal(shape)


@given(
    midi=st.floats(24, 96),
    harmonics=st.sampled_from([(1,), tuple(range(1, 20)), (1, 3, 5, 7)]),
    gain_db=st.floats(-60, 12),
    sample_rate=st.sampled_from([22050, 44100, 48000]),
)
@settings(max_examples=30, deadline=None)
def test_detect_pitch_of_a_steady_tone_at_any_level_and_rate_is_its_pitch(midi, harmonics, gain_db, sample_rate):
    audio = 10 ** (gain_db / 20) * tone(midi, harmonics, seconds=0.5)
    played = midi + 12 * math.log2(sample_rate / RATE)  # the same samples at another rate
    if not 24 <= played <= 96:
        return
    pitch = detect_pitch(audio, sample_rate)
    assert pitch.midi == pytest.approx(played, abs=0.05)
    assert pitch.frequency_hz == pytest.approx(float(librosa.midi_to_hz(played)), rel=0.003)
    assert pitch.confidence > 0.7


@pytest.mark.parametrize("midi", [24, 45, 60, 81])
def test_detect_pitch_of_a_saw_without_its_fundamental_is_its_note(midi):
    pitch = detect_pitch(tone(midi, range(2, 16)), RATE)
    assert pitch.note == midi
    assert pitch.confidence > 0.8


def test_pitch_name_equals_that_of_librosa():
    for midi in (24.0, 36.4, 48.0, 59.6, 60.0, 61.0, 96.0):
        name = Pitch(float(librosa.midi_to_hz(midi)), midi, 1.0).name
        assert name == librosa.midi_to_note(midi, unicode=False)
    assert Pitch(261.6, 60.0, 1.0).name == "C4"


@pytest.mark.parametrize(("midi", "harmonics"), [(97.0, (1,)), (108.0, (1,)), (108.0, (1, 2, 3)), (117.0, (1,))])
def test_detect_pitch_above_the_ceiling_is_not_an_octave_lower(midi, harmonics):
    assert detect_pitch(tone(midi, harmonics), RATE).midi == pytest.approx(midi, abs=0.1)


def test_detect_pitch_of_silence_has_no_pitch():
    for silence in (np.zeros((2, RATE)), np.full(RATE, 0.25), np.zeros(1)):
        pitch = detect_pitch(silence, RATE)
        assert math.isnan(pitch.frequency_hz)
        assert math.isnan(pitch.midi)
        assert (pitch.note, pitch.name, pitch.confidence) == (None, "none", 0.0)


def test_detect_pitch_of_noise_or_a_glide_has_low_confidence():
    assert detect_pitch(noise(0.5), RATE).confidence < 0.2
    assert detect_pitch(tone(np.linspace(48, 60, RATE)), RATE).confidence < 0.3


def test_detect_pitch_of_a_glide_to_a_note_is_that_note():
    path = np.interp(np.arange(RATE), [0, RATE // 3], [48, 60])
    pitch = detect_pitch(tone(path, range(1, 10)), RATE)
    assert pitch.note == 60
    assert 0.5 < pitch.confidence < 0.9


def test_detect_pitch_of_vibrato_is_its_mean():
    path = 57 + 0.4 * np.sin(2 * np.pi * 5 * np.arange(RATE) / RATE)
    assert detect_pitch(tone(path, range(1, 10)), RATE).midi == pytest.approx(57, abs=0.05)


def test_detect_pitch_with_noise_lowers_confidence_and_keeps_the_note():
    pitches = [detect_pitch(tone(57, range(1, 10)) + noise(level), RATE) for level in (0, 0.05, 0.1, 0.3)]
    assert [pitch.note for pitch in pitches] == [57] * 4
    confidences = [pitch.confidence for pitch in pitches]
    assert confidences == sorted(confidences, reverse=True)
    assert confidences[0] > 0.95


def test_detect_pitch_confidence_is_the_periodic_share():
    """Within a frame: the share of power (0.5 of a sine, 0.3**2 of the noise). Over a sound: the share of frames."""
    assert detect_pitch(tone(69, seconds=3) + noise(0.3, 3 * RATE), RATE).confidence == pytest.approx(0.85, abs=0.03)
    half = np.concatenate([tone(69), np.clip(noise(0.4), -1, 1)])
    assert detect_pitch(half, RATE).confidence == pytest.approx(0.5, abs=0.15)


def test_detect_pitch_of_two_notes_is_the_louder_one():
    quiet_then_loud = np.concatenate([0.05 * tone(72, seconds=1.5), tone(48, seconds=0.5)])
    assert detect_pitch(quiet_then_loud, RATE).note == 48


def test_detect_pitch_of_stereo_equals_that_of_mono_even_out_of_phase():
    mono = tone(50, range(1, 8))
    pitch = detect_pitch(mono, RATE)
    for channels in (mono[None], np.stack([mono, mono]), np.stack([mono, -mono]), np.stack([mono, 0 * mono])):
        other = detect_pitch(channels, RATE)
        assert other.midi == pytest.approx(pitch.midi, abs=1e-3)
        assert other.confidence == pytest.approx(pitch.confidence, abs=1e-3)


@pytest.mark.parametrize("midi", [36, 60, 84])
def test_detect_pitch_of_a_short_pluck_is_its_note(midi):
    decay = np.exp(-np.arange(RATE // 10) / (0.03 * RATE))
    pluck = tone(midi, range(1, 10), seconds=0.1) * decay
    for audio in (pluck, prepare_clip(pluck[None], RATE, 2 * RATE)[0]):
        pitch = detect_pitch(audio, RATE)
        assert pitch.note == midi
        assert pitch.confidence > 0.5


def test_detect_pitch_of_engine_renders_is_their_note():
    """It renders the init saw, a sine, a square, and a table without a fundamental, from C1 to C7."""
    catalog = standard_catalog()
    notes = (24, 43, 60, 79, 96)
    jobs = []
    for name in ("Init", "Sine", "Square", "Fifth"):
        preset = copy.deepcopy(synth.init_preset())
        preset["settings"]["wavetables"][0] = catalog.tables[catalog.names.index(name)]
        jobs.append(RenderJob(preset, notes))
    with RenderPool(RenderConfig(seconds=1.0, note_s=0.7)) as pool:
        renderings = list(pool.map(jobs))
    for rendering in renderings:
        pitches = [detect_pitch(audio, RATE) for audio in rendering.audio]
        np.testing.assert_allclose([pitch.midi for pitch in pitches], notes, atol=0.1)
        assert min(pitch.confidence for pitch in pitches) > 0.8


def test_detect_pitch_of_an_array_that_is_not_a_sound_is_an_error():
    with pytest.raises(AudioError, match=r"shape \(1, 2, 3\); expected \[channels, samples\]"):
        detect_pitch(np.zeros((1, 2, 3)), RATE)
    with pytest.raises(AudioError, match="at least one sample"):
        detect_pitch(np.zeros((2, 0)), RATE)
    with pytest.raises(AudioError, match="1 of 3 samples are NaN"):
        detect_pitch(np.array([0, np.nan, 1]), RATE)


def test_importing_pitch_does_not_import_parselmouth():
    code = "import sys, vjax.audio.pitch; sys.exit('parselmouth' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_detect_pitch_of_swapped_axes_is_an_error():
    with pytest.raises(AudioError, match=r"shape \(44100, 2\); expected \[channels, samples\]. Give audio.T"):
        detect_pitch(np.zeros((RATE, 2)), RATE)


@given(st.integers(0, 127))
def test_parse_note_of_a_note_name_returns_the_note(note):
    assert parse_note(note_name(note)) == parse_note(str(note)) == note
    assert note_name(note) == librosa.midi_to_note(note, unicode=False)


@given(st.sampled_from("ABCDEFGabcdefg"), st.sampled_from(["", "#", "b", "♯", "♭"]), st.integers(0, 8))
def test_parse_note_of_any_spelling_equals_that_of_librosa(letter, accidental, octave):
    assert parse_note(f" {letter}{accidental}{octave} ") == librosa.note_to_midi(f"{letter}{accidental}{octave}")


@pytest.mark.parametrize("text", ["", "H2", "C", "C##2", "#2", "2C", "1e2", "60.0", "C 2", "٣", "C-1000", "99999"])
def test_parse_note_of_another_text_names_it_and_what_is_expected(text):
    with pytest.raises(ValueError, match=f"'{re.escape(text)}' is not a MIDI note; give a name such as C2"):
        parse_note(text)


@pytest.mark.parametrize(("text", "note"), [("Cb-1", -1), ("G#9", 128), ("-1", -1), ("128", 128), ("C-2", -12)])
def test_parse_note_beyond_the_keyboard_names_the_range(text, note):
    with pytest.raises(ValueError, match=rf"'{text}' is MIDI note {note}; notes go from 0 \(C-1\) to 127 \(G9\)"):
        parse_note(text)
