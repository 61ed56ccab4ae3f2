"""Values of controls as text, in the units of Vital's panel, with hertz and decibels beside them."""

import re

from vjax.vital.filter_kinds import blend_shape, blends, style_text
from vjax.vital.in_use import modulator
from vjax.vital.knob_text import knob_text, panel_value
from vjax.vital.preset import Preset, controls
from vjax.vital.tutorial.words import module_title
from vjax.vital.units import db_text, hz_text, label_of, level_db_text, midi_hz, tempo_text
from vjax.vital.values import value_of
from vjax.vital.wavetables import POSITIONS

_CUTOFF = re.compile(r"\w+_cutoff|(phaser|flanger)_center")
_PERIODIC = re.compile(r"(chorus|flanger|phaser|lfo_\d|random_\d)_frequency")
_AMPLITUDE = re.compile(r"(osc_\d|sample)_level|voice_amplitude|env_1_sustain")  # the sound's gain is its square
_GAIN = re.compile(r"\w+_gain|volume|distortion_drive|\w+_(transpose|tune)")
_PLAIN_PERCENT = re.compile(r"env_\d_sustain|macro_control_\d|mod_wheel|(distortion|compressor)_mix|lfo_\d_phase")
_NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_GLOBAL_SNAP = 1 << len(_NOTES)


def native_of(preset: Preset, name: str) -> float:
    """The value that Vital stores for a control."""
    schema = controls()
    if name in schema.categorical_names:
        return float(schema.categorical[schema.position[name]].minimum + value_of(preset, name))
    return float(value_of(preset, name))


def is_switch(name: str) -> bool:
    """Whether a control is either off or on. The smooth mode of an LFO is called so by the engine only."""
    schema = controls()
    if name.endswith("_smooth_mode"):
        return False
    return name in schema.categorical_names and schema.categorical[schema.position[name]].labels == ("Off", "On")


def value_text(preset: Preset, name: str) -> str:
    """The text of a control's value in a preset."""
    if name in controls().categorical_names:
        return menu_text(preset, name)
    return native_text(preset, name, value_of(preset, name))


def menu_text(preset: Preset, name: str) -> str:
    """The text of a menu's option in a preset."""
    if is_switch(name):
        return "on" if value_of(preset, name) else "off"
    if name.endswith("_tempo"):
        return tempo_text(native_of(preset, name))
    if re.fullmatch(r"filter_(1|2|fx)_style", name):
        return style_text(preset, name.removesuffix("_style"))
    text = label_of(preset, name)
    if re.fullmatch(r"osc_\d_distortion_type", name):
        source = modulator(int(name[4]), int(value_of(preset, name)))
        return f"{text.split('<-')[0].strip()} from {module_title(source)}" if source else text
    if name.endswith("_destination") or name == "stereo_mode":
        return text.title().replace("Eq", "EQ").replace("Fx", "FX")
    if name.endswith("_smooth_mode"):
        return "Smooth" if value_of(preset, name) else "Fade In"
    return text


