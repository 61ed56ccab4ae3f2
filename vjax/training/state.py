"""What training carries from step to step, and the optimiser that moves it."""

import dataclasses
import functools
from typing import Any

import flax
import jax
import jax.numpy as jnp
import optax

from vjax.model.inverse import InverseModel


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """AdamW with a linear warm-up, a cosine to zero, and clipping by global norm.

    Attributes:
      learning_rate: its highest value, after the warm-up.
      weight_decay: of AdamW; biases and the scales of batch norm are spared.
      warmup_share: share of all steps spent warming up.
      clip_norm: the gradient's global norm is scaled down to this.
      accumulate: batches whose gradients are averaged into one update.
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


@flax.struct.dataclass
class TrainState:
    """A pytree of arrays alone, so that it is donated, sharded and saved as it is.

    Attributes:
      step: batches seen, int32.
      key: raw data of the random key that dropout draws from (a step folds its number in).
    """

    step: jax.Array
    params: Any
    batch_stats: Any
    opt_state: Any
    key: jax.Array


def learning_rate_schedule(config: OptimizerConfig, total_steps: int) -> optax.Schedule:
    """Learning rate by update; `total_steps` counts batches, `accumulate` of which make one update."""
    updates = max(total_steps // config.accumulate, 1)
    warmup = round(config.warmup_share * updates)
    return optax.warmup_cosine_decay_schedule(0.0, config.learning_rate, warmup, max(updates, warmup + 1))


def make_optimizer(config: OptimizerConfig, total_steps: int) -> optax.GradientTransformation:
    """Weight decay spares biases and the scales of batch norm: everything of fewer than two axes."""
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
    """A fresh state, compiled as one function. `mel_shape`: (1, n_mels, t)."""

    # Run once: at full optimisation XLA spends 25 s on the random numbers' code, without it 3 s.
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
