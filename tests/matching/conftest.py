"""Fixtures that several tests of matching share."""

import dataclasses

import numpy as np
import pytest

from vjax.audio.metric_names import METRICS
from vjax.audio.pitch import Pitch
from vjax.inference.decode import PredictedPreset
from vjax.matching.result import MatchResult
from vjax.search.candidate import Candidate, Kind
from vjax.vital import preset as vital_preset


@pytest.fixture
def result(tone):
    """A result of 0.1 s, made by hand."""
    preset = dataclasses.replace(vital_preset.init(), name="a", style="Lead", comments="Made by hand.")
    audio = np.repeat(2 * tone(220, 0.1), 2, axis=0)  # louder than full scale
    candidates = (
        Candidate("near", preset, 0.5, 12.34567, -0.02, 0.0, "", audio),
        Candidate("prediction", preset, error="silent at note 57"),
    )
    return MatchResult(
        name="sounds/a.wav",
        preset=preset,
        label="near",
        kind=Kind.NEIGHBOUR,
        audio=audio,
        target=np.repeat(tone(220, 0.1), 2, axis=0),
        sample_rate=44100,
        note=57,
        note_s=0.1,
        velocity=0.8,
        note_given=False,
        pitch=Pitch(220.004, 57.0003, 0.98765),
        plays=Pitch(219.75, 56.98, 0.9),
        loss=0.5,
        metrics=dict.fromkeys(METRICS, 1.5) | {"mss": 12.34567},
        re_render_db=0.25,
        candidates=candidates,
        prediction=PredictedPreset("sounds/a.wav", None, ()),
        predicted=candidates[1],
        evals=7,
        seconds=1.234,
        warnings=("it is loud",),
    )
