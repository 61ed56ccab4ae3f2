"""Ranks candidates by their distance to a sound.

Each candidate is rendered, tuned, set to the sound's level, and ranked by loss.

The best few candidates of each family (`Kind.family`), except patches, also get wavetables whose harmonics are
equalised to the sound's spectrum. This takes a few renders each. Each family has its own share, so that a resynthesis
with a much smaller loss does not keep the other presets from coming closer.

A candidate that plays a wrong note ranks behind all candidates that play the right note. A small loss does not make up
for a wrong note.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from vjax.audio.pitch import detect_pitch
from vjax.audio.silence import is_silent
from vjax.candidates.harmonic_eq import average_power, with_spectrum
from vjax.engine.pool import MACHINE_REMEDY, Rendering, RenderJob, RenderPool
from vjax.search.candidate import FAMILIES, Candidate
from vjax.search.judge import Judge
from vjax.search.objective import Objective
from vjax.search.refine_config import RefineConfig
from vjax.search.target import Ranking, RefineTarget, Sought
from vjax.vital.level import level_db
from vjax.vital.preset import Preset
from vjax.vital.transpose import transposed

IN_TUNE_SEMITONES = 0.3
"""A smaller pitch error is not corrected: pitch trackers and detuned voices differ by as much."""

FITTED = ", fitted"
"""Suffix of the label of a candidate whose wavetables were equalised."""

_BATCH = 4  # candidates scored in one call
_MOST_GAIN = 3.0  # equalising divides a loss by at most this: candidates with larger losses cannot become the best
_STEPS = 3  # renders that equalising a candidate takes; a fourth gains little


class Choice(NamedTuple):
    """What `choose` returns.

    Attributes:
      candidates: the best first, those without a loss last.
      as_played: the same candidates in the order of rendering, tuned, before their levels were set.
      evals: number of renders.
    """

    candidates: tuple[Candidate, ...]
    as_played: tuple[Candidate, ...]
    evals: int

    @property
    def best(self) -> Candidate | None:
        """The first candidate; None if no candidate has a loss."""
        return self.candidates[0] if self.candidates and not self.candidates[0].error else None

    def ranking(self, families: Collection[str] = FAMILIES) -> Ranking:
        """The candidates of some families that have a loss, as the input of a search."""
        usable = [one for one in self.candidates if not one.error and one.kind.family in families]
        losses = {one.label: one.loss for one in usable[::-1]}  # of two with one label the better one stays
        return Ranking(usable, dict(sorted(losses.items(), key=lambda pair: pair[1])), self.evals)


class Progress(NamedTuple):
    """Progress of a match.

    Attributes:
      stage: as text.
      done, total: its steps.
      best, mss_db: label and distance of the best candidate so far, if any.
      candidate: the candidate that was just rendered. It is not tuned yet, and has its own level and no loss.
    """

    stage: str
    done: int
    total: int
    best: str = ""
    mss_db: float = math.nan
    candidate: Candidate | None = None


Report = Callable[[Progress], None]


def choose(
    candidates: Iterable[Candidate],
    sought: Sought,
    judge: Judge,
    lane: int,
    pool: RenderPool,
    equalise: int = 6,
    level: bool = True,
    budget: int | None = None,
    on_progress: Report | None = None,
    n_candidates: int = 0,
) -> Choice:
    """Renders candidates and ranks them, see the docstring of the module.

    Args:
      candidates: taken one by one while earlier ones are rendered.
      judge: scores the candidates. The sound is its target in `lane`.
      equalise: at most N of the best candidates of each family are equalised; 0 equalises none.
      level: set each candidate to the level of the sound. This takes no render, because Vital's volume is a factor.
      budget: at most N renders, but at least one; None sets no limit.
      n_candidates: expected number of candidates, only for the progress.

    Raises OSError if the engine cannot run on this machine at all.
    """
    report = on_progress or (lambda progress: None)
    budget = max(budget or 2**31, 1)
    played: list[Candidate] = []
    for candidate in _played(candidates, sought, pool, budget):
        played.append(candidate)
        report(Progress("playing candidates", len(played), max(n_candidates, len(played)), candidate=candidate))
    if played and all(one.by_machine for one in played):
        raise OSError(f"the engine cannot run on this machine: {played[0].error}. {MACHINE_REMEDY}")
    evals = len(played)
    played, more = _tuned(played, sought, pool, budget - evals)
    evals += more
    ranked = sorted(levelled(played, judge, lane, level), key=rank_key)
    if equalise:
        evals = _equalise(ranked, sought, judge, lane, pool, equalise, level, evals, budget, report)
    return Choice(tuple(sorted(ranked, key=rank_key)), tuple(played), evals)


def rank_key(candidate: Candidate) -> tuple:
    """Sort key, the best candidate first. Those with a wrong note come later, and those without a loss come last."""
    return bool(candidate.error), candidate.wrong_note, candidate.loss if not candidate.error else 0.0


def _played(candidates: Iterable[Candidate], sought: Sought, pool: RenderPool, budget: int) -> Iterator[Candidate]:
    taken: list[Candidate] = []
    invalid: list[Candidate] = []

    def jobs() -> Iterator[RenderJob]:
        for candidate in itertools.islice(candidates, budget):
            try:
                job = play_job(candidate.preset, sought)
            except ValueError as error:  # a value that the engine does not accept
                invalid.append(dataclasses.replace(candidate, error=f"invalid: {error}"))
                continue
            taken.append(candidate)
            yield job

    for i, rendering in enumerate(pool.map(jobs())):
        yield measured(taken[i], rendering, sought)
    yield from invalid


def play_job(preset: Preset, sought: Sought) -> RenderJob:
    """The job that renders a preset with the note and the note length of the sound."""
    return RenderJob(preset.to_json(), (sought.note,), note_s=sought.note_s)


def measured(candidate: Candidate, rendering: Rendering, sought: Sought) -> Candidate:
    """The candidate with its render and its pitch error, or with the reason why it has none."""
    if rendering.audio is None:
        return dataclasses.replace(candidate, error=rendering.error, by_machine=rendering.by_machine)
    audio = rendering.audio[0]
    if not np.isfinite(audio).all():
        return dataclasses.replace(
            candidate, error=f"the engine returned NaN or infinite samples at note {sought.note}"
        )
    error = f"silent at note {sought.note}" if is_silent(audio) else ""
    return dataclasses.replace(
        candidate, audio=audio, error=error, pitch_error_semitones=math.nan if error else _pitch_error(audio, sought)
    )


def _pitch_error(audio: np.ndarray, sought: Sought) -> float:
    if sought.pitch is None:
        return math.nan
    pitch = detect_pitch(audio, sought.sample_rate)
    return pitch.midi - sought.pitch.midi if pitch.clear else math.nan


def _tuned(
    candidates: Sequence[Candidate], sought: Sought, pool: RenderPool, budget: int
) -> tuple[list[Candidate], int]:
    """The candidates, transposed to the sound's pitch where that reduces the error; and the number of renders."""
    tuned = list(candidates)
    off = [i for i, one in enumerate(tuned) if abs(one.pitch_error_semitones) >= IN_TUNE_SEMITONES][: max(budget, 0)]
    moved = []
    for i in off:
        preset, shift = transposed(tuned[i].preset, -tuned[i].pitch_error_semitones)
        moved.append(dataclasses.replace(tuned[i], preset=preset, tuned_semitones=shift))
    renderings = pool.map(play_job(one.preset, sought) for one in moved)
    for i, candidate, rendering in zip(off, moved, renderings, strict=True):
        again = measured(candidate, rendering, sought)
        if not again.error and abs(again.pitch_error_semitones) < abs(tuned[i].pitch_error_semitones):
            tuned[i] = again
    return tuned, len(off)


