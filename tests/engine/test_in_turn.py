"""Tests of rendering similar presets in turn: the first is exact, the others are close, and the bits repeat."""

import copy

import numpy as np
import pytest

from vjax.audio.distances import mss
from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.in_turn import render_in_turn
from vjax.engine.isolate import call_isolated

CONFIG = RenderConfig(seconds=1.0, note_s=0.5)
NOTES = [(48, 60), (60,), (55,)]


def preset(**values: float) -> dict:
    """The init patch without random phases, with a filter and with other values of some controls."""
    changed = copy.deepcopy(synth.init_preset())
    changed["synth_version"] = "1.5.5"
    changed["settings"] |= {"osc_1_random_phase": 0.0, "filter_1_on": 1.0, "env_1_release": 0.1, **values}
    return changed


PRESETS = [
    preset(filter_1_cutoff=70.0),
    preset(filter_1_cutoff=100.0, osc_1_transpose=7.0),
    preset(filter_1_cutoff=60.0, filter_1_on=0.0, osc_1_level=0.4, distortion_on=1.0),
]


def in_turn(presets, notes) -> list:
    return call_isolated(render_in_turn, presets, notes, CONFIG, timeout_s=60, method=synth.start_method())


def alone(one: dict, note: int) -> np.ndarray:
    return call_isolated(synth.render_notes, one, (note,), CONFIG, timeout_s=60, method=synth.start_method())[0]


@pytest.fixture(scope="module")
def sounds() -> list[np.ndarray]:
    return in_turn(PRESETS, NOTES)


def test_render_in_turn_returns_each_preset_at_its_notes(sounds):
    assert [sound.shape for sound in sounds] == [(len(notes), 2, CONFIG.samples) for notes in NOTES]


def test_render_in_turn_of_the_first_note_gives_the_bits_of_a_fresh_synth(sounds):
    np.testing.assert_array_equal(sounds[0][0], alone(PRESETS[0], 48))


def test_render_in_turn_of_later_presets_is_close_to_a_fresh_synth(sounds):
    """They are different sounds, so a control that keeps its earlier value would show."""
    for one, notes, sound in zip(PRESETS[1:], NOTES[1:], sounds[1:], strict=True):
        assert float(mss(sound[0], alone(one, notes[0]))) < 0.5
    assert float(mss(sounds[1][0], sounds[2][0])) > 3


def test_render_in_turn_again_gives_the_same_bits(sounds):
    for first, second in zip(sounds, in_turn(PRESETS, NOTES), strict=True):
        np.testing.assert_array_equal(first, second)


def test_render_in_turn_with_a_value_out_of_range_leaves_out_that_preset(sounds):
    bad = preset(filter_1_cutoff=1e6)
    found = in_turn([PRESETS[0], bad, PRESETS[1]], [NOTES[0], (60,), NOTES[1]])
    assert found[1] == "invalid: filter_1_cutoff is 1000000.0; it must lie in [8.0, 136.0]"
    np.testing.assert_array_equal(found[2], sounds[1])


@pytest.mark.parametrize("part", ["wavetables", "modulations", "names"])
def test_render_in_turn_of_presets_that_need_another_load_is_refused(part):
    other = copy.deepcopy(PRESETS[1])
    if part == "names":
        del other["settings"]["osc_1_level"]
    elif part == "modulations":
        other["settings"]["modulations"][0] = {"source": "lfo_1", "destination": "osc_1_level"}
    else:
        other["settings"]["wavetables"][0]["name"] = "Other"
    with pytest.raises(ValueError, match="differ in more than control values"):
        in_turn([PRESETS[0], other], NOTES[:2])
