"""Describes the movement of a sound's pitch as a shape that a musician would use."""

import math
from typing import NamedTuple, TypeVar

import numpy as np

from vjax.candidates.patch.pitch_period import folded, period_of
from vjax.candidates.patch.pitch_shapes import (
    Glide,
    Shape,
    Steps,
    drawn_of,
    glide_of,
    smoothed,
    sounds_longest,
    vibrato_of,
)
from vjax.candidates.patch.pitch_steps import steps_of
from vjax.candidates.patch.pitch_track import Track

S = TypeVar("S", bound=Shape)

_LOUD = 0.03  # of the loudest frame
_LEAST_STRENGTH, _OF_A_GLIDE = 0.8, 0.6  # mean over loud frames; less for a glide, because kicks begin with noise
_LEAST_FRAME = 0.7  # strength of a frame that counts
_LEAST_STEADINESS = 0.8  # share of frames near their neighbours
_STEADY, _STEADY_SHARE = 0.15, 0.9  # semitones; share of the sound, by weight
_LEAST_VIBRATO, _VIBRATO_EXPLAINS = 0.08, 0.7  # semitones; share of the variance
_LEAST_DRAWN = 0.2  # semitones, mean |deviation|; unison moves the pitch by less
_WITHIN = 0.3  # semitones, mean |deviation| of a shape that fits
_MOST_OFF = 3.0  # semitones: a larger deviation of a frame counts as this
_STEPS_SHARE, _REPEATED_SHARE, _DRAWN_SHARE, _GLIDE_SHARE = 0.88, 0.7, 0.8, 0.7
_WIDEST, _AT_REST = 30.0, 0.8  # semitones; share of the sound, by weight
_LEAST_FRAMES = 8
_LEAST_CYCLES = 2


class PitchCurve(NamedTuple):
    """How a pitch moves.

    Attributes:
      reference_midi: the pitch to which the curve is relative: of a glide its end, of a vibrato its middle, otherwise a
        pitch that sounds longest.
      shape: the movement.
      error: weighted mean |deviation| of the track from the shape, semitones. Each deviation counts as at most 3.
    """

    reference_midi: float
    shape: Shape
    error: float

    @property
    def kind(self) -> str:
        """`glide`, `steps`, `vibrato` or `drawn`."""
        return type(self.shape).__name__.lower()

    def semitones(self, time_s: np.ndarray) -> np.ndarray:
        """Returns semitones [n] above the reference at times [n] after note-on."""
        return self.shape.semitones(time_s)


def pitch_curve(track: Track, pitch_midi: float | None = None, note_s: float = math.inf) -> PitchCurve | None:
    """Returns the movement of a track; None if its pitch is steady within 0.15 semitones, or not reliable.

    Args:
      pitch_midi: the sound's pitch by another estimate, which decides between octaves. None or NaN if there is none.
      note_s: time from note-on to note-off, seconds. The sound after note-off does not count, because steps overlap in
        their tails. It counts if it is most of the sound, as in a kick.
    """
    loud = track.amplitude > _LOUD
    while_on = loud & (track.time_s <= note_s)
    loud = while_on if while_on.sum() > loud.sum() / 2 else loud
    if loud.sum() < _LEAST_FRAMES:
        return None
    strength = np.average(track.strength[loud], weights=track.amplitude[loud])
    if strength < _OF_A_GLIDE:
        return None
    kept = loud & _lasting(np.isfinite(track.midi)) & (track.strength >= _LEAST_FRAME)
    weight = np.where(kept, track.strength**4 * track.amplitude, 0.0)
    voiced = np.flatnonzero(weight > 0)
    if len(voiced) < _LEAST_FRAMES:
        return None
    midi = np.full(len(weight), np.nan)
    midi[voiced] = smoothed(track.midi[voiced], 3)
    near = np.abs(midi[voiced] - smoothed(midi[voiced], 7)) < 1.0
    if np.average(near, weights=weight[voiced]) < _LEAST_STEADINESS:
        return None
    midi = np.where(weight > 0, midi, 0.0)
    found = _shape(track.time_s, midi, weight, voiced)
    if found is None or (strength < _LEAST_STRENGTH and not isinstance(found[1], Glide)):
        return None
    reference, shape, error = found
    if pitch_midi is not None and math.isfinite(pitch_midi) and not isinstance(shape, (Glide, Steps)):
        octaves = round((pitch_midi - reference) / 12)
        if abs(pitch_midi - reference - 12 * octaves) < 0.5 and np.ptp(shape.semitones(track.time_s)) < 11:
            reference += 12 * octaves
    return PitchCurve(reference, shape, error)


def _lasting(pitched: np.ndarray) -> np.ndarray:
    """Returns [n] bool: frames in a run of at least three frames with a pitch. Shorter runs occur by chance."""
    core = pitched[:-2] & pitched[1:-1] & pitched[2:]
    return np.pad(core, (0, 2)) | np.pad(core, (1, 1)) | np.pad(core, (2, 0))


