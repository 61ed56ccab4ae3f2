"""Settings of the prior over presets."""

import dataclasses

from vjax.sound.routes import N_SLOTS
from vjax.sound.schema import check_tier

LEAST_COUNT = 0.3
"""Added to the counts of options, sources and destinations, so that unused ones are drawn too."""


@dataclasses.dataclass(frozen=True)
class SamplingConfig:
    """What to draw.

    Attributes:
      tier: 1 static sounds, 2 all modules and wavetables, 3 also modulation routes.
      preset_share: share of the sounds that come from people's presets, if a bank of them is given.
      route_p: a preset has Geometric(route_p) - 1 routes, as in the report.
      max_routes: largest number of routes of a preset.
      variants: number of sounds that share wavetables, LFO shapes and connections. Such a group is rendered by one
        process that loads once, which is faster (`vjax.data.sample_variants`).
    """

    tier: int = 3
    preset_share: float = 0.5
    route_p: float = 0.15
    max_routes: int = 20
    variants: int = 1

    def __post_init__(self):
        check_tier(self.tier)
        if not 0 <= self.preset_share <= 1:
            raise ValueError(f"preset_share={self.preset_share} must lie in [0, 1]")
        if not 0 < self.route_p <= 1:
            raise ValueError(f"route_p={self.route_p} must lie in (0, 1]")
        if not 0 <= self.max_routes <= N_SLOTS:
            raise ValueError(f"max_routes={self.max_routes}; Vital has {N_SLOTS} slots")
        if self.variants < 1:
            raise ValueError(f"variants={self.variants} must be at least 1")
