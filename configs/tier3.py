"""Tier 3, everything: all modules, wavetables and the modulation matrix.

    python scripts/train.py --config configs/tier3.py:demo --workdir runs/tier3-demo    # minutes on two CPU cores
    python scripts/train.py --config configs/tier3.py --config.data.path=DATASET --workdir runs/tier3    # a GPU machine

Expected numbers are in BUILD_NOTES.md, beside the command that gave them.
"""

import ml_collections

from vjax.training.config import base_config


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: empty for the full recipe, `demo` or `smoke`."""
    return base_config(tier=3, variant=variant)
