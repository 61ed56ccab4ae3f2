"""The Vital engine's laws in closed form, as pure JAX functions: what a fit by gradient needs instead of audio.

Units are in the names. Every law is tested against the engine, and its error stands in its docstring.
"""

from vjax.vital.laws.envelopes import envelope, knob_seconds, power_scale, seconds_knob, voice_amplitude
from vjax.vital.laws.filters import (
    ANALOG,
    BAND_PEAK_NOTCH,
    DB_12,
    DB_24,
    DIGITAL,
    DIODE,
    DIRTY,
    LADDER,
    NOTCH_BLEND,
    NOTCH_SPREAD,
    cutoff_semitones,
    filter_gain_db,
    filter_response,
    hz_note,
    low_pass_gain_db,
    note_hz,
)

__all__ = [
    "ANALOG",
    "BAND_PEAK_NOTCH",
    "DB_12",
    "DB_24",
    "DIGITAL",
    "DIODE",
    "DIRTY",
    "LADDER",
    "NOTCH_BLEND",
    "NOTCH_SPREAD",
    "cutoff_semitones",
    "envelope",
    "filter_gain_db",
    "filter_response",
    "hz_note",
    "knob_seconds",
    "low_pass_gain_db",
    "note_hz",
    "power_scale",
    "seconds_knob",
    "voice_amplitude",
]
