"""The three heads on the backbone's features, and functions that split the fused categorical logits.

All heads compute in float32. Together they cost about one percent of the backbone.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float, Int

from vjax.io.arrays import Array
from vjax.sound.routes import CHANNELS


class ContinuousHead(nn.Module):
    """Predicts all continuous parameters: three Dense layers, the hidden ones as wide as the features, then a sigmoid.

    Attributes:
      n: number of continuous parameters.
      dropout: share of hidden units dropped in training, after each ReLU.
    """

    n: int
    dropout: float = 0.0

    @nn.compact
    def __call__(self, features: Float[Array, "b f"], train: bool = False) -> Float[jax.Array, "b n"]:
        """Maps [b, f] to norm values [b, n] in (0, 1). With `train` and dropout, needs the random stream `dropout`."""
        x = jnp.asarray(features)
        for _ in range(2):
            x = nn.relu(nn.Dense(features.shape[-1], kernel_init=nn.initializers.he_normal())(x))
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.sigmoid(nn.Dense(self.n)(x))


class CategoricalHead(nn.Module):
    """One linear classifier per categorical parameter, computed as a single Dense.

    Attributes:
      option_counts: number of options of each categorical parameter.
    """

    option_counts: tuple[int, ...]

    @nn.compact
    def __call__(self, features: Float[Array, "b f"]) -> Float[jax.Array, "b options"]:
        """Maps [b, f] to logits [b, sum(option_counts)], one parameter after another."""
        return nn.Dense(sum(self.option_counts))(features)


class RouteScores(NamedTuple):
    """The routing matrix as factors, because a sound with few routes needs only few cells of the matrix.

    score[c, s, d] = source[s] . bilinear[c] . destination[d]

    Attributes:
      source, destination: embeddings [b, n_sources, e] and [b, n_destinations, e].
      bilinear: [4, e, e].
    """

    source: Float[jax.Array, "b n_sources e"]
    bilinear: Float[jax.Array, "4 e e"]
    destination: Float[jax.Array, "b n_destinations e"]

    def matrix(self) -> Float[jax.Array, "b 4 n_sources n_destinations"]:
        """Computes every cell: [b, 4, n_sources, n_destinations]."""
        projected = jnp.einsum("bse,cef->bcsf", self.source, self.bilinear)
        return jnp.einsum("bcsf,bdf->bcsd", projected, self.destination)

    def amounts(self) -> Float[jax.Array, "b n_sources n_destinations"]:
        """Computes the first channel of every cell: [b, n_sources, n_destinations]."""
        return jnp.einsum("bsf,bdf->bsd", self.source @ self.bilinear[0], self.destination)

    def at(self, cells: Int[Array, "b n"]) -> Float[jax.Array, "b n 4"]:
        """Computes some cells: [b, n, 4].

        `cells` is [b, n] int, `source * n_destinations + destination`. All must be in the matrix.
        """
        source, destination = jnp.divmod(cells, self.destination.shape[1])
        source = jnp.take_along_axis(self.source, source[..., None], axis=1, mode="clip")
        destination = jnp.take_along_axis(self.destination, destination[..., None], axis=1, mode="clip")
        return jnp.einsum("bne,cef,bnf->bnc", source, self.bilinear, destination)


class ModulationHead(nn.Module):
    """Predicts the routing matrix as four bilinear forms of source and destination embeddings (the report, phase 3a).

    score[c, s, d] = source[s] . B[c] . destination[d], where both embeddings are linear in the features. The
    channels are `vjax.sound.routes.CHANNELS`. Amount and power are values (power native, in [-10, 10]), bipolar and
    stereo are logits.

    Attributes:
      n_sources, n_destinations: size of the matrix.
      embed_dim: length of an embedding.
    """

    n_sources: int
    n_destinations: int
    embed_dim: int = 32

    @nn.compact
    def __call__(self, features: Float[Array, "b f"]) -> RouteScores:
        """Maps [b, f] to scores without a non-linearity, as factors."""
        size = self.embed_dim
        source = nn.Dense(self.n_sources * size, name="source")(features).reshape(-1, self.n_sources, size)
        destination = nn.Dense(self.n_destinations * size, name="destination")(features)
        destination = destination.reshape(-1, self.n_destinations, size)
        # With this scale, scores are about 0.1 times the embeddings' variance, so an untrained head predicts almost no
        # routes. With the usual 1 / sqrt(size), every cell would start far above the presence threshold.
        bilinear = self.param("bilinear", nn.initializers.normal(0.1 / size), (len(CHANNELS), size, size), jnp.float32)
        return RouteScores(source, bilinear, destination)


def split_logits(logits: Float[Array, "*batch options"], option_counts: Sequence[int]) -> tuple[Array, ...]:
    """Splits fused logits [..., sum(option_counts)] into one [..., n_i] per categorical parameter.

    NumPy arrays stay NumPy arrays, without compilation.

    Raises ValueError if the last axis is not the sum of the option counts.
    """
    _check_width(logits, option_counts)
    cuts = np.cumsum(option_counts)[:-1]
    if isinstance(logits, np.ndarray):
        return tuple(np.split(logits, cuts, axis=-1))
    return tuple(jnp.split(logits, cuts, axis=-1))


def group_logits(
    logits: Float[Array, "b options"], option_counts: Sequence[int]
) -> tuple[tuple[Int[np.ndarray, " m"], Float[jax.Array, "b m n"]], ...]:
    """Splits fused logits [b, sum(option_counts)] into one (menus [m], logits [b, m, n]) per distinct option count n.

    `menus` are indices of categorical parameters. Vital's 126 categorical parameters have 12 distinct option counts, so
    an operation on each group compiles to 12 operations, not 126.

    Raises ValueError if the last axis is not the sum of the option counts.
    """
    _check_width(logits, option_counts)
    counts = np.asarray(option_counts)
    offsets = np.cumsum(counts) - counts
    groups = [np.flatnonzero(counts == n) for n in np.unique(counts)]
    columns = [(offsets[menus][:, None] + np.arange(int(counts[menus[0]]))).ravel() for menus in groups]
    # One gather and one split, instead of a gather per group: the gradients are one scatter and one concatenation.
    order = np.concatenate(columns)
    ordered = jnp.asarray(logits).at[:, order].get(mode="promise_in_bounds", unique_indices=True)
    parts = jnp.split(ordered, np.cumsum([len(c) for c in columns])[:-1], axis=1)
    return tuple((menus, part.reshape(len(logits), len(menus), -1)) for menus, part in zip(groups, parts, strict=True))


def option_probabilities(
    logits: Float[jax.Array, "*batch options"], option_counts: Sequence[int]
) -> Float[jax.Array, "*batch options"]:
    """Maps fused logits [..., sum(option_counts)] to probabilities of the same shape: a softmax for each parameter.

    Raises ValueError if the last axis is not the sum of the option counts.
    """
    counts = np.asarray(option_counts)
    offsets = np.cumsum(counts) - counts
    groups = group_logits(logits.reshape(-1, logits.shape[-1]), option_counts)
    columns = [(offsets[menus][:, None] + np.arange(part.shape[-1])).ravel() for menus, part in groups]
    parts = [jax.nn.softmax(part, axis=-1).reshape(len(part), -1) for _, part in groups]
    return jnp.concatenate(parts, axis=-1)[:, np.argsort(np.concatenate(columns))].reshape(logits.shape)


def _check_width(logits: Array, option_counts: Sequence[int]) -> None:
    if logits.shape[-1] != sum(option_counts):
        raise ValueError(
            f"the logits are {logits.shape[-1]} wide, but {len(option_counts)} menus have {sum(option_counts)} options "
            "together; build the model from the schema that the option counts come from"
        )
