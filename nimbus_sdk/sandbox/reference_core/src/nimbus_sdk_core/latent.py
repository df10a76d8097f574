"""Class scores in K - 1 dimensions, and what a label says of them.

A latent vector z has one score for each class, s = H·z, where the columns of the (K × K-1) matrix H are
orthonormal and sum to zero: so no class is set apart as reference, and renaming classes turns z without
changing its length. The label is the class with the highest score. For z normal around linear functions of
the features this is the multinomial probit: J. H. Albert and S. Chib, Bayesian analysis of binary and
polychotomous response data, JASA 88 (1993); scores that sum to zero: L. F. Burgette, D. Puelz and P. R.
Hahn, A symmetric prior for multinomial probit models, Bayesian Analysis 16 (2021).
"""

from __future__ import annotations

import numpy as np

from .arrays import FloatArray


def contrasts(n_classes: int) -> FloatArray:
    """H, shape (n_classes × n_classes - 1): Helmert's contrasts.

    >>> contrasts(2).round(4) + 0.0
    array([[ 0.7071],
           [-0.7071]])
    """
    found = np.zeros((n_classes, n_classes - 1))
    for j in range(1, n_classes):
        found[:j, j - 1], found[j, j - 1] = 1.0, -j
    return np.asarray(found / np.sqrt((found * found).sum(axis=0)))


def leads(n_classes: int) -> FloatArray:
    """For each class the matrix D with D·z = its score less each other class's: all positive where it wins.

    Returns:
        Shape (n_classes × n_classes - 1 × n_classes - 1).
    """
    scores = contrasts(n_classes)
    return np.stack([score - np.delete(scores, k, axis=0) for k, score in enumerate(scores)])
