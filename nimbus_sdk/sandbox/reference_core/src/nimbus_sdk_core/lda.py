"""NimbusLDA: Bayesian linear discriminant analysis."""

from __future__ import annotations

from .gaussian import GaussianClassifier


class NimbusLDA(GaussianClassifier):
    """Bayesian linear discriminant analysis: Gaussian classes that share one covariance.

    Conjugate Normal-inverse-Wishart posterior, prediction by the exact Student-t posterior predictive, so
    that few trials give honest (wide) posteriors. Known as RxLDAModel in older Nimbus documentation.
    Sources: Murphy, *Machine Learning: A Probabilistic Perspective*, sections 4.2 and 4.6.3; Gelman et al.,
    BDA3, section 3.6.

    The covariance prior takes features to be uncorrelated. Where they are nearly copies of each other, such
    as raw channels with one reference, filter in space first (CSP, a common average, PCA), or the prior
    hides the little in which they differ.

    Args:
        dof_offset: From 1 to 5. The covariance prior has n_features + dof_offset degrees of freedom.
        mean_prior_precision: From 0.001 to 0.1. Weight of the prior of each class mean, in trials.

    >>> model = NimbusLDA().fit([[0.0], [0.2], [1.0], [1.2]], ["rest", "rest", "move", "move"])
    >>> str(model.predict([[1.1]])[0])
    'move'
    """

    def __init__(self, *, dof_offset: float = 2, mean_prior_precision: float = 0.01) -> None:
        super().__init__(dof_offset=dof_offset, mean_prior_precision=mean_prior_precision)

    @staticmethod
    def n_covariances(n_classes: int) -> int:
        """One, whatever ``n_classes``."""
        return 1
