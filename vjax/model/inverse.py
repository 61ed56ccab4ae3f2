"""The inverse model: predicts all parameters of a preset from the log-mel spectrogram of its sound."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from vjax.io.arrays import Array
from vjax.model.heads import CategoricalHead, ContinuousHead, ModulationHead, RouteScores
from vjax.model.kernels import KERNELS, backbone_parts
from vjax.model.posterior import Denoised, Denoiser
from vjax.model.resnet import RESNET_18, ResNet, pooled
from vjax.sound.schema import Schema

COMPUTE_DTYPES = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The sizes of an `InverseModel`. It is hashable, and `ModelConfig(**fields)` rebuilds it from JSON.

    Raises ValueError for an invalid size.

    Attributes:
      n_continuous: number of continuous parameters.
      option_counts: number of options of each categorical parameter.
      n_sources, n_destinations: size of the routing matrix; no modulation head if either is 0.
      mod_embed_dim: length of the modulation head's embeddings.
      width: number of channels of the backbone's first stage. Each further stage has twice as many.
      stage_sizes: number of blocks of each stage of the backbone. The default is a ResNet-18.
      dropout: share of hidden units that the continuous head drops while training.
      compute_dtype: type in which the backbone computes, "float32" or "bfloat16". Parameters and outputs are always
        float32.
      kernels: implementation of the backbone's parts, "plain" or "fast" (`kernels.backbone_parts`). Both have the same
        parameters.
      posterior_width: width of the posterior's network (`posterior.Denoiser`); without a posterior, 0.
      posterior_blocks: number of its residual blocks.
      route_cells: cells of the routing matrix that the posterior can use, `source * n_destinations + destination`.
    """

    n_continuous: int
    option_counts: tuple[int, ...]
    n_sources: int = 0
    n_destinations: int = 0
    mod_embed_dim: int = 32
    width: int = 64
    stage_sizes: tuple[int, ...] = RESNET_18
    dropout: float = 0.1
    compute_dtype: str = "float32"
    kernels: str = "plain"
    posterior_width: int = 0
    posterior_blocks: int = 4
    route_cells: tuple[int, ...] = ()

    def __post_init__(self):
        for field in ("option_counts", "stage_sizes", "route_cells"):  # JSON has no tuples
            object.__setattr__(self, field, tuple(int(n) for n in getattr(self, field)))
        for field in ("n_continuous", "mod_embed_dim", "width", "posterior_blocks"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}; it must be at least 1")
        if not self.option_counts or min(self.option_counts) < 1:
            raise ValueError(f"option_counts is {self.option_counts}; every menu needs at least one option")
        if min(self.n_sources, self.n_destinations) < 0:
            raise ValueError(f"the routing matrix is {self.n_sources} x {self.n_destinations}; use 0 for none")
        if not self.stage_sizes or min(self.stage_sizes) < 1:
            raise ValueError(f"stage_sizes is {self.stage_sizes}; give the number of blocks of one stage or more")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; it must lie in [0, 1)")
        if self.compute_dtype not in COMPUTE_DTYPES:
            raise ValueError(f"compute_dtype is {self.compute_dtype!r}; choose one of {COMPUTE_DTYPES}")
        if self.kernels not in KERNELS:
            raise ValueError(f"kernels is {self.kernels!r}; choose one of {KERNELS}")
        if self.posterior_width < 0:
            raise ValueError(f"posterior_width is {self.posterior_width}; it must be at least 0")
        n_cells = self.n_sources * self.n_destinations
        if self.route_cells and not 0 <= min(self.route_cells) <= max(self.route_cells) < n_cells:
            raise ValueError(f"route_cells holds cells outside of the {n_cells} cells of the routing matrix")

    @property
    def has_posterior(self) -> bool:
        return self.posterior_width > 0

    @property
    def has_modulation(self) -> bool:
        return self.n_sources > 0 and self.n_destinations > 0


def model_config(schema: Schema, has_modulation: bool, **overrides: Any) -> ModelConfig:
    """Returns the config whose heads fit `schema`; `overrides` are fields of it (width, dropout, compute_dtype ...)."""
    sizes = {
        "n_continuous": len(schema.continuous),
        "option_counts": schema.option_counts,
        "n_sources": len(schema.sources) if has_modulation else 0,
        "n_destinations": len(schema.destinations) if has_modulation else 0,
    }
    return ModelConfig(**{**sizes, **overrides})


