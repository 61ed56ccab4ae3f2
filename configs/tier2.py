"""Tier 2, all modules and wavetables, no modulation.

    vjax train --config tier2:demo --workdir runs/tier2-demo    # minutes on two CPU cores
    vjax train --config tier2 --config.data.path=DATASET --workdir runs/tier2    # a GPU machine

`--config configs/tier2.py:demo` reads this file, or a changed copy of it.

`tier2:demo` on two CPU cores: 4 minutes of training on 1,500 sounds. Then the predictions were at 15.5 dB (MSS, mean
of 8 sounds), the nearest training sounds at 14.1, other training sounds at 24.9, and the targets rendered again at
1.6. docs/results.md has all runs. The full recipe was not run to its end.
"""

import ml_collections

from vjax.training.config import base_config


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: empty for the full recipe, `demo` or `smoke`."""
    return base_config(tier=2, variant=variant)
