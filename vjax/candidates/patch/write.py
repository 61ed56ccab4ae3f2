"""Writes a fitted patch as a Vital preset."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vjax.candidates.patch.model import N_FRAMES, Axes, Knobs, Skeleton
from vjax.vital.laws import DIGITAL, reverb_t60_s
from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route, controls, init
from vjax.vital.values import with_values
from vjax.vital.wavetables import table_json

OSCILLATOR_LEVEL = 0.35
"""Above this level filters saturate, and their laws do not hold. The volume sets the loudness."""

LEVEL_LFO, CUTOFF_LFO, FRAME_LFO = 1, 2, 3

_SECONDS, _ENVELOPE = 0, 2  # lfo_N_sync, lfo_N_sync_type
_MOST_POINTS = 24
_TOLERANCE_DB, _TOLERANCE_SEMITONES = 1.0, 1.0
_LEAST_LEVEL = 1e-4
_T60_S = float(reverb_t60_s(0.0))


def patch_preset(
    skeleton: Skeleton, knobs: Knobs, axes: Axes, tables: Sequence[np.ndarray], semitones: float, name: str
) -> Preset:
    """Returns the preset of a fitted patch.

    Args:
      tables: cycles [frames, 2048] of one oscillator, or of two that are panned left and right.
      semitones: by which the oscillators are transposed.
      name: of the wavetables.
    """
    native: dict[str, float] = {}
    menus: dict[str, int] = {}
    routes: list[Route] = []
    shapes = list(init().lfo_shapes)
    drawn = skeleton.drawn_gain > 0
    native |= _envelope(
        1,
        0.001 if drawn else math.exp(knobs.attack),
        math.exp(knobs.decay),
        1.0 if drawn else _sigmoid(float(knobs.sustain)),
        math.exp(knobs.release),
        float(knobs.decay_power),
    )
    period_s = float(axes.time_s[-1])
    node_s = np.asarray(axes.node_s, float)
    if skeleton.filtered:
        base = float(knobs.cutoff)
        if skeleton.filter_envelope:
            native |= _envelope(
                2,
                math.exp(knobs.filter_attack),
                math.exp(knobs.filter_decay),
                _sigmoid(float(knobs.filter_sustain)),
                math.exp(knobs.filter_release),
                float(knobs.filter_decay_power),
            )
            routes.append(_cutoff_route("env_2", float(knobs.amount)))
        if skeleton.drawn_cutoff:
            curve = np.clip(base + np.asarray(knobs.drawn_cutoff, float), 8, 136)
            kept = simplified(node_s, curve, _MOST_POINTS, _TOLERANCE_SEMITONES)
            base, span = float(curve[kept].min()), max(float(np.ptp(curve[kept])), 0.1)
            shapes[CUTOFF_LFO - 1] = _curve("Cutoff", node_s[kept], (curve[kept] - base) / span, period_s)
            native |= _once(CUTOFF_LFO, period_s)
            menus |= _once_menus(CUTOFF_LFO)
            routes.append(_cutoff_route(f"lfo_{CUTOFF_LFO}", span))
        menus |= {"filter_1_on": 1, "filter_1_model": DIGITAL, "filter_1_style": int(skeleton.steep)}
        native |= {"filter_1_cutoff": base, "filter_1_resonance": digital_resonance(math.exp(knobs.log_q))}
    if drawn:
        gain_db = np.asarray(knobs.drawn_gain_db, float)
        while_on = node_s <= float(axes.note_s) - 0.001
        gain_db = np.where(while_on, gain_db, gain_db[while_on][-1])
        gain_db = gain_db - gain_db.max()
        kept = simplified(node_s, gain_db, _MOST_POINTS, _TOLERANCE_DB)
        # The amplitude is the square of what an LFO adds to `voice_amplitude`.
        level = 10 ** (gain_db[kept] / 40)
        shapes[LEVEL_LFO - 1] = _curve("Level", node_s[kept], level, period_s, exponential=True)
        native |= {**_once(LEVEL_LFO, period_s), "voice_amplitude": 0.0}
        menus |= _once_menus(LEVEL_LFO)
        routes.append(Route(f"lfo_{LEVEL_LFO}", "voice_amplitude", 1.0))
    if skeleton.moving:
        position = np.arange(N_FRAMES) / (N_FRAMES - 1)
        shapes[FRAME_LFO - 1] = _curve("Table", np.asarray(axes.frame_s, float), position, period_s)
        native |= _once(FRAME_LFO, period_s)
        menus |= _once_menus(FRAME_LFO)
        routes += [Route(f"lfo_{FRAME_LFO}", f"osc_{i + 1}_wave_frame", 1.0) for i in range(len(tables))]
    if skeleton.reverberant:
        t60_s = math.exp(knobs.t60)
        menus["reverb_on"] = 1
        native |= {
            "reverb_decay_time": math.log2(t60_s / _T60_S),
            "reverb_dry_wet": _mix(float(knobs.wet_db) - reverb_gain_db(t60_s)),
        }
    peaks = np.array([np.abs(table).max() for table in tables])
    for i, peak in enumerate(peaks):
        menus |= {f"osc_{i + 1}_on": 1, f"osc_{i + 1}_destination": 0}
        native |= {
            # Vital scales each table to its peak. A level is the square of its parameter.
            f"osc_{i + 1}_level": OSCILLATOR_LEVEL * math.sqrt(peak / (peaks.max() or 1)),
            f"osc_{i + 1}_transpose": round(semitones),
            f"osc_{i + 1}_tune": semitones - round(semitones),
            f"osc_{i + 1}_pan": 0.0 if len(tables) == 1 else 2.0 * i - 1,
        }
    waves = [table_json(name, table / (peak or 1)) for table, peak in zip(tables, peaks, strict=True)]
    preset = dataclasses.replace(
        init(),
        routes=(*routes, *init().routes[len(routes) :]),
        lfo_shapes=tuple(shapes),
        wavetables=(*waves, *init().wavetables[len(waves) :]),
    )
    return with_values(preset, {**within_ranges(native), **menus})


def within_ranges(values: Mapping[str, float]) -> dict[str, float]:
    """Returns native values of parameters, clipped to the parameters' ranges."""
    schema = controls()
    knobs = {name: schema.continuous[schema.position[name]] for name in values}
    return {name: min(max(value, knobs[name].minimum), knobs[name].maximum) for name, value in values.items()}


