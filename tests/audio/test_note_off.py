"""Tests of continues_after_note_off: whether a recording ended before the note-off."""

import numpy as np
import pytest

from vjax.audio.note_off import continues_after_note_off

RATE = 8000
T_S = np.arange(2 * RATE) / RATE


@pytest.mark.parametrize(
    ("level_db", "expected"),
    [
        (0 * T_S, True),  # sustained
        (-15 * T_S, True),  # a decay, as of a string
        (6 * np.sin(30 * T_S), True),  # tremolo
        (np.minimum(0, -40 * (T_S - 1.5)), False),  # note-off at 1.5 s
        (-10 * T_S + np.minimum(0, -40 * (T_S - 1.5)), False),  # a decay, then the note-off
        (np.where(T_S < 1.7, 0, -200), False),  # the file ends
        (-60 * T_S, False),  # ended long before
    ],
    ids=["sustain", "decay", "tremolo", "note-off", "decay, note-off", "ends", "ended"],
)
def test_continues_after_note_off_with_a_level_that_continues_as_before_is_true_else_false(level_db, expected):
    sound = 0.5 * 10 ** (level_db / 20) * np.sin(2 * np.pi * 220 * T_S)
    assert continues_after_note_off(np.stack([sound, 0 * sound]), RATE, 1.5) is expected


def test_continues_after_note_off_of_a_recording_without_the_note_off_is_false():
    assert not continues_after_note_off(np.ones((1, RATE)), RATE, 1.0)
    assert not continues_after_note_off(np.ones((1, 100)), RATE, 1.5)
