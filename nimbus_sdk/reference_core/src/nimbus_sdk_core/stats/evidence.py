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

import math
from collections.abc import Callable

import numpy as np

from .._types import FloatArray, IndexArray
from .blocked import blocks
from .mean_prior import choose_mean_prior
from .niw import PriorChoice, estimate_variances
from .sufficient_statistics import Moments

# δ from 0 to a million in steps of a fourth of an octave of δ + 1, κ from 0.001 to a million in half octaves.
_OFFSETS = 2.0 ** (np.arange(81) / 4.0) - 1.0
_PRECISIONS = 2.0 ** (np.arange(-20, 41) / 2.0)
_FIRST_STEP = 9

# A precision of the means that is as good as none.
_WEAKEST = 1e-9

# Rounding alone leaves eigenvalues of linearly dependent features below this share of the largest.
_SINGULAR = 1e-10
# Doubles in one array of intermediate results, small enough for the cache.
_PIECE_NUMBERS = 2**16


def choose_prior(
    moments: Moments, *, dof_offset: float | None = None, mean_prior_precision: float | None = None
) -> PriorChoice:
    """Choose the values that are None by the evidence.

    Classes that share a covariance may get the prior of means of `choose_mean_prior`, if both values are
    chosen and the trials determine the covariance.

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
    inflation = 1.0 + 2.0 / max(n_free - 2.0, 2.0)
    uncertain = inflation * diagonal
    if len(moments.scatters) == 1:
        mean_prior = None
        if mean_prior_precision is None and shared.is_regular:
            expected = (shared.eigenvalues + (offset + 1.0) * inflation) / max(n_free + offset - 1.0, 1.0)
            mean_prior = choose_mean_prior(moments, shared.axes, expected)
        return PriorChoice(offset, precision, uncertain, mean_prior=mean_prior)
    # Where no shrinkage is wanted, even the least would dominate directions in which features hardly vary.
    weight = 0.0 if offset == 0.0 and shared.is_regular and n_free > 0.0 else offset + 1.0
    own = OwnEvidence(moments, shared, _OFFSETS)
    of_pooled = (shared.eigenvalues + weight * inflation) / (n_free + weight)
    about_diagonal, *tried = own.about(np.array([np.ones(len(variances)), of_pooled]))
    if (moments.counts <= len(variances)).any():
        tried.append(own.about_others(weight))
    if about_diagonal.max() >= max(evidence.max() for evidence in tried):
        best = int(about_diagonal.argmax())
        return PriorChoice(float(_OFFSETS[best]), precision, uncertain)
    pooled = (np.add.reduce(moments.scatters) + weight * uncertain) / (n_free + weight)
    best = max(int(evidence.argmax()) for evidence in tried)
    return PriorChoice(float(_OFFSETS[best]), precision, pooled, float(n_free + weight))


class SharedEvidence:
    """The evidence of classes that share a covariance, for a grid of priors.

    Args:
        moments: The sufficient statistics of the trials.
        variances: The diagonal of the prior scale, shape (n_features,).
        offsets: δ, from 0 up, shape (n_offsets,).
        precisions: κ, from 0 up, shape (n_precisions,).

    Attributes:
        axes: The coordinates in which the prior scale is the identity and the scatter within the classes is
            diagonal, shape (n_features × n_features); ``vectors @ axes`` are in them.
        eigenvalues: The diagonal of that scatter, shape (n_features,).
        is_regular: Whether it is invertible.
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
        self.axes, self.eigenvalues = directions / deviations[:, None], eigenvalues
        self.is_regular = bool(eigenvalues[0] > _SINGULAR * eigenvalues[-1])
        self._inverses = 1.0 / (offsets[:, None] + 1.0 + eigenvalues)
        self._of_covariance = log_covariance_evidence(eigenvalues[None], dof, offsets[:, None])
        self._factors = -0.5 * (n_features + offsets + dof)
        self._means = (means - np.add.reduce(means) / len(means)) @ self.axes
        # A flat prior of the means is the limit of weak ones: only its own constant is infinite.
        weak = np.maximum(precisions, _WEAKEST)[:, None]
        self._weights = weak * counts / (weak + counts)
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


