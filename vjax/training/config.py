"""The configuration of a run: one locked ConfigDict on the command line, frozen dataclasses inside.

Every section is the dataclass that uses it; names and defaults stand there and nowhere else. `configs/tier*.py` are the
recipes.
"""

import dataclasses
import difflib
from typing import Any

import ml_collections

from vjax.audio.mel import MelConfig
from vjax.data.generate import GenerationConfig
from vjax.data.sampling import SamplingConfig
from vjax.data.stream import SpecAugmentConfig
from vjax.training.losses import LossConfig
from vjax.training.state import OptimizerConfig
from vjax.vital.engine import RenderConfig

VARIANTS = ("", "demo", "smoke")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Where the data come from.

    Attributes:
      path: an HDF5 file or a folder of shards; empty: rendered into the run's own folder, `n` rows of them.
      presets: a folder of people's presets to mix in when rendering.
      val_fraction: share of the presets kept for validation.
      workers: processes that read; 0 reads in a thread, which is enough for one machine's sparse routes.
      resident: put all training rows on the accelerator before the first step, instead of reading them while training.
        The batches are the same, so a run may change it and go on.
      render_workers: processes that render; 0 takes every core.
      answers: train on the target encoding, whole semitones as classes and the effect order as positions, see
        `vjax.sound.encoding`.
    """

    path: str = ""
    n: int = 20000
    presets: str = ""
    val_fraction: float = 0.1
    workers: int = 0
    resident: bool = False
    render_workers: int = 0
    answers: bool = False


@dataclasses.dataclass(frozen=True)
class ModelOptions:
    """What of `ModelConfig` the data do not decide."""

    width: int = 64
    dropout: float = 0.1
    mod_embed_dim: int = 32
    compute_dtype: str = "float32"


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The loop.

    Attributes:
      batch_size: rows of a batch, over all devices.
      log_every: steps between lines in TensorBoard.
      checkpoint_every: steps between checkpoints; there is also one after each validation.
      eval_every: epochs between validations.
      listen_every: epochs between renderings of the fixed validation sounds; 0 never, but the last epoch always does.
      listen_sounds: how many of them; 0: no listening.
      patience: validations without a better loss before the run stops early; 0 never stops.
    """

    epochs: int = 100
    batch_size: int = 64
    log_every: int = 20
    checkpoint_every: int = 1000
    eval_every: int = 1
    listen_every: int = 10
    listen_sounds: int = 8
    patience: int = 15

    def __post_init__(self):
        for field in ("epochs", "batch_size", "log_every", "checkpoint_every", "eval_every"):
            if getattr(self, field) < 1:
                raise ValueError(f"train.{field}={getattr(self, field)}; it must be at least 1")


@dataclasses.dataclass(frozen=True)
class Config:
    """A whole run. `tier` 0 takes the dataset's."""

    tier: int
    seed: int
    data: DataConfig
    generation: GenerationConfig
    augment: SpecAugmentConfig
    model: ModelOptions
    loss: LossConfig
    optimizer: OptimizerConfig
    train: TrainConfig


_SECTIONS = {
    "data": DataConfig,
    "augment": SpecAugmentConfig,
    "model": ModelOptions,
    "loss": LossConfig,
    "optimizer": OptimizerConfig,
    "train": TrainConfig,
}
_GENERATION_SECTIONS = {"sampling": SamplingConfig, "render": RenderConfig, "mel": MelConfig}


def base_config(tier: int, variant: str = "") -> ml_collections.ConfigDict:
    """The full recipe of a tier as a ConfigDict, or one of its small variants; not yet locked.

    - `demo`: renders its own data and trains in minutes on two CPU cores.
    - `smoke`: the same in seconds, for tests; too small to learn anything.

    Raises ValueError for an unknown variant.
    """
    if variant not in VARIANTS:
        near = difflib.get_close_matches(variant, VARIANTS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"variant {variant!r} does not exist; choose 'demo', 'smoke' or none{hint}")
    config = ml_collections.ConfigDict({"tier": tier, "seed": 0})
    for name, section in _SECTIONS.items():
        config[name] = dataclasses.asdict(section())
    generation = {f.name: f.default for f in dataclasses.fields(GenerationConfig) if f.name not in _GENERATION_SECTIONS}
    config.generation = generation | {name: dataclasses.asdict(s()) for name, s in _GENERATION_SECTIONS.items()}
    config.generation.sampling.tier = tier
    config.generation.random_notes = 3  # over the keyboard, where the report played 48, 60 and 72
    if tier < 3:
        config.loss.modulation_weight = 0.0
    if variant:
        config.generation.mel_dtype = "float16"
        config.generation.presets_per_shard = 16
        config.model.width = 16
        config.train.log_every = 10
        config.optimizer.learning_rate = 1e-3
    if variant == "demo":
        config.data.n = 1500
        config.train.update({"epochs": 12, "batch_size": 32, "listen_every": 0, "patience": 0})
        config.loss.modulation_warmup_epochs = 3
    if variant == "smoke":
        config.generation.update({"notes": (60,), "random_notes": 0, "presets_per_shard": 4})
        config.generation.render.update({"seconds": 0.5, "note_s": 0.3})
        config.data.update({"n": 12, "val_fraction": 0.34})
        config.model.width = 4
        config.train.update({"epochs": 2, "batch_size": 4, "log_every": 1, "listen_sounds": 1, "patience": 0})
    return config


def unpack(config: ml_collections.ConfigDict) -> Config:
    """The ConfigDict as frozen dataclasses. Raises ValueError where a value cannot be."""
    raw = config.to_dict()
    generation = raw["generation"]
    nested = {name: section(**generation.pop(name)) for name, section in _GENERATION_SECTIONS.items()}
    tuples = {name: tuple(generation[name]) for name in ("notes", "note_range")}
    generation = GenerationConfig(**{**generation, **tuples}, **nested)
    sections = {name: section(**raw[name]) for name, section in _SECTIONS.items()}
    return Config(tier=raw["tier"], seed=raw["seed"], generation=generation, **sections)


def as_json(config: Config) -> dict[str, Any]:
    """The configuration as JSON types, for checkpoints and summaries."""
    return dataclasses.asdict(config)
