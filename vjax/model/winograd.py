"""3x3 convolutions with a quarter of the multiplications, for CPUs (Winograd 1980; Lavin and Gray 2015).

A tile of m outputs along an axis is a polynomial product of degree m + 1. It is computed from its values at m + 1
points and at infinity. This takes m + 2 multiplications; the plain form takes 3 m. In both axes, with m = 4, these are
36 instead of 144. All other work is matrix products (also the transforms, because their matrices are constant), which
CPUs do faster than XLA's convolutions.

The points are near 1, where powers neither grow nor vanish. The root mean square error is 1e-6 of the output's standard
deviation. A plain float32 convolution has 2e-7, and the usual points 0, +-1, +-2 have 2e-6.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float

from vjax.io.arrays import Array

_HALF = 0.5**0.5
_POINTS = {2: (0.0, 1.0, -1.0), 3: (0.0, _HALF, -_HALF, 2.0), 4: (0.0, _HALF, -_HALF, 1 / _HALF, -1 / _HALF)}


@jax.custom_vjp
def conv_3x3(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c k"]) -> Float[jax.Array, "b h w k"]:
    """Convolves x [b, h, w, c] float32 with kernel [3, 3, c, k], with stride 1 and zero padding, to [b, h, w, k].

    Both gradients are the exact adjoints of this computation. For them, the transformed tiles of x are kept in memory,
    2.25 times its size.
    """
    return _forward(x, kernel)[0]


def _forward(x: Array, kernel: Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    tiles = _transformed_tiles(x)
    weights = _product(_matrices(*x.shape[1:3])[1], kernel.reshape(9, *kernel.shape[2:]))
    scores = lax.dot_general(tiles, weights, (((2,), (1,)), ((0,), (0,))))
    return _from_tiles(scores, x.shape[:3]), (tiles, weights)


def _backward(residuals: tuple[jax.Array, jax.Array], dy: jax.Array) -> tuple[jax.Array, jax.Array]:
    tiles, weights = residuals
    of_outputs, of_weights, of_inputs = _matrices(*dy.shape[1:3])
    d_scores = _product(of_outputs.T, _to_tiles(dy))
    d_tiles = lax.dot_general(d_scores, weights, (((2,), (2,)), ((0,), (0,))))
    d_weights = lax.dot_general(tiles, d_scores, (((1,), (1,)), ((0,), (0,))))
    d_kernel = _product(of_weights.T, d_weights).reshape(3, 3, *weights.shape[1:])
    return _overlapped(_product(of_inputs.T, d_tiles), dy.shape[:3]), d_kernel


conv_3x3.defvjp(_forward, _backward)


def _tile(length: int) -> int:
    """The number of outputs of a tile along an axis that takes the fewest multiplications, including padding."""
    return min((4, 3, 2), key=lambda m: -(-length // m) * (m + 2))


@functools.cache
def _matrices(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrices of outputs, weights and inputs for both axes at once. They apply to tiles flattened by row."""
    rows, columns = _axis_matrices(_tile(height)), _axis_matrices(_tile(width))
    of_outputs, of_weights, of_inputs = (np.kron(a, b).astype(np.float32) for a, b in zip(rows, columns, strict=True))
    return of_outputs, of_weights, of_inputs


