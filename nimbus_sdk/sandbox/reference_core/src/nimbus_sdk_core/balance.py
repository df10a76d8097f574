"""How evenly predictions spread over the classes."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def balance(counts: npt.NDArray[np.integer]) -> float:
    """Entropy of the predicted classes over its maximum: 1 evenly spread, 0 all in one, NaN without any.

    Args:
        counts: Predictions of each class, shape (n_classes,).

    >>> balance(np.array([5, 5])), balance(np.array([10, 0]))
    (1.0, 0.0)
    """
    total = int(counts.sum())
    if not total:
        return float("nan")
    share = counts[counts > 0] / total
    return float(max(0.0, -(share * np.log(share)).sum())) / math.log(len(counts))
