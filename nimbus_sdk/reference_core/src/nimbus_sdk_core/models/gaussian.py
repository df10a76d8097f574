"""NimbusLDA and NimbusQDA: Bayesian classifiers with Gaussian classes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from .._types import FloatArray, LabelArray
from ..data.training_set import MAX_ABSOLUTE, TrainingSet, check_range
from ..errors import CoreDataError
from ..stats.niw import NormalInverseWishart, build_weak_prior, update_posterior
from ..stats.student_t import Predictive, Scores, prepare_predictive, score_vectors
from ..stats.sufficient_statistics import Moments, compute_moments
from .base import BayesianClassifier
from .model_card import JsonValue
from .niw_arrays import ARRAYS, check_scores, read_posterior


@dataclass(frozen=True, eq=False)
class GaussianState:
    """Everything a training has learned: replaced as a whole, so that no thread sees half of it.

    Attributes:
        classes: The labels, sorted, shape (n_classes,).
        posterior: The posterior of means and covariances.
        hyper: The hyper-parameters of the training.
    """

    classes: LabelArray
    posterior: NormalInverseWishart
    hyper: Mapping[str, JsonValue]

    @property
    def n_features(self) -> int:
        """Length of the vectors that were learned from."""
        return int(self.posterior.means.shape[1])

    @cached_property
    def predictive(self) -> Predictive:
        """The predictive of the posterior, prepared when it is first used."""
        return prepare_predictive(self.posterior)


class GaussianClassifier(BayesianClassifier):
    """A classifier whose classes are Gaussian, with a conjugate posterior and an exact predictive.

    Attributes:
        dof_offset: Degrees of freedom of the covariance prior above the number of features.
        mean_prior_precision: Weight of the prior of each class mean, in trials.
    """

    parameters: ClassVar[tuple[str, ...]] = ("dof_offset", "mean_prior_precision")
    learned_: GaussianState

    def __init__(self, *, dof_offset: float, mean_prior_precision: float) -> None:
        self.dof_offset = dof_offset
        self.mean_prior_precision = mean_prior_precision

    @staticmethod
    @abstractmethod
    def n_covariances(n_classes: int) -> int:
        """Return the number of covariances of ``n_classes`` classes."""

    @property
    def posterior_(self) -> NormalInverseWishart:
        """The posterior of means and covariances, once trained."""
        self._require_trained()
        return self.learned_.posterior

    def score_trials(self, X: npt.ArrayLike) -> Scores:  # noqa: N803
        """Log posteriors and distances of every trial to every class.

        Args:
            X: Shape (n_trials × n_features).

        Raises:
            NotTrainedError: Not trained yet.
            CoreDataError: Vectors that cannot be used.
        """
        vectors = self._read(X)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = score_vectors(self.learned_.predictive, vectors)
        # Values that are not finite give such distances, of which there are fewer than features.
        if not scores.squared_distances.max(initial=0.0) < MAX_ABSOLUTE**2:
            check_range(vectors)
        return scores

    def arrays(self) -> dict[str, FloatArray]:
        """The posterior as named arrays, for a model file."""
        posterior = self.posterior_
        return {name: getattr(posterior, name) for name in ARRAYS}

    def restore(self, classes: LabelArray, arrays: Mapping[str, FloatArray]) -> Self:
        """Take over a posterior from `arrays`, after checking that it is one.

        Raises:
            CoreDataError: The arrays are not the posterior of such a model.
        """
        self._check_hyper()
        posterior = read_posterior(arrays, len(classes), self.n_covariances(len(classes)))
        self.learned_ = GaussianState(classes, posterior, self._hyper())
        deviations = np.sqrt(np.diagonal(posterior.scatter[0]) / posterior.dof[0])
        check_scores(self.score_trials, self.learned_.predictive.centre, deviations)
        return self

    def _learn(self, given: TrainingSet) -> GaussianState:
        dof_offset, mean_prior_precision = self._check_hyper()
        moments = self._compute_moments(given)
        prior = build_weak_prior(
            moments,
            n_covariances=self.n_covariances(len(given.classes)),
            dof_offset=dof_offset,
            mean_prior_precision=mean_prior_precision,
        )
        return GaussianState(given.classes, update_posterior(prior, moments), self._hyper())

    def _learn_further(self, given: TrainingSet) -> GaussianState:
        before = self.learned_
        posterior = update_posterior(before.posterior, self._compute_moments(given))
        return GaussianState(before.classes, posterior, before.hyper)

    def _compute_moments(self, given: TrainingSet) -> Moments:
        n_classes = len(given.classes)
        return compute_moments(given.vectors, given.index, n_classes, self.n_covariances(n_classes))

    def _hyper(self) -> Mapping[str, JsonValue]:
        return {name: _as_python_number(getattr(self, name)) for name in self.parameters}

    def _check_hyper(self) -> tuple[float, float]:
        return (
            _check_number("dof_offset", self.dof_offset, least=1, most=5),
            _check_number("mean_prior_precision", self.mean_prior_precision, least=0.001, most=0.1),
        )


def _check_number(name: str, value: float, *, least: float, most: float) -> float:
    number = _as_python_number(value)
    hint = f"Give a number from {least} to {most}."
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise CoreDataError(f"{name} is {number!r}, not a number.", hint)
    if not least <= number <= most:
        raise CoreDataError(f"{name} is {number}.", hint)
    return number


def _as_python_number(value: float) -> float:
    """Return the Python number for a NumPy number, and anything else as it is."""
    if isinstance(value, np.integer):
        return int(value)
    # By its digits: float32(0.1) then becomes 0.1, without the rounding error.
    return float(str(value)) if isinstance(value, np.floating) else value


class NimbusLDA(GaussianClassifier):
    """Bayesian linear discriminant analysis: Gaussian classes that share one covariance.

    Conjugate Normal-inverse-Wishart posterior, prediction by the exact Student-t posterior predictive, so
    that few trials give wide posteriors. Known as RxLDAModel in older Nimbus documentation. Sources: Murphy,
    *Machine Learning: A Probabilistic Perspective*, sections 4.2 and 4.6.3; Gelman et al., BDA3, section 3.6.

    The covariance prior assumes uncorrelated features. If they are nearly copies of each other, such as raw
    channels with one reference, apply a spatial filter first (CSP, a common average, PCA); otherwise the
    prior hides their small differences.

    Args:
        dof_offset: From 1 to 5. The covariance prior has n_features + dof_offset degrees of freedom.
        mean_prior_precision: From 0.001 to 0.1. Weight of the prior of each class mean, in trials.

    Examples:
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

    Examples:
        >>> labels = ["wide", "wide", "narrow", "narrow"]
        >>> wide_or_narrow = NimbusQDA().fit([[-3.0], [3.0], [-0.1], [0.1]], labels)
        >>> [str(label) for label in wide_or_narrow.predict([[0.05], [4.0]])]
        ['narrow', 'wide']
    """

    def __init__(self, *, dof_offset: float = 2, mean_prior_precision: float = 0.01) -> None:
        super().__init__(dof_offset=dof_offset, mean_prior_precision=mean_prior_precision)

    @staticmethod
    def n_covariances(n_classes: int) -> int:
        """One for each of ``n_classes``."""
        return n_classes
