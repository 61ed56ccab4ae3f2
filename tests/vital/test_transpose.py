"""Tests of vjax.vital.transpose."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.vital import preset as vital_preset
from vjax.vital.transpose import transposed


@settings(deadline=None, max_examples=200)
@given(
    transpose=st.integers(-48, 48),
    tune=st.floats(-1, 1),
    semitones=st.floats(-150, 150),
)
def test_transposed_moves_two_knobs_within_their_ranges(transpose, tune, semitones):
    controls = vital_preset.controls()
    at = [controls.position[name] for name in ("voice_transpose", "voice_tune")]
    knobs = [controls.continuous[i] for i in at]
    preset = vital_preset.init()
    continuous = preset.continuous.copy()
    continuous[at] = [knob.to_norm(value) for knob, value in zip(knobs, (transpose, tune), strict=True)]
    found, shift = transposed(dataclasses.replace(preset, continuous=continuous), semitones)

    others = np.delete(np.arange(len(continuous)), at)
    np.testing.assert_array_equal(found.continuous[others], continuous[others])
    whole, rest = controls.minimum[at] + found.continuous[at] * controls.span[at]
    assert whole == pytest.approx(round(whole), abs=1e-9)
    assert knobs[0].minimum - 1e-9 <= whole <= knobs[0].maximum + 1e-9
    assert knobs[1].minimum - 1e-9 <= rest <= knobs[1].maximum + 1e-9
    assert whole + rest - (transpose + tune) == pytest.approx(shift, abs=1e-6)
    wanted = transpose + tune + semitones
    if abs(wanted) <= 48:
        assert shift == pytest.approx(semitones, abs=1e-6)
        assert abs(rest) <= 0.5 + 1e-9
    else:
        assert whole == pytest.approx(math.copysign(48, wanted), abs=1e-9)
    written = found.to_json()["settings"]  # which checks every control's range
    assert written["voice_transpose"] == round(whole)
