"""Changes a preset's wavetables so that its average spectrum becomes that of a target.

Other parameters cannot add what a wavetable lacks. But most modules after an oscillator (filters, envelopes, effects)
multiply its harmonics. So if a harmonic is too soft in the render, it is made louder by the same factor in every cycle
of the table. With distortion, FM or two oscillators on one harmonic, this is only a step in a good direction. So only a
part of the step is taken, the preset is rendered, and the step is repeated.
"""

import base64
import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from vjax.audio.pitch import midi_to_hz
from vjax.sound.schema import N_OSCILLATORS
from vjax.vital.preset import Preset, controls
from vjax.vital.wavetables import FRAME

_FFT_SIZE = 8192  # 5.4 Hz per bin at 44.1 kHz: this separates the harmonics of the lowest notes
_SHARE = 0.7  # of the difference in dB that a step corrects
_MOST_DB = 24.0  # by which a step changes a harmonic, at most
_RANGE_DB = 80.0  # a harmonic this far below the strongest is inaudible beside it
_HIGHEST_HZ = 20000.0
_UNTRACKED_NOTE = 48  # note of an oscillator whose keyboard tracking is off
_SUFFIX = " (fitted)"


def average_power(audio: np.ndarray) -> np.ndarray:
    """Returns the power spectrum [_FFT_SIZE / 2 + 1] float64 of a sound [channels, samples].

    It is the mean over channels and Hann frames.
    """
    padded = np.pad(audio, ((0, 0), (_FFT_SIZE // 2, _FFT_SIZE // 2)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SIZE, axis=-1)[:, :: _FFT_SIZE // 4]
    return (np.abs(np.fft.rfft(frames * np.hanning(_FFT_SIZE))) ** 2).mean((0, 1))


def with_spectrum(
    preset: Preset, note: int, wanted: np.ndarray, rendered: np.ndarray, sample_rate: int
) -> Preset | None:
    """Returns the preset with wavetables one step nearer to the wanted spectrum; None if none of them can be changed.

    Only tables of plain cycles can be changed. These have "Wave Source" components alone and are four fifths of what
    musicians use. Tables with other components stay. The level is ignored, because tables are played at full scale.

    Args:
      note: MIDI note of the render.
      wanted, rendered: `average_power` of the target and of the preset's render.
    """
    menus = dict(zip(controls().categorical_names, map(int, preset.categorical), strict=True))
    tables = list(preset.wavetables)
    for i in range(N_OSCILLATORS):
        if not menus[f"osc_{i + 1}_on"]:
            continue
        pitch_hz = _pitch_hz(preset, menus, i + 1, note)
        n = int(min(_HIGHEST_HZ / pitch_hz, sample_rate / 2 / pitch_hz - 1, FRAME // 2))
        if n < 2:
            continue
        wanted_db, measured_db = (_harmonics_db(power, pitch_hz, n, sample_rate) for power in (wanted, rendered))
        step_db = np.clip(_SHARE * (wanted_db - measured_db), -_MOST_DB, _MOST_DB)
        tables[i] = _filtered(tables[i], step_db) or tables[i]
    changed = any(new is not old for new, old in zip(tables, preset.wavetables, strict=True))
    return dataclasses.replace(preset, wavetables=tuple(tables)) if changed else None


def _pitch_hz(preset: Preset, menus: Mapping[str, int], oscillator: int, note: int) -> float:
    """Returns an oscillator's pitch as its parameters set it, without modulation, bend or unison."""
    schema = controls()
    native = schema.to_native(preset.continuous)
    names = (f"osc_{oscillator}_transpose", f"osc_{oscillator}_tune", "voice_transpose", "voice_tune")
    base = note if menus[f"osc_{oscillator}_midi_track"] else _UNTRACKED_NOTE
    return float(midi_to_hz(base + sum(native[schema.position[name]] for name in names)))


def _harmonics_db(power: np.ndarray, pitch_hz: float, n: int, sample_rate: int) -> np.ndarray:
    """Returns the level [n] of harmonics 1 to n, in dB relative to the strongest.

    A harmonic gets all power up to halfway to its neighbours.
    """
    hz = np.arange(len(power)) * sample_rate / _FFT_SIZE
    edges = np.searchsorted(hz, (np.arange(1, n + 2) - 0.5) * pitch_hz)
    sums = np.concatenate([[0.0], np.cumsum(power)])
    db = 10 * np.log10(np.maximum(sums[edges[1:]] - sums[edges[:-1]], 1e-12))
    return np.maximum(db - db.max(), -_RANGE_DB)


def _filtered(table: Mapping[str, Any], gain_db: np.ndarray) -> dict[str, Any] | None:
    """Returns the table with harmonics 1 to n of all cycles louder by `gain_db` [n].

    Higher harmonics get the mean gain of harmonics n/2 to n. Phases stay. Returns None for a table that is not made of
    plain cycles.
    """
    fitted = copy.deepcopy(dict(table))
    components = [component for group in fitted["groups"] for component in group["components"]]
    if any(component["type"] != "Wave Source" for component in components):
        return None
    keyframes = [keyframe for component in components for keyframe in component.get("keyframes") or ()]
    if not keyframes:
        return None
    cycles = np.stack([np.frombuffer(base64.b64decode(keyframe["wave_data"]), "<f4") for keyframe in keyframes])
    above = np.full(FRAME // 2 - len(gain_db), gain_db[len(gain_db) // 2 :].mean())
    gain = 10 ** (np.concatenate([[0.0], gain_db, above]) / 20)
    cycles = np.fft.irfft(np.fft.rfft(cycles) * gain, FRAME)
    peak = np.abs(cycles).max()
    if not peak > 0:
        return None
    for keyframe, cycle in zip(keyframes, cycles / peak, strict=True):
        keyframe["wave_data"] = base64.b64encode(cycle.astype("<f4").tobytes()).decode("ascii")
    name = str(table.get("name", ""))
    return fitted | {"name": name if name.endswith(_SUFFIX) else name + _SUFFIX}