class OwnEvidence:
    """The evidence of classes with covariances of their own, up to a constant.

    The class means have flat priors here, so that only deviations from them count: the restricted likelihood
    of H. D. Patterson and R. Thompson, Biometrika 58 (1971). In the coordinates of `SharedEvidence`, the
    diagonal of the variances, the pooled scatter and all their sums are diagonal: scales of these kinds need
    the eigenvalues of the scatters alone.

    Args:
        moments: The sufficient statistics of the trials, with a scatter for each class.
        shared: The evidence of one covariance, of the same trials.
        offsets: δ, from 0 up, shape (n_offsets,).
    """

    def __init__(self, moments: Moments, shared: SharedEvidence, offsets: FloatArray) -> None:
        self._scatters = shared.axes.T @ moments.scatters @ shared.axes
        self._pooled = shared.eigenvalues
        self._dof = np.maximum(moments.counts - 1.0, 0.0)
        self._offsets = offsets[:, None]

    def about(self, scales: FloatArray) -> FloatArray:
        """Logarithm of the evidence if all classes share a scale that counts as known.

        Args:
            scales: The diagonal of each scale that is tried, shape (n_scales × n_features).

        Returns:
            Shape (n_scales × n_offsets).
        """
        evidence = log_covariance_evidence(self._eigenvalues(scales[:, None]), self._dof, self._offsets)
        log_dets = np.add.reduce(np.log(scales), axis=1)
        return np.asarray(evidence - 0.5 * np.add.reduce(self._dof) * log_dets[:, None])

    def about_others(self, weight: float) -> FloatArray:
        """Logarithm of the evidence if the scale of each class is the pooled covariance of the others.

        The class itself has no part in it: its scatter would fit a scale that was estimated from it too well.
        The sum over the classes is that of the probabilities of each class's trials given those of the
        others, by which scales can be compared: S. Geisser and W. F. Eddy, A predictive approach to model
        selection, J. American Statistical Association 74 (1979). A scale that was estimated widens the prior:
        the relative variances add up, 1/(δ' + 1) = 1/(δ + 1) + 1/ν_T, as in `widen_posterior`.

        A class's share s of the scatter of all in a direction is s/(1 - s) of that of the others, so that no
        scale of the others has to be inverted.

        Args:
            weight: How many trials the diagonal of the variances adds to each scale; at least 1 where the
                others alone have no regular covariance.

        Returns:
            Shape (n_offsets,).
        """
        n_features = len(self._pooled)
        dof = np.add.reduce(self._dof) - self._dof
        weights = np.where(dof > n_features, weight, max(weight, 1.0))
        dof += weights
        scales = self._pooled + weights[:, None]
        shares = self._eigenvalues(scales)
        others = np.maximum(1.0 - shares, _SINGULAR)
        widened = 1.0 / (1.0 / (self._offsets + 1.0) + 1.0 / dof) - 1.0
        evidence = log_covariance_evidence(shares / others * dof[:, None], self._dof, widened)
        log_dets = np.add.reduce(np.log(scales * others), axis=1) - n_features * np.log(dof)
        return np.asarray(evidence - 0.5 * self._dof @ log_dets)

    def _eigenvalues(self, scales: FloatArray) -> FloatArray:
        """Eigenvalues of the scatters relative to diagonal scales, (… × n_classes or 1 × n_features)."""
        roots = 1.0 / np.sqrt(scales)
        whitened = self._scatters * (roots[..., None] * roots[..., None, :])
        return np.asarray(np.maximum(np.linalg.eigvalsh(whitened), 0.0))


