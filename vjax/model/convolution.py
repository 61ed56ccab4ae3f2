"""Convolutions as matrix products, for training on CPUs in float32. XLA's convolutions take most of a step there."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from vjax.io.arrays import Array
from vjax.model.winograd import conv_3x3


def products_are_faster(dtype: Any, width: int) -> bool:
    """Whether matrix products are faster than XLA's convolutions: on CPUs in float32, from 16 channels on.

    With 8 channels, XLA's convolutions are as fast, and compile in half the time. Accelerators have fast convolutions
    of their own, and bfloat16 is slow on CPUs either way.
    """
    return jax.default_backend() == "cpu" and jnp.dtype(dtype) == jnp.float32 and width >= 16


def convolve_by_products(
    x: Float[Array, "b h w c"], kernel: Float[Array, "i j c k"], strides: Any, padding: Any, **_: Any
) -> Float[jax.Array, "b _ _ k"]:
    """A function for `nn.Conv(conv_general_dilated=...)`.

    Only for NHWC, no dilation and one group. A 3x3 convolution with stride 1 is always padded by 1.
    """
    if kernel.shape[:2] == (3, 3) and tuple(strides) == (1, 1):
        return conv_3x3(x, kernel)
    return conv_patches(x, kernel, tuple(strides), tuple(padding))


def conv_patches(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "i j c k"],
    strides: tuple[int, int],
    padding: tuple[tuple[int, int], tuple[int, int]],
) -> Float[jax.Array, "b _ _ k"]:
    """Convolves x [b, h, w, c] with kernel [i, j, c, k] by XLA, with another gradient of the weights.

    This gradient is one matrix product with the patches of x. XLA would compute it as a convolution too, with the batch
    as channels, and would transpose both x and dy for it.
    """

    def plain(x, kernel):
        return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def backward(residuals, dy):
        x, kernel = residuals
        (dx,) = jax.linear_transpose(lambda x: plain(x, kernel), x)(dy)
        return dx, _weights_gradient(x, dy, kernel.shape, strides, padding)

    convolve = jax.custom_vjp(plain)
    convolve.defvjp(lambda x, kernel: (plain(x, kernel), (x, kernel)), backward)
    return convolve(x, kernel)


def _weights_gradient(x, dy, shape, strides, padding):
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    down, right = strides
    height, width = ((n - 1) * stride + 1 for n, stride in zip(dy.shape[1:3], strides, strict=True))
    cells = [x[:, i : i + height : down, j : j + width : right] for i in range(shape[0]) for j in range(shape[1])]
    dy = dy.reshape(-1, shape[3])
    if shape[2] == 1:  # copies each cell in one piece; joining single channels copies single numbers
        return (jnp.stack(cells).reshape(-1, len(dy)) @ dy).reshape(shape)
    patches = jnp.concatenate(cells, axis=-1).reshape(len(dy), -1)
    return lax.dot_general(patches, dy, (((0,), (0,)), ((), ()))).reshape(shape)
