"""The recipe of the model that comes with vjax: renders the data and trains. `vjax pack` then makes it small.

    vjax train --config configs/shipped.py --config.data.presets=PRESETS --workdir runs/shipped
    vjax pack runs/shipped --out model --credit "Made from presets by ..."

PRESETS are the 75 of one author that MODEL_CARD.md credits. That card states the hours of training and the scores.
A killed command continues when it is started again.
"""

import ml_collections

from vjax.training.config import base_config


def get_config() -> ml_collections.ConfigDict:
    """A run for two cores: small log-mel spectrograms and a narrow network save time for more sounds."""
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
    config.train.update({"batch_size": 64, "epochs": 8, "eval_every": 1})
    config.train.update({"listen_every": 0, "listen_sounds": 24, "patience": 0})
    return config
