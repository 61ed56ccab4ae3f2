"""One target's search: its starts, its present space, the best it has found, and when it goes on elsewhere."""

import dataclasses
import time
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from vjax.engine.live import LivePool
from vjax.search.refine_config import RefineConfig
from vjax.search.space import Space, first_steps, make_space
from vjax.search.strategy import Strategy
from vjax.search.target import Kind, RefineTarget, Start
from vjax.vital.level import level_range_db, with_gain
from vjax.vital.preset import Preset

KEPT = 3
"""So many of a search's best candidates are judged at the end: one may owe its rank to the seed that it played with."""

_PROGRESS = 0.005  # a loss must fall by this share to count as better
_RIVAL = 1.25  # starts whose loss is within this factor of the best start's are tried when a search stands still
_WIDER = 2.0  # steps of a restart from the best point, against those of the start before


class Progress(NamedTuple):
    """A target after a generation. `better` is the best preset if it is new: at first a start, then what is found.

    `start` and `kind` are the label and kind of the start that the best came from.
    """

    name: str
    evals: int
    loss: float
    first_loss: float
    better: Preset | None
    start: str
    kind: Kind = Kind.GIVEN


class Found(NamedTuple):
    """A candidate worth keeping, and the space that it was found in."""

    loss: float
    label: str
    preset: Preset
    space: Space
    kind: Kind = Kind.GIVEN


