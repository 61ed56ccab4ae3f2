"""Renders a small dataset with Vital's engine, and reads a batch of it.

python examples/make_dataset.py DATASET
"""

import sys

from vjax.data.generate import GenerationConfig, generate
from vjax.data.reader import Reader
from vjax.data.store import open_dataset

generate(GenerationConfig(presets_per_shard=8), sys.argv[1], n=24, seed=1)
batch = Reader(open_dataset(sys.argv[1])).read([0, 1, 2])
print({name: getattr(batch, name).shape for name in ("mel", "continuous", "categorical")})