def _shape(
    time_s: np.ndarray, midi: np.ndarray, weight: np.ndarray, voiced: np.ndarray
) -> tuple[float, Shape, float] | None:
    """Returns (reference, shape, error) of the simplest shape that fits; None if there is no such shape."""
    here = time_s[voiced], midi[voiced], weight[voiced]
    longest = sounds_longest(*here[1:])
    off = np.abs(here[1] - longest)

    def measured(found: tuple[float, S] | None) -> tuple[float, S, float] | None:
        if found is None:
            return None
        reference, shape = found
        return reference, shape, _miss(here, reference, shape)

    if off.mean() < 12:  # vibrato first, because a shallow one could pass as a steady pitch
        vibrato = measured(vibrato_of(*here))
        if vibrato and _is_vibrato(here, *vibrato):
            steps = measured(steps_of(time_s, midi, weight, period_of(time_s, midi, weight)))
            return steps if steps and steps[2] < vibrato[2] / 2 else vibrato
    if np.average(off < _STEADY, weights=here[2]) >= _STEADY_SHARE or _is_steady_after_onset(here, longest):
        glide = measured(glide_of(*here))
        return glide if glide and _is_glide(here, *glide[:2]) else None
    glide = measured(glide_of(*here))
    if glide and _is_glide(here, *glide[:2]):
        return glide
    period_s = period_of(time_s, midi, weight)
    steps = measured(steps_of(time_s, midi, weight, period_s))
    if steps and _share(here, *steps[:2]) >= (_STEPS_SHARE if period_s is None else _REPEATED_SHARE):
        return None if _is_confusion(here, steps[1]) else steps
    if period_s is None:
        reference, drawn = drawn_of(*here)
    else:
        once = folded(time_s, midi, weight, period_s)
        sounds = np.isfinite(once)
        phase_s = np.arange(len(once))[sounds] * period_s / len(once)
        reference, drawn = drawn_of(phase_s, once[sounds], np.ones(sounds.sum()), period_s)
    error = _miss(here, reference, drawn)
    moves = np.average(np.abs(drawn.semitones(here[0])), weights=here[2])
    if moves < max(_LEAST_DRAWN, 3 * error):
        return None
    return (reference, drawn, error) if _share(here, reference, drawn) >= _DRAWN_SHARE else None


def _miss(here: tuple[np.ndarray, ...], reference: float, shape: Shape) -> float:
    time_s, midi, weight = here
    off = np.abs(midi - reference - shape.semitones(time_s))
    return float(np.average(np.minimum(off, _MOST_OFF), weights=weight))


def _share(here: tuple[np.ndarray, ...], reference: float, shape: Shape) -> float:
    """Returns the share of the sound, by weight, that lies near a shape."""
    time_s, midi, weight = here
    return float(np.average(np.abs(midi - reference - shape.semitones(time_s)) < 2 * _WITHIN, weights=weight))


def _is_steady_after_onset(here: tuple[np.ndarray, ...], longest: float) -> bool:
    """Returns whether the pitch is steady after the first three periods. Before that, the track may be octaves off."""
    time_s, midi, weight = here
    after = time_s > 3 / (440 * 2 ** ((longest - 69) / 12))
    if not after.any():
        return False
    return bool(np.average(np.abs(midi[after] - longest) < _STEADY, weights=weight[after]) >= _STEADY_SHARE)


def _is_vibrato(here: tuple[np.ndarray, ...], reference: float, shape, error: float) -> bool:
    time_s, midi, weight = here
    cycles = shape.rate_hz * (time_s[-1] - shape.delay_s)
    if (
        shape.depth < _LEAST_VIBRATO
        or cycles < _LEAST_CYCLES
        or error > max(_WITHIN / 2, min(0.35 * shape.depth, _WITHIN))
    ):
        return False
    clipped = np.clip(midi - reference, -2 * shape.depth, 2 * shape.depth)
    after = time_s >= shape.delay_s
    miss, spread = clipped - shape.semitones(time_s), clipped - np.median(clipped[after])
    explained = 1 - (weight * miss**2)[after].sum() / max((weight * spread**2)[after].sum(), 1e-12)
    return bool(explained >= _VIBRATO_EXPLAINS)


def _is_glide(here: tuple[np.ndarray, ...], reference: float, shape: Glide) -> bool:
    """Returns whether the moving part of the track follows the glide through its middle.

    A track that only begins octaves off jumps instead.
    """
    time_s, midi, weight = here
    curve = shape.semitones(time_s)
    moving = np.abs(curve) > max(0.3, 0.04 * abs(shape.semitones_off))
    seen = float(np.abs(curve).max())
    if _share(here, reference, shape) < _GLIDE_SHARE or moving.sum() < 4 or seen < 0.4:
        return False
    values = np.abs(midi[moving] - reference)
    midway = (values > 0.15 * values.max()) & (values < 0.85 * values.max())
    miss = np.abs(midi[moving] - reference - curve[moving])
    return bool(np.average(miss, weights=weight[moving]) < max(0.2, 0.12 * seen) and midway.sum() >= 3)


def _is_confusion(here: tuple[np.ndarray, ...], steps: Steps) -> bool:
    """Returns whether steps are errors of a track.

    Such steps do not repeat. They also are octaves, or have no tempo, or leap far, or rarely leave the reference. The
    track of a sound with weak odd harmonics, of a chord, or of a bright unison looks like that.
    """
    if steps.period_s is not None:
        return False
    semitones = np.asarray(steps.semitones_each)
    octaves = np.all(np.abs(semitones / 12 - np.round(semitones / 12)) < 0.05)
    at_rest = np.average(np.abs(steps.semitones(here[0])) < 0.5, weights=here[2])
    restless = len(semitones) > 4 and steps.bpm is None
    return bool(octaves or restless or np.ptp(semitones) > _WIDEST or (len(semitones) > 2 and at_rest > _AT_REST))
