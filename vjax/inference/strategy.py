"""Evolution strategies by evosax, for many targets at once: ask and tell are vmapped over places and jitted.

Every place searches a space of its own size, padded to one size for all, so that there is one compile. What is padded
is held at 0: the samples there are zeroed before they are told, and the constants of each place's strategy are those of
its own number of dimensions.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from evosax.algorithms.distribution_based.cma_es import CMA_ES
from evosax.algorithms.distribution_based.sep_cma_es import Sep_CMA_ES
from evosax.algorithms.distribution_based.snes import SNES

STRATEGIES = {"cma_es": CMA_ES, "sep_cma_es": Sep_CMA_ES, "snes": SNES}


@dataclasses.dataclass(frozen=True)
class StrategyConfig:
    """Which strategy, and how it begins. The defaults were chosen by measurement, see BUILD_NOTES.md.

    Attributes:
      name: one of STRATEGIES.
      population: samples a generation; the distribution's mean is scored besides.
      sigma: first step size in norm units, for a knob of `Space.scale` 1.
      fast_steps: the step-size constants c_std = r / (1 + r) and d_std = 0.5 + c_std with r = sqrt(mu_eff / d), which
        adapt faster than Hansen's (arXiv:1604.00772, Eq. 55) where dimensions are many and generations few. CMA_ES and
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
            raise ValueError(f"population={self.population}; at least 4 are needed to tell better from worse")
        if not 0 < self.sigma <= 1:
            raise ValueError(f"sigma={self.sigma}; it must lie in (0, 1], in parts of a knob's range")


class Strategies:
    """One strategy a place, in whitened coordinates z: a candidate is `origin + steps * z`, and starts have z = 0.

    Args:
      config: of all.
      places: how many.
      padded: dimensions of the largest space.
      seed: of the samples.
    """

    def __init__(self, config: StrategyConfig, places: int, padded: int, seed: int = 0):
        self._config, self._padded = config, padded
        self._algorithm = _algorithm(config.name, config.population, padded)
        self._keys = jax.random.split(jax.random.key(seed), places)
        self._sizes = np.full(places, padded)
        self._parameters = self._state = None  # see `_prepare`

    def start(self, place: int, size: int, sigma: float = 1.0) -> None:
        """Begins anew in a place: a space of `size` dimensions, around z = 0, with `sigma` times the first steps."""
        if size > self._padded:
            raise ValueError(f"a space of {size} dimensions does not fit the {self._padded} that were prepared")
        self._prepare()
        self._sizes[place] = size
        constants = self._constants(size).replace(std_init=jnp.float32(sigma))
        self._parameters = _put(self._parameters, constants, place)
        self._state = _put(self._state, jax.tree.map(lambda leaf: leaf[place], self._fresh()), place)

    def ask(self) -> tuple[np.ndarray, np.ndarray]:
        """Samples [places, population, padded] and means [places, padded], zero where padded."""
        self._prepare()
        self._keys, population, self._state = _ask(self._algorithm, self._keys, self._state, self._parameters)
        mask = np.arange(self._padded) < self._sizes[:, None]
        return np.asarray(population) * mask[:, None], np.asarray(self._state.mean) * mask

    def tell(self, population: np.ndarray, losses: np.ndarray, told: np.ndarray) -> None:
        """Hands back what `ask` gave.

        Args:
          population: [places, population, padded], as asked.
          losses: [places, population]; NaN ranks last.
          told: [places] bool; the others stay as they are.
        """
        arrays = population.astype(np.float32), losses.astype(np.float32), np.asarray(told, bool)
        self._state = _tell(self._algorithm, self._keys, *arrays, self._state, self._parameters)

    def _prepare(self) -> None:
        """Compiles, in a second or two, when first something is asked: where starts are only ranked, nothing is."""
        if self._state is None:
            self._parameters = _stacked([self._constants(self._padded)] * len(self._sizes))
            self._state = self._fresh()

    def _fresh(self) -> Any:
        mean = jnp.zeros((len(self._sizes), self._padded))
        return jax.vmap(self._algorithm.init)(self._keys, mean, self._parameters)

    def _constants(self, size: int) -> Any:
        return _constants(self._config, size, self._padded)


@functools.cache
def _algorithm(name: str, population: int, size: int) -> Any:
    """One object for each: evosax compiles anew for every object."""
    return STRATEGIES[name](population_size=population, solution=jnp.zeros(size))


@functools.cache
def _constants(config: StrategyConfig, size: int, padded: int) -> Any:
    """A strategy's parameters for `size` dimensions of its `padded` ones."""
    constants = _algorithm(config.name, config.population, size).default_params
    if config.name == "snes":
        return constants
    if config.fast_steps:
        r = jnp.sqrt(constants.mu_eff / size)
        constants = constants.replace(c_std=r / (1 + r), d_std=0.5 + r / (1 + r))
    # The update multiplies negative weights by its own, padded, number of dimensions: Eq. (46).
    weights = jnp.where(constants.weights < 0, constants.weights * size / padded, constants.weights)
    return constants.replace(weights=weights)


@functools.partial(jax.jit, static_argnums=0)
def _ask(algorithm, keys: jax.Array, state: Any, parameters: Any) -> tuple[jax.Array, jax.Array, Any]:
    split = jax.vmap(jax.random.split)(keys)
    population, state = jax.vmap(algorithm.ask)(split[:, 1], state, parameters)
    return split[:, 0], population, state


@functools.partial(jax.jit, static_argnums=0)
def _tell(algorithm, keys, population, losses, told, state: Any, parameters: Any) -> Any:
    after, _ = jax.vmap(algorithm.tell)(keys, population, losses, state, parameters)
    return jax.tree.map(lambda new, old: jnp.where(told.reshape(-1, *[1] * (new.ndim - 1)), new, old), after, state)


@jax.jit
def _put(stacked: Any, one: Any, place: int) -> Any:
    return jax.tree.map(lambda all_, new: all_.at[place].set(new), stacked, one)


def _stacked(parameters: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *parameters)
