"""Tier 1, static sounds: oscillators, filters and the amplitude envelope, no modulation.

    vjax train --config tier1:demo --workdir runs/tier1-demo    # minutes on two CPU cores
    vjax train --config tier1 --config.data.path=DATASET --workdir runs/tier1    # a GPU machine

`--config configs/tier1.py:demo` reads this file, or a changed copy of it.

`tier1:demo` on two CPU cores: 5 minutes of training on 1,500 sounds. Then the predictions were at 11.8 dB (MSS, mean
of 8 sounds), the nearest training sounds at 7.7, other training sounds at 24.8, and the targets rendered again at
2.5. docs/results.md has all runs. The full recipe was not run to its end.
"""

import ml_collections

from vjax.training.config import base_config


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: empty for the full recipe, `demo` or `smoke`."""
    return base_config(tier=1, variant=variant)
