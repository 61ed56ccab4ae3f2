"""Tests of the Python API: lazy imports, and error messages."""

import subprocess
import sys

import numpy as np
import pytest

import vjax
from vjax.audio.files import AudioError
from vjax.matching.config import PREDICTION_ONLY
from vjax.vital.preset import controls, init
from vjax.vital.values import with_values

RATE = 44100


def test_import_vjax_imports_nothing_else():
    """The import takes milliseconds. The first used name imports NumPy and jax."""
    code = "import sys, vjax; print(sorted({'numpy', 'jax', 'vita', 'scipy'} & set(sys.modules)), *vjax.__all__)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = "MatchResult Predictor __version__ explain match match_many read_preset render vary write_preset"
    assert result.stdout == f"[] {names}\n"


def test_vjax_with_an_unknown_name_raises_attribute_error():
    assert set(vjax.__all__) <= set(dir(vjax))
    with pytest.raises(AttributeError, match="module 'vjax' has no attribute 'unknown'"):
        vjax.unknown  # noqa: B018


def test_render_with_the_name_of_a_note_renders_at_that_note():
    low, high = (vjax.render(init(), note, seconds=0.3, note_s=0.2) for note in (48, "C4"))
    assert low.shape == high.shape == (2, round(0.3 * RATE))
    assert low.dtype == np.float32
    assert not np.array_equal(low, high)
    np.testing.assert_array_equal(vjax.render(init().to_json(), "C3", seconds=0.3, note_s=0.2), low)


def test_render_with_a_value_out_of_range_raises_the_reason():
    broken = init().to_json()
    broken["settings"]["volume"] = 1e9
    with pytest.raises(ValueError, match="the engine could not play the preset at note 60: invalid: volume is"):
        vjax.render(broken, seconds=0.3)


def test_vary_returns_other_presets_that_keep_what_is_locked():
    found = vjax.vary(init(), "C3", 2, locked=["envelopes"], seconds=0.3, workers=2)
    assert [one.name for one in found] == [f"{init().name} (variation {i})" for i in (1, 2)]
    envelopes = [name.startswith("env_") for name in controls().continuous_names]
    for one in found:
        np.testing.assert_array_equal(one.continuous[envelopes], init().continuous[envelopes])
        assert not np.array_equal(one.continuous, init().continuous)


def test_vary_of_a_silent_preset_raises_value_error():
    with pytest.raises(ValueError, match="silent"):
        vjax.vary(with_values(init(), {"osc_1_on": 0}), seconds=0.4, workers=1)


@pytest.mark.parametrize(
    ("sound", "rate", "message"),
    [
        (np.zeros((1, RATE), np.float32), None, "an array has no sample rate; give sample_rate=44100"),
        (np.zeros((1, RATE), np.float32), RATE, "sound is silent"),
        (np.zeros((RATE, 2), np.float32), RATE, "its axes seem to be"),
        (np.zeros((1, RATE), np.int16), RATE, "divide 16-bit integers by 32768"),
        (np.full((1, RATE), np.nan, np.float32), RATE, "NaN or infinite"),
        (np.zeros((1, RATE), np.float32), 0, "sample rate of 0"),
        ("a.wav", RATE, "sample_rate=44100 is for arrays; the file a.wav has its own"),
    ],
)
def test_match_with_an_unusable_sound_raises_the_reason(engine_run, sound, rate, message):
    with pytest.raises(AudioError, match=message):
        vjax.match(sound, sample_rate=rate, checkpoint=engine_run)


def test_match_with_a_mono_array_equals_one_channel(engine_run):
    """soundfile and librosa return mono sounds in this form."""
    saw = (0.3 * (2 * (220 * np.arange(RATE // 2) / RATE % 1) - 1)).astype(np.float32)
    found = [
        vjax.match(sound, sample_rate=RATE, name="saw", checkpoint=engine_run, config=PREDICTION_ONLY)
        for sound in (saw, saw[None])
    ]
    assert found[0].preset.to_json() == found[1].preset.to_json()


@pytest.mark.parametrize(("sounds", "notes"), [(["a.wav", "b.wav"], [36]), ("a.wav", [36, 48]), ([], None)])
def test_match_with_unequal_numbers_of_notes_and_recordings_raises(sounds, notes):
    with pytest.raises(ValueError, match=r"there are \d notes and \d recordings; give one note for each, or one for"):
        vjax.match(sounds, notes)


def test_match_with_an_invalid_note_name_raises(engine_run):
    with pytest.raises(ValueError, match="'H2' is not a MIDI note"):
        vjax.match("a.wav", note="H2", checkpoint=engine_run)
