"""Tests of the rules that say why a recording is hard to match, with real sounds."""

from pathlib import Path

import numpy as np
import pytest

from vjax.audio.clip import load_clip, make_clip
from vjax.engine.config import RenderConfig
from vjax.evaluation.causes import CAUSES, causes_of, count_onsets, measure_causes, properties, read_causes
from vjax.evaluation.sound_index import sound_files
from vjax.evaluation.targets import audio_tasks
from vjax.io.json_lines import read_lines

SOUNDS = Path(__file__).parents[1] / "data" / "sounds"
RATE = 44100


def causes(audio, seconds=1.0):
    return causes_of(properties(make_clip(np.asarray(audio, np.float32), RATE, round(seconds * RATE))))


def noise(seconds):
    return np.random.default_rng(0).normal(0, 0.1, (1, round(seconds * RATE)))


def test_causes_of_a_plain_note_are_none(tone):
    assert causes(tone(220, 1.0)) == []


def test_causes_of_chords_noise_swells_rhythms_and_long_notes(tone):
    note = tone(220, 1.0)
    swell = np.linspace(0, 1, RATE)
    rhythm = np.concatenate([tone(220, 0.5)[:, : RATE // 10], np.zeros((1, RATE // 4))] * 2, 1)
    assert causes(note + tone(277.2, 1.0)) == ["several pitches"]
    assert causes(noise(1.0) * np.exp(-5 * swell)) == ["no clear pitch"]
    assert causes(note * np.exp(3 * swell) * swell) == ["no clear onset"]
    assert causes(rhythm) == ["several onsets"]
    assert causes(np.repeat(note, 2, 0), seconds=0.5) == ["longer than the clip"]
    assert causes(np.pad(note, ((0, 0), (0, RATE)))) == []  # only silence follows
    assert set(CAUSES) == {
        "several pitches",
        "no clear pitch",
        "no clear onset",
        "several onsets",
        "longer than the clip",
    }


def test_count_onsets_of_a_tremolo_is_one():
    tremolo_db = -3 + 3 * np.sin(np.arange(100))
    assert count_onsets(tremolo_db) == 1
    assert count_onsets(np.array([-20.0])) == 1


def test_measure_causes_again_measures_only_what_is_missing(tmp_path):
    tasks = audio_tasks(sound_files(sorted(SOUNDS.glob("*.wav")), SOUNDS), RenderConfig())
    measure_causes(tmp_path, tasks[:1])
    before = (tmp_path / "causes.jsonl").read_bytes()
    measure_causes(tmp_path, tasks)
    assert (tmp_path / "causes.jsonl").read_bytes().startswith(before)
    assert len(read_lines(tmp_path / "causes.jsonl")) == 2
    found = read_causes(tmp_path)
    assert found["rhodes.wav"] == []
    assert "several pitches" in found["bass.wav"]  # an FM sound
    assert found == {
        task.target.id: causes_of(properties(load_clip(task.target.path, RATE, 2 * RATE))) for task in tasks
    }


@pytest.mark.parametrize("missing", ["attack_s", "after_db"])
def test_causes_of_missing_numbers_do_not_apply(missing):
    found = {"several_pitches": False, "clear": True, "onsets": 1, "attack_s": 0.01, "after_db": -60.0}
    assert causes_of(found | {missing: None}) == []
