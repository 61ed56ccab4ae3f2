"""The preset vector: the parameters and routes of a sound as one vector of real numbers, which the posterior draws.

    [2 norm - 1 of each continuous parameter | +1 or -1 for each option of each categorical parameter | routes]

A route cell (`ModelConfig.route_cells`) is 0 without a route, else the sign of the amount times (0.5 + |amount| / 2).
Inaudible parameters have their default, so that equal sounds have equal vectors. The other values of a route (bipolar,
power, stereo) are left to the modulation head.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vjax.data.reader import Routes
from vjax.io.arrays import Array
from vjax.model.heads import option_probabilities, split_logits
from vjax.model.inverse import ModelConfig
from vjax.model.posterior import Denoised
from vjax.sound.audibility import audible
from vjax.sound.routes import CHANNELS
from vjax.sound.rules import Rules
from vjax.sound.schema import Schema

ROUTE_LEAST = 0.25
"""A cell of a drawn vector is a route if its absolute value is larger: half of what a route of amount 0 has."""


class Canonical(NamedTuple):
    """Parameters of a batch in which all that is inaudible has its default. `route_values` is [b, n_cells]."""

    continuous: jax.Array
    categorical: jax.Array
    route_values: jax.Array


def canonical(
    config: ModelConfig,
    schema: Schema,
    rules: Rules,
    continuous: Array,
    categorical: Array,
    routes: Routes | Array | None,
) -> Canonical:
    """Returns rows [b, ...] of a dataset in the form that the posterior learns. For use under `jax.jit`.

    Args:
      rules: those of `schema`.
      routes: sparse, or matrices [b, 4, n_sources, n_destinations]; None if the data have none.
    """
    defaults = schema.default_parameters()
    is_audible = audible(rules, continuous, categorical, routes)
    knobs = is_audible.continuous & ~schema.frozen_continuous()
    menus = is_audible.categorical & ~schema.frozen_categorical()
    if not config.route_cells or routes is None:
        values = jnp.zeros((len(continuous), len(config.route_cells)))
    elif isinstance(routes, Routes):
        values = _at_cells(config, routes, is_audible.routes)
    else:
        amounts = routes[:, CHANNELS.index("amount")].reshape(len(continuous), -1)
        values = _route_values(amounts[:, np.asarray(config.route_cells, int)])
    return Canonical(
        jnp.where(knobs, continuous, defaults.continuous), jnp.where(menus, categorical, defaults.categorical), values
    )


def to_vector(config: ModelConfig, rows: Canonical) -> jax.Array:
    """Returns the preset vectors [b, size]."""
    offsets = np.cumsum(config.option_counts) - np.asarray(config.option_counts)
    n = len(rows.categorical)
    chosen = jnp.full((n, sum(config.option_counts)), -1.0)
    chosen = chosen.at[jnp.arange(n)[:, None], offsets + rows.categorical].set(1.0)
    return jnp.concatenate([2 * rows.continuous - 1, chosen, rows.route_values], axis=-1)


def expected_vector(config: ModelConfig, estimate: Denoised) -> jax.Array:
    """Returns E[x1 | x_t, sound]: the preset vector with probabilities in place of options."""
    probabilities = option_probabilities(estimate.categorical_logits, config.option_counts)
    return jnp.concatenate([2 * estimate.continuous - 1, 2 * probabilities - 1, estimate.routes], axis=-1)


def from_vector(config: ModelConfig, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Decodes drawn vectors [n, size].

    Returns:
      Norm values [n, n_continuous] in [0, 1], options [n, n_categorical], and amounts [n, n_sources, n_destinations],
      0 without a route.
    """
    ends = np.cumsum([config.n_continuous, sum(config.option_counts)])
    continuous, options, routes = np.split(vectors, ends, axis=-1)
    categorical = np.stack([np.argmax(menu, -1) for menu in split_logits(options, config.option_counts)], -1)
    amounts = np.zeros((len(vectors), config.n_sources * config.n_destinations), np.float32)
    size = np.abs(routes)
    # A route has at least the smallest amount that a reader of the matrix takes for one.
    strength = np.clip(2 * size - 1, 0.02, 1)
    amounts[:, np.asarray(config.route_cells, int)] = np.where(size > ROUTE_LEAST, np.sign(routes) * strength, 0)
    amounts = amounts.reshape(len(vectors), config.n_sources, config.n_destinations)
    return np.clip((continuous + 1) / 2, 0, 1).astype(np.float32), categorical.astype(np.int32), amounts


def frequent_cells(cells: Sequence[int] | np.ndarray, most: int, least: int) -> tuple[int, ...]:
    """Returns the `most` most frequent of `cells` that occur `least` times or more, ascending. -1 is no cell."""
    cells = np.asarray(cells)
    found, counts = np.unique(cells[cells >= 0], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:most]
    return tuple(np.sort(found[order[counts[order] >= least]]).tolist())


def _route_values(amount: Array) -> jax.Array:
    return jnp.where(amount == 0, 0.0, jnp.sign(amount) * (0.5 + jnp.abs(amount) / 2))


def _at_cells(config: ModelConfig, routes: Routes, keep: jax.Array) -> jax.Array:
    """Sparse routes -> [b, n_cells]. Routes that are not kept, or whose cell the posterior lacks, are left out."""
    n = len(config.route_cells)
    position = np.full(config.n_sources * config.n_destinations, n, np.int32)
    position[np.asarray(config.route_cells, int)] = np.arange(n)
    column = jnp.where((routes.index >= 0) & keep, jnp.asarray(position)[routes.index], n)
    values = _route_values(routes.value[..., CHANNELS.index("amount")])
    empty = jnp.zeros((len(routes.index), n))
    return empty.at[jnp.arange(len(routes.index))[:, None], column].set(values, mode="drop")
