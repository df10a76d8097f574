"""A prior of class means that differ least in the directions in which trials hardly vary.

The conjugate prior of a class mean is Normal(m, Σ/κ): in standard deviations of the trials, classes differ
equally in all directions. Features that say nearly the same, such as the power of one source in two bands,
have directions in which trials hardly vary and classes differ even less: what is estimated there is noise,
and a small variance makes it count. The other prior is Normal(m, Σ²/(κ·s)) for features that are divided by
their standard deviations, where s is the geometric mean of the eigenvalues λ of Σ.

In coordinates in which Σ is the identity, both are diagonal, with variances τ = (λ/s)ᵃ/κ where a is 0 or 1.
Given Σ, for which its expectation is taken, the evidence of means z_k of n_k trials, with a flat prior of the
mean that all classes share, is a sum over the coordinates, with v_k = τ + 1/n_k and the weighted mean z̄:

    log p(z | a, κ) = -1/2·(Σ log v_k + log Σ 1/v_k + Σ (z_k - z̄)²/v_k) + constant

This is the normal hierarchical model of BDA3, section 5.4, with equations 5.17 and 5.21.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .._types import FloatArray
from .blocked import blocks
from .niw import MeanPrior, NormalInverseWishart
from .sufficient_statistics import Moments

# κ in octaves, from next to nothing to next to no difference of the means.
_PRECISIONS = 2.0 ** np.arange(-6.0, 15.0)

# Doubles in one array of intermediate results, small enough for the cache.
_PIECE_NUMBERS = 2**16

# More evidence than rounding makes.
_MORE = 1e-6


def choose_mean_prior(moments: Moments, axes: FloatArray, eigenvalues: FloatArray) -> MeanPrior | None:
    """Choose the prior of the class means by the evidence.

    Args:
        moments: The sufficient statistics of the trials.
        axes: Coordinates in which Σ is diagonal: ``vectors @ axes`` are in them, (n_features × n_features).
        eigenvalues: The expected diagonal, above 0, shape (n_features,).

    Returns:
        The prior whose means differ least where trials hardly vary, or None for the conjugate one.
    """
    occurs = moments.counts > 0.0
    if np.count_nonzero(occurs) < 2:
        return None
    deviations = np.sqrt(eigenvalues)
    centre = np.add.reduce(moments.means[occurs]) / np.count_nonzero(occurs)
    places = ((moments.means[occurs] - centre) @ axes) / deviations
    relative = eigenvalues / np.exp(np.add.reduce(np.log(eigenvalues)) / len(eigenvalues))
    variances = relative / _PRECISIONS[:, None]
    counts = moments.counts[occurs]
    evidence = _log_evidence(places, counts, variances)
    conjugate = _log_evidence(places, counts, 1.0 / _PRECISIONS[:, None])
    if np.maximum.reduce(evidence) <= np.maximum.reduce(conjugate) + _MORE:
        return None
    return MeanPrior(axes / deviations, variances[int(evidence.argmax())])


def shrink_means(posterior: NormalInverseWishart, moments: Moments, prior: MeanPrior) -> NormalInverseWishart:
    """Replace the means of a posterior by their expectations under another prior, given Σ.

    Args:
        posterior: Beliefs on means and covariance after the trials.
        moments: The sufficient statistics of the trials.
        prior: What the means are expected to be.
    """
    counts = moments.counts[:, None]
    centre = moments.counts @ moments.means / np.add.reduce(moments.counts)
    places = (moments.means - centre) @ prior.axes
    trust = counts * prior.variances / (1.0 + counts * prior.variances)
    shared = np.add.reduce(trust * places) / np.add.reduce(trust)
    shrunk = shared + trust * (places - shared)
    return replace(posterior, means=centre + np.linalg.solve(prior.axes.T, shrunk.T).T)


def _log_evidence(places: FloatArray, counts: FloatArray, variances: FloatArray) -> FloatArray:
    """Logarithm of the evidence of each prior, shape (n_priors,), up to a constant.

    Args:
        places: Of the class means where Σ is the identity, shape (n_classes × n_features).
        counts: Trials of each class, above 0, shape (n_classes,).
        variances: τ of each prior, shape (n_priors × n_features), or (n_priors × 1) if equal everywhere.
    """
    own = (1.0 / counts)[:, None]
    evidence = np.empty(len(variances))
    for some in blocks(len(variances), most=max(1, _PIECE_NUMBERS // places.size)):
        spread = variances[some, None] + own
        weights = 1.0 / spread
        logs = np.add.reduce(np.log(spread, out=spread), axis=1)
        total = np.add.reduce(weights, axis=1)
        weighted = weights * places
        shared = np.add.reduce(weighted, axis=1)
        weighted *= places
        squares = np.add.reduce(weighted, axis=1) - shared * shared / total
        evidence[some] = np.add.reduce(logs + np.log(total) + squares, axis=1)
    return -0.5 * evidence
