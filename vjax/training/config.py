"""The configuration of a run: one locked ConfigDict on the command line, frozen dataclasses inside the program.

Each section is a dataclass, defined next to the code that uses it. Names and defaults are stated only there.
`configs/tier*.py` are the recipes.
"""

import dataclasses
import difflib
from typing import Any

import ml_collections

from vjax.audio.mel import MelConfig
from vjax.data.generate import GenerationConfig
from vjax.data.sampling_config import SamplingConfig
from vjax.data.stream import SpecAugmentConfig
from vjax.engine.config import RenderConfig
from vjax.model.inverse import COMPUTE_DTYPES
from vjax.model.kernels import KERNELS
from vjax.model.resnet import RESNET_18
from vjax.sound.schema import TIERS
from vjax.training.checks import make_section
from vjax.training.disturb import DisturbConfig
from vjax.training.losses import LossConfig
from vjax.training.posterior import PosteriorConfig
from vjax.training.state import OptimizerConfig

VARIANTS = ("", "demo", "smoke")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Where the data come from.

    Attributes:
      path: an HDF5 file or a folder of shards; if empty, `n` rows are rendered into the run's own folder.
      n: number of rows to render, each a preset at one note.
      wavetable_catalog: the catalog file (.json or .json.gz) of the data; if empty, the catalog that the data store or
        refer to.
      presets: a folder of people's presets to mix in when rendering.
      val_fraction: share of the presets kept for validation.
      workers: number of processes that read; 0 reads in a thread, which is enough for sparse routes on one machine.
      resident: put all training rows on the accelerator before the first step, instead of reading them while training.
        The batches are the same, so a continued run may change this setting.
      render_workers: number of processes that render; 0 uses every core.
      target_encoding: train on the target encoding, with whole semitones as classes and the effect order as positions,
        see `vjax.sound.encoding`.
    """

    path: str = ""
    wavetable_catalog: str = ""
    n: int = 20000
    presets: str = ""
    val_fraction: float = 0.1
    workers: int = 0
    resident: bool = False
    render_workers: int = 0
    target_encoding: bool = False

    def __post_init__(self):
        if self.n < 1:
            raise ValueError(f"n={self.n}; it must be at least 1")
        if not 0 < self.val_fraction < 1:
            raise ValueError(f"val_fraction={self.val_fraction}; it must lie between 0 and 1, for example 0.1")
        for field in ("workers", "render_workers"):
            if getattr(self, field) < 0:
                raise ValueError(f"{field}={getattr(self, field)}; it must be at least 0")


@dataclasses.dataclass(frozen=True)
class ModelOptions:
    """The fields of `ModelConfig` that do not depend on the data.

    Attributes:
      width: number of channels of the backbone's first stage. Each further stage has twice as many.
      stage_sizes: number of blocks of each stage of the backbone. The default is a ResNet-18.
      dropout: share of hidden units that the continuous head drops while training.
      mod_embed_dim: length of the modulation head's embeddings.
      compute_dtype: type in which the backbone computes, "float32" or "bfloat16"; parameters stay float32.
      kernels: "plain", or "fast" for implementations that train faster (`vjax.model.kernels`). The recipes choose
        "fast".
    """

    width: int = 64
    stage_sizes: tuple[int, ...] = RESNET_18
    dropout: float = 0.1
    mod_embed_dim: int = 32
    compute_dtype: str = "float32"
    kernels: str = "plain"

    def __post_init__(self):
        for field in ("width", "mod_embed_dim"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field}={getattr(self, field)}; it must be at least 1")
        if not self.stage_sizes or min(self.stage_sizes) < 1:
            raise ValueError(f"stage_sizes={self.stage_sizes}; give the number of blocks of one stage or more")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout}; it must lie in [0, 1)")
        if self.compute_dtype not in COMPUTE_DTYPES:
            raise ValueError(f"compute_dtype={self.compute_dtype!r}; choose {' or '.join(COMPUTE_DTYPES)}")
        if self.kernels not in KERNELS:
            raise ValueError(f"kernels={self.kernels!r}; choose {' or '.join(KERNELS)}")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings of the training loop.

    Attributes:
      epochs: number of passes over the training rows.
      batch_size: number of rows of a batch, over all devices.
      log_every: steps between lines in train.log and points in TensorBoard.
      checkpoint_every: steps between checkpoints; each validation saves one too.
      eval_every: epochs between validations.
      listen_every: epochs between renderings of the fixed validation sounds; 0 renders them only after the last epoch,
        which always renders them.
      listen_sounds: number of these sounds; 0 renders none.
      patience: number of validations without a lower loss before the run stops early; 0 never stops early.
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
                raise ValueError(f"{field}={getattr(self, field)}; it must be at least 1")
        for field in ("listen_every", "listen_sounds", "patience"):
            if getattr(self, field) < 0:
                raise ValueError(f"{field}={getattr(self, field)}; it must be at least 0")


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a run.

    Attributes:
      tier: which parameters the loss includes, 1, 2 or 3; 0 takes the dataset's tier.
      seed: random seed of the weights, the order of rows, the split, and the presets that are drawn.
    """

    tier: int
    seed: int
    data: DataConfig
    generation: GenerationConfig
    augment: SpecAugmentConfig
    disturb: DisturbConfig
    model: ModelOptions
    loss: LossConfig
    posterior: PosteriorConfig
    optimizer: OptimizerConfig
    train: TrainConfig

    def __post_init__(self):
        if self.tier not in (0, *TIERS):
            raise ValueError(f"tier={self.tier}; choose one of {TIERS}, or 0 for the tier of the dataset")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed={self.seed}; it must lie in [0, 2**32)")


