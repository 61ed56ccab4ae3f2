"""Draws presets from the posterior of a model, given a sound."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vjax.inference.decode_routes import route_arrays
from vjax.inference.predict import Predictor
from vjax.model.inverse import InverseModel
from vjax.model.posterior import follow_flow
from vjax.model.preset_vector import expected_vector, from_vector
from vjax.model.resnet import pooled
from vjax.sound.routes import CHANNELS
from vjax.sound.schema import Parameters

STEPS = 24
"""Steps of the sampler."""

GUIDANCE = 2.0
"""Weight of the estimate with the sound against that without it; 1 is plain sampling (Ho and Salimans 2022).

The draws that docs/decisions/0027-posterior.md measures have this weight.
"""


def draw_presets(
    predictor: Predictor,
    mel: np.ndarray,
    n: int,
    seed: int = 0,
    steps: int = STEPS,
    guidance: float = GUIDANCE,
) -> list[Parameters]:
    """Draws `n` presets for one sound. The first ones are the same for any `n`.

    Args:
      predictor: with a model that has a posterior.
      mel: [1, n_mels, t] the log-mel spectrogram of the sound, the network's input.
      seed: of the noise that the draws begin from.
      steps: steps of the sampler; more are more exact and take longer.
      guidance: above 1, presets fit the sound more closely and differ less from each other.

    Raises ValueError if the model has no posterior.
    """
    model, schema = predictor.model, predictor.schema
    if not model.config.has_posterior:
        raise ValueError("the model has no posterior to draw from; train one with --config.posterior.width=384")
    if n < 1:
        return []
    drawn = _draw(predictor.variables, mel[None], jax.random.key(seed), guidance, model, n, steps, guidance != 1)
    vectors, manner = jax.device_get(drawn)
    defaults = schema.default_parameters()
    knobs, menus, amounts = from_vector(model.config, vectors)
    knobs = np.where(schema.frozen_continuous(), defaults.continuous, knobs).astype(np.float32)
    menus = np.where(schema.frozen_categorical(), defaults.categorical, menus).astype(np.int32)
    found = []
    for row in range(n):
        routes = defaults[2:]
        if manner is not None:
            matrix = manner.copy()
            matrix[CHANNELS.index("amount")] = amounts[row]
            routes = route_arrays(matrix, schema, threshold=1e-6)
        found.append(Parameters(knobs[row], menus[row], *routes))
    return found


@functools.partial(jax.jit, static_argnames=("model", "n", "steps", "guided"))
def _draw(
    variables: Any,
    mel: jax.Array,
    key: jax.Array,
    guidance: float,
    model: InverseModel,
    n: int,
    steps: int,
    guided: bool,
) -> tuple[jax.Array, jax.Array | None]:
    """Returns drawn vectors [n, size], and the matrix of the modulation head [4, n_sources, n_destinations]."""
    config = model.config
    maps: Any = model.apply(variables, mel, method="maps")
    prediction: Any = model.apply(variables, pooled(maps), method="heads")
    modulation = prediction.modulation
    size = config.n_continuous + sum(config.option_counts) + len(config.route_cells)
    keys = jax.vmap(functools.partial(jax.random.fold_in, key))(jnp.arange(n))
    noise = jax.vmap(lambda one: jax.random.normal(one, (size,)))(keys)

    def estimate(x: jax.Array, time: jax.Array) -> jax.Array:
        def given(sound: float) -> jax.Array:
            times = jnp.full((1, n), time)
            found: Any = model.apply(variables, maps, x[None], times, jnp.full(1, sound), method="estimate")
            return expected_vector(config, found)[0]

        return given(0.0) + guidance * (given(1.0) - given(0.0)) if guided else given(1.0)

    return follow_flow(estimate, noise, steps), None if modulation is None else modulation[0]
