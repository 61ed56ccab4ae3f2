"""Faster implementations of the backbone's parts for training, each held by a test to the plain one of Flax."""

import functools
from typing import Any

from flax import linen as nn

from vjax.model.convolution import convolve_by_products, products_are_faster
from vjax.model.max_pool import max_pool_3x3
from vjax.model.norm import BatchNorm

KERNELS = ("plain", "fast")


def backbone_parts(kernels: str, train: bool, dtype: Any, width: int) -> dict[str, Any]:
    """Returns the fields of a `ResNet` that are not its defaults.

    - `plain`: none.
    - `fast`: a batch norm that reads the activations fewer times; in training on CPUs in float32, convolutions by
      matrix products, and a max pool that stores where each largest cell was. The parameters are the same, and the
      results differ only by rounding.
    """
    if kernels == "plain":
        return {}
    if not (train and products_are_faster(dtype, width)):
        return {"norm": BatchNorm}
    conv = functools.partial(nn.Conv, conv_general_dilated=convolve_by_products)
    return {"norm": BatchNorm, "conv": conv, "pool": max_pool_3x3}
