"""Knob values as Vital's own panel shows them: seconds, decibels, semitones instead of the native values.

The table below copies that of the engine (`display_units`, `scale` and related attributes of vita 0.1.0), by patterns
of names. So text can be written without an engine. A test compares all 322 knobs with the engine's own text.
"""

import functools
import re
from collections.abc import Callable

_SECONDS = "s"


def _power(exponent: float, factor: float = 1.0, offset: float = 0.0) -> Callable[[float], float]:
    return lambda native: factor * native**exponent + offset


_KINDS: tuple[tuple[str, Callable[[float], float], str], ...] = (
    (r"env_\d_(attack|decay|delay|hold|release)", _power(4), _SECONDS),
    (r"lfo_\d_smooth_time|portamento_time|reverb_decay_time", lambda native: 2.0**native, _SECONDS),
    (r"reverb_chorus_frequency", lambda native: 2.0**native, "Hz"),
    # A period, as on the panel. The engine stores octaves of frequency.
    (r"(chorus|delay|delay_aux|flanger|phaser|lfo_\d|random_\d)_frequency", lambda native: 2.0**-native, _SECONDS),
    (r"chorus_delay_\d", lambda native: 1000 * 2.0**native, "ms"),
    (r"lfo_\d_(delay|fade)_time|reverb_delay", _power(1), _SECONDS),
    (r"volume", _power(0.5, 1, -80), "dB"),
    (r"compressor_(band|high|low)_(gain|(upper|lower)_threshold)|eq_\w+_gain|reverb_\w+_shelf_gain", _power(1), "dB"),
    (r"distortion_drive|filter_\w+_drive", _power(1), "dB"),
    (r"filter_(1|2|fx)_cutoff", _power(1, 1, -60), "st"),
    (r"distortion_filter_cutoff|eq_\w+_cutoff|reverb_(high_shelf|low_shelf|pre_high|pre_low)_cutoff", _power(1), "st"),
    (r"filter_\w+_blend_transpose|flanger_center|phaser_(center|mod_depth)|pitch_bend_range", _power(1), "st"),
    (r"(osc_\d|sample|voice)_transpose|(lfo|random)_\d_keytrack_transpose", _power(1), "st"),
    (r"voice_tune|(osc_\d|sample)_tune|(lfo|random)_\d_keytrack_tune", _power(1, 100), "cents"),
    (r"osc_\d_(distortion_)?phase|(flanger|phaser)_phase_offset", _power(1, 360), "°"),
    (r"(eq_\w+_resonance|reverb_chorus_amount)", _power(2, 100), "%"),
    (r"osc_\d_unison_detune", _power(2), "%"),
    (r"(osc_\d|sample)_level", _power(2), ""),
    (r"flanger_dry_wet|osc_\d_(distortion|spectral_morph)_spread", _power(1, 200), "%"),
    (r"(chorus|delay|phaser|reverb)_dry_wet|(chorus|delay|flanger|phaser)_feedback", _power(1, 100), "%"),
    (r"(chorus|flanger)_mod_depth|compressor_(attack|release)|distortion_filter_resonance", _power(1, 100), "%"),
    (r"filter_\w+_(formant_resonance|formant_spread|keytrack|mix|resonance)", _power(1, 100), "%"),
    (r"osc_\d_(distortion|spectral_morph)_amount", _power(1, 100), "%"),
    (r"osc_\d_(pan|random_phase|stereo_spread|unison_blend)", _power(1, 100), "%"),
    (r"reverb_size|sample_pan|stereo_routing|velocity_track", _power(1, 100), "%"),
    (r"beats_per_minute|bypass", _power(1, 60), ""),
    (r"chorus_voices", _power(1, 4), ""),
)  # fmt: skip


def panel_value(name: str, native: float) -> tuple[float, str]:
    """(value, unit) of a knob as Vital's panel shows it; the native value without a unit for knobs without a scale."""
    kind = _kind(name)
    if kind is None:
        return float(native), ""
    scale, unit = kind
    return float(scale(float(native))), unit


def knob_text(name: str, native: float) -> str:
    """A knob's value for people, about three digits: `120 ms`, `-6.0 dB`, `35 %`."""
    value, unit = panel_value(name, native)
    if unit == _SECONDS and abs(value) < 1:
        value, unit = 1000 * value, "ms"
    size = abs(value)
    decimals = 0 if size >= 100 or value == round(value) else 1 if size >= 10 else 2
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = "0"
    return f"{text}{'' if unit == '°' else ' '}{unit}".rstrip()


@functools.cache
def _kind(name: str) -> tuple[Callable[[float], float], str] | None:
    return next(((scale, unit) for pattern, scale, unit in _KINDS if re.fullmatch(pattern, name)), None)
