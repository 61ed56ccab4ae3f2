"""Batch normalisation (Ioffe and Szegedy 2015) with an explicit gradient, to read the activations fewer times."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Float

from vjax.io.arrays import Array


class BatchNorm(nn.Module):
    """`nn.BatchNorm` over all axes except the last, with the same parameters, statistics and results.

    Attributes:
      use_running_average: normalise by the running statistics instead of the batch's.
      momentum: share of the old running statistics that a step keeps.
      dtype: type of the output.
    """

    use_running_average: bool
    momentum: float = 0.9
    epsilon: float = 1e-5
    dtype: Any = jnp.float32
    scale_init: Any = nn.initializers.ones

    @nn.compact
    def __call__(self, x: Float[Array, "*shape c"]) -> Float[jax.Array, "*shape c"]:
        """Maps [..., c] to [..., c]."""
        size = x.shape[-1:]
        mean = self.variable("batch_stats", "mean", jnp.zeros, size, jnp.float32)
        var = self.variable("batch_stats", "var", jnp.ones, size, jnp.float32)
        scale = self.param("scale", self.scale_init, size, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, size, jnp.float32)
        if self.use_running_average:
            factor = scale * lax.rsqrt(var.value + self.epsilon)
            return ((x - mean.value) * factor + bias).astype(self.dtype)
        y, batch_mean, batch_var = _normalise(x, scale, bias, self.epsilon)
        if not self.is_initializing():
            mean.value = self.momentum * mean.value + (1 - self.momentum) * batch_mean
            var.value = self.momentum * var.value + (1 - self.momentum) * batch_var
        return y.astype(self.dtype)


@jax.custom_vjp
def _normalise(x, scale, bias, epsilon):
    return _forward(x, scale, bias, epsilon)[0]


def _forward(x, scale, bias, epsilon):
    axes = tuple(range(x.ndim - 1))
    wide = x.astype(jnp.float32)
    mean = jnp.mean(wide, axes)
    var = jnp.maximum(jnp.mean(wide * wide, axes) - mean * mean, 0)
    inverse = lax.rsqrt(var + epsilon)
    factor = scale * inverse
    y = wide * factor + (bias - mean * factor)
    return (y, mean, var), (x, scale, mean, inverse)


def _backward(residuals, gradients):
    """Ignores the gradients of the statistics, because no loss depends on them."""
    x, scale, mean, inverse = residuals
    dy, wide = gradients[0], x.astype(jnp.float32)
    axes = tuple(range(x.ndim - 1))
    d_bias = jnp.sum(dy, axes)
    d_scale = jnp.sum(dy * (wide - mean), axes) * inverse
    n = x.size // x.shape[-1]
    # scale inverse (dy - d_bias / n - (x - mean) inverse d_scale / n), with the factors of dy and x taken per channel.
    dy_scale = scale * inverse
    of_x = -dy_scale * inverse * d_scale / n
    dx = dy * dy_scale + wide * of_x - (dy_scale * d_bias / n + of_x * mean)
    return dx.astype(x.dtype), d_scale, d_bias, None


_normalise.defvjp(_forward, _backward)
