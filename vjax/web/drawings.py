"""The curves of a preset, for the page to draw."""

from typing import Any

import numpy as np

from vjax.candidates.patch.low_pass import cutoff_at_rest
from vjax.sound.schema import N_OSCILLATORS
from vjax.vital.editability import carrying_routes
from vjax.vital.filter_kinds import N_LINEAR
from vjax.vital.laws.envelopes import envelope
from vjax.vital.laws.filters import filter_gain_db, note_hz
from vjax.vital.lfo_shapes import shape_values
from vjax.vital.preset import Preset
from vjax.vital.timbre import cycles_of
from vjax.vital.units import control_text, curve_s, plays_once, rate_text, seconds_text
from vjax.vital.values import value_of

_POINTS = 160
_FRAMES, _CYCLE_POINTS = 24, 64  # of a table
_STAGES = ("delay", "attack", "hold", "decay")
_LOWEST_HZ, _HIGHEST_HZ = 20.0, 20000.0
_LOWEST_DB, _HIGHEST_DB = -60.0, 24.0
_VELOCITY = 0.8


def drawings(preset: Preset, note: int, note_s: float, seconds: float) -> list[dict[str, Any]]:
    """Curves to draw: the filters, and the envelopes and LFOs that move something.

    Args:
      note: MIDI note at which filters are drawn.
      note_s: time from note-on to note-off, seconds.
      seconds: the time that drawings of envelopes show.

    Returns:
      Name, unit of the horizontal axis, and values in [0, 1] of each.
    """
    sources = {route.source for _, route in carrying_routes(preset)}
    drawn = [_filter(preset, i, note) for i in (1, 2) if value_of(preset, f"filter_{i}_on")]
    for name in ("env_1", *sorted(one for one in sources - {"env_1"} if one.startswith("env_"))):
        time_s = np.linspace(0, seconds, _POINTS)
        stages = (value_of(preset, f"{name}_{stage}") ** 4 for stage in _STAGES)
        sustain, release_s = value_of(preset, f"{name}_sustain"), value_of(preset, f"{name}_release") ** 4
        powers = (value_of(preset, f"{name}_{stage}_power") for stage in ("attack", "decay", "release"))
        values = envelope(time_s, note_s, *stages, sustain, release_s, *powers)
        drawn.append(_drawing(control_text(name), f"{seconds:g} s", values))
    for name in sorted(one for one in sources if one.startswith("lfo_")):
        shape = preset.lfo_shapes[int(name.removeprefix("lfo_")) - 1]
        once = f"once in {seconds_text(curve_s(preset, name))}" if plays_once(preset, name) else ""
        drawn.append(_drawing(control_text(name), once or rate_text(preset, name), shape_values(shape, _POINTS)))
    return [one for one in drawn if one is not None]


def tables(preset: Preset) -> list[dict[str, Any]]:
    """Wavetables to draw as a whole: those of the oscillators that are on, where they consist of plain cycles.

    Returns:
      Oscillator, name, at most `_FRAMES` cycles in [-1, 1] from the first to the last, how many cycles there are, and
      the one that plays, in [0, 1].
    """
    drawn = []
    for i in (i for i in range(N_OSCILLATORS) if value_of(preset, f"osc_{i + 1}_on")):
        table, at = preset.wavetables[i], value_of(preset, f"osc_{i + 1}_wave_frame")
        found = cycles_of(table)
        if found is None or not np.abs(found[1]).max():
            continue
        positions, cycles = found
        last = len(cycles) - 1
        shown = np.rint(np.linspace(0, last, min(len(cycles), _FRAMES))).astype(int)
        frames = cycles[shown, :: cycles.shape[-1] // _CYCLE_POINTS] / np.abs(cycles).max()
        drawn.append(
            {
                "name": f"oscillator {i + 1}: {table.get('name') or 'a table'}",
                "cycles": len(cycles),
                "frames": np.round(frames, 3).tolist(),
                "at": float(np.interp(at, positions, np.arange(len(cycles)))) / max(last, 1),
                "moves": any(route.destination == f"osc_{i + 1}_wave_frame" for _, route in carrying_routes(preset)),
            }
        )
    return drawn


def _filter(preset: Preset, number: int, note: int) -> dict[str, Any] | None:
    """The gain of a filter without what moves its cutoff during a note; None for filters without a closed form."""
    name = f"filter_{number}"
    model, style = (int(value_of(preset, f"{name}_{menu}")) for menu in ("model", "style"))
    if model >= N_LINEAR:
        return None
    cutoff_hz = note_hz(cutoff_at_rest(preset, name, note, _VELOCITY))
    resonance, drive_db, blend = (value_of(preset, f"{name}_{knob}") for knob in ("resonance", "drive", "blend"))
    frequency_hz = np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _POINTS)
    gain_db = filter_gain_db(frequency_hz, cutoff_hz, resonance, drive_db, blend, model, style)
    shown = (np.clip(gain_db, _LOWEST_DB, _HIGHEST_DB) - _LOWEST_DB) / (_HIGHEST_DB - _LOWEST_DB)
    return _drawing(f"filter {number} at rest", "20 Hz to 20 kHz", shown)


def _drawing(name: str, unit: str, values: Any) -> dict[str, Any]:
    return {"name": name, "unit": unit, "values": np.round(np.asarray(values, float), 3).tolist()}
