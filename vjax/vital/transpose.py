"""Transposes a preset."""

import dataclasses

import numpy as np

from vjax.vital.preset import Preset, controls


def transposed(preset: Preset, semitones: float) -> tuple[Preset, float]:
    """The preset with its whole voice shifted by `semitones`, and the actual shift, which control ranges may limit.

    Whole semitones go to `voice_transpose`, the rest to `voice_tune`.
    """
    schema = controls()
    transpose, tune = (schema.continuous[schema.position[name]] for name in ("voice_transpose", "voice_tune"))
    at = [schema.position[knob.name] for knob in (transpose, tune)]
    now = schema.minimum[at] + preset.continuous[at] * schema.span[at]
    wanted = now.sum() + semitones
    whole = np.clip(round(wanted), transpose.minimum, transpose.maximum)
    rest = np.clip(wanted - whole, tune.minimum, tune.maximum)
    continuous = preset.continuous.copy()
    continuous[at] = transpose.to_norm(whole), tune.to_norm(rest)
    return dataclasses.replace(preset, continuous=continuous), float(whole + rest - now.sum())
