"""The conjugate analysis of Gaussian classes: Normal-inverse-Wishart prior, posterior and predictive.

The model: class k has mean μ_k and covariance Σ_c, where c is the covariance that the class uses (one that
all classes share, or one of its own):

    Σ_c ~ InverseWishart(Ψ_c, ν_c)        μ_k | Σ_c ~ Normal(m_k, Σ_c / κ_k)        x | k ~ Normal(μ_k, Σ_c)

Sources: K. P. Murphy, Machine Learning: A Probabilistic Perspective (MIT Press, 2012), sections 4.2
(Gaussian discriminant analysis), 4.6.3 (inferring the parameters of a multivariate normal) and 3.4
(Dirichlet-multinomial); A. Gelman et al., Bayesian Data Analysis, 3rd edition (BDA3), section 3.6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

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


class MeanPrior(NamedTuple):
    """A prior of class means with a variance of its own in each of some directions.

    Attributes:
        axes: ``vectors @ axes`` have the identity as covariance, shape (n_features × n_features).
        variances: Of a class mean about the mean of all, along each axis, shape (n_features,).
    """

    axes: FloatArray
    variances: FloatArray


class PriorChoice(NamedTuple):
    """What the prior of means and covariances says.

    Attributes:
        dof_offset: δ, degrees of freedom of the covariance prior above the number of features.
        mean_prior_precision: κ, the weight of the prior of each class mean, in trials.
        scale: T, the covariance that the prior is centred on, shape (n_features × n_features).
        scale_dof: Degrees of freedom with which T itself was estimated; infinite if it counts as known.
        mean_prior: What replaces Σ/κ as the prior covariance of the class means, if anything.
    """

    dof_offset: float
    mean_prior_precision: float
    scale: FloatArray
    scale_dof: float = math.inf
    mean_prior: MeanPrior | None = None


def build_prior(moments: Moments, choice: PriorChoice) -> NormalInverseWishart:
    """Build a prior in the units of the data.

    Means: m = the grand mean, and κ as chosen. Covariances: ν = n_features + δ and Ψ = (δ + 1)·T. Then the
    variance of each feature has a scaled inverse-χ² prior with δ + 1 degrees of freedom and T's variance as
    scale (the marginal of the inverse-Wishart, BDA3 section 3.6). With T = diag(s²), s² from
    `estimate_variances`, this is the data-dependent prior of Murphy, section 4.6.3.2.
    """
    n_classes, n_features = moments.means.shape
    means = np.empty((n_classes, n_features))
    means[...] = _grand_mean(moments)
    scatter = np.empty_like(moments.scatters)
    scatter[...] = (choice.dof_offset + 1.0) * choice.scale
    return NormalInverseWishart(
        counts=np.zeros(n_classes),
        precision=np.full(n_classes, choice.mean_prior_precision),
        means=means,
        dof=np.full(len(scatter), n_features + choice.dof_offset),
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


def widen_posterior(
    posterior: NormalInverseWishart, moments: Moments, choice: PriorChoice
) -> NormalInverseWishart:
    """Lower the degrees of freedom of a posterior by the uncertainty of the scale of its prior.

    T has the share λ = (δ + 1)/(δ + 1 + n) in the estimate of a covariance from n vectors. The relative
    variances of both add up, 1/ν' = 1/ν + λ²/ν_T for the degrees of freedom of the predictive: the rule of
    F. E. Satterthwaite, Biometrics Bulletin 2 (1946). With large δ they are those of T.
    """
    if math.isinf(choice.scale_dof):
        return posterior
    below = posterior.means.shape[1] - 1.0
    dof = posterior.dof - below
    weight = choice.dof_offset + 1.0
    share = weight / (weight + np.add.reduce(moments.counts.reshape(len(dof), -1), axis=1))
    widened = 1.0 / (1.0 / dof + share * share / choice.scale_dof)
    scatter = posterior.scatter * (widened / dof)[:, None, None]
    return replace(posterior, dof=widened + below, scatter=scatter)


def recover_moments(posterior: NormalInverseWishart) -> Moments:
    """Recover the statistics from which this posterior was computed, if its prior had a diagonal scale.

    The prior is known up to its grand mean and its variances, and both follow from the sums over the classes.
    """
    counts, n_features = posterior.counts, posterior.means.shape[1]
    prior_precision = (posterior.precision - counts)[:, None]
    weighted = posterior.precision[:, None] * posterior.means
    grand_mean = np.add.reduce(weighted) / np.add.reduce(posterior.precision)
    n_vectors = np.where(counts > 0.0, counts, 1.0)[:, None]
    means = np.where(counts[:, None] > 0.0, (weighted - prior_precision * grand_mean) / n_vectors, 0.0)
    scatters = posterior.scatter.copy()
    pull = prior_precision[:, 0] * counts / posterior.precision
    add_outer_products(scatters, -pull, means - grand_mean)
    trials = np.add.reduce(counts.reshape(len(scatters), -1), axis=1)
    of_prior = posterior.dof - trials - n_features + 1.0
    dof = np.add.reduce(counts) - np.count_nonzero(counts)
    diagonal = np.add.reduce(np.diagonal(scatters, axis1=1, axis2=2))
    scatters -= of_prior[:, None, None] * np.diag(diagonal / (np.add.reduce(of_prior) + dof))
    return Moments(counts, means, scatters)


def estimate_variances(moments: Moments) -> FloatArray:
    """Variance of each feature within the classes, above zero whatever the vectors are; shape (n_features,).

    It is the pooled variance. Where there is none to pool, because no class has two vectors or a feature is
    constant within every class, it is estimated as if one more vector had deviated by the total spread: a
    perfect predictor is believed the more, the more vectors agree. A feature that never varies gets 1.
    """
    dof = max(np.add.reduce(moments.counts) - np.count_nonzero(moments.counts), 0.0)
    within = _variation_within(moments)
    is_pooled = within > dof * _rounding_errors(moments)
    if dof >= 1.0 and np.logical_and.reduce(is_pooled):
        return np.asarray(within / dof)
    total = _total_variance(moments)
    variances = (within + total) / (dof + 1.0)
    if dof >= 1.0:
        variances[is_pooled] = within[is_pooled] / dof
    return np.where(total > _rounding_errors(moments), variances, 1.0)


def check_variation(moments: Moments) -> None:
    """Raise CoreDataError for features that have one value in all vectors."""
    is_varied = _total_variance(moments) > _rounding_errors(moments)
    if not np.logical_and.reduce(is_varied):
        constant = np.flatnonzero(~is_varied)
        raise CoreDataError(
            f"{len(constant)} feature(s) do not vary within the classes: {constant[:10].tolist()} (from 0), "
            "nor between them.",
            "Leave them out: a constant feature carries no information and has no variance to learn.",
        )


def _grand_mean(moments: Moments) -> FloatArray:
    total = np.add.reduce(moments.counts)
    return np.asarray(np.add.reduce(moments.counts[:, None] * moments.means) / total)


def _variation_within(moments: Moments) -> FloatArray:
    """Sum of each feature's squared deviations from the class means, shape (n_features,)."""
    return np.asarray(np.add.reduce(np.diagonal(moments.scatters, axis1=1, axis2=2)))


def _total_variance(moments: Moments) -> FloatArray:
    """Variance of each feature about its grand mean, shape (n_features,)."""
    deviations = moments.means - _grand_mean(moments)
    between = np.add.reduce(moments.counts[:, None] * deviations * deviations)
    return np.asarray((_variation_within(moments) + between) / np.add.reduce(moments.counts))


def _rounding_errors(moments: Moments) -> FloatArray:
    """Variance that rounding alone leaves in a constant feature, shape (n_features,)."""
    return np.asarray((1e-13 * np.maximum.reduce(np.abs(moments.means))) ** 2)