def native_text(preset: Preset, name: str, native: float) -> str:
    """The text of a knob at a native value. The preset gives the context: a filter's model, a unison's range."""
    panel, unit = panel_value(name, native)
    if _CUTOFF.fullmatch(name):
        shown = _trimmed(_signed(panel) if name.startswith("filter") else f"{panel:.1f}")
        return f"{hz_text(midi_hz(native))} ({shown} semitones)"
    if _PERIODIC.fullmatch(name):
        return f"{hz_text(1 / panel)} ({_trimmed(knob_text(name, native))})"
    if _AMPLITUDE.fullmatch(name):
        shown = _percent(native) if name == "env_1_sustain" else short_number(panel)
        return f"{shown} ({level_db_text(native)})"
    if _PLAIN_PERCENT.fullmatch(name):
        return _percent(native)
    if re.fullmatch(r"env_\d_\w+_power", name):
        return _curve_text(native, fast=native > 0 if "attack" in name else native < 0)
    if name.endswith("_tempo"):
        return tempo_text(round(native))
    if name == "beats_per_minute":
        return f"{panel:.0f} bpm" if abs(panel - round(panel)) < 0.005 else f"{panel:.2f} bpm"
    if name.endswith("_pan"):
        side = "left" if native < 0 else "right"
        return f"{_trimmed(knob_text(name, abs(native)))} {side}" if native else "the middle"
    if name.endswith("_unison_detune"):
        cents = panel * value_of(preset, name.replace("unison_detune", "detune_range"))
        most = f"{cents:.0f}" if cents >= 10 else f"{cents:.2g}"
        return f"{_trimmed(knob_text(name, native))} (at most {most} cents)"
    if name.endswith("_wave_frame"):
        return f"{native:.0f} of {POSITIONS}"
    if name.endswith("_transpose_quantize"):
        return _snap_text(round(native))
    if re.fullmatch(r"filter_(1|2|fx)_blend", name) and blends(preset, name.removesuffix("_blend")):
        return f"{_trimmed(f'{native:.2f}')} ({blend_shape(native)})"
    text = knob_text(name, native) if unit else short_number(panel)
    text = re.sub(r" st$", " semitones", _trimmed(text))
    if re.search(r"_(transpose|detune_range)$", name) and not unit:
        text += " semitones"
    return f"+{text}" if _GAIN.fullmatch(name) and panel > 0 and not text.startswith("0 ") else text


def short_number(number: float) -> str:
    """A number with about three digits, never in powers of ten."""
    return f"{number:.3g}" if abs(number) >= 1e-3 or not number else _trimmed(f"{number:.5f}")


def power_text(power: float) -> str:
    """The curve of a route. A positive power rises fast at first."""
    return _curve_text(power, fast=power > 0)


def _curve_text(power: float, fast: bool) -> str:
    if abs(power) < 0.05:
        return "0 (straight)"
    return f"{power:+.1f} ({'fast' if fast else 'slow'} at first)"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _trimmed(text: str) -> str:
    """Without zeros at the end of a fraction: `70.0 %` is `70 %`."""
    return re.sub(r"(\.\d*?)0+(?!\d)", lambda zeros: zeros.group(1).rstrip("."), text)


def _signed(number: float) -> str:
    return f"{number:+.1f}" if abs(number) >= 0.05 else "0.0"


def _snap_text(code: int) -> str:
    notes = [note for i, note in enumerate(_NOTES) if code >> i & 1]
    text = "all notes" if len(notes) == len(_NOTES) else ", ".join(notes) or "no notes"
    return f"{text}, with Global Snap" if code & _GLOBAL_SNAP else text


def shift_text(name: str, shift: float) -> str | None:
    """The text of a change on the panel's own scale, `+36 semitones`; None for a knob whose scale is not linear."""
    if name.endswith("_wave_frame"):
        return f"{shift:+.0f} frames"
    if name.endswith("_tempo"):
        return f"{shift:+.1f} steps of the menu"
    if name.endswith(("_tune", "_transpose")) or _CUTOFF.fullmatch(name):
        cents = name.endswith("_tune") and abs(shift) < 1
        text = f"{100 * shift:+.0f} cents" if cents else f"{shift:+.3g} semitones"
        return f"{text} ({abs(shift) / 12:.3g} octaves)" if _CUTOFF.fullmatch(name) and abs(shift) > 12 else text
    if _PLAIN_PERCENT.fullmatch(name):
        return f"{100 * shift:+.0f} %"
    low, middle, high = (panel_value(name, x)[0] for x in (0.25, 0.5, 0.75))
    if abs(low + high - 2 * middle) > 1e-9 * (abs(low) + abs(high)) or name in ("voice_amplitude", "env_1_sustain"):
        return None
    unit = panel_value(name, 0.5)[1].replace("st", "semitones")
    if unit == "dB":
        return db_text(shift)
    return f"{shift * 4 * (middle - low):+.3g}{'' if unit == '°' else ' '}{unit}".rstrip()
