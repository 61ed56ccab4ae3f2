"""Style and comment, which a written preset stores about itself."""

import math
from collections.abc import Mapping

import numpy as np

import vjax
from vjax.audio.levels import block_levels_db
from vjax.audio.pitch import note_name

STYLES = ("Bass", "Experiment", "Keys", "Lead", "Pad", "Percussion", "Sequence", "SFX")
"""Vital's style tags, by which its browser finds presets."""

_BASS_NOTE = 48  # C3: a sound with a pitch below it is a bass, unless it is a pad
_SHORT_S = 0.35  # a sound that has fallen by _OVER_DB before this is percussive
_OVER_DB = 30.0
_SLOW_ATTACK_S = 0.15  # until 6 dB below its loudest moment
_SUSTAIN_DB = 12.0  # a sound is sustained if its level at the end of the note is less than this below its peak
_BLOCK_S = 0.02


def style_of(audio: np.ndarray, sample_rate: int, note: int, note_s: float, pitched: bool) -> str:
    """One of STYLES for a sound, by its pitch and its level over time.

    Args:
      audio: [channels, samples], from its onset on.
      note: MIDI note.
      note_s: time from note-on to note-off, seconds.
      pitched: whether it has a pitch.
    """
    level_db = block_levels_db(audio, sample_rate, _BLOCK_S)
    peak_db = level_db.max()
    lasts_s = _BLOCK_S * (1 + int(np.flatnonzero(level_db > peak_db - _OVER_DB).max()))
    if lasts_s < _SHORT_S:
        return "Percussion"
    if not pitched:
        return "SFX"
    attack_s = _BLOCK_S * int(np.argmax(level_db > peak_db - 6))
    end = min(max(round(note_s / _BLOCK_S) - 1, 0), len(level_db) - 1)
    sustained = peak_db - level_db[end] < _SUSTAIN_DB
    if sustained and attack_s > _SLOW_ATTACK_S:
        return "Pad"
    if note < _BASS_NOTE:
        return "Bass"
    return "Lead" if sustained else "Keys"


def comment(name: str, note: int, note_s: float, method: str, metrics: Mapping[str, float], credit: str) -> str:
    """The comment of a preset: version of vjax, sound, note, method, distance to the sound, and credit.

    Args:
      name: of the sound.
      method: how the preset was found.
      credit: for the parts that the preset is made of; may be empty.
    """
    found = f"{metrics['mss']:.2f} dB MSS" if math.isfinite(metrics["mss"]) else "none, it is silent"
    if math.isfinite(metrics["loudness_difference"]):
        found += f", {metrics['loudness_difference']:.1f} LU in loudness"
    text = (
        f"Made by vjax {vjax.__version__} from the sound {name!r}, for note {note} ({note_name(note)}), "
        f"{note_s:.1f} s long. Method: {method}. Distance to the sound: {found}."
    )
    return f"{text}\n{credit}".strip()
