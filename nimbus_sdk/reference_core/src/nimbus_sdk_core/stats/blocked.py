"""Large batches in pieces that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .._types import FloatArray

# 16 features of 4,096 trials take half a mebibyte: with the intermediate results they fit into the
# second-level cache of a core, and the allocator reuses the memory for the next block.
_BLOCK_TRIALS = 4_096

# OpenBLAS wakes a second thread for products of more than 2¹⁸ multiplications. Where another program uses
# that core, waiting for it takes many times as long as the product itself.
_MOST_MULTIPLICATIONS = 2**18
_FEWEST_COLUMNS = 64


def blocks(n_trials: int, most: int = _BLOCK_TRIALS) -> Iterator[slice]:
    """Yield consecutive slices of at most ``most`` that cover ``n_trials``.

    Examples:
        >>> list(blocks(5_000))
        [slice(0, 4096, None), slice(4096, 5000, None)]
    """
    for start in range(0, n_trials, most):
        yield slice(start, min(start + most, n_trials))


def multiply_blocked(matrix: FloatArray, columns: FloatArray) -> FloatArray:
    """Multiply a small matrix by one with many columns, on one core.

    Args:
        matrix: Shape (n_rows × n_inner).
        columns: Shape (n_inner × n_columns).

    Examples:
        >>> multiply_blocked(np.array([[1.0, 2.0]]), np.array([[1.0, 3.0], [10.0, 30.0]]))
        array([[21., 63.]])
    """
    (n_rows, n_inner), n_columns = matrix.shape, columns.shape[1]
    step = _MOST_MULTIPLICATIONS // (n_rows * n_inner)
    if n_columns <= step or step < _FEWEST_COLUMNS:
        return matrix @ columns
    result = np.empty((n_rows, n_columns))
    whole = n_columns - n_columns % step
    stacked = columns[:, :whole].reshape(n_inner, -1, step).transpose(1, 0, 2)
    np.matmul(matrix, stacked, out=result[:, :whole].reshape(n_rows, -1, step).transpose(1, 0, 2))
    result[:, whole:] = matrix @ columns[:, whole:]
    return result
