"""The loss of the posterior: how well it removes noise from preset vectors, given their sounds.

For each sound, several noises x0 and times t are drawn, and the estimate of x1 is compared with the true preset:

    sum of squared errors of continuous parameters and routes / (2 SIGMA^2) + sum of cross-entropies of options

in nats per sound, divided by the number of parts of the vector that are compared. Both errors are smallest where the
estimate is E[x1 | x_t, sound], which the sampler needs.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from vjax.data.reader import Reader, Routes
from vjax.io.arrays import Array
from vjax.model.inverse import InverseModel
from vjax.model.posterior import Denoised
from vjax.model.preset_vector import Canonical, canonical, frequent_cells, to_vector
from vjax.sound.routes import CHANNELS
from vjax.sound.rules import Rules
from vjax.sound.schema import Schema
from vjax.training.losses import cross_entropies
from vjax.training.mean import Mean

SIGMA = 0.3
"""Standard deviation of the Gaussian that scales squared errors to nats, in units of the preset vector."""

_BLOCK_ROWS = 1024  # rows to read at a time


@dataclasses.dataclass(frozen=True)
class PosteriorConfig:
    """Settings of the posterior and its training.

    Attributes:
      width: width of its network; 0 for a model without a posterior.
      blocks: number of residual blocks of its network.
      weight: weight of its loss.
      draws: number of noises that each sound of a batch gets.
      hidden: share of sounds that are hidden from it, so that it also learns how presets are without a sound.
      most_cells: number of cells of the routing matrix that it can use: the most frequent ones in the training data.
      least_routes: number of training sounds that must use a cell.
    """

    width: int = 0
    blocks: int = 4
    weight: float = 1.0
    draws: int = 4
    hidden: float = 0.1
    most_cells: int = 1024
    least_routes: int = 8

    def __post_init__(self):
        for field in ("width", "weight", "most_cells"):
            if not getattr(self, field) >= 0:
                raise ValueError(f"{field}={getattr(self, field)}; it must be at least 0")
        for field in ("blocks", "draws", "least_routes"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field}={getattr(self, field)}; it must be at least 1")
        if not 0 <= self.hidden < 1:
            raise ValueError(f"hidden={self.hidden}; it must lie in [0, 1)")


class Noised(NamedTuple):
    """The posterior's input for a batch, and the true presets.

    Attributes:
      vectors: [b, k, size] x_t.
      time: [b, k] t.
      given: [b] 0 where the sound is hidden.
      truth: the presets.
    """

    vectors: Float[jax.Array, "b k size"]
    time: Float[jax.Array, "b k"]
    given: Float[jax.Array, " b"]
    truth: Canonical


@dataclasses.dataclass(frozen=True, eq=False)
class PosteriorTask:
    """What the loss needs of a schema and a model.

    Attributes:
      schema, rules: of the data.
      model: with a posterior.
      config: the settings.
    """

    schema: Schema
    rules: Rules
    model: InverseModel
    config: PosteriorConfig

    def noised(self, key: jax.Array, continuous: Array, categorical: Array, routes: Routes | Array | None) -> Noised:
        """Draws noise for rows [b, ...] of a dataset."""
        config = self.model.config
        truth = canonical(config, self.schema, self.rules, continuous, categorical, routes)
        vectors = to_vector(config, truth)[:, None]
        time_key, noise_key, hidden_key = jax.random.split(key, 3)
        # Times in even distances from a random first one: a batch covers them all.
        b, k = len(continuous), self.config.draws
        time = (jax.random.uniform(time_key) + jnp.arange(b * k) / (b * k)).reshape(k, b).T % 1
        noise = jax.random.normal(noise_key, (b, k, vectors.shape[-1]))
        given = jnp.float32(jax.random.uniform(hidden_key, (b,)) >= self.config.hidden)
        return Noised((1 - time[..., None]) * noise + time[..., None] * vectors, time, given, truth)

    def loss(self, estimate: Denoised, truth: Canonical, valid: Float[Array, " b"]) -> Mean:
        """Returns the loss over the estimates [b, k] of rows whose `valid` [b] is not 0."""
        return Mean.of(self.errors(estimate, truth), jnp.broadcast_to(valid[:, None], estimate.continuous.shape[:2]))

    def errors(self, estimate: Denoised, truth: Canonical) -> Float[jax.Array, "b k"]:
        """Returns the errors [b, k], see the module."""
        options, (b, k) = self.model.config.option_counts, estimate.continuous.shape[:2]
        knobs = 4 * jnp.sum(jnp.square(estimate.continuous - truth.continuous[:, None]), -1)  # norm is half as wide
        routes = jnp.sum(jnp.square(estimate.routes - truth.route_values[:, None]), -1)
        logits = estimate.categorical_logits.reshape(b * k, -1)
        menus = jnp.sum(cross_entropies(logits, jnp.repeat(truth.categorical, k, 0), options), -1).reshape(b, k)
        parts = estimate.continuous.shape[-1] + len(options) + estimate.routes.shape[-1]
        return ((knobs + routes) / (2 * SIGMA**2) + menus) / parts


def model_fields(
    config: PosteriorConfig,
    reader: Reader,
    rows: np.ndarray,
    has_modulation: bool,
    stored: Mapping[str, Any] | None = None,
) -> dict[str, int | tuple[int, ...]]:
    """Returns the fields of `ModelConfig` for a posterior trained on `rows`; none if the config has no posterior.

    A run that continues, perhaps with more rows, keeps the route cells of its checkpoint, whose metadata is `stored`.
    """
    if not config.width:
        return {}
    if stored and stored["model"].get("posterior_width"):
        route_cells = tuple(stored["model"]["route_cells"])
    else:
        cells = _used_cells(reader, rows) if has_modulation else []
        route_cells = frequent_cells(cells, config.most_cells, config.least_routes)
    return {"posterior_width": config.width, "posterior_blocks": config.blocks, "route_cells": route_cells}


def _used_cells(reader: Reader, rows: np.ndarray) -> np.ndarray:
    """Returns the cell of every route of `rows`."""
    found = []
    for first in range(0, len(rows), _BLOCK_ROWS):
        routes = reader.read(rows[first : first + _BLOCK_ROWS]).modulation
        if isinstance(routes, Routes):
            found.append(routes.index[routes.index >= 0])
        else:
            amounts = routes[:, CHANNELS.index("amount")].reshape(len(routes), -1)
            found.append(np.nonzero(amounts)[1])
    return np.concatenate(found)
