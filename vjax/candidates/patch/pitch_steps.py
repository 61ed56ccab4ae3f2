"""Finds arpeggios and sequences: the steps of a pitch track, their period and their tempo."""

import itertools
from typing import NamedTuple

import numpy as np

from vjax.candidates.patch.pitch_period import folded
from vjax.candidates.patch.pitch_shapes import Steps, sounds_longest

MOST_STEPS = 48
_NEAR = 0.4  # semitones: pitches this near belong to one step
_LEAST_STEP = 0.8
_LEAST_FRAMES = 4
_JUMP = 2.0  # cost of a jump: as much as this many frames that are one semitone off
_LEAST_SHARE = 0.75  # of the sound, by weight, that the steps must cover
_FLAT = 0.2  # semitones, mean |deviation| within steps; a slope has more
_MOST_OFF = 30.0  # semitones; more is an error of the track
_SAME_S = 0.012  # a step that begins this close to the end of a period is the first step of the next period
_AS_LONG = 0.75  # of the longest
_FEW, _MOST_ON_GRID = 4, 0.65  # this many steps need no tempo; of more steps, this share must fit one
_OFF_GRID = 0.15  # of a unit
_UNIT_S = (0.025, 0.6)
_SLOWEST_BPM = 70.0


class _Run(NamedTuple):
    first: int
    last: int
    midi: float


def steps_of(
    time_s: np.ndarray, midi: np.ndarray, weight: np.ndarray, period_s: float | None = None
) -> tuple[float, Steps] | None:
    """Returns the steps of a track, relative to the pitch that sounds longest; None if it is not made of steps.

    Args:
      time_s: [n], an even grid.
      weight: [n], 0 where there is no pitch.
      period_s: after which the track repeats, or None.
    """
    if period_s is not None:
        once = folded(time_s, midi, weight, period_s)
        midi = np.tile(once, 2)  # twice, because the last step may continue into the first
        time_s = np.arange(len(midi)) * period_s / len(once)
        weight = np.isfinite(midi).astype(float)
    runs = _runs(midi, np.flatnonzero(weight > 0))
    if runs:
        middle = np.median(np.concatenate([np.full(run.last - run.first, run.midi) for run in runs]))
        runs = _cheapest(midi, weight, [run.midi for run in runs if abs(run.midi - middle) <= _MOST_OFF])
    if len(runs) < 2 or len(runs) > 4 * MOST_STEPS:
        return None
    inside = [np.arange(run.first, run.last + 1) for run in runs]
    covered = np.concatenate(inside)
    weights = weight[covered]
    off = np.concatenate([np.minimum(np.abs(midi[at] - run.midi), 1) for at, run in zip(inside, runs, strict=True)])
    sounding = weights > 0
    if weights.sum() < _LEAST_SHARE * weight.sum() or np.average(off[sounding], weights=weights[sounding]) > _FLAT:
        return None
    edge_s, values = _edges(time_s, weight, runs)
    reference = _reference(np.array([run.midi for run in runs]), np.array([len(at) for at in inside]))
    relative = np.array(values) - reference
    if np.abs(relative - np.round(relative)).mean() < 0.2:
        relative = np.round(relative) + 0.0  # + 0 turns -0 into 0
    edge_s, relative = _merged(edge_s, relative)
    if len(relative) < 2:
        return None
    return reference, _timed(edge_s, relative, period_s)


def _reference(midi: np.ndarray, frames: np.ndarray) -> float:
    """Returns the pitch that sounds longest. Of about equally long ones it is the lowest: its table has most lines."""
    together = (np.abs(midi[:, None] - midi) < _NEAR) @ frames
    lowest = midi[together >= _AS_LONG * together.max()].min()
    return sounds_longest(midi, frames * (np.abs(midi - lowest) < _NEAR))


def _runs(midi: np.ndarray, voiced: np.ndarray) -> list[_Run]:
    """Returns runs of neighbouring frames that agree on a pitch."""
    runs, at = [], 0
    while at < len(voiced):
        end = at + 1
        while end < len(voiced) and abs(midi[voiced[end]] - np.median(midi[voiced[at:end]])) < _NEAR:
            end += 1
        if end - at >= _LEAST_FRAMES:
            runs.append(_Run(int(voiced[at]), int(voiced[end - 1]), float(np.median(midi[voiced[at:end]]))))
            at = end
        else:
            at += 1
    return runs


