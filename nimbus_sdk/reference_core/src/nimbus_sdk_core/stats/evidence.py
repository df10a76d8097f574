"""The prior of Gaussian classes that makes their trials most probable.

The marginal likelihood, or evidence, is the probability of all trials with means and covariances integrated
out. Its maximum over the hyper-parameters (type-II maximum likelihood, or empirical Bayes) decides how much
the covariance is shrunk towards its diagonal and the class means towards each other: C. M. Bishop, Pattern
Recognition and Machine Learning (2006), section 3.5; the evidence of Gaussian data is in K. P. Murphy,
Machine Learning: A Probabilistic Perspective (2012), section 4.6.3, and BDA3, section 3.6.

For a covariance that all classes share, in units where the prior scale T is the identity, with c = δ + 1,
ν = n_features + δ, n trials, their scatter S within the classes and w_k = κ·n_k/(κ + n_k):

    log p(trials | δ, κ) = ν/2·log|cI| - (ν + n - 1)/2·log|cI + S + B| + log Γ_p((ν + n - 1)/2) - log Γ_p(ν/2)
                           + n_features/2·(Σ log w_k - log Σ w_k) + constant

Here B is the scatter of the class means about their mean, weighted by w. The mean that all class means share
has a flat prior and is integrated out: that is the -1 and the term log Σ w_k. With the mean of the trials in
its place, the classes would seem to differ less than they do. Since S = UΛUᵀ and B = FᵀF has at most as many
rows as there are classes, |cI + S + B| = |cI + Λ|·|I + FU(cI + Λ)⁻¹UᵀFᵀ|: one eigendecomposition serves all
values of δ and κ.

Only values of a fixed grid are tried, so that rounding errors, which differ between machines, do not change
the prior.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._types import FloatArray, IndexArray
from .blocked import blocks
from .niw import PriorChoice, estimate_variances
from .sufficient_statistics import Moments

# δ from 0 to a million in steps of a fourth of an octave of δ + 1, κ from 0.001 to a million in half octaves.
_OFFSETS = 2.0 ** (np.arange(81) / 4.0) - 1.0
_PRECISIONS = 2.0 ** (np.arange(-20, 41) / 2.0)
_FIRST_STEP = 8

# Rounding alone leaves eigenvalues of linearly dependent features below this share of the largest.
_SINGULAR = 1e-10
# Doubles in one array of intermediate results, small enough for the cache.
_PIECE_NUMBERS = 2**16


def choose_prior(
    moments: Moments, *, dof_offset: float | None = None, mean_prior_precision: float | None = None
) -> PriorChoice:
    """Choose the values that are None by the evidence.

    Classes with covariances of their own share the prior of these. It is centred on their pooled covariance
    if that has the larger evidence; else, and if ``dof_offset`` is given, on its diagonal. About a pooled
    covariance of fewer trials than features, in which each class has dimensions of its own, classes would
    seem to differ where they do not. With such classes, δ is also estimated about the covariance of the
    others alone, and the larger one is taken. Their κ is that of classes with one covariance, whose evidence
    has a closed form.

    A scale that comes with a chosen δ is larger than the estimated variances by 2 in their degrees of freedom
    less 2: the mean of the scaled inverse-χ² distribution that they have then (BDA3, section 3.2). Otherwise,
    a strong prior would claim to know them, and outlier scores of new trials would be too high.

    Args:
        moments: The sufficient statistics of the trials.
        dof_offset: δ, from 0 up.
        mean_prior_precision: κ, from 0 up.

    Examples:
        >>> from .sufficient_statistics import compute_moments
        >>> y = np.arange(200) % 2
        >>> uncorrelated = np.random.default_rng(1).normal(size=(200, 20))
        >>> choose_prior(compute_moments(uncorrelated, y, 2, 1)).dof_offset > 500
        True
    """
    variances = estimate_variances(moments)
    diagonal = np.diag(variances)
    offsets = _OFFSETS if dof_offset is None else np.array([float(dof_offset)])
    precisions = _PRECISIONS if mean_prior_precision is None else np.array([float(mean_prior_precision)])
    if len(offsets) == len(precisions) == 1:
        return PriorChoice(float(offsets[0]), float(precisions[0]), diagonal)
    shared = SharedEvidence(moments, variances, offsets, precisions)
    row, column = _find_maximum(shared.at, len(offsets), len(precisions))
    offset, precision = float(offsets[row]), float(precisions[column])
    if dof_offset is not None:
        return PriorChoice(offset, precision, diagonal)
    n_free = np.add.reduce(np.maximum(moments.counts - 1.0, 0.0))
    # The mean of a variance given its estimate: however strong, the prior knows it from the trials alone.
    uncertain = (1.0 + 2.0 / max(n_free - 2.0, 2.0)) * diagonal
    if len(moments.scatters) == 1:
        return PriorChoice(offset, precision, uncertain)
    # Where no shrinkage is wanted, even the least would dominate directions in which features hardly vary.
    weight = 0.0 if offset == 0.0 and shared.is_regular else offset + 1.0
    pooled = (np.add.reduce(moments.scatters) + weight * uncertain) / (n_free + weight)
    offset, about_diagonal = _maximize_own(moments, diagonal[None], np.array([np.inf]))
    tried = [_maximize_own(moments, pooled[None], np.array([np.inf]))]
    if (moments.counts <= len(diagonal)).any():
        tried.append(_maximize_own(moments, *estimate_scales_of_others(moments, diagonal, weight)))
    if about_diagonal >= max(evidence for _, evidence in tried):
        return PriorChoice(offset, precision, uncertain)
    return PriorChoice(max(found for found, _ in tried), precision, pooled, float(n_free + weight))


def _maximize_own(moments: Moments, scales: FloatArray, scale_dof: FloatArray) -> tuple[float, float]:
    """The δ of classes with covariances of their own, and the logarithm of its evidence."""
    evidence = own_evidence(moments, scales, scale_dof, _OFFSETS)
    best = int(evidence.argmax())
    return float(_OFFSETS[best]), float(evidence[best])


def estimate_scales_of_others(
    moments: Moments, diagonal: FloatArray, weight: float
) -> tuple[FloatArray, FloatArray]:
    """Estimate, for each class, the pooled covariance of the other classes, and its degrees of freedom.

    The class itself has no part in it: its scatter would fit a scale that was estimated from it too well.

    Args:
        moments: The sufficient statistics, with a scatter for each class.
        diagonal: The covariance that is added, shape (n_features × n_features).
        weight: How many trials it counts for; at least 1 where the others alone have no regular covariance.

    Returns:
        Shapes (n_classes × n_features × n_features) and (n_classes,).
    """
    dof = np.maximum(moments.counts - 1.0, 0.0)
    scales = np.zeros_like(moments.scatters)
    # Sums of those before and those after: differences from the total could be indefinite by rounding.
    scales[1:] += np.add.accumulate(moments.scatters[:-1])
    scales[:-1] += np.add.accumulate(moments.scatters[:0:-1])[::-1]
    of_others = np.add.reduce(dof) - dof
    weights = np.where(of_others > len(diagonal), weight, max(weight, 1.0))
    for scale, each in zip(scales, weights, strict=True):
        scale += each * diagonal
    of_others += weights
    return scales / of_others[:, None, None], of_others


class SharedEvidence:
    """The evidence of classes that share a covariance, for a grid of priors.

    Args:
        moments: The sufficient statistics of the trials.
        variances: The diagonal of the prior scale, shape (n_features,).
        offsets: δ, from 0 up, shape (n_offsets,).
        precisions: κ, above 0, shape (n_precisions,).

    Attributes:
        is_regular: Whether the scatter within the classes is invertible.
    """

    def __init__(
        self, moments: Moments, variances: FloatArray, offsets: FloatArray, precisions: FloatArray
    ) -> None:
        occurs = moments.counts > 0.0
        counts, means = moments.counts[occurs], moments.means[occurs]
        n_features, dof = len(variances), np.add.reduce(counts, keepdims=True) - 1.0
        deviations = np.sqrt(variances)
        scatter = np.add.reduce(moments.scatters) / deviations / deviations[:, None]
        eigenvalues, directions = np.linalg.eigh(scatter)
        np.maximum(eigenvalues, 0.0, out=eigenvalues)
        self.is_regular = bool(eigenvalues[0] > _SINGULAR * eigenvalues[-1])
        self._inverses = 1.0 / (offsets[:, None] + 1.0 + eigenvalues)
        self._of_covariance = _log_covariance_evidence(eigenvalues[None], dof, offsets[:, None])
        self._factors = -0.5 * (n_features + offsets + dof)
        self._means = (means - np.add.reduce(means) / len(means)) / deviations @ directions
        self._weights = precisions[:, None] * counts / (precisions[:, None] + counts)
        logs = np.add.reduce(np.log(self._weights), axis=1)
        self._of_means = 0.5 * n_features * (logs - np.log(np.add.reduce(self._weights, axis=1)))

    def at(self, rows: IndexArray, columns: IndexArray) -> FloatArray:
        """Logarithm of the evidence up to a constant, shape (n_rows × n_columns).

        Args:
            rows: Indices of offsets, shape (n_rows,).
            columns: Indices of precisions, shape (n_columns,).
        """
        weights = self._weights[columns]
        centres = weights @ self._means / np.add.reduce(weights, axis=1)[:, None]
        between = np.sqrt(weights)[..., None] * (self._means - centres[:, None])
        if between.shape[1] > between.shape[2]:
            between = np.linalg.qr(between, mode="r")
        log_dets = np.empty((len(rows), len(columns)))
        for some in blocks(len(rows), most=max(1, _PIECE_NUMBERS // between.size)):
            gram = (between * self._inverses[rows[some], None, None]) @ between.transpose(0, 2, 1)
            gram += np.eye(gram.shape[-1])
            log_dets[some] = np.linalg.slogdet(gram)[1]
        log_dets *= self._factors[rows, None]
        return np.asarray(log_dets + self._of_covariance[rows, None] + self._of_means[columns])


def own_evidence(
    moments: Moments, scales: FloatArray, scale_dof: FloatArray, offsets: FloatArray
) -> FloatArray:
    """Compute the logarithm of the evidence of classes with covariances of their own, up to a constant.

    The class means have flat priors here, so that only deviations from them count: the restricted likelihood
    of H. D. Patterson and R. Thompson, Biometrika 58 (1971). A scale that was estimated widens the prior: the
    relative variances add up, 1/(δ' + 1) = 1/(δ + 1) + 1/ν_T, as in `widen_posterior`. With the scales of
    `estimate_scales_of_others` the sum over the classes is that of the probabilities of each class's trials
    given those of the others, by which scales can be compared: S. Geisser and W. F. Eddy, A predictive
    approach to model selection, J. American Statistical Association 74 (1979).

    Args:
        moments: The sufficient statistics of the trials, with a scatter for each class.
        scales: T, one or one for each class, shape (n_scales × n_features × n_features).
        scale_dof: ν_T, degrees of freedom of each scale, shape (n_scales,); infinite if it counts as known.
        offsets: δ, from 0 up, shape (n_offsets,).

    Returns:
        Shape (n_offsets,).
    """
    whiteners = np.linalg.inv(np.linalg.cholesky(scales))
    scatters = whiteners @ moments.scatters @ whiteners.transpose(0, 2, 1)
    eigenvalues = np.maximum(np.linalg.eigvalsh(scatters), 0.0)
    dof = np.maximum(moments.counts - 1.0, 0.0)
    widened = 1.0 / (1.0 / (offsets[:, None] + 1.0) + 1.0 / scale_dof) - 1.0
    # In the units of the data, so that scales can be compared.
    logs = np.add.reduce(np.log(np.diagonal(whiteners, axis1=1, axis2=2)), axis=1)
    return np.asarray(_log_covariance_evidence(eigenvalues, dof, widened) + np.add.reduce(dof * logs))


def _log_covariance_evidence(eigenvalues: FloatArray, dof: FloatArray, offsets: FloatArray) -> FloatArray:
    """Log evidence of scatters about an identity scale, summed over the covariances; shape (n_offsets,).

    Args:
        eigenvalues: Of each scatter, shape (n_covariances × n_features).
        dof: Degrees of freedom of each, shape (n_covariances,).
        offsets: δ, shape (n_offsets × n_covariances), or (n_offsets × 1) if it is the same for all.
    """
    n_features = eigenvalues.shape[1]
    own = n_features + offsets
    log_evidence = np.add.reduce(np.log(offsets[..., None] + 1.0 + eigenvalues), axis=2)
    log_evidence *= -0.5 * (own + dof)
    log_evidence += log_multivariate_gamma(n_features, own + dof)
    log_evidence += 0.5 * n_features * own * np.log(offsets + 1.0) - log_multivariate_gamma(n_features, own)
    return np.asarray(np.add.reduce(log_evidence, axis=1))


def log_multivariate_gamma(n_features: int, dof: FloatArray) -> FloatArray:
    """log Γ_p(dof/2) for p features, without the constant; ``dof`` of any shape and at least p.

    The series of Stirling after a shift by eight: Abramowitz & Stegun, Handbook of Mathematical Functions,
    6.1.15 and 6.1.41; right to 1e-13 of the sum.
    """
    x = 0.5 * (dof[..., None] - np.arange(n_features))
    product = x.copy()
    for k in range(1, 8):
        product *= x + k
    x += 8.0
    inverse = 1.0 / x
    square = inverse * inverse
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
    logs = (x - 0.5) * np.log(x) - x + series - np.log(product)
    return np.asarray(np.add.reduce(logs, axis=-1))


def _find_maximum(
    evaluate: Callable[[IndexArray, IndexArray], FloatArray], n_rows: int, n_columns: int
) -> tuple[int, int]:
    """Find the largest value of a table by a coarse search, steps that are halved, and single steps."""
    step, best = _FIRST_STEP, (0, 0)
    rows, columns = np.arange(0, n_rows, step), np.arange(0, n_columns, step)
    while True:
        values = evaluate(rows, columns)
        row, column = divmod(int(values.argmax()), len(columns))
        before, best = best, (int(rows[row]), int(columns[column]))
        if step == 1 and best == before:
            return best
        step = max(1, step // 2)
        rows, columns = _neighbours(best[0], step, n_rows), _neighbours(best[1], step, n_columns)


def _neighbours(at: int, step: int, length: int) -> IndexArray:
    around = np.array([at - step, at, at + step])
    return around[(around >= 0) & (around < length)]
