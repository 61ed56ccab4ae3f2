"""One preset for several recordings: the best candidates for the first recording are rendered for all of them."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from vjax.engine.pool import RenderPool
from vjax.matching.choose import Choice, levelled, measured, play_job, rank_key
from vjax.search.candidate import FAMILIES, Candidate
from vjax.search.judge import Recording

BEST = 4
"""At most N candidates of each family, the best for the first recording, are rendered for the others."""


def together(choice: Choice, recordings: Sequence[Recording], pool: RenderPool, level: bool = True) -> Choice:
    """The candidates of the first recording, ranked by their mean loss over all recordings.

    The `BEST` candidates of each family are rendered at each recording's note. They rank before the others. Each gets
    the mean of its losses, the mean of its MSS, and its largest pitch error. The level is matched to each recording
    separately, but the preset keeps the level of the first. A candidate that is silent at one of the notes gets an
    error.
    """
    chosen = [i for family in FAMILIES for i in _best(choice.candidates, family)]
    jobs = (play_job(choice.candidates[i].preset, one.sought) for i in chosen for one in recordings[1:])
    renderings = pool.map(jobs)
    played: dict[int, list[Candidate]] = {i: [choice.candidates[i]] for i in chosen}
    for i in chosen:
        for one in recordings[1:]:
            played[i].append(measured(choice.candidates[i], next(renderings), one.sought))
    for number, one in enumerate(recordings[1:], start=1):
        scored = levelled([played[i][number] for i in chosen], one.judge, 0, level)
        for i, candidate in zip(chosen, scored, strict=True):
            played[i][number] = candidate
    candidates = [_joined(played[i]) if i in played else one for i, one in enumerate(choice.candidates)]
    candidates.sort(key=lambda one: (bool(one.error), not one.each_mss_db, *rank_key(one)))
    return choice._replace(candidates=tuple(candidates), evals=choice.evals + len(chosen) * (len(recordings) - 1))


def _best(candidates: Sequence[Candidate], family: str) -> list[int]:
    return [i for i, one in enumerate(candidates) if one.kind.family == family and not one.error][:BEST]


def _joined(played: Sequence[Candidate]) -> Candidate:
    """The candidate of the first recording, with its measurements over all recordings."""
    error = next((one.error for one in played if one.error), "")
    if error:
        return dataclasses.replace(played[0], error=error)
    off = [one.pitch_error_semitones for one in played if not math.isnan(one.pitch_error_semitones)]
    each = tuple(one.mss_db for one in played)
    return dataclasses.replace(
        played[0],
        loss=float(np.mean([one.loss for one in played])),
        mss_db=float(np.mean(each)),
        each_mss_db=each,
        pitch_error_semitones=max(off, key=abs, default=math.nan),
    )
