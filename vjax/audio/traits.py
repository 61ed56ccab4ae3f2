"""Traits of a sound that listeners notice, and by how much two sounds differ in each.

A distance of spectra such as MSS is a mean over time and frequency. It hardly changes if the attack, the fall, the
pitch or the stereo width is wrong. Each difference here is about one of these alone, in a unit that musicians use.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from vjax.audio.levels import block_levels_db
from vjax.audio.metric_names import TRAITS
from vjax.audio.pitch import CLEAR, detect_pitch
from vjax.audio.silence import is_silent

ATTACK_S = 0.08
"""The length of the attack, in which the centroid is measured."""

_FRAME_S, _HOP_S = 0.02, 0.001  # of the envelope that shows the rise
_ONSET, _TOP = 0.1, 0.7  # the rise is measured between these parts of the maximum
_LOWEST_HZ = 20.0  # lower frequencies are inaudible
_BLOCK_S = 0.02  # of the levels that show the fall
_FALL_DB = 10.0, 50.0  # the fall is measured between these levels below the maximum
_FALL_RANGE_DB_PER_S = 3.0, 2000.0  # slower falls are none; faster ones are shorter than the blocks
_WIDTH_RANGE_DB = -60.0, 20.0


class Traits(NamedTuple):
    """The traits of one sound. NaN where the sound does not have it, as the pitch of noise.

    Attributes:
      attack_centroid_hz: centroid of the power spectrum of the first `ATTACK_S` seconds.
      attack_s: time in which the envelope first rises from 10 % to 70 % of its maximum (-3 dB).
      fall_db_per_s: how fast the level falls after its maximum, from 10 dB to 50 dB below it.
      pitch_midi: the pitch as a MIDI note with a fraction; NaN unless it is clear.
      width_db: power of the side signal relative to the mid signal, from -60 (mono) to 20.
    """

    attack_centroid_hz: float
    attack_s: float
    fall_db_per_s: float
    pitch_midi: float
    width_db: float


def traits_of(audio: np.ndarray, sample_rate: int) -> Traits:
    """Measures the traits of a sound [channels, samples]; all are NaN if it is silent or has NaN samples."""
    if not np.isfinite(audio).all() or is_silent(audio):
        return Traits(*[math.nan] * len(Traits._fields))
    audio = np.asarray(audio, np.float64)
    envelope = _envelope(audio, sample_rate)
    onset, top = (int(np.argmax(envelope >= part * envelope.max())) for part in (_ONSET, _TOP))
    pitch = detect_pitch(audio, sample_rate)
    return Traits(
        attack_centroid_hz=_centroid_hz(audio[:, round(onset * _HOP_S * sample_rate) :], sample_rate),
        attack_s=(top - onset) * _HOP_S,
        fall_db_per_s=_fall_db_per_s(audio, sample_rate),
        pitch_midi=pitch.midi if pitch.confidence >= CLEAR else math.nan,
        width_db=_width_db(audio),
    )


def trait_differences(pred: Traits, target: Traits) -> dict[str, float]:
    """Returns the difference for each of `metric_names.TRAITS`; 0 is equal. It is NaN if a trait of one sound is NaN.

    - `attack_centroid`: |log2| of the ratio of the attacks' centroids, in octaves.
    - `attack_time`: |difference| of the rise times, in ms.
    - `fall`: |log2| of the ratio of the falls' slopes, in octaves: 1 is twice or half as fast.
    - `pitch`: |difference| of the pitches, in cents.
    - `width`: |difference| of the stereo widths, in dB.
    """
    found = (
        _octaves(pred.attack_centroid_hz, target.attack_centroid_hz),
        1000 * abs(pred.attack_s - target.attack_s),
        _octaves(pred.fall_db_per_s, target.fall_db_per_s),
        100 * abs(pred.pitch_midi - target.pitch_midi),
        abs(pred.width_db - target.width_db),
    )
    return dict(zip(TRAITS, found, strict=True))


def trait_scores(pred: Sequence[Traits], target: Traits) -> dict[str, np.ndarray]:
    """The `trait_differences` of each sound from the target: [n] by name."""
    found = [trait_differences(one, target) for one in pred]
    return {name: np.array([one[name] for one in found], float) for name in TRAITS}


def _octaves(a: float, b: float) -> float:
    return abs(math.log2(a / b)) if a > 0 and b > 0 else math.nan


def _envelope(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """[t]: RMS over both channels in frames of 20 ms that end every 1 ms, with zeros before the start."""
    frame, hop = round(_FRAME_S * sample_rate), _HOP_S * sample_rate
    power = np.pad((audio**2).mean(0), (frame - 1, 0))
    at = np.round(np.arange(0, audio.shape[1], hop)).astype(int)
    return np.sqrt(sliding_window_view(power, frame)[at].mean(1))


def _centroid_hz(audio: np.ndarray, sample_rate: int) -> float:
    """The centroid of the power spectrum of the first ATTACK_S, under the second half of a Hann window."""
    n = round(ATTACK_S * sample_rate)
    attack = np.pad(audio[:, :n], ((0, 0), (0, max(n - audio.shape[1], 0))))
    power = (np.abs(np.fft.rfft(attack * np.hanning(2 * n)[n:])) ** 2).sum(0)
    frequency_hz = np.fft.rfftfreq(n, 1 / sample_rate)
    power = np.where(frequency_hz >= _LOWEST_HZ, power, 0)
    return float(power @ frequency_hz / power.sum()) if power.sum() > 0 else math.nan


def _fall_db_per_s(audio: np.ndarray, sample_rate: int) -> float:
    """The slope of the least-squares line through the level, where it is _FALL_DB below its maximum."""
    level_db = block_levels_db(audio, sample_rate, _BLOCK_S)
    slowest, fastest = _FALL_RANGE_DB_PER_S
    if len(level_db) < 2:
        return math.nan
    below_db = level_db.max() - level_db
    first, last = (int(np.flatnonzero(below_db <= db)[-1]) for db in _FALL_DB)
    if first == len(level_db) - 1:  # it does not fall
        return slowest
    last = max(last, first + 1)
    slope = np.polyfit(_BLOCK_S * np.arange(last - first + 1), -below_db[first : last + 1], 1)[0]
    return float(np.clip(-slope, slowest, fastest))


def _width_db(audio: np.ndarray) -> float:
    low, high = _WIDTH_RANGE_DB
    if len(audio) == 1:
        return low
    mid, side = (np.sum((audio[0] + sign * audio[1]) ** 2) for sign in (1, -1))
    return float(np.clip(10 * np.log10(max(side, 1e-30) / max(mid, 1e-30)), low, high))
