"""Tier 3, everything: all modules, wavetables and the modulation matrix.

    vjax train --config tier3:demo --workdir runs/tier3-demo    # minutes on two CPU cores
    vjax train --config tier3 --config.data.path=DATASET --workdir runs/tier3    # a GPU machine

`--config configs/tier3.py:demo` reads this file, or a changed copy of it.

What such runs have reached is in docs/results.md and docs/decisions/, beside the commands.
"""

import ml_collections

from vjax.training.config import base_config


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: empty for the full recipe, `demo` or `smoke`."""
    return base_config(tier=3, variant=variant)
