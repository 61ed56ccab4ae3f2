"""Tier 3, everything: all modules, wavetables and the modulation matrix.

    vjax train --config tier3:demo --workdir runs/tier3-demo    # minutes on two CPU cores
    vjax train --config tier3 --config.data.path=DATASET --workdir runs/tier3    # a GPU machine

`--config configs/tier3.py:demo` reads this file, or a changed copy of it.

`tier3:demo` on two CPU cores: 3 minutes of training on 1,500 sounds. Then the predictions were at 21.4 dB (MSS
padded, mean of 8 sounds), the nearest training sounds at 10.9, other training sounds at 19.7. docs/results.md has all
runs. The full recipe was not run to its end.
"""

import ml_collections

from vjax.training.config import base_config


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: empty for the full recipe, `demo` or `smoke`."""
    return base_config(tier=3, variant=variant)
