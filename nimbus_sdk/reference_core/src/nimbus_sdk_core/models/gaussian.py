"""Bayesian classifiers with Gaussian classes: what NimbusLDA and NimbusQDA are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from .._sklearn import classifier_tags
from .._types import FloatArray, LabelArray
from ..data.training_set import LARGEST, Labelled, check_range, to_learn, to_learn_on
from ..errors import CoreDataError
from ..stats.niw import NormalInverseWishart, update, weak_prior
from ..stats.student_t import Predictive, Scores, evaluate, predictive
from ..stats.sufficient_statistics import Moments, moments
from .base import (
    HyperValue,
    accuracy,
    check_trained,
    check_width,
    describe,
    forget_origin,
    get_params,
    log_probabilities,
    most_probable,
    plain,
    probabilities,
    read,
    set_params,
)
from .model_card import JsonValue, ModelCard
from .niw_arrays import ARRAYS, as_posterior, check_scores


@dataclass(frozen=True, eq=False)
class Learned:
    """All that a training leaves behind: replaced as a whole, so that no thread sees half of it.

    Attributes:
        classes: The labels, sorted, shape (n_classes,).
        posterior: The posterior of means and covariances.
        hyper: The hyper-parameters that it was trained with.
    """

    classes: LabelArray
    posterior: NormalInverseWishart
    hyper: Mapping[str, JsonValue]

    @cached_property
    def ready(self) -> Predictive:
        """Its predictive, prepared when it is first asked for."""
        return predictive(self.posterior)


class GaussianClassifier(ABC):
    """A classifier whose classes are Gaussian, with a conjugate posterior and an exact predictive.

    It speaks scikit-learn's language: hyper-parameters in the constructor, ``fit`` and ``partial_fit`` on a
    (n_trials × n_features) matrix, what was learned in names that end in an underscore. Use the subclasses
    `NimbusLDA` and `NimbusQDA`, and `train_model` where the data are a `BCIData`.

    Attributes:
        dof_offset: Degrees of freedom of the covariance prior above the number of features.
        mean_prior_precision: Weight of the prior of each class mean, in trials.
        card: Name and origin, once `train_model` or `load_model` made the model.
        learned_: All that was learned, once trained.
    """

    card: ModelCard | None = None
    parameters: ClassVar[tuple[str, ...]] = ("dof_offset", "mean_prior_precision")
    learned_: Learned

    def __init__(self, *, dof_offset: float, mean_prior_precision: float) -> None:
        self.dof_offset = dof_offset
        self.mean_prior_precision = mean_prior_precision

    @staticmethod
    @abstractmethod
    def n_covariances(n_classes: int) -> int:
        """How many covariances describe ``n_classes`` classes."""

    @property
    def classes_(self) -> LabelArray:
        """The labels, sorted, once trained."""
        check_trained(self)
        return self.learned_.classes

    @property
    def posterior_(self) -> NormalInverseWishart:
        """The posterior of means and covariances, once trained."""
        check_trained(self)
        return self.learned_.posterior

    @property
    def n_features_in_(self) -> int:
        """Length of the vectors that the trained model reads."""
        return int(self.posterior_.means.shape[1])

    @property
    def hyper(self) -> Mapping[str, JsonValue]:
        """The hyper-parameters by name, as plain numbers: once trained, those of the training."""
        return self.learned_.hyper if hasattr(self, "learned_") else self._hyper()

    def get_params(self, deep: bool = True) -> dict[str, HyperValue]:
        """The hyper-parameters by name, as scikit-learn wants them; ``deep`` changes nothing."""
        return get_params(self)

    def set_params(self, **params: HyperValue) -> Self:
        """Change hyper-parameters for the next ``fit``; what was learned with others stays, also in a file.

        Raises:
            CoreDataError: There is no such hyper-parameter.
        """
        set_params(self, params)
        return self

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Learn from scratch; a card that tells of other data goes.

        Args:
            X: Shape (n_trials × n_features).
            y: Labels, shape (n_trials,).

        Raises:
            CoreDataError: Data or hyper-parameters that cannot be used.
        """
        self._learn(to_learn(X, y))
        forget_origin(self)
        return self

    def partial_fit(
        self,
        X: npt.ArrayLike,  # noqa: N803
        y: npt.ArrayLike,
        classes: npt.ArrayLike | None = None,
    ) -> Self:
        """Go on learning: the posterior becomes the prior. Untrained, this is ``fit``.

        Args:
            X: Shape (n_trials × n_features).
            y: Labels among ``classes_``, shape (n_trials,); classes may be absent.
            classes: All labels there will be, for the first call; by default those in ``y``.

        Raises:
            CoreDataError: Data that cannot be used, or other ``classes`` than before.
        """
        if not hasattr(self, "learned_"):
            return self._learn(to_learn(X, y, classes))
        known = self.learned_
        given = to_learn_on(X, y, known.classes, classes)
        check_width(self, given.vectors)
        return self._take(known.classes, update(known.posterior, self._seen(given)), known.hyper)

    def score_trials(self, X: npt.ArrayLike) -> Scores:  # noqa: N803
        """Log posteriors and distances of every trial to every class.

        Args:
            X: Shape (n_trials × n_features).

        Raises:
            NotTrainedError: Not trained yet.
            CoreDataError: Vectors that cannot be used.
        """
        vectors = read(self, X)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = evaluate(self.learned_.ready, vectors)
        # What is not finite shows in the distances, which are fewer than the features.
        if not scores.squared_distances.max(initial=0.0) < LARGEST**2:
            check_range(vectors)
        return scores

    def predict_proba(self, X: npt.ArrayLike) -> FloatArray:  # noqa: N803
        """Posterior probability of each class, shape (n_trials × n_classes)."""
        return probabilities(self, X)

    def predict_log_proba(self, X: npt.ArrayLike) -> FloatArray:  # noqa: N803
        """Natural logarithms of `predict_proba`, finite also where a probability is too small for a float."""
        return log_probabilities(self, X)

    def predict(self, X: npt.ArrayLike) -> LabelArray:  # noqa: N803
        """The most probable label of each trial, shape (n_trials,)."""
        return most_probable(self, X)

    def score(self, X: npt.ArrayLike, y: npt.ArrayLike) -> float:  # noqa: N803
        """Share of right predictions on trials of shape (n_trials × n_features) with labels ``y``."""
        return accuracy(self, X, y)

    def arrays(self) -> dict[str, FloatArray]:
        """The posterior as named arrays, for a model file."""
        posterior = self.posterior_
        return {name: getattr(posterior, name) for name in ARRAYS}

    def restore(self, classes: LabelArray, arrays: Mapping[str, FloatArray]) -> Self:
        """Take over a posterior from `arrays`, after checking that it is one.

        Raises:
            CoreDataError: The arrays are not the posterior of such a model.
        """
        _check_hyper(plain(self.dof_offset), plain(self.mean_prior_precision))
        found = as_posterior(arrays, len(classes), self.n_covariances(len(classes)))
        self._take(classes, found, self._hyper())
        spread = np.sqrt(np.diagonal(found.scatter[0]) / found.dof[0])
        check_scores(self.score_trials, self.learned_.ready.centre, spread)
        return self

    def __repr__(self) -> str:
        return describe(self)

    def __sklearn_tags__(self) -> object:
        return classifier_tags()

    def _learn(self, given: Labelled) -> Self:
        dof_offset, mean_prior_precision = plain(self.dof_offset), plain(self.mean_prior_precision)
        _check_hyper(dof_offset, mean_prior_precision)
        seen = self._seen(given)
        prior = weak_prior(
            seen,
            n_covariances=self.n_covariances(len(given.classes)),
            dof_offset=dof_offset,
            mean_prior_precision=mean_prior_precision,
        )
        return self._take(given.classes, update(prior, seen), self._hyper())

    def _seen(self, given: Labelled) -> Moments:
        n_classes = len(given.classes)
        return moments(given.vectors, given.index, n_classes, self.n_covariances(n_classes))

    def _hyper(self) -> Mapping[str, JsonValue]:
        return {name: plain(getattr(self, name)) for name in self.parameters}

    def _take(
        self, classes: LabelArray, posterior: NormalInverseWishart, hyper: Mapping[str, JsonValue]
    ) -> Self:
        self.learned_ = Learned(classes, posterior, hyper)
        return self


def _check_hyper(dof_offset: float, mean_prior_precision: float) -> None:
    ranges = (("dof_offset", dof_offset, 1, 5), ("mean_prior_precision", mean_prior_precision, 0.001, 0.1))
    for name, value, least, most in ranges:
        hint = f"Give a number from {least} to {most}."
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise CoreDataError(f"{name} is {value!r}, not a number.", hint)
        if not least <= value <= most:
            raise CoreDataError(f"{name} is {value}.", hint)


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
