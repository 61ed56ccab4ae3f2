"""A preset's wavetables, changed so that its average spectrum is a target's.

Turning knobs does not reach what a wavetable lacks. But most of what an oscillator passes through (filters, envelopes,
effects) multiplies its harmonics: by as much as a harmonic is heard too soft, it is made louder in every cycle of the
table. Where that is not all that happens (distortion, FM, two oscillators on one harmonic) it is a step in a good
direction, so it is taken in part, played, and taken again.
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

_FFT_SIZE = 8192  # 5.4 Hz a bin at 44.1 kHz: harmonics of the lowest notes stand apart
_SHARE = 0.7  # of the way, in dB, that a step goes
_MOST_DB = 24.0  # that a step moves a harmonic
_RANGE_DB = 80.0  # below the strongest harmonic, where nothing is heard beside it
_HIGHEST_HZ = 20000.0
_UNTRACKED_NOTE = 48  # what an oscillator plays whose keyboard tracking is off
_SUFFIX = " (fitted)"


def average_power(audio: np.ndarray) -> np.ndarray:
    """[channels, samples] to [_FFT_SIZE / 2 + 1] float64: the power spectrum, mean over channels and Hann frames."""
    padded = np.pad(audio, ((0, 0), (_FFT_SIZE // 2, _FFT_SIZE // 2)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SIZE, axis=-1)[:, :: _FFT_SIZE // 4]
    return (np.abs(np.fft.rfft(frames * np.hanning(_FFT_SIZE))) ** 2).mean((0, 1))


def with_spectrum(preset: Preset, note: int, wanted: np.ndarray, heard: np.ndarray, sample_rate: int) -> Preset | None:
    """The preset with wavetables a step nearer to the wanted spectrum; None if none of them can take it.

    Tables of plain cycles can ("Wave Source" alone, four fifths of what musicians use); made of other components they
    stay. Level is left aside: tables are played at their full scale.

    Args:
      note: MIDI note at which it was heard.
      wanted, heard: `average_power` of the target and of the preset's render.
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
        wanted_db, heard_db = (_harmonics_db(power, pitch_hz, n, sample_rate) for power in (wanted, heard))
        step_db = np.clip(_SHARE * (wanted_db - heard_db), -_MOST_DB, _MOST_DB)
        tables[i] = _filtered(tables[i], step_db) or tables[i]
    changed = any(new is not old for new, old in zip(tables, preset.wavetables, strict=True))
    return dataclasses.replace(preset, wavetables=tuple(tables)) if changed else None


def _pitch_hz(preset: Preset, menus: Mapping[str, int], oscillator: int, note: int) -> float:
    """Of an oscillator as its knobs say it, without modulation, bend or unison."""
    schema = controls()
    native = schema.to_native(preset.continuous)
    names = (f"osc_{oscillator}_transpose", f"osc_{oscillator}_tune", "voice_transpose", "voice_tune")
    base = note if menus[f"osc_{oscillator}_midi_track"] else _UNTRACKED_NOTE
    return float(midi_to_hz(base + sum(native[schema.position[name]] for name in names)))


def _harmonics_db(power: np.ndarray, pitch_hz: float, n: int, sample_rate: int) -> np.ndarray:
    """[n] of the power between the middles beside each harmonic 1 to n, in dB below the strongest."""
    hz = np.arange(len(power)) * sample_rate / _FFT_SIZE
    edges = np.searchsorted(hz, (np.arange(1, n + 2) - 0.5) * pitch_hz)
    sums = np.concatenate([[0.0], np.cumsum(power)])
    db = 10 * np.log10(np.maximum(sums[edges[1:]] - sums[edges[:-1]], 1e-12))
    return np.maximum(db - db.max(), -_RANGE_DB)


def _filtered(table: Mapping[str, Any], gain_db: np.ndarray) -> dict[str, Any] | None:
    """The table with the harmonics 1 to n of all cycles louder by `gain_db` [n], those above like n/2 to n in the mean.

    Phases stay. None for a table that is not made of plain cycles.
    """
    fitted = copy.deepcopy(dict(table))
    components = [component for group in fitted["groups"] for component in group["components"]]
    if any(component["type"] != "Wave Source" for component in components):
        return None
    keyframes = [keyframe for component in components for keyframe in component["keyframes"]]
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
