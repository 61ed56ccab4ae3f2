"""The recipe of the model that comes with vjax: renders the data and trains. `vjax pack` then makes it small.

    vjax train --config configs/shipped.py --config.data.presets=PRESETS --workdir runs/shipped
    vjax pack runs/shipped --out model --credit "Made from presets by ..."

PRESETS are the 75 of one author that MODEL_CARD.md credits. On two CPU cores, it took two hours and 7,008 steps. On the
card, the predictions are at 9.13 dB (MSS, median of 40); the card has all scores.
A killed command continues when it is started again.
"""

import ml_collections

from vjax.training.config import base_config


def get_config() -> ml_collections.ConfigDict:
    """A run for two cores: small log-mel spectrograms and a narrow network save time for more sounds."""
    config = base_config(tier=3)
    config.seed = 1
    config.data.update({"n": 10397, "target_encoding": True, "resident": True})
    config.generation.update({"random_notes": 1, "mel_dtype": "float16", "presets_per_shard": 100})
    config.generation.mel.hop = 1024
    config.generation.sampling.preset_share = 0.7
    config.model.width = 16
    config.loss.update({"gate_menus": True, "gate_sources": True})
    config.augment.update({"n_time": 1, "max_time": 8, "n_freq": 1, "max_freq": 12})
    config.optimizer.update({"learning_rate": 1e-3, "weight_decay": 1e-2})
    config.train.update({"batch_size": 64, "epochs": 48, "eval_every": 4})
    config.train.update({"listen_every": 0, "listen_sounds": 24, "patience": 0})
    return config
