"""The starts of a search: played, set to the target's level, the best of them fitted to its spectrum, and ranked."""

from collections.abc import Sequence

import numpy as np

from vjax.inference.judge import Judge
from vjax.inference.spectral_fit import average_power, with_spectrum
from vjax.inference.target import Ranked, Ranking, RefineTarget, Start

FITTED = ", fitted"
"""Is added to the label of a start whose wavetables were fitted."""

_STEPS = 3  # renders that fitting a start costs; a fourth gains little


def rank_starts(target: RefineTarget, place: int, judge: Judge, fits: int, budget: int) -> Ranking:
    """Plays the starts and ranks them by loss.

    All take the target's level, which costs no render. The `fits` best also take its spectrum, in a few steps of one
    render each; of a start and its steps the best one stays.

    Args:
      place: of the target in the judge's objective.
      budget: renders, at most. So many starts are played, at least one (two where an earlier run has `spent` some),
        and no step begins that would exceed it.
    """
    wanted = average_power(target.audio)
    # Of a continued search also the best that it had found, which stands second.
    starts = target.starts[: max(budget, 2 if target.spent else 1)]
    evals = len(starts)
    heard = [one for one in _played(starts, target, place, judge) if one is not None]
    ranked = sorted(heard, key=lambda one: one.loss)  # stable: of equal ones the first
    losses = {one.start.label: one.loss for one in ranked[::-1]}  # of two with one label the better
    latest = dict(enumerate(ranked[:fits]))
    for _ in range(_STEPS):
        steps = {i: _step(one, target.note, wanted, judge) for i, one in latest.items()}
        steps = {i: start for i, start in steps.items() if start is not None}
        if not steps or evals + len(steps) > budget:
            break
        evals += len(steps)
        played = _played(list(steps.values()), target, place, judge)
        latest = {i: one for i, one in zip(steps, played, strict=True) if one is not None}
        for i, one in latest.items():
            if one.loss < ranked[i].loss:
                ranked[i] = one
                losses[one.start.label] = one.loss
    return Ranking(sorted(ranked, key=lambda one: one.loss), dict(sorted(losses.items(), key=lambda x: x[1])), evals)


def _played(starts: Sequence[Start], target: RefineTarget, place: int, judge: Judge) -> list[Ranked | None]:
    """Each start at the target's level; None for what cannot be played or heard."""
    sounds = judge.play([start.preset for start in starts], target.note, target.note_s)
    losses, _, presets = judge.levelled(sounds, [start.preset for start in starts], place)
    return [
        None if np.isnan(loss) else Ranked(float(loss), start._replace(preset=preset), audio)
        for loss, start, preset, audio in zip(losses, starts, presets, sounds, strict=True)
    ]


def _step(one: Ranked, note: int, wanted: np.ndarray, judge: Judge) -> Start | None:
    preset = with_spectrum(one.start.preset, note, wanted, average_power(one.audio), judge.sample_rate)
    label = one.start.label.removesuffix(FITTED) + FITTED
    return None if preset is None else Start(label, preset)
