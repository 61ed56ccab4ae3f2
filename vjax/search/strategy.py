"""Evolution strategies of evosax, one for each search; ask and tell are jitted.

Every space is padded to a multiple of 64 dimensions, so that few sizes are compiled. The padded dimensions stay at 0:
`tell` sets the samples there to 0, and the constants are those of the space's own number of dimensions.

Searches are not vmapped together, because the size of such a batch changes the last bits of the results. A search would
then depend on how many others run beside it.
"""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from evosax.algorithms.distribution_based.cma_es import CMA_ES
from evosax.algorithms.distribution_based.sep_cma_es import Sep_CMA_ES
from evosax.algorithms.distribution_based.snes import SNES

STRATEGIES = {"cma_es": CMA_ES, "sep_cma_es": Sep_CMA_ES, "snes": SNES}

_MULTIPLE = 64  # spaces are padded to a multiple of it; most presets have 60 to 150 dimensions


@dataclasses.dataclass(frozen=True)
class StrategyConfig:
    """The strategy and its first steps. The defaults were chosen by measurement, see docs/decisions/0010-search.md.

    Attributes:
      name: one of STRATEGIES.
      population: samples per generation. The mean of the distribution is scored in addition.
      sigma: first step size in norm units, for a parameter of `Space.scale` 1.
      fast_steps: use the step-size constants c_std = r / (1 + r) and d_std = 0.5 + c_std with r = sqrt(mu_eff / d).
        With many dimensions and few generations they adapt faster than Hansen's (arXiv:1604.00772, Eq. 55). CMA_ES and
        Sep_CMA_ES only.
    """

    name: str = "snes"
    population: int = 16
    sigma: float = 0.05
    fast_steps: bool = True

    def __post_init__(self):
        if self.name not in STRATEGIES:
            raise ValueError(f"there is no strategy {self.name!r}; choose {', '.join(STRATEGIES)}")
        if self.population < 4:
            raise ValueError(f"population={self.population}; it must be at least 4")
        if not 0 < self.sigma <= 1:
            raise ValueError(f"sigma={self.sigma}; it must lie in (0, 1], in parts of a knob's range")


class Strategy:
    """The strategy of one search, in whitened coordinates z: a sample is `origin + steps * z`.

    Its samples depend only on `seed`, `key` and the losses that `tell` gets. They do not depend on other searches.

    Args:
      config: name and settings of the strategy.
      seed: of the samples of a run.
      key: below 2^32. It makes the samples differ from those of another search.
    """

    def __init__(self, config: StrategyConfig, seed: int, key: int):
        self._config = config
        self._key = jax.random.fold_in(jax.random.key(seed), key)

    def start(self, size: int, sigma: float = 1.0) -> None:
        """Starts again in a space of `size` dimensions, around z = 0, with `sigma` times the first steps."""
        self._size = size
        self._padded = _MULTIPLE * math.ceil(size / _MULTIPLE)
        self._algorithm = _algorithm(self._config.name, self._config.population, self._padded)
        self._parameters = _constants(self._config, size, self._padded).replace(std_init=jnp.float32(sigma))
        self._state = self._algorithm.init(self._key, jnp.zeros(self._padded), self._parameters)

    def ask(self) -> tuple[np.ndarray, np.ndarray]:
        """Samples [population, size] and the mean [size] of their distribution."""
        self._key, population, self._state = _ask(self._algorithm, self._key, self._state, self._parameters)
        return np.asarray(population)[:, : self._size], np.asarray(self._state.mean)[: self._size]

    def tell(self, population: np.ndarray, losses: np.ndarray) -> None:
        """Updates the strategy with the losses of the samples.

        Args:
          population: [population, size], the samples that `ask` returned.
          losses: [population]; NaN ranks last.
        """
        padded = np.pad(np.asarray(population, np.float32), ((0, 0), (0, self._padded - self._size)))
        losses = np.asarray(losses, np.float32)
        self._state = _tell(self._algorithm, self._key, padded, losses, self._state, self._parameters)


@functools.cache
def _algorithm(name: str, population: int, size: int) -> Any:
    """One cached object for each combination, because evosax compiles again for every object."""
    return STRATEGIES[name](population_size=population, solution=jnp.zeros(size))


@functools.cache
def _constants(config: StrategyConfig, size: int, padded: int) -> Any:
    """The parameters of a strategy that uses `size` of its `padded` dimensions."""
    constants = _algorithm(config.name, config.population, size).default_params
    if config.name == "snes":
        return constants
    if config.fast_steps:
        r = jnp.sqrt(constants.mu_eff / size)
        constants = constants.replace(c_std=r / (1 + r), d_std=0.5 + r / (1 + r))
    # The update multiplies negative weights by the padded number of dimensions: Eq. (46).
    weights = jnp.where(constants.weights < 0, constants.weights * size / padded, constants.weights)
    return constants.replace(weights=weights)


@functools.partial(jax.jit, static_argnums=0)
def _ask(algorithm, key: jax.Array, state: Any, parameters: Any) -> tuple[jax.Array, jax.Array, Any]:
    key, asked = jax.random.split(key)
    population, state = algorithm.ask(asked, state, parameters)
    return key, population, state


@functools.partial(jax.jit, static_argnums=0)
def _tell(algorithm, key: jax.Array, population: Any, losses: Any, state: Any, parameters: Any) -> Any:
    return algorithm.tell(key, population, losses, state, parameters)[0]
