"""The search for one target: its candidates, its space, its best presets, and when it moves to another candidate."""

import dataclasses
import time
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from vjax.engine.live import LivePool
from vjax.search.candidate import Candidate, Kind
from vjax.search.refine_config import RefineConfig
from vjax.search.space import Space, first_steps, make_space
from vjax.search.strategy import Strategy
from vjax.search.target import RefineTarget
from vjax.vital.level import level_range_db, with_gain
from vjax.vital.preset import Preset

KEPT = 3
"""How many of a search's best presets are judged at the end.

There are several, because one may have its rank only from the seed that it was rendered with.
"""

_PROGRESS = 0.005  # a loss must fall by this share to count as better
_NEAR_BEST = 1.25  # when a search stagnates, candidates are tried whose loss is within this factor of the best one's
_WIDER = 2.0  # steps of a restart from the best point, relative to the steps before


class Progress(NamedTuple):
    """The state of a target after a generation.

    Attributes:
      evals: renders so far.
      loss: the best so far.
      first_loss: of the best candidate.
      better: the best preset if it is new (at first a candidate, later a sample), else None.
      label, kind: of the candidate that the best preset came from.
    """

    name: str
    evals: int
    loss: float
    first_loss: float
    better: Preset | None
    label: str
    kind: Kind = Kind.GIVEN


class Found(NamedTuple):
    """A candidate or sample that is kept, and the space that it was found in."""

    loss: float
    label: str
    preset: Preset
    space: Space
    kind: Kind = Kind.GIVEN


