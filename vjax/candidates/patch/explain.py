"""Explains a sound as patches: fits skeletons, writes them, and corrects them by what the engine plays."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vjax.audio.clip import Clip
from vjax.audio.distances import mss
from vjax.audio.pitch import midi_to_hz
from vjax.candidates.patch.finish import finished
from vjax.candidates.patch.fit import Fit, fit, refit
from vjax.candidates.patch.model import Axes, Knobs, Skeleton, axes_of, frame_shares, passed_db
from vjax.candidates.patch.modules import with_modules
from vjax.candidates.patch.pitch_curve import PitchCurve, pitch_curve
from vjax.candidates.patch.pitch_track import pitch_track
from vjax.candidates.patch.pitch_write import with_pitch_curve
from vjax.candidates.patch.spectrogram import FLOOR_DB, Spectrogram, at_level_of, spectrogram
from vjax.candidates.patch.tables import cycles, line_powers, solve, with_correction
from vjax.candidates.patch.tracking import with_key_tracking
from vjax.candidates.patch.write import patch_preset
from vjax.inference.target import Kind, Sought, Start
from vjax.inference.wavetable_fit import HARMONICS
from vjax.vital.pool import RenderJob, RenderPool
from vjax.vital.preset import Preset
from vjax.vital.values import value_of, with_values

PATCH = "patch"
"""Begins the labels of these candidates."""

_DENSITIES = (1, 4)  # lines a harmonic: more of them play what is no harmonic
_LOWEST_HZ = 16.0
_NARROW = 0.03  # of the middle's power: less at the sides is hardly audible
_KEPT = (8, 4, 2)  # patches that are corrected in each round
_FITS, _FITS_OF_TWO = 6, 4
# What each part must lower the distance by to be worth its complexity; and what a patch must gain without a filter.
_CURVE_DB, _MOVING_DB, _REVERB_DB, _FIXED_DB = 0.15, 0.25, 0.1, 0.2
_STEP = 0.9  # of the way that a correction goes
_MOST_DB = 20.0
_OVER_FLOOR_DB = 5.0
_HEADROOM_DB = 8.0  # of the volume: 12 dB over its default, less what velocity takes


class Ground(NamedTuple):
    """What a patch is fitted on: the pitch of its table in MIDI, how that moves (None: not), and the axes."""

    midi: float
    curve: PitchCurve | None
    axes: Axes

    def moved(self, time_s: np.ndarray) -> np.ndarray:
        """[t]: semitones by which the pitch is off the table's."""
        return np.zeros(len(time_s)) if self.curve is None else self.curve.semitones(time_s)


class Attempt(NamedTuple):
    """A patch on its way.

    Attributes:
      midi: pitch of the tables' first line.
      powers: of the lines [frames, n] of each oscillator.
      distance_db: MSS, with what its complexity costs.
      audio: its render.
    """

    fit: Fit
    ground: Ground
    midi: float
    powers: tuple[np.ndarray, ...]
    preset: Preset | None = None
    distance_db: float = math.inf
    audio: np.ndarray | None = None

    @property
    def label(self) -> str:
        moves = f", {self.ground.curve.kind}" if self.ground.curve else ""
        return f"{PATCH}, {self.fit.name}{moves}"


class Explained(NamedTuple):
    """Patches of a sound, the best first, and the renders that they took."""

    starts: list[Start]
    evals: int


def explain(clip: Clip, pool: RenderPool, note: int) -> Preset:
    """The best patch of a clip whose note was held as `pool`'s config says."""
    config = pool.config
    pitch = clip.pitch if clip.pitch.clear else None
    sought = Sought(clip.stereo(config.samples), note, config.note_s, clip.sample_rate, pitch)
    return explained(sought, pool, clip.title, most=1).starts[0].preset