@dataclasses.dataclass(eq=False)
class Search:
    """See `refine`. `rivals` are the starts not yet searched from, the best first, with their losses."""

    target: RefineTarget
    config: RefineConfig
    strategy: Strategy
    live: LivePool
    knob_error_norm: Mapping[str, float]
    start_losses: dict[str, float]
    first_loss: float
    rivals: list[tuple[float, Start]]
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
    _reference: float = np.inf  # the loss that counts as standing still, and for how many generations it has
    _stagnant: int = 0
    _entered: int = 0  # starts searched from so far
    _away: bool = False  # whether the best found may have come from an earlier start
    _improved: bool = False
    _here: tuple[float, np.ndarray | None] = (np.inf, None)  # best loss in this space, and where

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
          began_s: `time.monotonic()` from which on the time of the target counts; by default now.

        Raises:
          ValueError: there is no ranked candidate.
        """
        ranking = target.ranking
        if ranking is None:
            raise ValueError("its candidates are not ranked; see vjax.matching.choose.rank")
        if not ranking.starts:
            raise ValueError(
                f"all {len(target.starts)} candidates are silent at note {target.note}; give another note, or others"
            )
        best = ranking.starts[0]
        search = cls(
            target=target,
            config=config,
            # By the sound and not by its name: a path may be written in many ways.
            strategy=Strategy(config.strategy, config.seed, zlib.crc32(np.ascontiguousarray(target.audio))),
            live=live,
            knob_error_norm=knob_error_norm,
            start_losses=ranking.losses,
            first_loss=best.loss,
            rivals=[(one.loss, one.start) for one in ranking.starts],
            space=make_space(best.start.preset, knob_error_norm),
            steps=np.zeros(0),
            label="",
            kind=Kind.GIVEN,
            evals=target.spent + ranking.evals,
            began_s=time.monotonic() if began_s is None else began_s,
        )
        search.best = [Found(best.loss, best.start.label, best.start.preset, search.space, best.start.kind)]
        search.trace.append((search.evals, best.loss))
        if search.left():
            search._enter_next()
        return search

    @property
    def live_key(self) -> Any:
        """Names the loaded preset whose variations this generation's candidates are. The next plays another seed."""
        return self._live_key(self._generations % self.config.engine_seeds)

    def _live_key(self, engine_seed: int) -> Any:
        return self.target.name, self._entered, engine_seed  # two starts may bear one label

    def left(self) -> int:
        """Evaluations left."""
        return max(self.config.evals - self.evals, 0)

    def exhausted(self) -> bool:
        took_s = time.monotonic() - self.began_s
        return self.left() == 0 or 0 < self.config.seconds <= took_s

    @property
    def range_db(self) -> tuple[float, float]:
        """By how much candidates may be made softer and louder."""
        return level_range_db(self.space.preset)

    def ask(self) -> np.ndarray:
        """[1 + population, d] samples of the strategy, the mean of their distribution first."""
        population, mean = self.strategy.ask()
        return np.concatenate([mean[None], population])

    def values(self, z: np.ndarray) -> dict[str, float]:
        """Native values of a sample [d]."""
        return self.space.values(self._norm(z))

    def learn(self, z: np.ndarray, losses: np.ndarray, gains_db: np.ndarray) -> None:
        """Takes in a generation.

        Args:
          z: [n, d] as asked; fewer than were asked where the budget ended, and the strategy is then told of none.
          losses: [n], NaN for those without a sound.
          gains_db: [n], with which they hold.
        """
        self.evals += len(z)
        self._generations += 1
        self._improved = len(self.trace) == 1  # nobody has been told of the best start yet
        if len(z) == 1 + self.config.strategy.population:
            self.strategy.tell(z[1:], losses[1:])
        losses = np.where(np.isnan(losses), np.inf, losses)
        k = int(np.argmin(losses))
        loss = float(losses[k])
        if loss < self._here[0]:
            self._here = (loss, np.clip(self._norm(z[k]), 0, 1))
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
        """After `patience` generations without progress: the next start that is near enough.

        With none left, back to the best found, if that came from another start; and there, after `restart_patience`
        generations, wider steps. An evolution that stands still for some tens of generations is at work: it learns how
        far each knob should move, and a restart throws that away.
        """
        if self._stagnant < self.config.patience or not self.left():
            return
        if self.rivals and self.rivals[0][0] < _RIVAL * self.first_loss:
            self._enter_next()
            self._away = True
        elif self._away and self._here[0] > self.best[0].loss:
            # In its old dimensions: others may have become audible since.
            best = self.best[0]
            self._enter(best.label, best.kind, best.space.around(best.preset))
            self._away = False
        elif self._stagnant >= self._restart_patience():
            self._widen()
        else:
            return
        self.restarts += 1

    def _restart_patience(self) -> float:
        """Hansen's stagnation, 120 + 30 n / lambda generations (arXiv:1604.00772, B.3), unless the config has one."""
        return self.config.restart_patience or 120 + 30 * self.space.size / self.config.strategy.population

    def _widen(self) -> None:
        self._sigma = min(self._sigma * _WIDER, 4.0)
        if self._here[1] is not None:
            self.space = dataclasses.replace(self.space, origin=self._here[1])
        self._begin_here()

    def candidates(self) -> list[Start]:
        """What is judged at the end: the target's first start, then the best found, the best first."""
        return [self.target.starts[0], *(Start(found.label, found.preset, found.kind) for found in self.best)]

    def progress(self) -> Progress:
        better = self.best[0].preset if self._improved else None
        best = self.best[0]
        return Progress(self.target.name, self.evals, best.loss, self.first_loss, better, best.label, best.kind)

    def _enter_next(self) -> None:
        _, start = self.rivals.pop(0)
        self._enter(start.label, start.kind, make_space(start.preset, self.knob_error_norm))

    def _enter(self, label: str, kind: Kind, space: Space) -> None:
        seeds = range(self.config.engine_seeds)
        for seed in seeds:
            self.live.unload(self._live_key(seed))
        self._entered += 1
        self.label, self.kind, self.space = label, kind, space
        preset = space.preset.to_json()
        for seed in seeds:
            self.live.load(self._live_key(seed), preset, self.target.note, seed, self.target.note_s)
        self._sigma, self._here = 1.0, (np.inf, None)
        self._begin_here()

    def _begin_here(self) -> None:
        self.steps = first_steps(self.space, self.config.strategy.sigma)
        self.strategy.start(self.space.size, self._sigma)
        self._reference, self._stagnant = np.inf, 0

    def _norm(self, z: np.ndarray) -> np.ndarray:
        return self.space.origin + self.steps * z
