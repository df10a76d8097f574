"""NimbusQDA: Bayesian quadratic discriminant analysis."""

from __future__ import annotations

from .gaussian import GaussianClassifier


class NimbusQDA(GaussianClassifier):
    """Bayesian quadratic discriminant analysis: Gaussian classes, each with a covariance of its own.

    For tasks whose classes differ in spread as well as in place, such as the P300; it needs more trials than
    `NimbusLDA`. Posterior and predictive as there, per class; the covariance priors of all classes have the
    same scale, the pooled variance within classes. Known as RxGMMModel in older Nimbus documentation.
    Sources: Murphy, *Machine Learning: A Probabilistic Perspective*, sections 4.2 and 4.6.3; Gelman et al.,
    BDA3, section 3.6.

    Args:
        dof_offset: From 1 to 5. Each covariance prior has n_features + dof_offset degrees of freedom.
        mean_prior_precision: From 0.001 to 0.1. Weight of the prior of each class mean, in trials.

    >>> wide_or_narrow = NimbusQDA().fit([[-3.0], [3.0], [-0.1], [0.1]], ["wide", "wide", "narrow", "narrow"])
    >>> [str(label) for label in wide_or_narrow.predict([[0.05], [4.0]])]
    ['narrow', 'wide']
    """

    def __init__(self, *, dof_offset: float = 2, mean_prior_precision: float = 0.01) -> None:
        super().__init__(dof_offset=dof_offset, mean_prior_precision=mean_prior_precision)

    @staticmethod
    def n_covariances(n_classes: int) -> int:
        """One for each of ``n_classes``."""
        return n_classes
