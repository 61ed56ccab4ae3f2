"""The posterior: a network that removes noise from a preset vector, given a sound, and the sampler that uses it.

The heads predict one preset, near the mean of all presets that make a sound. The posterior draws presets instead. It is
flow matching along straight lines (Lipman et al. 2023, "Flow matching for generative modeling"): with noise x0 and a
preset vector x1 (`vjax.model.preset_vector`),

    x_t = (1 - t) x0 + t x1,    dx_t / dt = (E[x1 | x_t, sound] - x_t) / (1 - t)

The network estimates E[x1 | x_t, sound]: values of continuous parameters, probabilities of options, and routes. So at
t = 0, where x_t is noise alone, it is a regression like the heads.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

_TIME_FEATURES = 32
_HIGHEST = 100.0  # angular frequency of the fastest feature of the time


class Denoised(NamedTuple):
    """The estimate of a preset vector. Leading axes are [b, k].

    Attributes:
      continuous: [..., n_continuous] norm values in (0, 1).
      categorical_logits: [..., sum(option_counts)].
      routes: [..., n_cells], in the form of the preset vector.
    """

    continuous: jax.Array
    categorical_logits: jax.Array
    routes: jax.Array


class Denoiser(nn.Module):
    """A residual MLP. The sound and the time scale and shift each block (adaLN-Zero of Peebles and Xie 2023).

    Attributes:
      n_continuous, option_counts, n_cells: parts of the preset vector.
      width: size of the residual stream.
      blocks: number of residual blocks.
    """

    n_continuous: int
    option_counts: tuple[int, ...]
    n_cells: int
    width: int
    blocks: int

    @property
    def size(self) -> int:
        """The length of a preset vector."""
        return self.n_continuous + sum(self.option_counts) + self.n_cells

    @nn.compact
    def __call__(self, maps: jax.Array, noisy: jax.Array, time: jax.Array, given: jax.Array | None = None) -> Denoised:
        """Estimates k preset vectors for each sound.

        Args:
          maps: [b, freq, time, c] the backbone's last maps.
          noisy: [b, k, size] vectors x_t.
          time: [b, k] their t in [0, 1].
          given: [b] 0 hides the sound, 1 shows it; by default, all are shown.
        """
        flat = maps.reshape(len(maps), -1).astype(jnp.float32)
        sound = nn.Dense(self.width, name="sound")(nn.LayerNorm(name="sound_norm")(flat))
        sound = sound if given is None else sound * given[:, None]
        condition = nn.silu(sound[:, None] + nn.Dense(self.width, name="time")(_time_features(time)))
        x = nn.Dense(self.width, name="input")(noisy)
        for i in range(self.blocks):
            scale, shift, gate = jnp.split(_from_condition(3 * self.width, f"condition_{i + 1}")(condition), 3, -1)
            y = _normalised(x) * (1 + scale) + shift
            y = nn.gelu(nn.Dense(2 * self.width, name=f"block_{i + 1}_in")(y))
            x = x + gate * nn.Dense(self.width, name=f"block_{i + 1}_out")(y)
        scale, shift = jnp.split(_from_condition(2 * self.width, "condition_output")(condition), 2, -1)
        output = nn.Dense(self.size, name="output")(_normalised(x) * (1 + scale) + shift)
        ends = np.cumsum([self.n_continuous, sum(self.option_counts)])
        continuous, logits, routes = jnp.split(output, ends, axis=-1)
        return Denoised(nn.sigmoid(continuous), logits, routes)


def _from_condition(size: int, name: str) -> nn.Dense:
    return nn.Dense(size, kernel_init=nn.initializers.zeros, name=name)


def _normalised(x: jax.Array) -> jax.Array:
    return nn.LayerNorm(use_scale=False, use_bias=False)(x)


def _time_features(time: jax.Array) -> jax.Array:
    """Maps [...] to sines and cosines [..., _TIME_FEATURES]."""
    angles = time[..., None] * jnp.geomspace(1.0, _HIGHEST, _TIME_FEATURES // 2)
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


def follow_flow(estimate: Callable[[jax.Array, jax.Array], jax.Array], noise: jax.Array, steps: int) -> jax.Array:
    """Follows the flow from noise x_0 to preset vectors x_1 by Euler's method, in equal steps of t.

    Args:
      estimate: maps (x_t, t) to E[x1 | x_t, sound], in the form of x_t; t is a scalar.
      noise: of a standard normal distribution, in any shape.
      steps: number of steps, at least 1. The last one ends at the estimate itself.
    """

    def step(i: jax.Array, x: jax.Array) -> jax.Array:
        return x + (estimate(x, i / steps) - x) / (steps - i)

    return jax.lax.fori_loop(0, steps, step, noise)
