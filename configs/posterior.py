"""A small model with a posterior, from variants: what docs/decisions/0027-posterior.md measures.

    vjax generate --config configs/posterior.py --n 150000 --seed 11 --presets PRESETS --out DATASET
    vjax train --config configs/posterior.py --config.data.path=DATASET --workdir runs/posterior
    python benchmarks/posterior.py --checkpoint runs/posterior --dataset DATASET

PRESETS are the 75 of one author that the shipped model's card credits. Each command continues after it was killed; a
run can continue with a larger dataset. `make posterior` runs all three. With 21,428 sounds and 46 minutes of training
on two cores, the best of 16 draws was at 9.11 dB (MSS, median of 40), and the best of 16 neighbours at 5.87.
"""

import ml_collections

from vjax.training.config import base_config


def get_config() -> ml_collections.ConfigDict:
    """The shipped recipe with more, faster made sounds, a posterior, and disturbed spectrograms."""
    config = base_config(tier=3)
    config.seed = 1
    config.data.update({"n": 150000, "target_encoding": True, "resident": True})
    config.generation.update({"random_notes": 1, "mel_dtype": "float16", "presets_per_shard": 400})
    config.generation.oversampling = False
    config.generation.mel.hop = 1024
    config.generation.sampling.update({"preset_share": 0.7, "variants": 8})
    config.model.width = 16
    config.loss.update({"gate_menus": True, "gate_sources": True})
    config.augment.update({"n_time": 1, "max_time": 8, "n_freq": 1, "max_freq": 12})
    config.disturb.update({"gain_db": 12.0, "tilt_db": 6.0, "noise_db": 50.0, "shift_frames": 1})
    config.posterior.update({"width": 384, "weight": 8.0})
    config.optimizer.update({"learning_rate": 1e-3, "weight_decay": 1e-2})
    config.train.update({"batch_size": 64, "epochs": 22, "eval_every": 4})
    config.train.update({"listen_every": 0, "listen_sounds": 24, "patience": 0})
    return config
