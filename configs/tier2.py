"""Tier 2, all modules and wavetables, no modulation.

    python scripts/train.py --config configs/tier2.py:demo --workdir runs/tier2-demo    # minutes on two CPU cores
    python scripts/train.py --config configs/tier2.py --config.data.path=DATASET --workdir runs/tier2    # a GPU machine

Expected numbers are in BUILD_NOTES.md, beside the command that gave them.
"""

import ml_collections

from vjax.training.config import base_config


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: empty for the full recipe, `demo` or `smoke`."""
    return base_config(tier=2, variant=variant)