def levelled(candidates: Sequence[Candidate], judge: Judge, lane: int, level: bool) -> list[Candidate]:
    """The candidates at the level of the judge's target in `lane`, with their losses."""
    usable = [one for one in candidates if not one.error]
    scored = judge.levelled([one.audio for one in usable], [one.preset for one in usable], lane, level)
    found = iter(zip(usable, *scored, strict=True))
    levelled = []
    for one in candidates:
        if not one.error:
            _, loss, mss_db, preset = next(found)
            error = "it could not be scored" if np.isnan(loss) else ""
            one = dataclasses.replace(
                one,
                preset=preset,
                loss=float(loss),
                mss_db=float(mss_db),
                gain_db=level_db(preset) - level_db(one.preset),
                error=error,
            )
        levelled.append(one)
    return levelled


def _equalise(
    ranked: list[Candidate],
    sought: Sought,
    judge: Judge,
    lane: int,
    pool: RenderPool,
    equalise: int,
    level: bool,
    evals: int,
    budget: int,
    report: Report,
) -> int:
    """Replaces candidates in `ranked` by equalised ones where these are closer. Returns the total number of renders."""
    wanted = average_power(sought.audio)
    latest = dict(sorted(_worth_equalising(ranked, equalise)))
    for step in range(_STEPS):
        best = min(ranked, key=rank_key)
        report(Progress("equalising harmonics", step, _STEPS, best.label, best.mss_db))
        steps = {}
        for i, one in latest.items():
            preset = with_spectrum(one.preset, sought.note, wanted, average_power(one.rendered), judge.sample_rate)
            if preset is not None:
                label = one.label.removesuffix(FITTED) + FITTED
                steps[i] = dataclasses.replace(one, label=label, preset=preset)
        if not steps or evals + len(steps) > budget:
            break
        evals += len(steps)
        renderings = pool.map(play_job(one.preset, sought) for one in steps.values())
        played = [measured(one, rendering, sought) for one, rendering in zip(steps.values(), renderings, strict=True)]
        scored = levelled(played, judge, lane, level)
        latest = {i: one for i, one in zip(steps, scored, strict=True) if not one.error}
        for i, one in latest.items():
            if rank_key(one) < rank_key(ranked[i]):
                ranked[i] = one
    return evals


