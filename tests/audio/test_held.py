"""Whether a recorded note was held to its end."""

import numpy as np
import pytest

from vjax.audio.held import is_held

RATE = 8000
T_S = np.arange(2 * RATE) / RATE


@pytest.mark.parametrize(
    ("level_db", "held"),
    [
        (0 * T_S, True),  # sustained
        (-15 * T_S, True),  # dying away, as a string does
        (6 * np.sin(30 * T_S), True),  # tremolo
        (np.minimum(0, -40 * (T_S - 1.5)), False),  # let go at 1.5 s
        (-10 * T_S + np.minimum(0, -40 * (T_S - 1.5)), False),  # a decay, then let go
        (np.where(T_S < 1.7, 0, -200), False),  # the file ends
        (-60 * T_S, False),  # over long ago
    ],
    ids=["sustain", "decay", "tremolo", "let go", "decay, let go", "ends", "over"],
)
def test_what_goes_on_as_before_is_held(level_db, held):
    sound = 0.5 * 10 ** (level_db / 20) * np.sin(2 * np.pi * 220 * T_S)
    assert is_held(np.stack([sound, 0 * sound]), RATE, 1.5) is held


def test_a_key_that_is_never_let_go_tells_nothing():
    assert not is_held(np.ones((1, RATE)), RATE, 1.0)
    assert not is_held(np.ones((1, 100)), RATE, 1.5)