def log_covariance_evidence(eigenvalues: FloatArray, dof: FloatArray, offsets: FloatArray) -> FloatArray:
    """Log evidence of scatters about a scale, summed over the covariances, but for the scale's determinant.

    Args:
        eigenvalues: Of each scatter relative to its scale, shape (… × n_covariances × n_features).
        dof: Degrees of freedom of each, shape (n_covariances,).
        offsets: δ, shape (n_offsets × n_covariances), or (n_offsets × 1) if it is the same for all.

    Returns:
        Shape (… × n_offsets).
    """
    n_features, n_offsets = eigenvalues.shape[-1], offsets.shape[1]
    own = n_features + offsets
    gammas = log_multivariate_gamma(n_features, np.concatenate([own, own + dof], axis=1))
    constants = gammas[:, n_offsets:] - gammas[:, :n_offsets] + 0.5 * n_features * own * np.log(offsets + 1.0)
    log_dets = np.add.reduce(np.log(offsets[..., None] + 1.0 + eigenvalues[..., None, :, :]), axis=-1)
    return np.asarray(np.add.reduce(constants - 0.5 * (own + dof) * log_dets, axis=-1))


def log_multivariate_gamma(n_features: int, dof: FloatArray) -> FloatArray:
    """log Γ_p(dof/2) for p features, up to a constant; ``dof`` of any shape and at least p.

    Two neighbours of its p factors are one gamma function, Γ(z)·Γ(z + 1/2) ∝ Γ(2z)/4ᶻ, and these follow from
    the smallest by Γ(x + 1) = x·Γ(x): Abramowitz & Stegun, Handbook of Mathematical Functions, 6.1.18 and
    6.1.15. Right to 1e-13 of the sum.
    """
    n_pairs, is_odd = divmod(n_features, 2)
    least = dof - (2 * n_pairs - 1)
    steps = np.arange(max(0.0, 2.0 * n_pairs - 2.0))
    found = np.log(least[..., None] + steps) @ (n_pairs - 1.0 - steps // 2.0)
    found -= math.log(2.0) * n_pairs * least
    found += n_pairs * _log_gamma(least)
    return found + _log_gamma(0.5 * (dof - n_features + 1.0)) if is_odd else found


def _log_gamma(x: FloatArray) -> FloatArray:
    """log Γ(x) but for a constant: the series of Stirling after a shift by eight, A&S 6.1.41."""
    # x·(x + 1)·…·(x + 7), by the products of the first and the last factor, the second and so on.
    product = x * (x + 7.0)
    product *= (product + 6.0) * (product + 10.0) * (product + 12.0)
    x = x + 8.0
    inverse = 1.0 / x
    square = inverse * inverse
    series = 1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))
    return np.asarray((x - 0.5) * np.log(x) - x + inverse * series - np.log(product))


def _find_maximum(
    evaluate: Callable[[IndexArray, IndexArray], FloatArray], n_rows: int, n_columns: int
) -> tuple[int, int]:
    """Find the largest value of a table by a coarse search, and finer ones around what it found."""
    step = _FIRST_STEP
    rows, columns = np.arange(0, n_rows, step), np.arange(0, n_columns, step)
    while True:
        values = evaluate(rows, columns)
        row, column = divmod(int(values.argmax()), len(columns))
        best = int(rows[row]), int(columns[column])
        if step == 1 and _is_inside(row, rows, n_rows) and _is_inside(column, columns, n_columns):
            return best
        step = max(1, step // 3)
        rows, columns = _neighbours(best[0], step, n_rows), _neighbours(best[1], step, n_columns)


def _neighbours(at: int, step: int, length: int) -> IndexArray:
    return np.arange(max(at - 2 * step, at % step), min(at + 2 * step + 1, length), step)


def _is_inside(at: int, tried: IndexArray, length: int) -> bool:
    """Whether both neighbours of a value have been tried, as far as there are any."""
    return (at > 0 or tried[0] == 0) and (at < len(tried) - 1 or tried[-1] == length - 1)