def explained(sought: Sought, pool: RenderPool, name: str, most: int = 3, others: Sequence[Sought] = ()) -> Explained:
    """Patches that explain a sound, at most `most`; a few dozen renders.

    Each is ready for a musician, see `vjax.candidates.patch.finish`.

    Args:
      name: of the presets.
      others: further recordings of the instrument, at other notes: they decide how the filter follows the keyboard.
    """
    sound = spectrogram(sought.audio, sought.sample_rate)
    middle, side = sought.audio.mean(0), (sought.audio[0] - sought.audio[1]) / 2
    channels = middle[None] if np.sum(side**2) < _NARROW * np.sum(middle**2) else sought.audio
    grounds = _grounds(sought, sound)
    attempts = []
    for ground in grounds:
        fits = sorted(fit(sound, ground.axes), key=lambda one: one.error_db + _complexity(one.skeleton))
        for one in fits[: _FITS if len(grounds) == 1 else _FITS_OF_TWO]:
            for density in _DENSITIES:
                midi = _base(ground.midi, density)
                attempts.append(Attempt(one, ground, midi, _solved(one, channels, sought.sample_rate, ground, midi)))
    done: list[Attempt] = []
    for kept in _KEPT:
        attempts = sorted(_played(attempts, sought, pool, name), key=lambda one: one.distance_db)
        done += attempts
        attempts = _corrected([one for one in attempts if one.audio is not None][:kept], sound, sought)
    done += _played(attempts, sought, pool, name)
    best: dict[str, Attempt] = {}
    for one in sorted(done, key=lambda one: one.distance_db):
        if one.audio is not None:
            best.setdefault(one.label, one)
    starts = []
    evals = len(done)
    for i, one in enumerate(list(best.values())[:most]):
        label, preset = one.label, _loud_enough(one, sought)
        if i == 0:  # at the level that they keep: a distortion and a noise depend on it
            better = with_modules(preset, _spectrogram_of(one, sought), sound, sought, pool)
            preset, evals = better.preset, evals + better.evals
            label = ", ".join([label, *better.modules])
        tracked = with_key_tracking(preset, sought.note, others, pool)
        evals += tracked.evals
        preset = finished(tracked.preset, sought.note, pool.config.velocity, name)
        starts.append(Start(label, preset, Kind.PATCH))
    return Explained(starts, evals)


def _grounds(sought: Sought, sound: Spectrogram) -> list[Ground]:
    """A steady pitch, and one that moves where the sound's does."""
    midi = sought.pitch.midi if sought.pitch is not None else float(sought.note)
    curve = pitch_curve(pitch_track(sought.audio, sought.sample_rate), midi, sought.note_s)
    grounds = []
    for moves in (None, curve) if curve else (None,):
        pitch = moves.reference_midi if moves else midi
        moved = moves.semitones(sound.time_s) if moves else None
        axes = axes_of(sound.time_s, sound.band_hz, sought.note_s, _audible(sound, pitch), moved)
        grounds.append(Ground(pitch, moves, axes))
    return grounds


def _audible(sound: Spectrogram, midi: float) -> np.ndarray:
    """[bands] bool: at some time above the floor, and no lower than half an octave below the pitch."""
    above = (sound.db > FLOOR_DB + _OVER_FLOOR_DB).any(0)
    pitched = above & (sound.band_hz > midi_to_hz(midi - 6))
    return pitched if pitched.sum() > 3 else np.ones_like(above)


def _base(midi: float, density: int) -> float:
    midi -= 12 * math.log2(density)
    while midi_to_hz(midi) < _LOWEST_HZ:
        midi += 12
    return midi


def _complexity(skeleton: Skeleton) -> float:
    bends = skeleton.drawn_cutoff + skeleton.drawn_gain
    parts = _CURVE_DB * bends + _MOVING_DB * skeleton.moving + _REVERB_DB * skeleton.reverberant
    return parts + _FIXED_DB * (1 - skeleton.filtered)


def _solved(one: Fit, channels: np.ndarray, sample_rate: int, ground: Ground, midi: float) -> tuple[np.ndarray, ...]:
    """Powers of the lines of each channel."""
    solved = []
    for channel in channels:
        time_s, powers = line_powers(channel, sample_rate, midi_to_hz(midi), ground.moved)
        line = midi + 12 * np.log2(np.arange(1, HARMONICS + 1))  # always as many: compiled once
        line = line + ground.moved(time_s)[:, None]
        here = ground.axes._replace(time_s=jnp.asarray(time_s, jnp.float32), band=jnp.asarray(line, jnp.float32))
        gains_db, shares = _passed(one.knobs, jax.tree.map(jnp.float32, one.skeleton), here)
        gains = 10 ** (np.asarray(gains_db)[:, : powers.shape[1]] / 10)
        solved.append(solve(powers, gains, np.asarray(shares) if one.skeleton.moving else np.ones((len(time_s), 1))))
    return tuple(solved)


