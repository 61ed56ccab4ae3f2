"""Tests of vjax.matching.comment."""

import numpy as np
import pytest

import vjax
from vjax.audio.metric_names import METRICS
from vjax.cli.match_flags import STYLE_NAMES
from vjax.matching.comment import STYLES, comment, style_of

RATE = 44100


def tone(attack_s: float = 0.0, fall_s: float = 1e9, seconds: float = 2.0) -> np.ndarray:
    t_s = np.arange(round(seconds * RATE)) / RATE
    level = np.minimum(t_s / attack_s, 1) if attack_s else np.ones_like(t_s)
    return (0.3 * level * np.exp(-t_s / fall_s) * np.sin(2 * np.pi * 220 * t_s))[None].astype(np.float32)


@pytest.mark.parametrize(
    ("audio", "note", "pitched", "style"),
    [
        (tone(), 60, True, "Lead"),
        (tone(), 36, True, "Bass"),
        (tone(attack_s=0.8), 60, True, "Pad"),
        (tone(fall_s=0.4), 60, True, "Keys"),
        (tone(fall_s=0.03), 60, True, "Percussion"),
        (tone(), 60, False, "SFX"),
    ],
)
def test_style_of_a_sound_is_one_of_vitals_tags(audio, note, pitched, style):
    assert style_of(audio, RATE, note, 1.5, pitched) == style


def test_comment_contains_sound_note_method_and_distance():
    metrics = dict.fromkeys(METRICS, 1.0) | {"mss": 1.234, "loudness_difference": 0.26}
    text = comment("bass", 36, 1.5, "resynthesis", metrics, "By somebody, CC0.")
    assert text == (
        f"Made by vjax {vjax.__version__} from the sound 'bass', for note 36 (C2), 1.5 s long. "
        "Method: resynthesis. Distance to the sound: 1.23 dB MSS, 0.3 LU in loudness.\nBy somebody, CC0."
    )


def test_comment_of_a_silent_preset_has_no_distance():
    text = comment("bass", 36, 1.5, "prediction", dict.fromkeys(METRICS, float("nan")), "")
    assert text.endswith("Distance to the sound: none, it is silent.")


def test_styles_of_the_flag_are_those_of_vjax():
    assert STYLE_NAMES == STYLES
