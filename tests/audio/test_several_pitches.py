"""Tests of `has_several_pitches` with notes, chords and noise."""

from pathlib import Path

import numpy as np
import pytest

from vjax.audio.files import read_audio
from vjax.audio.pitch import detect_pitch
from vjax.audio.several_pitches import has_several_pitches

RATE = 44100
SOUNDS = Path(__file__).parents[1] / "data" / "sounds"


@pytest.fixture
def chord(tone):
    """`chord(*midi)`: the sum of tones of 1 s, [1, samples]."""
    return lambda *midi: sum(tone(440 * 2 ** ((note - 69) / 12), 1.0) for note in midi)


def several(audio):
    return has_several_pitches(audio, RATE, detect_pitch(audio, RATE))


@pytest.mark.parametrize("notes", [(60, 64), (48, 52, 55), (57, 60, 64, 67), (40, 62)])
def test_has_several_pitches_of_chords_is_true(chord, notes):
    assert several(chord(*notes))
    assert several(1e-3 * np.repeat(chord(*notes), 2, 0))


@pytest.mark.parametrize("note", [28, 45, 60, 81])
def test_has_several_pitches_of_one_note_or_its_octave_is_false(chord, note):
    assert not several(chord(note))
    assert not several(chord(note, note + 12))


def test_has_several_pitches_of_a_note_with_a_weak_first_partial_is_false(tone):
    """The strongest partial is the third, so the other partials look like another series."""
    t_s = np.arange(RATE) / RATE
    loud = 0.5 * np.sin(2 * np.pi * 3 * 148 * t_s)[None].astype(np.float32)
    assert not several(tone(148, 1.0) + loud)


def test_has_several_pitches_of_noise_silence_and_a_click_is_false():
    assert not several(np.random.default_rng(0).normal(0, 0.1, (2, RATE)).astype(np.float32))
    assert not several(np.zeros((2, RATE), np.float32))
    click = np.zeros((1, 3000), np.float32)
    click[0, 100] = 1
    assert not several(click)


def test_has_several_pitches_of_an_electric_piano_is_false():
    assert not several(read_audio(SOUNDS / "rhodes.wav", RATE))
