"""The conjugate analysis of Gaussian classes: Normal-inverse-Wishart prior, posterior and predictive.

The model: class k has mean μ_k and covariance Σ_c, where c is the covariance that the class uses (one that
all classes share, or one of its own):

    Σ_c ~ InverseWishart(Ψ_c, ν_c)        μ_k | Σ_c ~ Normal(m_k, Σ_c / κ_k)        x | k ~ Normal(μ_k, Σ_c)

Sources: K. P. Murphy, Machine Learning: A Probabilistic Perspective (MIT Press, 2012), sections 4.2
(Gaussian discriminant analysis), 4.6.3 (inferring the parameters of a multivariate normal) and 3.4
(Dirichlet-multinomial); A. Gelman et al., Bayesian Data Analysis, 3rd edition (BDA3), section 3.6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._types import FloatArray
from ..errors import CoreDataError
from .sufficient_statistics import Moments, add_outer_products


@dataclass(frozen=True, slots=True, eq=False)
class NormalInverseWishart:
    """Beliefs on the means and covariances of Gaussian classes.

    Attributes:
        counts: Number of vectors of each class, shape (n_classes,).
        precision: κ, the weight of each class mean in vectors, shape (n_classes,).
        means: m, shape (n_classes × n_features).
        dof: ν of each covariance, shape (n_covariances,).
        scatter: Ψ of each covariance, shape (n_covariances × n_features × n_features).

    ``n_covariances`` is 1 where all classes share it, else ``n_classes``.
    """

    counts: FloatArray
    precision: FloatArray
    means: FloatArray
    dof: FloatArray
    scatter: FloatArray


def build_weak_prior(
    moments: Moments, *, n_covariances: int, dof_offset: float, mean_prior_precision: float
) -> NormalInverseWishart:
    """Build a weakly informative prior in the units of the data.

    Means: m = the grand mean, κ = ``mean_prior_precision``. Covariances: ν = n_features + ``dof_offset`` and
    Ψ = (``dof_offset`` + 1)·diag(s²) with s² the pooled variance within classes. Then the variance of each
    feature has a scaled inverse-χ² prior with ``dof_offset`` + 1 degrees of freedom and scale s² (the
    marginal of the inverse-Wishart, BDA3 section 3.6). Data-dependent diagonal priors of this form: Murphy,
    section 4.6.3.2.

    Raises:
        CoreDataError: A feature does not vary within the classes, or no class has two vectors.
    """
    n_classes, n_features = moments.means.shape
    variance = _variance_within(moments)
    grand_mean = np.add.reduce(moments.counts[:, None] * moments.means) / np.add.reduce(moments.counts)
    means = np.empty((n_classes, n_features))
    means[...] = grand_mean
    scatter = np.empty((n_covariances, n_features, n_features))
    scatter[...] = (dof_offset + 1.0) * np.diag(variance)
    return NormalInverseWishart(
        counts=np.zeros(n_classes),
        precision=np.full(n_classes, mean_prior_precision),
        means=means,
        dof=np.full(n_covariances, n_features + dof_offset),
        scatter=scatter,
    )


def update_posterior(prior: NormalInverseWishart, moments: Moments) -> NormalInverseWishart:
    """Compute the posterior after more vectors; exact, so that two steps equal one on the union.

    Per class: κ' = κ + n, m' = m + n/κ'·(x̄ - m). Per covariance: ν' = ν + Σn and
    Ψ' = Ψ + Σ [S + κ·n/κ'·(x̄ - m)(x̄ - m)ᵀ] over the classes that use it. Murphy, section 4.6.3.3; BDA3,
    section 3.6. For a shared covariance the classes are independent given Σ, so their terms add up.
    """
    precision = prior.precision + moments.counts
    deviations = moments.means - prior.means
    pull = prior.precision * moments.counts / precision
    scatter = prior.scatter + moments.scatters
    add_outer_products(scatter, pull, deviations)
    return NormalInverseWishart(
        counts=prior.counts + moments.counts,
        precision=precision,
        means=prior.means + (moments.counts / precision)[:, None] * deviations,
        dof=prior.dof + np.add.reduce(moments.counts.reshape(len(prior.dof), -1), axis=1),
        scatter=scatter,
    )


def _variance_within(moments: Moments) -> FloatArray:
    n_vectors, n_classes = np.add.reduce(moments.counts), np.count_nonzero(moments.counts)
    if n_vectors <= n_classes:
        raise CoreDataError(
            f"There are {n_vectors:.0f} trials for {n_classes} classes: no class has two.",
            "Give at least two trials of one class, better 40 or more of each.",
        )
    variance = np.add.reduce(np.diagonal(moments.scatters, axis1=1, axis2=2)) / (n_vectors - n_classes)
    # Rounding alone leaves deviations of this size in a constant feature.
    noise = (1e-13 * np.maximum.reduce(np.abs(moments.means))) ** 2
    constant = ~(variance > noise)
    if np.logical_or.reduce(constant):
        features = np.flatnonzero(constant)
        raise CoreDataError(
            f"{len(features)} feature(s) do not vary within the classes: {features[:10].tolist()} (from 0).",
            "Leave them out: a constant feature carries no information and has no variance to learn.",
        )
    return np.asarray(variance)
