"""The settings of a search."""

import dataclasses

from vjax.search.locks import check_locks
from vjax.search.objective import ObjectiveConfig
from vjax.search.strategy import StrategyConfig


@dataclasses.dataclass(frozen=True)
class RefineConfig:
    """How long and how to search.

    Attributes:
      evals: at most N renders per target. The renders that rank its candidates count; those that judge the result do
        not.
      seconds: wall time per target; 0 sets no limit. A search ends at the first limit that it reaches.
      patience: generations without a loss that is better by 0.5 %, before a search continues from another candidate.
      restart_patience: such generations before a search without another candidate takes wider steps; 0 takes Hansen's
        number.
      parallel: number of targets that are searched at a time.
      engine_seeds: number of positions of the engine's random generators; generations use them in turn. With only one,
        a search fits the random phases of that position, which a preset cannot set.
      seed: of the samples.
      locked: groups of modules that a search does not change, see `vjax.search.locks.LOCKS`.
    """

    evals: int = 500
    seconds: float = 0.0
    strategy: StrategyConfig = StrategyConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    patience: int = 10
    restart_patience: int = 0
    parallel: int = 8
    engine_seeds: int = 2
    seed: int = 0
    locked: tuple[str, ...] = ()

    def __post_init__(self):
        for field, least in (("evals", 1), ("patience", 1), ("parallel", 1), ("engine_seeds", 1)):
            if getattr(self, field) < least:
                raise ValueError(f"{field}={getattr(self, field)}; it must be at least {least}")
        if self.restart_patience < 0:
            raise ValueError(f"restart_patience={self.restart_patience}; give generations, or 0 for Hansen's number")
        if not self.seconds >= 0:
            raise ValueError(f"seconds={self.seconds}; give the time a target may take, or 0 for no limit")
        check_locks(self.locked)
