"""Formats a preset's values in the units that people use: hertz, milliseconds, decibels, semitones."""

import math
import re

from vjax.sound.schema import Schema
from vjax.vital.laws import reverb_t60_s
from vjax.vital.preset import Preset, controls
from vjax.vital.values import value_of

_SECONDS, _KEYTRACK = 0, 4  # options of `*_sync`
_ONCE = (2, 3, 5)  # options of `lfo_N_sync_type`: envelope, sustain envelope, loop hold
_KINDS_OF_TEMPO = {1: "", 2: " dotted", 3: " triplet"}
_MODULES = (("osc_", "oscillator "), ("env_", "envelope "), ("lfo_", "LFO "))


def hz_text(hz: float) -> str:
    if hz >= 999.5:
        return f"{hz / 1000:.1f} kHz"
    return f"{hz:.0f} Hz" if hz >= 99.95 else f"{hz:.1f} Hz" if hz >= 0.995 else f"{hz:.2f} Hz"


def seconds_text(seconds: float) -> str:
    if seconds < 0.9995:
        return f"{round(1000 * seconds, 1 if seconds < 0.00995 else None):g} ms"
    return f"{seconds:.1f} s"


def semitones_text(semitones: float) -> str:
    """Returns semitones, or cents below one semitone."""
    if abs(semitones) < 1:
        return f"{100 * semitones:.0f} cents"
    return f"{round(semitones, 1 if abs(semitones) < 9.95 else None):g} semitones"


def level_db_text(level: float) -> str:
    """Returns the dB of a level or an envelope. Vital takes its square as amplitude."""
    return db_text(40 * math.log10(level)) if level > 1e-4 else "silence"


def db_text(db: float) -> str:
    return "0 dB" if abs(db) < 0.05 else f"{db:+.1f} dB"


def percent_text(share: float) -> str:
    return f"{100 * share:.0f} %"


def midi_hz(midi: float) -> float:
    return 440 * 2 ** ((midi - 69) / 12)


def rate_text(preset: Preset, module: str) -> str:
    """Returns how often a module repeats: `5.0 Hz`, `1/4 at 120 bpm`, or at the pitch of the key."""
    sync = int(value_of(preset, f"{module}_sync"))
    if sync == _SECONDS:
        return hz_text(2 ** value_of(preset, f"{module}_frequency"))
    if sync == _KEYTRACK:
        return "at the pitch of the key"
    bpm = 60 * value_of(preset, "beats_per_minute")
    tempo = controls().categorical[controls().position[f"{module}_tempo"]]
    return f"{tempo_text(tempo.minimum + value_of(preset, tempo.name))}{_KINDS_OF_TEMPO[sync]} at {bpm:.0f} bpm"


def plays_once(preset: Preset, source: str) -> bool:
    """Returns whether a source is an LFO that plays a drawn curve once, in seconds."""
    return (
        source.startswith("lfo_")
        and value_of(preset, f"{source}_sync_type") in _ONCE
        and not value_of(preset, f"{source}_sync")
    )


def curve_s(preset: Preset, lfo: str) -> float:
    """Returns how many seconds an LFO takes to play its curve once."""
    return 2.0 ** -value_of(preset, f"{lfo}_frequency")


def label_of(preset: Preset, menu: str) -> str:
    """Returns the engine's name of the chosen option of a categorical parameter."""
    schema = controls()
    return schema.categorical[schema.position[menu]].label(int(preset.categorical[schema.position[menu]]))


def tempo_text(native: float) -> str:
    """Returns the label of a native value of any `*_tempo`, for example `1/4`.

    Only an LFO's parameter names all of them, and not all others begin at 0.
    """
    labels = controls().categorical[controls().position["lfo_1_tempo"]].labels
    return labels[min(max(round(native), 0), len(labels) - 1)]


def control_text(name: str) -> str:
    """Returns a control's name for people, for example `oscillator 1 wave frame`."""
    for prefix, text in _MODULES:
        name = re.sub(rf"^{prefix}(?=\d)", text, name)
    return name.replace("dry_wet", "mix").replace("_", " ")


def value_text(name: str, native: float) -> str:
    """Returns a parameter's native value with its unit, or as a share of its range if it has no unit."""
    if re.fullmatch(r"env_\d_(delay|attack|hold|decay|release)", name):
        return seconds_text(native**4)
    if name.endswith("cutoff"):
        return hz_text(midi_hz(native))
    if name.endswith(("_level", "_sustain")) or name == "voice_amplitude":
        return level_db_text(native)
    if name.endswith("transpose"):
        return f"{native:+.0f} semitones"
    if name.endswith("_tune"):
        return f"{100 * native:+.0f} cents"
    if name.endswith(("_gain", "_drive")):
        return db_text(native)
    if name == "reverb_decay_time":
        return seconds_text(float(reverb_t60_s(native)))
    if name == "portamento_time":
        return seconds_text(2.0**native)
    if name.endswith("wave_frame"):
        return f"{native:.0f}"
    return percent_text(_share(controls(), name, native))


def change_text(name: str, change: float) -> str:
    """Returns by how much a route moves a parameter, given the native `change`."""
    if name.endswith(("cutoff", "transpose", "_tune")):
        return semitones_text(change)
    if name.endswith("_gain"):
        return f"{change:.1f} dB"
    if name.endswith("wave_frame"):
        return f"{change:.0f} frames"
    schema = controls()
    knob = schema.continuous[schema.position[name]] if name in schema.continuous_names else None
    return f"{percent_text(change / (knob.maximum - knob.minimum))} of its range" if knob else percent_text(change)


def _share(schema: Schema, name: str, native: float) -> float:
    knob = schema.continuous[schema.position[name]]
    return (native - min(knob.minimum, 0)) / max(knob.maximum, abs(knob.minimum))