def simplified(x: np.ndarray, y: np.ndarray, most: int, tolerance: float) -> list[int]:
    """Returns indices of at most `most` points of a curve. Lines between them stay within `tolerance`, if possible.

    The point that is furthest off is added repeatedly (as in Douglas and Peucker, 1973, but with a limit).
    """
    kept = [0, len(x) - 1]
    while len(kept) < most:
        off = np.abs(y - np.interp(x, x[kept], y[kept]))
        worst = int(np.argmax(off))
        if off[worst] <= tolerance:
            break
        kept = sorted({*kept, worst})
    return kept


def reverb_gain_db(t60_s: float) -> float:
    """Returns by how many dB Vital's reverb alone is louder than the long note that goes into it.

    This was measured with a saw at note 48 and T60 from 0.7 to 10 s. The error is within 0.2 dB.
    """
    return -4.95 + 1.1 * math.log2(t60_s)


def _mix(wet_db: float) -> float:
    """Returns the mix that makes an effect `wet_db` louder than the dry sound. The gains are its sine and cosine."""
    return 2 / math.pi * math.atan(10 ** (wet_db / 20))


def digital_resonance(q: float) -> float:
    """Returns the Digital filter's resonance R for a first stage with this Q, see VITAL_LAWS: Q = 0.5 + 15.5 R^3."""
    return float(np.clip((q - 0.5) / 15.5, 0, 1) ** (1 / 3))


def analog_resonance(q: float) -> float:
    """Returns the same for the Analog filter: 1 / Q = 2 - 2.15 sqrt(R), so that it reaches Qs from 0.5 up."""
    return float(np.clip((2 - 1 / q) / 2.15, 0, 1) ** 2)


def _envelope(
    i: int, attack_s: float, decay_s: float, sustain: float, release_s: float, decay_power: float
) -> dict[str, float]:
    times = {"attack": attack_s, "decay": decay_s, "release": release_s}
    knobs = {f"env_{i}_{stage}": seconds**0.25 for stage, seconds in times.items()}
    return {**knobs, f"env_{i}_sustain": sustain, f"env_{i}_decay_power": decay_power}


def _once(lfo: int, period_s: float) -> dict[str, float]:
    return {f"lfo_{lfo}_frequency": -math.log2(period_s), f"lfo_{lfo}_smooth_time": -10.0}


def _once_menus(lfo: int) -> dict[str, int]:
    """Returns options for an LFO that runs through its shape once from note-on and stays at its end."""
    return {f"lfo_{lfo}_sync": _SECONDS, f"lfo_{lfo}_sync_type": _ENVELOPE, f"lfo_{lfo}_smooth_mode": 0}


def _cutoff_route(source: str, semitones: float) -> Route:
    knob = controls().continuous[controls().position["filter_1_cutoff"]]
    return Route(source, "filter_1_cutoff", float(np.clip(semitones / (knob.maximum - knob.minimum), -1, 1)))


def _curve(
    name: str, time_s: np.ndarray, value: np.ndarray, period_s: float, exponential: bool = False
) -> dict[str, Any]:
    """Returns an LFO shape through values in [0, 1]. Its segments are linear, or exponential: straight in dB."""
    phase = np.clip(time_s / period_s, 0, 1)
    points = [(0.0, float(value[0])), *zip(phase[1:].tolist(), value[1:].tolist(), strict=True)]
    if phase[-1] < 1:
        points.append((1.0, float(value[-1])))
    shape = shape_json(name, points)
    if exponential:  # Vital's power p of a segment makes it exponential; it ends at exp(p) times its beginning
        level = np.maximum([value for _, value in points], _LEAST_LEVEL)
        shape["powers"] = [*np.log(level[1:] / level[:-1]).tolist(), 0.0]
    return shape


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-float(x)))
