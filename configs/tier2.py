"""Tier 2, all modules and wavetables, no modulation.

    vjax train --config tier2:demo --workdir runs/tier2-demo    # minutes on two CPU cores
    vjax train --config tier2 --config.data.path=DATASET --workdir runs/tier2    # a GPU machine

`--config configs/tier2.py:demo` reads this file, or a changed copy of it.
"""

import ml_collections

from vjax.training.config import base_config


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: empty for the full recipe, `demo` or `smoke`."""
    return base_config(tier=2, variant=variant)
