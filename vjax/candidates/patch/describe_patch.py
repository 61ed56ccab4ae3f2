"""Describes a patch in plain text, using only the values in the preset."""

import math

import numpy as np

from vjax.candidates.patch.describe_filter import cutoff_text, describe_filter, main_mover
from vjax.engine import synth
from vjax.sound.encoding import EFFECTS
from vjax.sound.schema import N_OSCILLATORS
from vjax.vital.editability import MACROS, PLAYERS, carrying_routes, filters_passed, frames_reached
from vjax.vital.filter_kinds import filter_kind
from vjax.vital.preset import Preset, Route
from vjax.vital.timbre import Timbre, cycle_at, timbre_of
from vjax.vital.units import (
    change_text,
    control_text,
    curve_s,
    db_text,
    label_of,
    level_db_text,
    midi_hz,
    percent_text,
    plays_once,
    rate_text,
    seconds_text,
    semitones_text,
    value_text,
)
from vjax.vital.values import value_of
from vjax.vital.wavetables import FRAME

_HIGHEST_HZ = 20000.0


def describe(preset: Preset, note: int, velocity: float = 0.8) -> str:
    """Describes the parts of a patch and what they do at a note: one sentence per part, each on its own line.

    Args:
      note: MIDI note at which cutoffs are given in Hz.
      velocity: at which cutoffs are given.
    """
    routes = [route for _, route in carrying_routes(preset)]
    played = {player for player in PLAYERS if value_of(preset, f"{player}_on")}
    filters = sorted({number for player in played for number in filters_passed(preset, player)})
    described = {number: main_mover(preset, routes, number) for number in filters}
    lines = [_oscillator(preset, i, note) for i in range(N_OSCILLATORS) if f"osc_{i + 1}" in played]
    lines += [_noise(preset)] if "sample" in played else []
    lines += [describe_filter(preset, number, note, velocity, route) for number, route in described.items()]
    lines.append(_amplitude(preset))
    rest = [r for r in routes if r.source not in (*MACROS, "velocity") and r not in described.values()]
    lines += [_route(preset, route) for route in rest]
    lines += [_effects(preset), _velocity(preset, routes), _macros(preset)]
    return "\n".join(line for line in lines if line)