@dataclasses.dataclass(eq=False)
class Search:
    """See `refine`. `untried` are the candidates that were not searched from yet, the best first."""

    target: RefineTarget
    config: RefineConfig
    strategy: Strategy
    live: LivePool
    knob_error_norm: Mapping[str, float]
    candidate_losses: dict[str, float]
    first_loss: float
    untried: list[Candidate]
    space: Space
    steps: np.ndarray
    label: str
    kind: Kind
    evals: int
    began_s: float
    best: list[Found] = dataclasses.field(default_factory=list)
    trace: list[tuple[int, float]] = dataclasses.field(default_factory=list)
    restarts: int = 0
    _generations: int = 0
    _sigma: float = 1.0
    _reference: float = np.inf  # the search stagnates unless its loss falls below; `_stagnant` counts generations
    _stagnant: int = 0
    _entered: int = 0  # candidates searched from so far
    _switched: bool = False  # whether the best found may have come from an earlier candidate
    _improved: bool = False
    _space_best: tuple[float, np.ndarray | None] = (np.inf, None)  # best loss in this space, and its point

    @classmethod
    def begin(
        cls,
        target: RefineTarget,
        config: RefineConfig,
        live: LivePool,
        knob_error_norm: Mapping[str, float],
        began_s: float | None = None,
    ) -> "Search":
        """Begins at the best of the target's ranked candidates.

        Args:
          began_s: `time.monotonic()` from which the time of the target counts; by default now.

        Raises:
          ValueError: there is no ranked candidate.
        """
        ranking = target.ranking
        if ranking is None:
            raise ValueError("its candidates are not ranked; see vjax.matching.choose.rank")
        if not ranking.candidates:
            raise ValueError(
                f"all {len(target.candidates)} candidates are silent at note {target.note}; "
                "give another note or other candidates"
            )
        best = ranking.candidates[0]
        space = make_space(best.preset, knob_error_norm, config.locked)
        if not space.size:
            raise ValueError(f"{', '.join(config.locked)} are locked, and nothing else is audible; unlock some")
        search = cls(
            target=target,
            config=config,
            # The key is made from the sound and not from its name, because a path can be written in many ways.
            strategy=Strategy(config.strategy, config.seed, zlib.crc32(target.audio.tobytes())),
            live=live,
            knob_error_norm=knob_error_norm,
            candidate_losses=ranking.losses,
            first_loss=best.loss,
            untried=list(ranking.candidates),
            space=space,
            steps=np.zeros(0),
            label="",
            kind=Kind.GIVEN,
            evals=target.spent + ranking.evals,
            began_s=time.monotonic() if began_s is None else began_s,
        )
        search.best = [Found(best.loss, best.label, best.preset, search.space, best.kind)]
        search.trace.append((search.evals, best.loss))
        if search.left():
            search._enter_next()
        return search

    @property
    def live_key(self) -> Any:
        """Key of the loaded preset that this generation's samples vary. The next generation has another seed."""
        return self._live_key(self._generations % self.config.engine_seeds)

    def _live_key(self, engine_seed: int) -> Any:
        return self.target.name, self._entered, engine_seed  # two candidates may have the same label

    def left(self) -> int:
        """Number of renders left."""
        return max(self.config.evals - self.evals, 0)

    def exhausted(self) -> bool:
        took_s = time.monotonic() - self.began_s
        return self.left() == 0 or 0 < self.config.seconds <= took_s

    @property
    def range_db(self) -> tuple[float, float]:
        """By how many dB samples may be made softer (negative) and louder."""
        return level_range_db(self.space.preset)

    def ask(self) -> np.ndarray:
        """[1 + population, d] samples of the strategy, the mean of their distribution first."""
        population, mean = self.strategy.ask()
        return np.concatenate([mean[None], population])

    def values(self, z: np.ndarray) -> dict[str, float]:
        """Native values of a sample [d]."""
        return self.space.values(self._norm(z))

    def learn(self, z: np.ndarray, losses: np.ndarray, gains_db: np.ndarray) -> None:
        """Processes a generation.

        Args:
          z: [n, d], the samples that `ask` returned. There are fewer where the budget ended; the strategy is then not
            updated.
          losses: [n], NaN for silent or failed samples.
          gains_db: [n], the gains that the losses were computed with.
        """
        self.evals += len(z)
        self._generations += 1
        self._improved = len(self.trace) == 1  # the best candidate was not reported yet
        if len(z) == 1 + self.config.strategy.population:
            self.strategy.tell(z[1:], losses[1:])
        losses = np.where(np.isnan(losses), np.inf, losses)
        k = int(np.argmin(losses))
        loss = float(losses[k])
        if loss < self._space_best[0]:
            self._space_best = (loss, np.clip(self._norm(z[k]), 0, 1))
        if loss < (self.best[-1].loss if len(self.best) == KEPT else np.inf):
            self._improved |= loss < self.best[0].loss
            preset = with_gain(self.space.to_preset(self._norm(z[k])), float(gains_db[k]))
            found = Found(loss, self.label, preset, self.space, self.kind)
            self.best = sorted([*self.best, found], key=lambda one: one.loss)[:KEPT]
        self.trace.append((self.evals, self.best[0].loss))
        if loss < self._reference * (1 - _PROGRESS):
            self._reference, self._stagnant = loss, 0
        else:
            self._stagnant += 1

    def move_on_if_stagnant(self) -> None:
        """Moves the search to another candidate, or widens its steps, if it stagnates.

        After `patience` generations without progress it takes the next candidate whose loss is near that of the best
        one. If none is left, it returns to the best preset if that came from another candidate. From there it uses
        wider steps after `restart_patience` generations without progress.
        """
        if self._stagnant < self.config.patience or not self.left():
            return
        if self.untried and self.untried[0].loss < _NEAR_BEST * self.first_loss:
            self._enter_next()
            self._switched = True
        elif self._switched and self._space_best[0] > self.best[0].loss:
            # In the dimensions that it was found in: other parameters may have become audible since.
            best = self.best[0]
            self._enter(best.label, best.kind, best.space.around(best.preset))
            self._switched = False
        elif self._stagnant >= self._restart_patience():
            self._widen()
        else:
            return
        self.restarts += 1

    def _restart_patience(self) -> float:
        """The config's value; if 0, Hansen's stagnation: 120 + 30 n / lambda generations (arXiv:1604.00772, B.3)."""
        return self.config.restart_patience or 120 + 30 * self.space.size / self.config.strategy.population

    def _widen(self) -> None:
        self._sigma = min(self._sigma * _WIDER, 4.0)
        if self._space_best[1] is not None:
            self.space = dataclasses.replace(self.space, origin=self._space_best[1])
        self._begin_space()

    def candidates(self) -> list[Candidate]:
        """The presets to judge at the end: the target's first candidate, then the best ones found, the best first."""
        found = (Candidate(one.label, one.preset, kind=one.kind) for one in self.best)
        return [self.target.candidates[0], *found]

    def progress(self) -> Progress:
        better = self.best[0].preset if self._improved else None
        best = self.best[0]
        return Progress(self.target.name, self.evals, best.loss, self.first_loss, better, best.label, best.kind)

    def _enter_next(self) -> None:
        candidate = self.untried.pop(0)
        space = make_space(candidate.preset, self.knob_error_norm, self.config.locked)
        if space.size:
            self._enter(candidate.label, candidate.kind, space)

    def _enter(self, label: str, kind: Kind, space: Space) -> None:
        seeds = range(self.config.engine_seeds)
        for seed in seeds:
            self.live.unload(self._live_key(seed))
        self._entered += 1
        self.label, self.kind, self.space = label, kind, space
        preset = space.preset.to_json()
        for seed in seeds:
            self.live.load(self._live_key(seed), preset, self.target.note, seed, self.target.note_s)
        self._sigma, self._space_best = 1.0, (np.inf, None)
        self._begin_space()

    def _begin_space(self) -> None:
        self.steps = first_steps(self.space, self.config.strategy.sigma)
        self.strategy.start(self.space.size, self._sigma)
        self._reference, self._stagnant = np.inf, 0

    def _norm(self, z: np.ndarray) -> np.ndarray:
        return self.space.origin + self.steps * z
