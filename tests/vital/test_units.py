"""Tests of vjax.vital.units."""

import numpy as np
import pytest

from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.vital.preset import Route, init
from vjax.vital.units import (
    db_text,
    hz_text,
    level_db_text,
    midi_hz,
    rate_text,
    seconds_text,
    semitones_text,
    tempo_text,
)
from vjax.vital.values import with_routes, with_values

NOTE = 48
RATE = 44100


def test_units_texts_have_about_three_digits():
    assert [hz_text(hz) for hz in (0.5, 3.2, 99.96, 440, 1234)] == ["0.50 Hz", "3.2 Hz", "100 Hz", "440 Hz", "1.2 kHz"]
    assert [seconds_text(seconds) for seconds in (0.0042, 0.12, 1.26)] == ["4.2 ms", "120 ms", "1.3 s"]
    assert [semitones_text(semitones) for semitones in (0.25, 3.26, 12)] == [
        "25 cents",
        "3.3 semitones",
        "12 semitones",
    ]
    assert [db_text(db) for db in (0.01, 3, -6)] == ["0 dB", "+3.0 dB", "-6.0 dB"]
    assert [level_db_text(level) for level in (1, 0.5, 0)] == ["0 dB", "-12.0 dB", "silence"]
    assert midi_hz(81) == 880


def test_tempo_text_names_every_option():
    assert [tempo_text(native) for native in (-1, 0, 8, 12, 13)] == ["Freeze", "Freeze", "1/4", "1/64", "1/64"]


def test_rate_text_of_lfo_and_delay_agrees_with_the_engine():
    """LFO and delay at a tempo. The delay's menu begins at another option and has fewer options."""
    tremolo = with_values(
        with_routes(init(), Route("lfo_1", "osc_1_level", 0.4)),
        {"lfo_1_sync": 1, "lfo_1_tempo": 9, "env_1_sustain": 1.0},
    )
    assert rate_text(tremolo, "lfo_1") == "1/8 at 120 bpm"
    echo = with_values(
        with_values(init(), {"env_1_decay": 0.4, "env_1_sustain": 0}),
        {"delay_on": 1, "delay_dry_wet": 1.0, "delay_feedback": 0.0, "delay_tempo": 5, "delay_aux_tempo": 5},
    )
    assert rate_text(echo, "delay") == "1/8 at 120 bpm"
    with RenderPool(RenderConfig(seconds=1.5, note_s=1.5), 2) as pool:
        jobs = [RenderJob(preset.to_json(), (NOTE,)) for preset in (tremolo, echo)]
        moved, late = (played.audio[0].mean(0) for played in pool.map(jobs))
    level = np.abs(moved[: RATE * 5 // 4]).reshape(-1, RATE // 100).mean(1)
    spectrum = np.abs(np.fft.rfft((level - level.mean()) * np.hanning(len(level)), 4000))
    assert np.fft.rfftfreq(4000, 0.01)[spectrum.argmax()] == pytest.approx(4.0, abs=0.2)
    assert np.argmax(np.abs(late) > 0.1 * np.abs(late).max()) / RATE == pytest.approx(0.25, abs=0.01)
