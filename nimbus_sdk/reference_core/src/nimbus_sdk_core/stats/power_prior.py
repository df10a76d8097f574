"""How much earlier trials count for new ones: the power prior of Gaussian classes.

Earlier trials enter the prior with their likelihood raised to a power from 0 to 1, as if there were fewer of
them: J. G. Ibrahim and M.-H. Chen, Power prior distributions for regression models, Statistical Science 15
(2000). The power may be chosen by the probability that it gives to the new trials.
"""

from __future__ import annotations

import math

import numpy as np

from .niw import NormalInverseWishart, PriorChoice, build_prior, update_posterior
from .sufficient_statistics import Moments, scale_moments

WEIGHTS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01)


def choose_weight(base: Moments, new: Moments, choice: PriorChoice, *, change: float = 0.5) -> float:
    """Choose how much the earlier trials count for the new ones, by the evidence.

    Args:
        base: Statistics of the earlier trials.
        new: Statistics of the new trials.
        choice: The prior before any of them.
        change: Probability, before the new trials are seen, that earlier ones count less.
    """
    unchanged = log_predictive(base, new, choice) + math.log1p(-change)
    share = math.log(change / (len(WEIGHTS) - 1))
    heights = [log_predictive(scale_moments(base, weight), new, choice) + share for weight in WEIGHTS[1:]]
    best = int(np.argmax(heights))
    return WEIGHTS[1 + best] if heights[best] > unchanged else 1.0


def log_predictive(base: Moments, new: Moments, choice: PriorChoice) -> float:
    """Logarithm of the probability density of new trials, given earlier ones.

    The ratio of the normalising constants of the posterior with and without them: K. P. Murphy, Machine
    Learning: A Probabilistic Perspective (2012), section 4.6.3.7.

    Args:
        base: Statistics of the earlier trials, or of a share of them.
        new: Statistics of the new trials.
        choice: The prior before any of them.
    """
    before = update_posterior(build_prior(base, choice), base)
    after = update_posterior(before, new)
    n_features = base.means.shape[1]
    constant = 0.5 * n_features * math.log(math.pi) * float(np.add.reduce(new.counts))
    return float(_log_normalizer(after) - _log_normalizer(before) - constant)


def _log_normalizer(beliefs: NormalInverseWishart) -> float:
    """Logarithm of the normalising constant of a Normal-inverse-Wishart, without powers of 2 and π."""
    n_features = beliefs.means.shape[1]
    of_means = -0.5 * n_features * np.add.reduce(np.log(beliefs.precision))
    of_covariances = -0.5 * beliefs.dof @ np.linalg.slogdet(beliefs.scatter)[1]
    # Few numbers, for which a loop is faster than arrays.
    gammas = (math.lgamma(0.5 * (nu - k)) for nu in beliefs.dof.tolist() for k in range(n_features))
    return float(of_means + of_covariances) + math.fsum(gammas)
