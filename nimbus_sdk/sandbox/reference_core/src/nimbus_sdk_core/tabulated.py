"""Smooth functions of one variable, read from a table: cubics on cells of equal width.

A formula that is right to many digits takes dozens of steps, and for the few numbers of one trial each step
costs NumPy far more than its arithmetic. Here it is written once, without haste, and read in a third of the
steps; for many numbers the table stays in the cache.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .arrays import FloatArray


def tabulate(function: Callable[[FloatArray], FloatArray], n_cells: int) -> FloatArray:
    """Interpolate a function on the cells [0, 1], [1, 2], … at the Chebyshev points of each.

    Args:
        function: Takes places strictly between 0 and ``n_cells``, in an array of any shape.
        n_cells: Number of cells.

    Returns:
        The coefficients of each cell's cubic, highest power first, shape (4 × n_cells).
    """
    nodes = 0.5 - 0.5 * np.cos(np.pi * np.arange(0.5, 4.0) / 4.0)
    values = function(np.arange(n_cells) + nodes[:, None])
    return np.asarray(np.linalg.solve(np.vander(nodes), values))


def look_up(table: FloatArray, places: FloatArray) -> FloatArray:
    """Read a table.

    Args:
        table: From `tabulate`.
        places: Counted in cells, used up. What lies outside of the table is read in its nearest cell, at its
            own place there.

    >>> look_up(tabulate(np.sqrt, 8), np.array([4.0, 6.25])).round(3)
    array([2. , 2.5])
    """
    cells = np.floor(places)
    own = table.take(cells.astype(np.intp), axis=1, mode="clip")
    places -= cells
    found = own[0]
    found *= places
    found += own[1]
    found *= places
    found += own[2]
    found *= places
    found += own[3]
    return np.asarray(found)
