"""The types of arrays. Only modules that compute with JAX import this one."""

import jax
import numpy as np

Array = jax.Array | np.ndarray
"""What functions of JAX take: also NumPy's arrays, which JAX converts. Their results are `jax.Array`."""
