"""The posterior: a network that removes noise from a preset vector, given a sound, and the sampler that uses it.

The heads predict one preset, near the mean of all presets that make a sound. The posterior draws presets instead. It is
flow matching along straight lines (Lipman et al. 2023, "Flow matching for generative modeling"): with noise x0 and a
preset vector x1 (`vjax.model.preset_vector`),

    x_t = (1 - t) x0 + t x1,    dx_t / dt = (E[x1 | x_t, sound] - x_t) / (1 - t)

The network estimates E[x1 | x_t, sound]: values of continuous parameters, probabilities of options, and routes. So at
t = 0, where x_t is noise alone, it is a regression like the heads.

The distribution of the noise is known. So Bayes' rule states what an entry of x_t shows about the same entry of x1
(`of_number`, `of_options`), and the network learns only what the sound and the other entries show. It sees x_t after
Bayes' rule with a fixed prior for each entry, and its outputs are priors for Bayes' rule again. Without this, it has to
learn to copy 3,700 entries through a layer of 384: after 600 steps, it used neither x_t nor the sound.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from vjax.io.arrays import Array
from vjax.model.heads import option_probabilities

_PRIOR_SCALE = 10.0
_LOG_DEVIATIONS = (-6.0, 1.0)
_LEAST_NOISE = 0.01  # its deviation near t = 1
_MOST_EVIDENCE = 40.0

_TIME_FEATURES = 32
_HIGHEST = 100.0  # angular frequency of the fastest feature of the time


class Denoised(NamedTuple):
    """The estimate of a preset vector. Leading axes are [b, k].

    Attributes:
      continuous: [..., n_continuous] norm values, mostly in [0, 1].
      categorical_logits: [..., sum(option_counts)].
      routes: [..., n_cells], in the form of the preset vector.
    """

    continuous: Float[jax.Array, "*batch n_continuous"]
    categorical_logits: Float[jax.Array, "*batch n_options"]
    routes: Float[jax.Array, "*batch n_cells"]


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
    def n_options(self) -> int:
        return sum(self.option_counts)

    @property
    def size(self) -> int:
        """The length of a preset vector."""
        return self.n_continuous + self.n_options + self.n_cells

    @nn.compact
    def __call__(
        self,
        maps: Float[Array, "b freq time c"],
        noisy: Float[Array, "b k size"],
        time: Float[Array, "b k"],
        given: Float[Array, " b"] | None = None,
    ) -> Denoised:
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
        numbers, options = self._split(noisy)
        x = nn.Dense(self.width, name="input")(self._shown(numbers, options, time))
        for i in range(self.blocks):
            scale, shift, gate = jnp.split(_from_condition(3 * self.width, f"condition_{i + 1}")(condition), 3, -1)
            y = _normalised(x) * (1 + scale) + shift
            y = nn.gelu(nn.Dense(2 * self.width, name=f"block_{i + 1}_in")(y))
            x = x + gate * nn.Dense(self.width, name=f"block_{i + 1}_out")(y)
        scale, shift = jnp.split(_from_condition(2 * self.width, "condition_output")(condition), 2, -1)
        x = _normalised(x) * (1 + scale) + shift
        mean, log_deviation = jnp.split(nn.Dense(2 * numbers.shape[-1], name="numbers")(x), 2, axis=-1)
        numbers = of_number(jnp.tanh(mean), log_deviation, numbers, time[..., None])
        logits = of_options(nn.Dense(self.n_options, name="options")(x), options, time[..., None])
        continuous, routes = jnp.split(numbers, [self.n_continuous], axis=-1)
        return Denoised((continuous + 1) / 2, logits, routes)

    def _split(
        self, vectors: Float[Array, "b k size"]
    ) -> tuple[Float[jax.Array, "b k n_numbers"], Float[jax.Array, "b k n_options"]]:
        """Returns the numbers (continuous parameters and routes) and the options of preset vectors."""
        continuous, options, routes = jnp.split(vectors, np.cumsum([self.n_continuous, self.n_options]), axis=-1)
        return jnp.concatenate([continuous, routes], axis=-1), options

    def _shown(
        self, numbers: Float[Array, "b k n_numbers"], options: Float[Array, "b k n_options"], time: Float[Array, "b k"]
    ) -> Float[jax.Array, "b k size"]:
        """Returns [b, k, size] what x_t shows, by Bayes' rule with a prior that is the same for all sounds."""

        def prior(name: str, size: int) -> Float[jax.Array, " {size}"]:
            # Adam moves a weight by about 1e-3 a step, which would be slow.
            return _PRIOR_SCALE * self.param(name, nn.initializers.zeros, (size,))

        n = numbers.shape[-1]
        mean, log_deviation = prior("prior_mean", n), prior("prior_log_deviation", n)
        numbers = of_number(jnp.tanh(mean), log_deviation, numbers, time[..., None])
        logits = of_options(prior("prior_options", self.n_options), options, time[..., None])
        probabilities = option_probabilities(logits, self.option_counts)
        return jnp.concatenate([numbers, 2 * probabilities - 1], axis=-1)


def of_number(
    mean: Array | float, log_deviation: Array | float, noisy: Array | float, time: Array | float
) -> jax.Array:
    """Returns E[x1 | x_t] for an entry whose prior is Gaussian.

    With the deviation s: mean + t s^2 (x_t - t mean) / ((1 - t)^2 + t^2 s^2).
    """
    variance = jnp.exp(2 * jnp.clip(log_deviation, *_LOG_DEVIATIONS))
    noise = jnp.square(jnp.maximum(1 - time, _LEAST_NOISE))
    shift = time * variance * (noisy - time * mean) / (noise + jnp.square(time) * variance)
    return jnp.add(mean, shift)


def of_options(logits: Array, noisy: Array, time: Array | float) -> jax.Array:
    """Returns the logits of options given x_t, from those without it: logits + 2 t x_t / (1 - t)^2.

    An option's entry is 1 if it is chosen and -1 if not. The term is the logarithm of the ratio of both likelihoods.
    """
    evidence = 2 * time * noisy / jnp.square(jnp.maximum(1 - time, _LEAST_NOISE))
    return jnp.add(logits, jnp.clip(evidence, -_MOST_EVIDENCE, _MOST_EVIDENCE))


def _from_condition(size: int, name: str) -> nn.Dense:
    return nn.Dense(size, kernel_init=nn.initializers.zeros, name=name)


def _normalised(x: Float[Array, "*batch n"]) -> Float[jax.Array, "*batch n"]:
    return nn.LayerNorm(use_scale=False, use_bias=False)(x)


def _time_features(time: Float[Array, "*batch"]) -> Float[jax.Array, "*batch features"]:
    """Maps [...] to sines and cosines [..., _TIME_FEATURES]."""
    angles = time[..., None] * jnp.geomspace(1.0, _HIGHEST, _TIME_FEATURES // 2)
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


def follow_flow(
    estimate: Callable[[jax.Array, jax.Array], jax.Array], noise: Float[Array, "*shape"], steps: int
) -> Float[jax.Array, "*shape"]:
    """Follows the flow from noise x_0 to preset vectors x_1 by Euler's method, in equal steps of t.

    Args:
      estimate: maps (x_t, t) to E[x1 | x_t, sound], in the form of x_t; t is a scalar.
      noise: of a standard normal distribution, in any shape.
      steps: number of steps, at least 1. The last one ends at the estimate itself.
    """

    def step(i: jax.Array, x: jax.Array) -> jax.Array:
        return x + (estimate(x, i / steps) - x) / (steps - i)

    return jax.lax.fori_loop(0, steps, step, noise)
