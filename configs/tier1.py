"""Tier 1, static sounds: oscillators, filters and the amplitude envelope, no modulation.

    vjax train --config tier1:demo --workdir runs/tier1-demo    # minutes on two CPU cores
    vjax train --config tier1 --config.data.path=DATASET --workdir runs/tier1    # a GPU machine

`--config configs/tier1.py:demo` reads this file, or a changed copy of it.
"""

import ml_collections

from vjax.training.config import base_config


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: empty for the full recipe, `demo` or `smoke`."""
    return base_config(tier=1, variant=variant)
