"""Attempts at a patch: each is written from a fit, played by the engine, and corrected by its render."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vjax.audio.distances import mss
from vjax.audio.pitch import midi_to_hz
from vjax.candidates.patch.fit import Fit, refit
from vjax.candidates.patch.model import Axes, Knobs, Skeleton, frame_shares, passed_db
from vjax.candidates.patch.pitch_curve import PitchCurve
from vjax.candidates.patch.pitch_write import with_pitch_curve
from vjax.candidates.patch.spectrogram import FLOOR_DB, Spectrogram, at_level_of, spectrogram
from vjax.candidates.patch.tables import cycles, line_powers, solve, with_correction
from vjax.candidates.patch.write import patch_preset
from vjax.candidates.resynthesis.fit_table import HARMONICS
from vjax.engine.pool import RenderJob, RenderPool
from vjax.search.target import Sought
from vjax.vital.level import level_range_db
from vjax.vital.preset import Preset
from vjax.vital.values import value_of

PATCH = "patch"
"""The labels of these candidates begin with this."""

# By how many dB each part must lower the distance to be worth its complexity. The last is the cost of having no filter.
_CURVE_DB, _MOVING_DB, _REVERB_DB, _FIXED_DB = 0.15, 0.25, 0.1, 0.2
_TOO_SOFT = 0.2  # cost of each dB that is missing at the highest levels
_LEAST_LEVEL, _LEAST_ENERGY = 1e-3, 1e-12
_STEP = 0.9  # share of a correction that is applied
_MOST_DB = 20.0  # of a correction, at most


class Ground(NamedTuple):
    """What a patch is fitted on: its table's MIDI pitch, the movement of that pitch (None if steady), and the axes."""

    midi: float
    curve: PitchCurve | None
    axes: Axes

    def moved(self, time_s: np.ndarray) -> np.ndarray:
        """Returns the semitones [t] by which the pitch differs from the table's."""
        return np.zeros(len(time_s)) if self.curve is None else self.curve.semitones(time_s)


class Attempt(NamedTuple):
    """A patch in progress.

    Attributes:
      midi: MIDI pitch of the tables' first line.
      powers: of the lines, [frames, n] for each oscillator.
      distance_db: MSS plus two costs: of the patch's complexity, and of the level that it cannot reach.
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

    @property
    def written(self) -> Preset:
        """`preset` of an attempt that was written."""
        assert self.preset is not None, "the attempt was not written"
        return self.preset

    @property
    def rendered(self) -> np.ndarray:
        """`audio` of an attempt that the engine could play."""
        assert self.audio is not None, "the attempt was not rendered"
        return self.audio

    @property
    def reach_db(self) -> float:
        """By how many dB its oscillators and its volume together can be turned up."""
        loudest = max(value_of(self.written, f"osc_{i + 1}_level") for i in range(len(self.powers)))
        return level_range_db(self.written)[1] - 40 * math.log10(max(loudest, _LEAST_LEVEL))

    def missing_db(self, sought: Sought) -> float:
        """Returns by how many dB its render is softer than the sound."""
        energies = (max(float(np.sum(audio**2)), _LEAST_ENERGY) for audio in (sought.audio, self.rendered))
        return 10 * math.log10(next(energies) / next(energies))


def complexity_db(skeleton: Skeleton) -> float:
    bends = skeleton.drawn_cutoff + skeleton.drawn_gain
    parts = _CURVE_DB * bends + _MOVING_DB * skeleton.moving + _REVERB_DB * skeleton.reverberant
    return parts + _FIXED_DB * (1 - skeleton.filtered)


def solved(one: Fit, channels: np.ndarray, sample_rate: int, ground: Ground, midi: float) -> tuple[np.ndarray, ...]:
    """Returns the powers [frames, n] of the lines from pitch `midi` up, for each channel [samples]."""
    found = []
    for channel in channels:
        time_s, powers = line_powers(channel, sample_rate, midi_to_hz(midi), ground.moved)
        line = midi + 12 * np.log2(np.arange(1, HARMONICS + 1))  # a constant number, so that it is compiled once
        line = line + ground.moved(time_s)[:, None]
        here = ground.axes._replace(time_s=jnp.asarray(time_s, jnp.float32), band=jnp.asarray(line, jnp.float32))
        gains_db, shares = _passed(one.knobs, jax.tree.map(jnp.float32, one.skeleton), here)
        gains = 10 ** (np.asarray(gains_db)[:, : powers.shape[1]] / 10)
        found.append(solve(powers, gains, np.asarray(shares) if one.skeleton.moving else np.ones((len(time_s), 1))))
    return tuple(found)


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


def played(attempts: Sequence[Attempt], sought: Sought, pool: RenderPool, name: str) -> list[Attempt]:
    """Writes and renders the attempts. Those that the engine cannot play have no audio."""
    written = [_written(one, sought.note, name) for one in attempts]
    jobs = [RenderJob(one.written.to_json(), (sought.note,), note_s=sought.note_s) for one in written]
    tried = []
    for one, rendering in zip(written, pool.map(jobs), strict=True):
        if rendering.audio is not None:
            one = one._replace(audio=rendering.audio[0])
            distance = float(mss(_at_level(one, sought), sought.audio, sought.sample_rate))
            if math.isnan(distance):
                one = one._replace(audio=None)
            else:
                cost_db = complexity_db(one.fit.skeleton) + _TOO_SOFT * max(one.missing_db(sought) - one.reach_db, 0)
                one = one._replace(distance_db=distance + cost_db)
        tried.append(one)
    return tried


def spectrogram_of(one: Attempt, sought: Sought) -> Spectrogram:
    """Returns the spectrogram of an attempt's render, at the level that the patch will have."""
    return spectrogram(_at_level(one, sought), sought.sample_rate)


def _at_level(one: Attempt, sought: Sought) -> np.ndarray:
    return at_level_of(one.rendered, sought.audio, one.reach_db)


def corrected(attempts: Sequence[Attempt], sound: Spectrogram, sought: Sought) -> list[Attempt]:
    """Returns played attempts, fitted again to how their renders differ from the sound. They must be played again."""
    if not attempts:
        return []
    rendered = [spectrogram_of(one, sought) for one in attempts]
    before = [(one.fit.skeleton, one.fit.knobs, one.ground.axes) for one in attempts]
    found = refit(before, np.stack([one.db for one in rendered]), sound)
    better = []
    for one, knobs, render in zip(attempts, found, rendered, strict=True):
        steps_db = np.clip(_STEP * (knobs.spectrum_db - one.fit.knobs.spectrum_db), -_MOST_DB, _MOST_DB)
        if not one.fit.skeleton.moving:
            steps_db = steps_db.mean(0, keepdims=True)
        powers = []
        for i, channel in enumerate(one.powers):
            own_db = _own_db(sound, render, i) if len(one.powers) > 1 else 0.0
            powers.append(with_correction(channel, midi_to_hz(one.midi), sound.band_hz, steps_db + own_db))
        fitted = one.fit._replace(knobs=knobs)
        better.append(Attempt(fitted, one.ground, one.midi, tuple(powers)))
    return better


def _own_db(sound: Spectrogram, render: Spectrogram, channel: int) -> np.ndarray:
    """Returns the dB [bands] that only this channel lacks: the median over time, 0 where it has no sound."""
    off = (sound.channels_db[channel] - sound.db) - (render.channels_db[channel] - render.db)
    loud = (sound.channels_db[channel] > FLOOR_DB + 0.1) & (sound.weight[:, None] > 0)
    return np.array([np.median(off[at, band]) if at.any() else 0.0 for band, at in enumerate(loud.T)])