def _axis_matrices(m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns Toom-Cook matrices A [m, m + 2], G [m + 2, 3], B [m + 2, m + 2]: outputs = A (G kernel * B inputs).

    As in Lavin and Gray 2015, section 4, with their scaling of rows: Lagrange's denominators are in G, the matrix of
    the kernel.
    """
    points = np.array(_POINTS[m])
    n = m + 2
    a, g, b = np.zeros((m, n)), np.zeros((n, 3)), np.zeros((n, n))
    for j, point in enumerate(points):
        others = np.delete(points, j)
        a[:, j] = point ** np.arange(m)
        g[j] = point ** np.arange(3) / np.prod(point - others)
        b[j, : n - 1] = np.poly(others)[::-1]
    a[-1, -1] = g[-1, -1] = 1
    b[-1] = np.poly(points)[::-1]
    return a, g, b


def _product(matrix: np.ndarray, x: Array) -> jax.Array:
    """matrix [n, m] times x [m, ...]."""
    return jnp.matmul(matrix, x.reshape(len(x), -1)).reshape(len(matrix), *x.shape[1:])


def _transformed_tiles(x: Array) -> jax.Array:
    """Cuts [b, h, w, c] into tiles and transforms them: [(m_h + 2) (m_w + 2), tiles, c]."""
    _, height, width, channels = x.shape
    (m_h, n_h), (m_w, n_w) = ((_tile(n), -(-n // _tile(n))) for n in (height, width))
    x = jnp.pad(x, ((0, 0), (1, n_h * m_h + 1 - height), (1, n_w * m_w + 1 - width), (0, 0)))
    # First whole rows, which are copied in one piece. Without the barriers, XLA fuses both steps into one slow loop.
    rows = jnp.stack([x[:, i : i + (n_h - 1) * m_h + 1 : m_h] for i in range(m_h + 2)])
    rows = lax.optimization_barrier(rows)
    cells = jnp.stack([rows[:, :, :, j : j + (n_w - 1) * m_w + 1 : m_w] for j in range(m_w + 2)], axis=1)
    cells = lax.optimization_barrier(cells.reshape((m_h + 2) * (m_w + 2), -1, channels))
    return _product(_matrices(height, width)[2], cells)


def _to_tiles(y: jax.Array) -> jax.Array:
    """Cuts [b, h, w, k] into tiles [m_h m_w, tiles, k]."""
    b, height, width, k = y.shape
    (m_h, n_h), (m_w, n_w) = ((_tile(n), -(-n // _tile(n))) for n in (height, width))
    y = jnp.pad(y, ((0, 0), (0, n_h * m_h - height), (0, n_w * m_w - width), (0, 0)))
    y = y.reshape(b, n_h, m_h, n_w, m_w, k).transpose(2, 4, 0, 1, 3, 5)
    return lax.optimization_barrier(y.reshape(m_h * m_w, -1, k))


def _from_tiles(scores: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Transforms [(m_h + 2) (m_w + 2), tiles, k] to outputs [b, h, w, k], where `shape` is [b, h, w]."""
    b, height, width = shape
    (m_h, n_h), (m_w, n_w) = ((_tile(n), -(-n // _tile(n))) for n in (height, width))
    y = lax.optimization_barrier(_product(_matrices(height, width)[0], scores))
    y = y.reshape(m_h, m_w, b, n_h, n_w, -1).transpose(2, 3, 0, 4, 1, 5)
    return y.reshape(b, n_h * m_h, n_w * m_w, -1)[:, :height, :width]


def _overlapped(cells: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Sums overlapping tiles, the adjoint of cutting: [(m_h + 2) (m_w + 2), tiles, c] to [b, h, w, c]."""
    b, height, width = shape
    (m_h, n_h), (m_w, n_w) = ((_tile(n), -(-n // _tile(n))) for n in (height, width))
    cells = lax.optimization_barrier(cells).reshape(m_h + 2, m_w + 2, b, n_h, n_w, -1)
    columns = lax.optimization_barrier(_joined(cells.swapaxes(0, 1), axis=3))  # [m_h + 2, b, n_h, n_w, m_w, c]
    columns = columns.reshape(m_h + 2, b, n_h, n_w * m_w, -1)
    return _joined(columns, axis=1).reshape(b, n_h * m_h, n_w * m_w, -1)[:, :height, :width]


def _joined(cells: jax.Array, axis: int) -> jax.Array:
    """Maps [m + 2, ..., tiles, ...] to [..., tiles, m, ...]. `axis` is the axis of the tiles, without the first axis.

    The first cell of a tile overlaps the last output of the previous tile. Its last cell overlaps the first output of
    the next tile.
    """
    before, *own, after = cells

    def moved(cell: jax.Array, by: int) -> jax.Array:
        kept = lax.slice_in_dim(cell, max(-by, 0), cell.shape[axis] - max(by, 0), axis=axis)
        return jnp.pad(kept, [(max(by, 0), max(-by, 0)) if i == axis else (0, 0) for i in range(cell.ndim)])

    own[0] += moved(after, 1)
    own[-1] += moved(before, -1)
    return jnp.stack(own, axis + 1)
