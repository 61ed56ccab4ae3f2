"""The settings of a search."""

import dataclasses

from vjax.search.objective import ObjectiveConfig
from vjax.search.strategy import StrategyConfig


@dataclasses.dataclass(frozen=True)
class RefineConfig:
    """How long and how to search.

    Attributes:
      evals: renders a target may cost, those that ranked its candidates included; those that judge the end are not
        counted.
      seconds: wall time a target may take; 0 has no limit. Whichever ends first.
      patience: generations without a loss better by 0.5 % before a search goes on from another start.
      restart_patience: such generations before a search with no other start takes wider steps; 0 is Hansen's number.
      places: targets searched at a time.
      engine_seeds: positions of the engine's random generators that generations take turns to play with. With one, a
        search fits what cannot be set, the phases of that draw.
      seed: of the samples.
    """

    evals: int = 500
    seconds: float = 0.0
    strategy: StrategyConfig = StrategyConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    patience: int = 10
    restart_patience: int = 0
    places: int = 8
    engine_seeds: int = 2
    seed: int = 0

    def __post_init__(self):
        for field, least in (("evals", 1), ("patience", 1), ("places", 1), ("engine_seeds", 1)):
            if getattr(self, field) < least:
                raise ValueError(f"{field}={getattr(self, field)}; it must be at least {least}")
        if self.restart_patience < 0:
            raise ValueError(f"restart_patience={self.restart_patience}; give generations, or 0 for Hansen's number")
        if not self.seconds >= 0:
            raise ValueError(f"seconds={self.seconds}; give the time a target may take, or 0 for no limit")
