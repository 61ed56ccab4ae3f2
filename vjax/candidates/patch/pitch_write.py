"""Writes the movement of a pitch into a preset: one route moves the whole voice.

Routes to `voice_transpose` and `voice_tune` move all oscillators alike. They act from the engine's next block on, which
is 3 ms later than routes to an oscillator.
"""

import dataclasses
import math

import numpy as np

from vjax.candidates.patch.pitch_curve import PitchCurve
from vjax.candidates.patch.pitch_shapes import DrawnCurve, Glide, Steps, Vibrato
from vjax.vital.editability import MOST_ROUTES
from vjax.vital.laws import ENVELOPE, SECONDS, TRIGGER
from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route, controls
from vjax.vital.transpose import transposed
from vjax.vital.values import with_routes, with_values

PITCH_LFO, PITCH_ENVELOPE = 4, 3

_LONGEST_S = 32.0
_LATE_S = 0.003  # measured
_SINE = shape_json("Sine", [(0, 0), (0.5, 1), (1, 0)], smooth=True)
_MIDDLE = 0.25  # phase of the sine at which it passes its middle on the way up


def with_pitch_curve(preset: Preset, curve: PitchCurve, duration_s: float) -> Preset:
    """Returns the preset with its whole voice moved by a curve. Its oscillators play the curve's reference pitch.

    A glide uses envelope 3. All other shapes use LFO 4.

    Args:
      duration_s: of the sound. A curve that does not repeat runs once in this time.

    Raises:
      ValueError: the preset has six routes or more, or the envelope or LFO that the curve uses moves something already.
    """
    source = f"env_{PITCH_ENVELOPE}" if isinstance(curve.shape, Glide) else f"lfo_{PITCH_LFO}"
    routes = [route for route in preset.routes if route is not None]
    if len(routes) >= MOST_ROUTES:
        raise ValueError(
            f"the preset has {len(routes)} routes; expected at most {MOST_ROUTES - 1}; the pitch needs another"
        )
    if any(route.source == source for route in routes):
        raise ValueError(f"{source} already moves another parameter; the pitch needs it. Use another source there")
    match curve.shape:
        case Glide():
            return _with_glide(preset, curve.shape)
        case Vibrato():
            return _with_vibrato(preset, curve.shape)
        case Steps():
            return _with_lfo(preset, "Steps", *_stairs(curve.shape, duration_s), curve.shape.period_s, duration_s)
        case DrawnCurve():
            points = np.array(curve.shape.point_s), np.array(curve.shape.semitones_each)
            return _with_lfo(preset, "Pitch", *points, curve.shape.period_s, duration_s)


def _with_glide(preset: Preset, glide: Glide) -> Preset:
    knob = min(glide.glide_s, _LONGEST_S) ** 0.25
    values = {"attack": 0.0, "hold": 0.0, "delay": 0.0, "decay": knob, "release": knob, "sustain": 0.0}
    values |= {"decay_power": glide.power, "release_power": glide.power}
    named = {f"env_{PITCH_ENVELOPE}_{name}": value for name, value in values.items()}
    route = Route(f"env_{PITCH_ENVELOPE}", "voice_transpose", _amount("voice_transpose", glide.semitones_off))
    return with_routes(with_values(preset, named), route)


def _with_vibrato(preset: Preset, vibrato: Vibrato) -> Preset:
    """Adds a sine around the middle.

    With its smoothing on, the LFO stays at its first value during the delay, not at 0.
    """
    waits = vibrato.delay_s > 0
    phase = (_MIDDLE + vibrato.phase + (0 if waits else _LATE_S * vibrato.rate_hz)) % 1
    delay_s = min(max(vibrato.delay_s - _LATE_S, 0), 4.0)
    knobs = {"frequency": math.log2(vibrato.rate_hz), "phase": phase, "delay_time": delay_s}
    menus = {"sync_type": TRIGGER, "smooth_mode": 1}
    whole = 2 * vibrato.depth  # from the lowest to the highest
    tune = controls().continuous[controls().position["voice_tune"]]
    destination = "voice_tune" if whole <= tune.maximum - tune.minimum else "voice_transpose"
    route = Route(f"lfo_{PITCH_LFO}", destination, _amount(destination, whole), bipolar=True)
    return with_routes(_with_shape(preset, _SINE, knobs, menus), route)


def _stairs(steps: Steps, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns (times, semitones) of the corners."""
    end_s = steps.period_s or duration_s
    kept = [at for at in range(len(steps.start_s)) if steps.start_s[at] < end_s]
    begins = [steps.start_s[at] for at in kept]
    corners = [at_s for begin, end in zip(begins, [*begins[1:], end_s], strict=True) for at_s in (begin, end)]
    return np.array(corners), np.repeat([steps.semitones_each[at] for at in kept], 2)


def _with_lfo(
    preset: Preset, name: str, time_s: np.ndarray, semitones: np.ndarray, period_s: float | None, duration_s: float
) -> Preset:
    """Adds a curve through points that runs once from note-on, or repeats.

    The voice is transposed to the lowest pitch, rounded down to whole semitones. The LFO adds to that.
    """
    base = math.floor(semitones.min() + 1e-6)
    span = max(float(semitones.max()) - base, 0.1)
    length_s = period_s or duration_s
    inside = time_s <= length_s
    phase, value = time_s[inside] / length_s, (semitones[inside] - base) / span
    if phase[0] > 0:
        phase, value = np.append(0.0, phase), np.append(value[0], value)
    if phase[-1] < 1:
        last = np.interp(length_s, time_s, (semitones - base) / span)
        phase, value = np.append(phase, 1.0), np.append(value, last)
    shape = shape_json(name, list(zip(phase.tolist(), np.clip(value, 0, 1).tolist(), strict=True)))
    menus = {"sync_type": TRIGGER if period_s else ENVELOPE, "smooth_mode": 0}
    shaped = _with_shape(preset, shape, {"frequency": -math.log2(length_s), "phase": _LATE_S / length_s}, menus)
    lowered, _ = transposed(shaped, base)
    return with_routes(lowered, Route(f"lfo_{PITCH_LFO}", "voice_transpose", _amount("voice_transpose", span)))


def _with_shape(preset: Preset, shape: dict, knobs: dict[str, float], menus: dict[str, int]) -> Preset:
    shapes = list(preset.lfo_shapes)
    shapes[PITCH_LFO - 1] = shape
    values = {"sync": SECONDS, "smooth_time": -10.0, "delay_time": 0.0, "fade_time": 0.0, "stereo": 0.0}
    values = {f"lfo_{PITCH_LFO}_{name}": value for name, value in {**values, **knobs, **menus}.items()}
    return with_values(dataclasses.replace(preset, lfo_shapes=tuple(shapes)), values)


def _amount(destination: str, semitones: float) -> float:
    """Returns the amount of a route that adds `semitones`."""
    knob = controls().continuous[controls().position[destination]]
    return float(np.clip(semitones / (knob.maximum - knob.minimum), -1, 1))