_SECTIONS = {
    "data": DataConfig,
    "augment": SpecAugmentConfig,
    "disturb": DisturbConfig,
    "model": ModelOptions,
    "loss": LossConfig,
    "posterior": PosteriorConfig,
    "optimizer": OptimizerConfig,
    "train": TrainConfig,
}
_GENERATION_SECTIONS = {"sampling": SamplingConfig, "render": RenderConfig, "mel": MelConfig}


def base_config(tier: int, variant: str = "") -> ml_collections.ConfigDict:
    """Returns the full recipe of a tier, or one of its small variants, as a ConfigDict that is not yet locked.

    - `demo`: renders its own data and trains in minutes on two CPU cores.
    - `smoke`: the same in seconds, for tests; too small to learn anything.

    Raises ValueError for an unknown variant.
    """
    if variant not in VARIANTS:
        near = difflib.get_close_matches(variant, VARIANTS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"variant {variant!r} does not exist; choose 'demo', 'smoke' or none{hint}")
    config: Any = ml_collections.ConfigDict({"tier": tier, "seed": 0})
    for name, section in _SECTIONS.items():
        config[name] = dataclasses.asdict(section())
    generation = {f.name: f.default for f in dataclasses.fields(GenerationConfig) if f.name not in _GENERATION_SECTIONS}
    config["generation"] = generation | {name: dataclasses.asdict(s()) for name, s in _GENERATION_SECTIONS.items()}
    config.generation.sampling.tier = tier
    config.model.kernels = "fast"
    config.generation.random_notes = 3  # from the whole `note_range`; the report played 48, 60 and 72
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
        config.model.update({"width": 4, "stage_sizes": (1, 1)})
        config.train.update({"epochs": 2, "batch_size": 4, "log_every": 1, "listen_sounds": 1, "patience": 0})
    return config


def unpack(config: ml_collections.ConfigDict) -> Config:
    """Converts the ConfigDict to frozen dataclasses. Raises ValueError with key, value and what is expected."""
    raw = config.to_dict()
    generation = raw["generation"]
    for name, section in _GENERATION_SECTIONS.items():
        generation[name] = make_section(f"generation.{name}", section, generation[name])
    for section, name in ((generation, "notes"), (generation, "note_range"), (raw["model"], "stage_sizes")):
        if isinstance(section.get(name), list):  # from JSON, which has no tuples
            section[name] = tuple(section[name])
    for name, section in (_SECTIONS | {"generation": GenerationConfig}).items():
        raw[name] = make_section(name, section, raw[name])
    return make_section("", Config, raw)


def check_data_size(config: Config) -> None:
    """Raises ValueError if a run would render too few rows for one batch. Call it before rendering."""
    data, notes = config.data, config.generation.notes_per_preset
    if data.path:
        return
    presets = -(-data.n // notes)
    if presets < 2:
        raise ValueError(
            f"data.n={data.n} rows at {notes} notes a preset are {presets} preset; the split takes at least 2: set "
            f"data.n to {notes + 1} or more"
        )
    n_validation = min(max(round(data.val_fraction * presets), 1), presets - 1)
    most = min((presets - n_validation) * notes, data.n - 1)
    if config.train.batch_size > most:
        raise ValueError(
            f"train.batch_size={config.train.batch_size} does not fit data.n={data.n} rows, of which at most {most} "
            "are for training; lower train.batch_size or raise data.n"
        )


def as_json(config: Config) -> dict[str, Any]:
    """The configuration as JSON types, for checkpoints and summaries."""
    return dataclasses.asdict(config)