def _cheapest(midi: np.ndarray, weight: np.ndarray, pitches: list[float]) -> list[_Run]:
    """Returns the runs of the path through the given pitches that is near the track with few jumps (Viterbi)."""
    levels: list[float] = []
    for pitch in sorted(pitches):
        if not levels or pitch - levels[-1] > _NEAR:
            levels.append(pitch)
    off = np.minimum(np.abs(midi[:, None] - np.array(levels)), 1.0)
    cost = np.where(weight[:, None] > 0, off, 0.0)
    total, back = cost[0], np.zeros((len(midi), len(levels)), int)
    for i in range(1, len(midi)):
        jump = int(total.argmin())
        stays = total <= total[jump] + _JUMP
        back[i] = np.where(stays, np.arange(len(levels)), jump)
        total = np.minimum(total, total[jump] + _JUMP) + cost[i]
    path = np.full(len(midi), int(total.argmin()))
    for i in range(len(midi) - 1, 0, -1):
        path[i - 1] = back[i][path[i]]
    bounds = np.flatnonzero(np.concatenate([[True], np.diff(path) != 0, [True]]))
    runs = []
    for begin, end in itertools.pairwise(bounds):
        near = begin + np.flatnonzero((weight[begin:end] > 0) & (np.abs(midi[begin:end] - levels[path[begin]]) < 1))
        if len(near):
            runs.append(_Run(int(near[0]), int(near[-1]), float(np.median(midi[near]))))
    return runs


def _edges(time_s: np.ndarray, weight: np.ndarray, runs: list[_Run]) -> tuple[np.ndarray, list[float]]:
    """Returns when each run begins, and its pitch."""
    begins = [0.0]
    for before, run in itertools.pairwise(runs):
        between = weight[before.last + 1 : run.first]
        if (between <= 0).sum() > 3:  # after a rest, the track begins a period late
            begins.append(time_s[run.first] - 1 / (440 * 2 ** ((run.midi - 69) / 12)))
        else:
            begins.append((time_s[before.last] + time_s[run.first]) / 2)
    return np.maximum.accumulate(begins), [run.midi for run in runs]


def _merged(edge_s: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    changes = np.concatenate([[True], np.abs(np.diff(values)) > _LEAST_STEP])
    return edge_s[changes], values[changes]


def _timed(edge_s: np.ndarray, values: np.ndarray, period_s: float | None) -> Steps:
    if period_s is not None:
        first = edge_s < period_s - _SAME_S
        edge_s, values = edge_s[first], values[first]
    unit_s = _unit(edge_s, period_s)
    if unit_s is None and period_s is None and len(edge_s) > _FEW:
        unit_s = _unit(edge_s, None, _MOST_ON_GRID)
        if unit_s is not None:  # an edge off the grid belongs to the step before, as reverberation does
            on_grid = np.abs(edge_s / unit_s - np.round(edge_s / unit_s)) <= _OFF_GRID
            edge_s, values = _merged(edge_s[on_grid], values[on_grid])
    bpm = None
    if unit_s is not None:
        edge_s = np.round(edge_s / unit_s) * unit_s
        bpm = 15 / unit_s  # of sixteenths
        bpm = float(bpm * 2 ** np.ceil(np.log2(_SLOWEST_BPM / bpm)))
    kept = slice(MOST_STEPS)
    return Steps(tuple(edge_s[kept].tolist()), tuple(values[kept].tolist()), period_s, bpm)


def _unit(edge_s: np.ndarray, period_s: float | None, share: float = 1.0) -> float | None:
    """Returns the longest time of which the period and a share of the edges are multiples; None if there is none."""
    times = edge_s[1:] if period_s is None else np.append(edge_s[1:], period_s)
    if period_s is not None:
        units = period_s / np.arange(1, 33)
    elif len(times) >= 3:
        units = np.geomspace(_UNIT_S[1], _UNIT_S[0] if share == 1 else 3 * _UNIT_S[0], 400)
    else:
        return None
    for unit_s in units:
        if not _UNIT_S[0] <= unit_s <= _UNIT_S[1]:
            continue
        whole = np.maximum(np.round(times / unit_s), 1)
        on_grid = np.abs(times / unit_s - whole) <= _OFF_GRID
        if on_grid.mean() >= share and len(np.unique(whole[on_grid])) == on_grid.sum() >= 2:
            if period_s is not None:
                return float(unit_s)
            times, whole = times[on_grid], whole[on_grid]
            return float((times * whole).sum() / (whole**2).sum())
    return None