@jax.jit
def _passed(knobs: Knobs, skeleton: Skeleton, axes: Axes) -> tuple[jax.Array, jax.Array]:
    return passed_db(knobs, skeleton, axes), frame_shares(axes)


def _written(one: Attempt, note: int, name: str) -> Attempt:
    tables = [cycles(powers, seed) for seed, powers in enumerate(one.powers)]
    axes = one.ground.axes
    preset = patch_preset(one.fit.skeleton, one.fit.knobs, axes, tables, one.midi - note, name)
    if one.ground.curve:
        preset = with_pitch_curve(preset, one.ground.curve, float(axes.time_s[-1]))
    return one._replace(preset=preset)


def _played(attempts: Sequence[Attempt], sought: Sought, pool: RenderPool, name: str) -> list[Attempt]:
    """The attempts, written and played."""
    written = [_written(one, sought.note, name) for one in attempts]
    jobs = [RenderJob(one.preset.to_json(), (sought.note,), note_s=sought.note_s) for one in written]
    played = []
    for one, rendering in zip(written, pool.map(jobs), strict=True):
        if rendering.audio is not None:
            distance = float(mss(at_level_of(rendering.audio[0], sought.audio), sought.audio, sought.sample_rate))
            if not math.isnan(distance):
                one = one._replace(audio=rendering.audio[0], distance_db=distance + _complexity(one.fit.skeleton))
        played.append(one)
    return played


def _loud_enough(one: Attempt, sought: Sought) -> Preset:
    """The preset with its oscillators as loud as the volume needs to reach the sound, with room for velocity."""
    missing_db = 10 * math.log10(np.sum(sought.audio**2) / np.sum(one.audio**2)) - _HEADROOM_DB
    if missing_db <= 0:
        return one.preset
    names = [f"osc_{i + 1}_level" for i in range(len(one.powers))]
    levels = [value_of(one.preset, name) for name in names]
    gain = min(10 ** (missing_db / 40), 1 / max(levels))  # a level is the square of its knob
    return with_values(one.preset, {name: level * gain for name, level in zip(names, levels, strict=True)})


def _spectrogram_of(one: Attempt, sought: Sought) -> Spectrogram:
    """Of what an attempt plays, at the level that it will have."""
    return spectrogram(at_level_of(one.audio, sought.audio), sought.sample_rate)


def _corrected(attempts: Sequence[Attempt], sound: Spectrogram, sought: Sought) -> list[Attempt]:
    if not attempts:
        return []
    rendered = [_spectrogram_of(one, sought) for one in attempts]
    fits = [(one.fit.skeleton, one.fit.knobs, one.ground.axes) for one in attempts]
    found = refit(fits, np.stack([one.db for one in rendered]), sound)
    corrected = []
    for one, knobs, render in zip(attempts, found, rendered, strict=True):
        steps_db = np.clip(_STEP * (knobs.spectrum_db - one.fit.knobs.spectrum_db), -_MOST_DB, _MOST_DB)
        if not one.fit.skeleton.moving:
            steps_db = steps_db.mean(0, keepdims=True)
        powers = []
        for i, channel in enumerate(one.powers):
            own = 0.0
            if len(one.powers) > 1:
                off = (sound.channels_db[i] - sound.db) - (render.channels_db[i] - render.db)
                loud = (sound.channels_db[i] > FLOOR_DB + 0.1) & (sound.weight[:, None] > 0)
                own = np.nan_to_num(np.nanmedian(np.where(loud, off, np.nan), 0))
            powers.append(with_correction(channel, midi_to_hz(one.midi), sound.band_hz, steps_db + own))
        fitted = one.fit._replace(knobs=knobs)
        corrected.append(Attempt(fitted, one.ground, one.midi, tuple(powers)))
    return corrected