def oscillator_timbre(preset: Preset, number: int, note: int, frame: float) -> Timbre | None:
    """Returns the timbre of oscillator `number`, from 0, at a note and a frame.

    Returns None if its table does not consist of plain cycles.
    """
    cycle = cycle_at(preset.wavetables[number], frame)
    if cycle is None:
        return None
    hz = midi_hz(note + _transposed(preset, f"osc_{number + 1}"))
    return timbre_of(cycle, max(min(int(_HIGHEST_HZ / hz), FRAME // 2 - 1), 1))


def _transposed(preset: Preset, name: str) -> float:
    return value_of(preset, f"{name}_transpose") + value_of(preset, f"{name}_tune")


def _oscillator(preset: Preset, number: int, note: int) -> str:
    name = f"osc_{number + 1}"
    low, high = frames_reached(preset, number)
    parts = [_table(preset, number, note, low)]
    if high > low:
        last = _table(preset, number, note, high)
        parts.append("moving through it" if last == parts[0] else f"moving to {last}")
    for kind in ("distortion", "spectral_morph"):
        if value_of(preset, f"{name}_{kind}_type"):
            parts.append(label_of(preset, f"{name}_{kind}_type").lower())
    if abs(_transposed(preset, name)) >= 0.005:
        way = "up" if _transposed(preset, name) > 0 else "down"
        parts.append(f"{semitones_text(abs(_transposed(preset, name)))} {way}")
    voices = round(value_of(preset, f"{name}_unison_voices"))
    if voices > 1:
        detune = value_of(preset, f"{name}_unison_detune") ** 2 * value_of(preset, f"{name}_detune_range")
        parts.append(f"{voices} unison voices within +-{detune:.0f} cents")
    if abs(value_of(preset, f"{name}_pan")) >= 0.01:
        side = "right" if value_of(preset, f"{name}_pan") > 0 else "left"
        parts.append(f"{percent_text(abs(value_of(preset, f'{name}_pan')))} to the {side}")
    parts.append(f"level {level_db_text(value_of(preset, f'{name}_level'))}")
    return f"Oscillator {number + 1}: {', '.join(parts)}."


def _table(preset: Preset, number: int, note: int, frame: float) -> str:
    timbre = oscillator_timbre(preset, number, note, frame)
    if timbre is None:
        return f"the table {str(preset.wavetables[number].get('name', ''))!r}"
    harmonics = {0: "odd and even harmonics", 2: "odd harmonics only"}
    slope = f"{round(timbre.slope_db):+d} dB" if round(timbre.slope_db) else "0 dB"
    detail = harmonics.get(timbre.missing, f"without every {timbre.missing}th harmonic")
    if timbre.label in ("sine-like", "silent"):
        text = f"a {timbre.label} table"
    elif timbre.label in ("inharmonic", "noise-like"):
        text = f"{'an' if timbre.label == 'inharmonic' else 'a'} {timbre.label} table ({slope} an octave)"
    else:
        text = f"a {timbre.label} table ({slope} an octave, {detail})"
    return text if timbre.first == 1 else f"{text} of {timbre.first} periods a cycle"


def _noise(preset: Preset) -> str:
    level = level_db_text(value_of(preset, "sample_level"))
    return f"Noise: {preset.sample.get('name') or 'a sample'}, level {level}."


def _amplitude(preset: Preset) -> str:
    attack_s, decay_s, release_s = (value_of(preset, f"env_1_{x}") ** 4 for x in ("attack", "decay", "release"))
    sustain = value_of(preset, "env_1_sustain")
    falls = f"decay {seconds_text(decay_s)} to {level_db_text(sustain)}" if sustain < 0.995 else "full sustain"
    return f"Loudness (envelope 1): attack {seconds_text(attack_s)}, {falls}, release {seconds_text(release_s)}."


def _route(preset: Preset, route: Route) -> str:
    if route.destination == "voice_amplitude" and plays_once(preset, route.source):
        return f"{_source(preset, route.source)} draws the loudness."
    low, high = synth.control_ranges()[route.destination]
    change = abs(route.amount) * (high - low)
    by = f"+-{change_text(route.destination, change / 2)}" if route.bipolar else change_text(route.destination, change)
    way = "" if route.bipolar else ("down " if route.amount < 0 else "up ")
    return f"{_source(preset, route.source)} moves {control_text(route.destination)} {way}by {by}."


def _source(preset: Preset, source: str) -> str:
    name = control_text(source)
    name = name[0].upper() + name[1:]
    if source.startswith("lfo_"):
        shape = preset.lfo_shapes[int(source[-1]) - 1].get("name", "")
        if plays_once(preset, source):
            return f"{name} ({shape!r}, once in {seconds_text(curve_s(preset, source))})"
        return f"{name} ({shape!r}, {rate_text(preset, source)})"
    if source.startswith("random_"):
        return f"{name} ({rate_text(preset, source)})"
    if source.startswith("env_"):
        attack, decay = (seconds_text(value_of(preset, f"{source}_{stage}") ** 4) for stage in ("attack", "decay"))
        sustain = percent_text(value_of(preset, f"{source}_sustain"))
        return f"{name} (attack {attack}, decay {decay}, sustain {sustain})"
    return name


def _effects(preset: Preset) -> str:
    found = []
    for effect in EFFECTS:
        if not value_of(preset, f"{effect}_on"):
            continue
        details = []
        for mix, full in (("dry_wet", 0.5 if effect == "flanger" else 1.0), ("mix", 1.0)):
            if effect != "eq" and f"{effect}_{mix}" in synth.control_ranges():
                share = value_of(preset, f"{effect}_{mix}")
                details.append(f"mix {percent_text(share / full)}{'' if share else _opened_by(preset, effect, mix)}")
        if effect == "reverb":
            details.append(f"T60 {value_text('reverb_decay_time', value_of(preset, 'reverb_decay_time'))}")
        if effect in ("chorus", "delay", "flanger", "phaser"):
            details += [rate_text(preset, effect), f"feedback {percent_text(value_of(preset, f'{effect}_feedback'))}"]
        if effect == "distortion":
            details += [label_of(preset, "distortion_type").lower(), db_text(value_of(preset, "distortion_drive"))]
        if effect == "filter_fx":
            details += [filter_kind(preset, effect), cutoff_text(value_of(preset, "filter_fx_cutoff"))]
        if effect == "eq":
            gains = {band: db_text(value_of(preset, f"eq_{band}_gain")) for band in ("low", "band", "high")}
            flat = set(gains.values()) == {"0 dB"}
            details += ["flat"] if flat else [f"{band} {gain}" for band, gain in gains.items()]
        found.append(f"{effect.replace('_fx', '')} ({', '.join(details)})")
    return f"Effects: {'; '.join(found)}." if found else ""


def _opened_by(preset: Preset, effect: str, mix: str) -> str:
    """Names the macros that mix in an effect. Without them, the effect is inaudible."""
    sources = {route.source for route in preset.routes if route and route.destination == f"{effect}_{mix}"}
    names = [name for macro, name in zip(MACROS, preset.macro_names, strict=True) if macro in sources]
    return f" until {' or '.join(names)} is turned up" if names else ""


def _velocity(preset: Preset, routes: list[Route]) -> str:
    """Describes the changes from velocity 0 to 1; for the level from 0.2 on, because 0 may be silent."""
    found = []
    for route in routes:
        if route.source == "velocity":
            low, high = synth.control_ranges()[route.destination]
            change = change_text(route.destination, abs(route.amount) * (high - low))
            found.append(f"{control_text(route.destination)} {'up' if route.amount > 0 else 'down'} by {change}")
    track = value_of(preset, "velocity_track")
    if abs(track) >= 0.005:
        change_db = -40 * math.log10(1 + track * (0.2 - 1))
        found.append(f"loudness by {db_text(change_db)} from velocity 0.2 to 1")
    return f"Velocity: {', '.join(found)}." if found else ""


def _macros(preset: Preset) -> str:
    found = []
    for macro, name in zip(MACROS, preset.macro_names, strict=True):
        does = [_macro_does(preset, route) for route in preset.routes if route and route.source == macro]
        if does:
            found.append(f"{name}: {', '.join(does)}")
    return f"Macros: {'; '.join(found)}." if found else ""


def _macro_does(preset: Preset, route: Route) -> str:
    """Describes what a macro moves when it goes from 0 to 1."""
    low, high = synth.control_ranges()[route.destination]
    if route.destination.startswith("modulation_"):
        moved = preset.routes[int(route.destination.split("_")[1]) - 1]
        if moved is None or not route.destination.endswith("_amount"):
            return control_text(route.destination)
        span = np.ptp(synth.control_ranges()[moved.destination])
        depths = [abs(a) * span for a in (moved.amount, moved.amount + route.amount * (high - low))]
        before, after = (change_text(moved.destination, depth) for depth in depths)
        return f"{control_text(moved.source)} on {control_text(moved.destination)} from {before} to {after}"
    if route.destination.endswith("cutoff"):
        way = "up" if route.amount > 0 else "down"
        return f"{control_text(route.destination)} {way} by {change_text(route.destination, abs(route.amount) * 128)}"
    if route.destination not in synth.control_ranges():
        return control_text(route.destination)
    now = value_of(preset, route.destination)
    then = min(max(now + route.amount * (high - low), low), high)
    before, after = (value_text(route.destination, value) for value in (now, then))
    return f"{control_text(route.destination)} from {before} to {after}"