def _worth_equalising(ranked: Sequence[Candidate], equalise: int) -> Iterator[tuple[int, Candidate]]:
    """(index, candidate) of the best `equalise` of each family, without those that cannot become the best of it."""
    for family in {one.kind.family for one in ranked} - {"patch"}:  # its tables were corrected before
        best = [(i, one) for i, one in enumerate(ranked) if one.kind.family == family and not one.error][:equalise]
        yield from ((i, one) for i, one in best if one.loss <= _MOST_GAIN * best[0][1].loss)


def rank(
    targets: Iterable[RefineTarget], config: RefineConfig, pool: RenderPool, equalise: int = 0
) -> Iterator[RefineTarget]:
    """The targets with their candidates ranked, for `vjax.search.refine.refine`, which takes them one by one.

    The candidates are not tuned. The ranking is empty if the target is silent, or if all its candidates are.
    """
    for target in targets:
        budget = max(config.evals - target.spent, 2 if target.spent else 1)  # one more for an earlier best
        note_s = pool.config.note_s if target.note_s is None else target.note_s
        sought = Sought(target.audio, target.note, note_s, pool.config.sample_rate)
        objective = Objective(config.objective, 1, _BATCH, pool.config.samples, pool.config.sample_rate)
        try:
            objective.set_target(0, target.audio)
        except ValueError:  # `refine` reports why
            yield target._replace(ranking=Ranking([], {}, 0))
            continue
        choice = choose(target.candidates, sought, Judge(objective, pool), 0, pool, equalise, budget=budget)
        yield target._replace(ranking=choice.ranking())