class Prediction(NamedTuple):
    """The model's predictions. All are float32.

    Attributes:
      continuous: [b, n_continuous] norm values in (0, 1).
      categorical_logits: [b, sum(option_counts)], see `heads.split_logits`.
      modulation: [b, 4, n_sources, n_destinations], see `heads.ModulationHead`; None without a modulation head. In the
        training step, its factors (`RouteScores`).
    """

    continuous: Float[jax.Array, "b n_continuous"]
    categorical_logits: Float[jax.Array, "b options"]
    modulation: Float[jax.Array, "b 4 n_sources n_destinations"] | RouteScores | None


class InverseModel(nn.Module):
    """A ResNet backbone and three heads (the report, phase 3a)."""

    config: ModelConfig

    def setup(self):
        config = self.config
        self.continuous_head = ContinuousHead(config.n_continuous, config.dropout)
        self.categorical_head = CategoricalHead(config.option_counts)
        if config.has_modulation:
            self.modulation_head = ModulationHead(config.n_sources, config.n_destinations, config.mod_embed_dim)
        if config.has_posterior:
            sizes = config.n_continuous, config.option_counts, len(config.route_cells)
            self.posterior = Denoiser(*sizes, config.posterior_width, config.posterior_blocks)

    def __call__(self, mel: Array, train: bool = False, factored: bool = False) -> Prediction:
        """Maps mel [b, 1, n_mels, t], float32 or float16, to a `Prediction`.

        With `train`, make `batch_stats` mutable and give the random stream `dropout`. With `factored`, the modulation
        is a `heads.RouteScores`.

        Raises ValueError if mel is not a batch of one-channel spectrograms.
        """
        maps = self.maps(mel, train)
        if self.config.has_posterior and self.is_initializing():
            self.posterior(maps, jnp.zeros((len(mel), 1, self.posterior.size)), jnp.zeros((len(mel), 1)))
        return self.heads(pooled(maps), train, factored)

    def denoised(
        self, mel: jax.Array, noisy: jax.Array, time: jax.Array, given: jax.Array, train: bool = False
    ) -> tuple[Prediction, Denoised]:
        """Returns `__call__` (factored) and the posterior's estimate for noisy preset vectors, from one pass.

        For training. The arguments after `mel` are those of `posterior.Denoiser`.
        """
        maps = self.maps(mel, train)
        return self.heads(pooled(maps), train, factored=True), self.posterior(maps, noisy, time, given)

    def estimate(self, maps: jax.Array, noisy: jax.Array, time: jax.Array, given: jax.Array | None = None) -> Denoised:
        """Returns the posterior's estimate, see `posterior.Denoiser`."""
        return self.posterior(maps, noisy, time, given)

    def features(self, mel: Array, train: bool = False) -> Float[jax.Array, "b n_features"]:
        """Returns the input of the heads, [b, n_features] float32. With `train`, `batch_stats` must be mutable."""
        return pooled(self.maps(mel, train))

    @nn.compact
    def maps(self, mel: Array, train: bool = False) -> Float[jax.Array, "b freq time n_features"]:
        """Returns the backbone's last maps [b, freq, time, n_features]. With `train`, `batch_stats` must be mutable."""
        if mel.ndim != 4 or mel.shape[1] != 1:
            raise ValueError(f"mel has shape {mel.shape}; the model expects [batch, 1, n_mels, frames]")
        mels = jnp.asarray(mel)[:, 0, :, :, None].astype(jnp.float32)  # NHWC; with one channel, no data move in memory
        config, dtype = self.config, jnp.dtype(self.config.compute_dtype)
        parts = backbone_parts(config.kernels, train, dtype, config.width)
        return ResNet(config.width, config.stage_sizes, dtype, **parts, name="backbone")(mels, train, average=False)

    def heads(self, features: Float[Array, "b n_features"], train: bool = False, factored: bool = False) -> Prediction:
        """Maps features [b, n_features] to a `Prediction`.

        With `train`, hidden units are dropped by the random stream `dropout`.
        """
        continuous = self.continuous_head(features, train)
        logits = self.categorical_head(features)
        if not self.config.has_modulation:
            return Prediction(continuous, logits, None)
        scores = self.modulation_head(features)
        return Prediction(continuous, logits, scores if factored else scores.matrix())


def parameter_counts(params: Mapping[str, Any]) -> dict[str, int]:
    """Returns the number of parameters (given as arrays or shapes) of each top-level part, and the `total`."""
    counts = {part: sum(leaf.size for leaf in jax.tree.leaves(tree)) for part, tree in params.items()}
    return {**counts, "total": sum(counts.values())}
