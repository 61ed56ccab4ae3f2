"""The state that training passes from step to step, and the optimiser that updates it."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from vjax.model.inverse import InverseModel


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """AdamW with a linear warm-up, cosine decay to zero, and clipping by global norm.

    Attributes:
      learning_rate: highest learning rate, at the end of the warm-up.
      weight_decay: weight decay of AdamW; biases and the scales of batch norm are excluded.
      warmup_share: share of all steps that the warm-up takes.
      clip_norm: largest global norm of the gradient; a larger gradient is scaled down to it.
      accumulate: number of batches whose gradients are averaged into one update.
    """

    learning_rate: float = 3e-4
    weight_decay: float = 1e-4
    warmup_share: float = 0.05
    clip_norm: float = 1.0
    accumulate: int = 1

    def __post_init__(self):
        for field in ("learning_rate", "clip_norm"):
            if not getattr(self, field) > 0:
                raise ValueError(f"{field}={getattr(self, field)}; it must be above 0")
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay={self.weight_decay}; it must be at least 0")
        if not 0 <= self.warmup_share < 1:
            raise ValueError(f"warmup_share={self.warmup_share}; it must lie in [0, 1)")
        if self.accumulate < 1:
            raise ValueError(f"accumulate={self.accumulate}; it must be at least 1")


@struct.dataclass
class TrainState:
    """A pytree that contains only arrays, so that it can be donated, sharded and saved without conversion.

    Attributes:
      step: number of batches seen, int32.
      key: raw data of the random key for dropout (each step folds its number in).
    """

    step: jax.Array
    params: Any
    batch_stats: Any
    opt_state: Any
    key: jax.Array


def learning_rate_schedule(config: OptimizerConfig, total_steps: int) -> optax.Schedule:
    """Learning rate by update. `total_steps` counts batches; `accumulate` batches make one update."""
    updates = max(total_steps // config.accumulate, 1)
    warmup = round(config.warmup_share * updates)
    return optax.warmup_cosine_decay_schedule(0.0, config.learning_rate, warmup, max(updates, warmup + 1))


def make_optimizer(config: OptimizerConfig, total_steps: int) -> optax.GradientTransformation:
    """Returns the optimiser. Weight decay excludes arrays with fewer than two axes: biases and batch norm's scales."""
    optimizer = optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.adamw(
            learning_rate_schedule(config, total_steps),
            weight_decay=config.weight_decay,
            mask=lambda params: jax.tree.map(lambda leaf: leaf.ndim > 1, params),
        ),
    )
    if config.accumulate > 1:
        return optax.MultiSteps(optimizer, config.accumulate).gradient_transformation()
    return optimizer


def create_state(
    model: InverseModel, optimizer: optax.GradientTransformation, seed: int, mel_shape: tuple[int, int, int]
) -> TrainState:
    """Creates an initial state in one compiled function. `mel_shape` is (1, n_mels, t)."""

    # It runs only once. With full optimisation, XLA takes 25 s to compile the random numbers; without, 3 s.
    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def create(key: jax.Array) -> TrainState:
        init_key, dropout_key = jax.random.split(key)
        variables = model.init(init_key, jnp.zeros((1, *mel_shape)))
        params = variables["params"]
        return TrainState(
            step=jnp.int32(0),
            params=params,
            batch_stats=variables["batch_stats"],
            opt_state=optimizer.init(params),
            key=jax.random.key_data(dropout_key),
        )

    return create(jax.random.key(seed))
