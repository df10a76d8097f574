"""How far trials are from one without any effect, for models that have not seen such trials.

The likelihood ratio is the best test that there is: J. Neyman and E. S. Pearson, Phil. Trans. R. Soc. A 231
(1933). What a trial without an effect looks like follows from the classes where an effect changes some
features and leaves the others as they are: each feature is then as in the classes that do not change it. That
is the median of the class means if most classes do not. If most classes change it, it is the largest mean
where effects lower features, as imagined movement does with the power of its rhythm (G. Pfurtscheller and F.
H. Lopes da Silva, Clinical Neurophysiology 110, 1999), and the smallest one where effects raise them, as
flicker does with the power at its frequency.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .._types import FloatArray
from ..data.metadata import BCIMetadata
from ..stats.niw import NormalInverseWishart
from ..stats.student_t import Predictive, log_mixture, prepare_predictive
from .gaussian import GaussianClassifier, GaussianState
from .protocol import Decoder

MOST_BITS = 1e6

_POWERS = frozenset({"bandpower", "csp"})


def measure_distinctness(model: Decoder, vectors: FloatArray, metadata: BCIMetadata) -> FloatArray:
    """Measure how much more probable trials are under the classes than without an effect, in bits.

    For a model without densities, it is how far the posterior is from the class priors.

    Args:
        model: A trained model.
        vectors: Shape (n_trials × n_features).
        metadata: Of the trials: what an effect does to the features.

    Returns:
        Shape (n_trials,); negative where a trial is nearer to one without an effect.
    """
    if isinstance(model, GaussianClassifier):
        state = model.learned_
        found = log_mixture(state.predictive, vectors)
        found -= log_mixture(_prepare_rest(state, metadata), vectors)
    else:
        found = _measure_evenness(model.score_trials(vectors).log_posteriors, model.priors_)
    return np.asarray(np.clip(found / np.log(2.0), -MOST_BITS, MOST_BITS))


def describe_rest(posterior: NormalInverseWishart, metadata: BCIMetadata) -> NormalInverseWishart:
    """Beliefs on trials without an effect: two or three kinds, with the covariance of the classes.

    Args:
        posterior: Beliefs on the classes.
        metadata: What an effect does to the features; without powers it may raise or lower them.
    """
    known = metadata.paradigm if metadata.feature_type in _POWERS else ""
    kinds = [np.median(posterior.means, axis=0)]
    if known != "ssvep":
        kinds.append(posterior.means.max(axis=0))
    if known != "motor_imagery":
        kinds.append(posterior.means.min(axis=0))
    return NormalInverseWishart(
        counts=np.full(len(kinds), posterior.counts.mean()),
        precision=np.full(len(kinds), posterior.precision.mean()),
        means=np.stack(kinds),
        dof=posterior.dof.mean(keepdims=True),
        scatter=posterior.scatter.mean(axis=0, keepdims=True),
    )


# Models decode many trials in a row; those that adapt need another one after each.
@lru_cache(maxsize=4)
def _prepare_rest(state: GaussianState, metadata: BCIMetadata) -> Predictive:
    rest = describe_rest(state.posterior, metadata)
    return prepare_predictive(rest, np.full(len(rest.means), 1.0 / len(rest.means)))


def _measure_evenness(log_posteriors: FloatArray, priors: FloatArray) -> FloatArray:
    """Kullback-Leibler divergence of the posterior from the priors, shape (n_trials,).

    It is the likelihood ratio of the mixture of the classes to the geometric mean of their densities, which
    for Gaussian classes of one covariance and equal priors is a Gaussian about their common mean.
    """
    possible = priors > 0.0
    ratios = log_posteriors[:, possible] - np.log(priors[possible])
    return np.asarray(-(ratios * priors[possible]).sum(axis=1))
