"""ResNets for log-mel spectrograms: one input channel, NHWC layout, global average pool (He et al. 2015)."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from vjax.io.arrays import Array

RESNET_18 = (2, 2, 2, 2)
# He et al. 2015, "Delving deep into rectifiers", in the fan-out form, which keeps the scale of the gradient.
HE_NORMAL = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions added to a shortcut.

    The last scale starts at zero, so that each block starts as its shortcut (Goyal et al. 2017). An untrained network
    is therefore like a shallow one, and its activations do not grow with depth. This helps the first steps at full
    learning rate.

    Attributes:
      features: number of output channels.
      stride: stride of the first convolution and of the shortcut.
      conv, norm: the network's modules, with the arguments that all blocks share.
    """

    features: int
    stride: int
    conv: Any
    norm: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b freq time channels"]) -> Float[jax.Array, "b _ _ features"]:
        """Maps [b, freq, time, channels] to [b, freq / stride, time / stride, features], sizes rounded up."""
        y = self.conv(self.features, (3, 3), self.stride, padding=1, name="conv_1")(x)
        y = nn.relu(self.norm(name="norm_1")(y))
        y = self.conv(self.features, (3, 3), padding=1, name="conv_2")(y)
        y = self.norm(name="norm_2", scale_init=nn.initializers.zeros)(y)
        if x.shape != y.shape:
            x = self.conv(self.features, (1, 1), self.stride, padding=0, name="shortcut_conv")(x)
            x = self.norm(name="shortcut_norm")(x)
        return nn.relu(x + y)


def max_pool(x: Float[Array, "b h w c"]) -> Float[jax.Array, "b (h+1)//2 (w+1)//2 c"]:
    """Maps [b, h, w, c] to [b, ceil(h / 2), ceil(w / 2), c]: the largest of 3x3 cells at stride 2."""
    padding: Any = ((1, 1), (1, 1))  # without a type, it seems to be a name such as "SAME"
    return nn.max_pool(jnp.asarray(x), window_shape=(3, 3), strides=(2, 2), padding=padding)


class ResNet(nn.Module):
    """The backbone: 7x7 stem at stride 2, 3x3 max pool at stride 2, stages of residual blocks, average pool.

    Attributes:
      width: number of channels of the first stage. Each further stage has twice as many.
      stage_sizes: number of blocks of each stage. The default is a ResNet-18.
      dtype: type of convolutions and activations. Parameters, batch statistics and the pooled features are always
        float32.
      conv, norm, pool: `nn.Conv`, `nn.BatchNorm` and `max_pool`, or others with the same parameters and results
        (`vjax.model.kernels`).
    """

    width: int = 64
    stage_sizes: tuple[int, ...] = RESNET_18
    dtype: Any = jnp.float32
    conv: Any = nn.Conv
    norm: Any = nn.BatchNorm
    pool: Any = max_pool

    @nn.compact
    def __call__(self, x: Float[Array, "b freq time 1"], train: bool = False, average: bool = True) -> jax.Array:
        """Maps [b, freq, time, 1] to features [b, c] float32, c = width * 2 ** (stages - 1).

        Without `average`, returns the maps that the features are the average of, [b, freq / 2 ** (stages + 1), time / 2
        ** (stages + 1), c], sizes rounded up.

        With `train`, batch norm uses the batch's own statistics and updates the running ones: make the collection
        `batch_stats` mutable.
        """
        conv = functools.partial(self.conv, use_bias=False, dtype=self.dtype, kernel_init=HE_NORMAL)
        norm = functools.partial(self.norm, use_running_average=not train, momentum=0.9, dtype=self.dtype)
        x = conv(self.width, (7, 7), 2, padding=3, name="stem_conv")(x)
        x = nn.relu(norm(name="stem_norm")(x))
        x = self.pool(x)
        for stage, n_blocks in enumerate(self.stage_sizes):
            for i in range(n_blocks):
                stride = 2 if stage > 0 and i == 0 else 1
                name = f"stage_{stage + 1}_block_{i + 1}"
                x = ResidualBlock(self.width * 2**stage, stride, conv, norm, name=name)(x)
        return pooled(x) if average else jnp.asarray(x)


def pooled(maps: Float[Array, "b freq time c"]) -> Float[jax.Array, "b c"]:
    """Averages maps [b, freq, time, c] over frequency and time: [b, c] float32."""
    return jnp.mean(maps, axis=(1, 2), dtype=jnp.float32)
