"""Counts, means and scatter of classes: the sufficient statistics of a Gaussian model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._types import FloatArray, IndexArray
from .blocked import blocks

_CLASSES_AT_ONCE = 8
_DEVIATION_SAMPLE = 256


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sufficient statistics of labelled vectors under Gaussian classes.

    Attributes:
        counts: Vectors in each class, or the sum of their weights, shape (n_classes,).
        means: Mean of each class, shape (n_classes × n_features); zero for a class without vectors.
        scatters: Sums of outer products about the class means, over all the classes that share a covariance,
            shape (n_covariances × n_features × n_features).
    """

    counts: FloatArray
    means: FloatArray
    scatters: FloatArray


def compute_moments(
    vectors: FloatArray,
    index: IndexArray,
    n_classes: int,
    n_covariances: int,
    weights: FloatArray | None = None,
) -> Moments:
    """Compute the sufficient statistics of labelled vectors.

    The vectors are shifted by a round number near their mean before products are summed. That loses nothing
    to cancellation, and where the vectors themselves are round in binary (as those of the simulator are) all
    sums are exact, so that every machine and BLAS library finds the same bits.

    Args:
        vectors: Shape (n_vectors × n_features).
        index: The class of each vector, from 0, shape (n_vectors,).
        n_classes: Number of classes, also of those without vectors.
        n_covariances: 1 where all classes share a covariance, else ``n_classes``.
        weights: How many vectors each one counts for, not negative, shape (n_vectors,); None for one each.
    """
    n_features = vectors.shape[1]
    sums = np.zeros((n_classes, n_features))
    scatters = np.zeros((n_covariances, n_features, n_features))
    if not len(vectors):
        return Moments(np.zeros(n_classes), sums, scatters)
    # Sums as products with ones take half the time of ``sum(axis=0)``.
    ones = np.ones(len(vectors))
    pivot = _find_round_centre(vectors, ones)
    order = _sort_by_class(index, n_classes)
    shifted = vectors.take(order, axis=0)
    shifted -= pivot
    weighted, factors = shifted, ones
    if weights is not None:
        factors = weights.take(order)
        weighted = shifted * factors[:, None]
    edges = [0, *np.bincount(index, minlength=n_classes).cumsum().tolist()]
    for k in range(n_classes):
        part = slice(edges[k], edges[k + 1])
        sums[k] = factors[part] @ shifted[part]
    sharing = n_classes // n_covariances
    for c in range(n_covariances):
        part = slice(edges[c * sharing], edges[(c + 1) * sharing])
        scatters[c] = weighted[part].T @ shifted[part]
    counts = np.bincount(index, weights, n_classes).astype(np.float64)
    offsets = sums / np.where(counts > 0.0, counts, 1.0)[:, None]
    add_outer_products(scatters, -counts, offsets)
    means = pivot + offsets
    means[counts == 0.0] = 0.0
    return Moments(counts, means, scatters)


def merge_moments(first: Moments, second: Moments) -> Moments:
    """Merge the sufficient statistics of two sets of vectors into those of their union.

    Source: T. F. Chan, G. H. Golub and R. J. LeVeque, Algorithms for computing the sample variance, The
    American Statistician 37 (1983).

    Examples:
        >>> one, two = (Moments(np.ones(1), np.full((1, 1), at), np.zeros((1, 1, 1))) for at in (1.0, 3.0))
        >>> merge_moments(one, two)
        Moments(counts=array([2.]), means=array([[2.]]), scatters=array([[[2.]]]))
    """
    counts = first.counts + second.counts
    share = second.counts / np.where(counts > 0.0, counts, 1.0)
    apart = np.where((first.counts > 0.0)[:, None], second.means - first.means, 0.0)
    base = np.where((first.counts > 0.0)[:, None], first.means, second.means)
    scatters = first.scatters + second.scatters
    add_outer_products(scatters, first.counts * share, apart)
    return Moments(counts, base + share[:, None] * apart, scatters)


def scale_moments(moments: Moments, weight: float) -> Moments:
    """The sufficient statistics if each vector counted ``weight`` times as much."""
    return Moments(weight * moments.counts, moments.means, weight * moments.scatters)


def add_outer_products(scatters: FloatArray, weights: FloatArray, vectors: FloatArray) -> None:
    """Add to each scatter the weighted outer products of its classes' vectors.

    Some classes at a time, which takes little memory and gives the same sums on every machine.

    Args:
        scatters: Shape (n_covariances × n_features × n_features).
        weights: Shape (n_classes,).
        vectors: Shape (n_classes × n_features).
    """
    groups = vectors.reshape(len(scatters), -1, vectors.shape[1])
    shares = weights.reshape(len(scatters), -1, 1, 1)
    for part in blocks(groups.shape[1], most=_CLASSES_AT_ONCE):
        own = groups[:, part]
        products = own[..., None] * own[:, :, None]
        # Weighted afterwards, so that both halves are rounded equally.
        products *= shares[:, part]
        scatters += np.add.reduce(products, axis=1)


def _sort_by_class(index: IndexArray, n_classes: int) -> IndexArray:
    # NumPy sorts integers of at most 16 bits by radix, which takes a tenth of the time.
    return index.astype(np.min_scalar_type(n_classes)).argsort(kind="stable")


def _find_round_centre(vectors: FloatArray, ones: FloatArray) -> FloatArray:
    """The mean of each feature, rounded to the power of two next to its standard deviation."""
    mean = ones @ vectors / len(vectors)
    # A few hundred vectors are enough to find the power of two.
    deviation = _standard_deviation(vectors[:: max(1, len(vectors) // _DEVIATION_SAMPLE)], mean, ones)
    if not np.logical_and.reduce(deviation):
        deviation = _standard_deviation(vectors, mean, ones)
    step = np.ldexp(1.0, np.frexp(deviation)[1])
    return np.asarray(np.rint(mean / step) * step)


def _standard_deviation(vectors: FloatArray, mean: FloatArray, ones: FloatArray) -> FloatArray:
    deviations = vectors - mean
    np.multiply(deviations, deviations, out=deviations)
    return np.asarray(np.sqrt(ones[: len(deviations)] @ deviations / len(deviations)))
