"""Tests of the pitches of an evaluation, with real sounds."""

import pytest

from vjax.audio.files import write_wav
from vjax.evaluation.pitches import PITCHES_FILE, measure_pitches, pitch_errors, right_pitch
from vjax.evaluation.results import Target
from vjax.io.json_lines import read_lines

RATE = 44100


def target(name, **about):
    return Target(name, name, "", "audio", f"{name}.wav", 60, **about)


@pytest.fixture
def folder(tmp_path, tone):
    """A sound at A4 with presets at A4 and A5, a sound whose note is known, and silence."""
    sounds = {
        ("a", "target"): tone(440),
        ("a", "match"): tone(442),
        ("a", "nearest"): tone(880),
        ("b", "target"): tone(440),
        ("b", "match"): tone(440),
        ("c", "target"): 0 * tone(440),
        ("c", "match"): tone(440),
        ("d", "target"): tone(440),
        ("d", "match"): 0 * tone(440),
    }
    for (name, method), audio in sounds.items():
        path = tmp_path / "sounds" / name / f"{method}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_wav(path, audio, RATE)
    return tmp_path


TARGETS = [target("a"), target("b", known_note=57), target("c"), target("d")]
METHODS = ("init", "nearest", "match")


def test_pitch_errors_are_relative_to_the_known_note_or_the_clear_pitch(folder):
    measure_pitches(folder, TARGETS, METHODS, RATE)
    found = pitch_errors(folder, TARGETS)
    assert found == {
        ("a", "nearest"): pytest.approx(12, abs=0.05),
        ("a", "match"): pytest.approx(0.08, abs=0.05),
        ("b", "match"): pytest.approx(12, abs=0.05),  # to the known note; its own pitch is A4
        ("d", "match"): None,
    }


def test_measure_pitches_again_measures_only_what_is_missing(folder):
    measure_pitches(folder, TARGETS[:1], METHODS, RATE)
    log = folder / PITCHES_FILE
    before = log.read_bytes()
    measure_pitches(folder, TARGETS[:1], METHODS, RATE)
    assert log.read_bytes() == before
    log.write_bytes(before[:-10])  # as after a kill
    measure_pitches(folder, TARGETS, METHODS, RATE)
    lines = read_lines(log)
    assert len(lines) == len({(line["target"], line["method"]) for line in lines}) == 9
    assert log.read_bytes().startswith(before)


def test_right_pitch_octave_errors_have_the_right_class_and_none_is_wrong():
    found = right_pitch([0.1, -0.5, 12.2, -24.4, 6.0, 11.4, None, 0.0])
    assert found == {"n": 8, "class": 5 / 8, "octave": 3 / 8}
    assert right_pitch([]) == {"n": 0, "class": None, "octave": None}
