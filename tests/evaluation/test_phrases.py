"""Tests of vjax.evaluation.phrases with the real engine."""

from pathlib import Path

import numpy as np
import pytest

from vjax.audio.files import read_audio
from vjax.audio.pitch import detect_pitch
from vjax.engine.config import RenderConfig
from vjax.evaluation.phrases import SEMITONES, phrase_path, play_phrases
from vjax.evaluation.results import Target
from vjax.vital.preset import init, write_preset
from vjax.vital.values import with_values

RENDER = RenderConfig(seconds=1.0, note_s=0.7)


def target_at(note: int, identity: str = "a") -> Target:
    return Target(identity, identity, "", "presets", "a.vital", note)


def sounds(folder: Path, **presets) -> Path:
    made = folder / "sounds" / "a"
    made.mkdir(parents=True)
    for method, preset in presets.items():
        write_preset(made / f"{method}.vital", preset)
    return made


def test_play_phrases_plays_three_notes_around_the_recorded_one(tmp_path):
    made = sounds(tmp_path, target=init(), match=with_values(init(), {"voice_transpose": 7}))
    play_phrases(tmp_path, [target_at(57)], ("match", "nearest"), RENDER, workers=2)
    for method, transposed in (("target", 0), ("match", 7)):
        phrase = read_audio(phrase_path(made / f"{method}.vital"), RENDER.sample_rate)
        notes = np.split(phrase, len(SEMITONES), axis=-1)
        found = [detect_pitch(note, RENDER.sample_rate).note for note in notes]
        assert found == [57 + up + transposed for up in SEMITONES]
    assert not phrase_path(made / "nearest.vital").exists()


def test_play_phrases_keeps_the_files_that_exist(tmp_path):
    made = sounds(tmp_path, target=init())
    play_phrases(tmp_path, [target_at(57)], (), RENDER, workers=1)
    before = phrase_path(made / "target.vital").stat()
    play_phrases(tmp_path, [target_at(57)], (), RENDER, workers=1)
    assert phrase_path(made / "target.vital").stat().st_mtime_ns == before.st_mtime_ns


def test_play_phrases_leaves_out_impossible_notes_and_silent_presets(tmp_path):
    silent = with_values(init(), {"osc_1_on": 0})
    made = sounds(tmp_path, target=init(), match=silent)
    play_phrases(tmp_path, [target_at(120)], ("match",), RENDER, workers=1)
    phrase = read_audio(phrase_path(made / "target.vital"), RENDER.sample_rate)
    assert phrase.shape[-1] / RENDER.sample_rate == pytest.approx(2 * 0.75, abs=0.01)
    assert not phrase_path(made / "match.vital").exists()
