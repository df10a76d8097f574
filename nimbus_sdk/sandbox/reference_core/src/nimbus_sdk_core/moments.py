"""What a set of labelled vectors says to a Gaussian model: counts, means and scatter of each class."""

from dataclasses import dataclass

import numpy as np

from .arrays import FloatArray, IndexArray


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sufficient statistics of labelled vectors under Gaussian classes.

    Attributes:
        counts: Vectors in each class, shape (n_classes,).
        means: Mean of each class, shape (n_classes × n_features); zero for a class without vectors.
        scatters: Sum of outer products about the class mean, shape (n_classes × n_features × n_features).
    """

    counts: FloatArray
    means: FloatArray
    scatters: FloatArray


def moments(vectors: FloatArray, index: IndexArray, n_classes: int) -> Moments:
    """Sum up labelled vectors.

    The vectors are shifted by a round number near their mean before products are summed. That loses nothing
    to cancellation, and where the vectors themselves are round in binary (as those of the simulator are) all
    sums are exact, so that every machine and BLAS library finds the same bits.

    Args:
        vectors: Shape (n_vectors × n_features).
        index: The class of each vector, from 0, shape (n_vectors,).
        n_classes: Number of classes, also of those without vectors.
    """
    n_features = vectors.shape[1]
    pivot = _round_centre(vectors)
    counts = np.bincount(index, minlength=n_classes).astype(np.float64)
    means = np.zeros((n_classes, n_features))
    scatters = np.zeros((n_classes, n_features, n_features))
    for k in np.flatnonzero(counts):
        shifted = vectors[index == k] - pivot
        offset = shifted.sum(axis=0) / counts[k]
        means[k] = pivot + offset
        scatters[k] = shifted.T @ shifted - counts[k] * (offset[:, None] * offset)
    return Moments(counts, means, scatters)


def _round_centre(vectors: FloatArray) -> FloatArray:
    """The mean of each feature, rounded to the power of two next to its standard deviation."""
    step = np.ldexp(1.0, np.frexp(vectors.std(axis=0))[1])
    return np.asarray(np.round(vectors.mean(axis=0) / step) * step)
