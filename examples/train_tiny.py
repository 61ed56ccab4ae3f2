"""Trains a tiny model on its own rendered data, and predicts the preset of a sound with it.

python examples/train_tiny.py runs/tiny tests/data/sounds/rhodes.wav
"""

import sys

import vjax
from vjax.training.config import base_config, unpack
from vjax.training.loop import train

workdir, sound = sys.argv[1:3]
summary = train(unpack(base_config(tier=3, variant="smoke")), workdir)
print({name: round(value, 3) for name, value in summary["val"].items()})
print(vjax.match(sound, checkpoint=workdir, patch=False, resynthesis=False).label)
