"""NimbusLDA and NimbusQDA: Bayesian classifiers with Gaussian classes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal, Self, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from .._types import FloatArray, IndexArray, LabelArray
from ..data.training_set import MAX_ABSOLUTE, TrainingSet, check_range
from ..errors import CoreDataError
from ..stats.evidence import choose_prior
from ..stats.mean_prior import shrink_means
from ..stats.niw import (
    NormalInverseWishart,
    PriorChoice,
    build_prior,
    check_variation,
    update_posterior,
    widen_posterior,
)
from ..stats.student_t import Predictive, Scores, class_shares, prepare_predictive, score_vectors
from ..stats.sufficient_statistics import Moments, compute_moments, merge_moments
from .base import BayesianClassifier, HyperValue
from .model_card import JsonValue
from .niw_arrays import MOMENTS, check_scores, read_moments
from .protocol import snapshot

Choice: TypeAlias = float | Literal["auto"]

_LARGEST = 1e9

# As large as the sum of shares may be after rounding.
_ONE = 1.0 + 1e-9


@dataclass(frozen=True, eq=False)
class GaussianState:
    """Everything a training has learned: replaced as a whole, so that no thread sees half of it.

    Attributes:
        classes: The labels, sorted, shape (n_classes,).
        moments: The sufficient statistics of all vectors learned from.
        choice: The prior of means and covariances.
        posterior: Their posterior.
        priors: Probability of each class, shape (n_classes,).
        hyper: The hyper-parameters of the training.
    """

    classes: LabelArray
    moments: Moments
    choice: PriorChoice
    posterior: NormalInverseWishart
    priors: FloatArray
    hyper: Mapping[str, JsonValue]

    @property
    def n_features(self) -> int:
        """Length of the vectors that were learned from."""
        return int(self.moments.means.shape[1])

    @cached_property
    def predictive(self) -> Predictive:
        """The predictive of the posterior, prepared when it is first used."""
        return prepare_predictive(self.posterior, self.priors)


class GaussianClassifier(BayesianClassifier):
    """A classifier whose classes are Gaussian, with a conjugate posterior and an exact predictive.

    Attributes:
        dof_offset: Degrees of freedom of the covariance prior above the number of features, or "auto".
        mean_prior_precision: Weight of the prior of each class mean, in trials, or "auto".
        priors: Probability of each class in the order of ``classes_``, or None.
    """

    parameters: ClassVar[tuple[str, ...]] = ("dof_offset", "mean_prior_precision", "priors")
    learned_: GaussianState

    def __init__(
        self, *, dof_offset: Choice, mean_prior_precision: Choice, priors: npt.ArrayLike | None
    ) -> None:
        self.dof_offset = dof_offset
        self.mean_prior_precision = mean_prior_precision
        self.priors = priors

    @staticmethod
    @abstractmethod
    def n_covariances(n_classes: int) -> int:
        """Return the number of covariances of ``n_classes`` classes."""

    @property
    def posterior_(self) -> NormalInverseWishart:
        """The posterior of means and covariances, once trained."""
        self._require_trained()
        return self.learned_.posterior

    @property
    def dof_offset_(self) -> float:
        """The ``dof_offset`` in use, once trained: as given, or chosen by the evidence."""
        self._require_trained()
        return self.learned_.choice.dof_offset

    @property
    def mean_prior_precision_(self) -> float:
        """The ``mean_prior_precision`` in use, once trained: as given, or chosen by the evidence.

        Class means that differ less where trials hardly vary are shrunk by another precision, which is chosen
        with them.
        """
        self._require_trained()
        return self.learned_.choice.mean_prior_precision

    @property
    def priors_(self) -> FloatArray:
        """Probability of each class before its trial is seen, shape (n_classes,), once trained."""
        self._require_trained()
        return self.learned_.priors

    def fit(
        self,
        X: npt.ArrayLike,  # noqa: N803
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Learn from scratch; the card, which describes other data, is removed.

        Args:
            X: Shape (n_trials × n_features).
            y: Labels, shape (n_trials,).
            sample_weight: How many trials each one counts for, shape (n_trials,), not negative: 2 is as if
                the trial were there twice, 0 as if it were not. None for 1 each. Weights that add up to the
                number of classes or less, such as those that boosting divides by their sum, are shares:
                together they count as their effective number of trials, (Σw)² / Σw² (L. Kish, Survey
                Sampling, 1965).

        Raises:
            CoreDataError: Data or parameters that cannot be used.
        """
        return self._train(X, y, sample_weight)

    def partial_fit(
        self,
        X: npt.ArrayLike,  # noqa: N803
        y: npt.ArrayLike,
        classes: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Continue learning: the model is then that of one ``fit`` on all the trials, up to rounding.

        Args:
            X: Shape (n_trials × n_features), one trial or more.
            y: Labels among ``classes_``, shape (n_trials,); classes may be absent.
            classes: All labels there will be, for the first call; by default those in ``y``.
            sample_weight: How many trials each one counts for, as for `fit`, whatever they add up to.

        Raises:
            CoreDataError: Data or parameters that cannot be used, or other ``classes`` than before.
        """
        return self._train_further(X, y, classes, sample_weight)

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
        if not np.maximum.reduce(scores.squared_distances, axis=None, initial=0.0) < MAX_ABSOLUTE**2:
            check_range(vectors)
        return scores

    def summarize(self, vectors: FloatArray, index: IndexArray) -> Moments:
        """Compute the sufficient statistics of trials for `relearn`.

        Args:
            vectors: Shape (n_trials × n_features).
            index: The class of each in ``classes_``, shape (n_trials,).
        """
        n_classes = len(self.classes_)
        return compute_moments(vectors, index, n_classes, self.n_covariances(n_classes))

    def relearn(self, moments: Moments) -> Self:
        """Return a model that has learned from trials with these sufficient statistics instead.

        Args:
            moments: Of classes in the order of ``classes_``.

        Raises:
            NotTrainedError: Not trained yet.
        """
        self._require_trained()
        relearned, before = snapshot(self), self.learned_
        relearned.learned_ = self._conclude(before.classes, moments, before.hyper)
        return relearned

    def arrays(self) -> dict[str, FloatArray]:
        """The sufficient statistics as named arrays, for a model file."""
        self._require_trained()
        return {name: getattr(self.learned_.moments, name) for name in MOMENTS}

    def restore(self, classes: LabelArray, arrays: Mapping[str, FloatArray]) -> Self:
        """Take over sufficient statistics from `arrays`, after checking that they are such.

        Raises:
            CoreDataError: The arrays are not those of such a model.
        """
        moments = read_moments(arrays, len(classes), self.n_covariances(len(classes)))
        self.learned_ = self._conclude(classes, moments, self._hyper())
        posterior = self.learned_.posterior
        deviations = np.sqrt(np.diagonal(posterior.scatter[0]) / posterior.dof[0])
        check_scores(self.score_trials, self.learned_.predictive.centre, deviations)
        return self

    def _learn(self, given: TrainingSet) -> GaussianState:
        moments = self._compute_moments(replace(given, weights=_count_trials(given)))
        check_variation(moments)
        return self._conclude(given.classes, moments, self._hyper())

    def _start_learning(self, given: TrainingSet) -> GaussianState:
        return self._conclude(given.classes, self._compute_moments(given), self._hyper())

    def _learn_further(self, given: TrainingSet) -> GaussianState:
        before = self.learned_
        moments = merge_moments(before.moments, self._compute_moments(given))
        return self._conclude(before.classes, moments, before.hyper)

    def _conclude(
        self, classes: LabelArray, moments: Moments, hyper: Mapping[str, JsonValue]
    ) -> GaussianState:
        """The state that follows from hyper-parameters and the sufficient statistics of all vectors."""
        choice = choose_prior(
            moments,
            dof_offset=_read_choice("dof_offset", hyper),
            mean_prior_precision=_read_choice("mean_prior_precision", hyper),
        )
        if choice.mean_prior_precision == 0.0 and not moments.counts.all():
            raise CoreDataError(
                f"There are no trials of {classes[moments.counts.argmin()]!r} yet, and with "
                "mean_prior_precision = 0 nothing is assumed on its mean.",
                'Give a trial of each class, or mean_prior_precision="auto".',
            )
        exact = update_posterior(build_prior(moments, choice), moments)
        posterior = widen_posterior(exact, moments, choice)
        if choice.mean_prior is not None:
            posterior = shrink_means(posterior, moments, choice.mean_prior)
        priors = _read_priors(hyper["priors"], moments.counts)
        return GaussianState(classes, moments, choice, posterior, priors, hyper)

    def _compute_moments(self, given: TrainingSet) -> Moments:
        n_classes = len(given.classes)
        return compute_moments(
            given.vectors, given.index, n_classes, self.n_covariances(n_classes), given.weights
        )

    def _hyper(self) -> Mapping[str, JsonValue]:
        return {name: _as_json(getattr(self, name)) for name in self.parameters}


def _count_trials(given: TrainingSet) -> FloatArray | None:
    """Weights as numbers of trials: those that add up to one a class or less are shares of what there is."""
    weights, most = given.weights, len(given.classes) * _ONE
    if weights is None or np.add.reduce(weights) > most:
        return weights
    # By their largest, since the squares of small numbers may vanish.
    shares = weights / np.maximum.reduce(weights)
    return np.asarray(shares * (np.add.reduce(shares) / (shares @ shares)))


def _read_choice(name: str, hyper: Mapping[str, JsonValue]) -> float | None:
    """The number that was given, or None for "auto"."""
    value, hint = hyper[name], f'Give "auto" or a number from 0 to {_LARGEST:g}.'
    if value == "auto":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CoreDataError(f"{name} is {value!r}, not a number.", hint)
    if not 0.0 <= value <= _LARGEST:
        raise CoreDataError(f"{name} is {value}.", hint)
    return float(value)


def _read_priors(priors: JsonValue, counts: FloatArray) -> FloatArray:
    """Class priors as given, or else from the frequencies of the classes."""
    if priors is None:
        return class_shares(counts)
    hint = f"Give {len(counts)} numbers from 0 to 1 in the order of classes_, or None for the frequencies."
    try:
        read = np.asarray(priors, dtype=np.float64)
    except (TypeError, ValueError):
        raise CoreDataError("priors hold something that is not a number.", hint) from None
    if read.shape != counts.shape:
        raise CoreDataError(
            f"Number of priors must match number of classes: priors have shape {read.shape}.", hint
        )
    if not (read >= 0.0).all():
        raise CoreDataError("Priors must be non-negative.", hint)
    if not abs(np.add.reduce(read) - 1.0) <= 1e-6:
        raise CoreDataError(f"The sum of the priors should be 1, but it is {np.add.reduce(read):g}.", hint)
    return read


def _as_json(value: HyperValue) -> JsonValue:
    """Return Python numbers and lists for those of NumPy, and anything else as it is."""
    if isinstance(value, np.integer):
        return int(value)
    # By its digits: float32(0.1) then becomes 0.1, without the rounding error.
    if isinstance(value, np.floating):
        return float(str(value))
    if isinstance(value, np.ndarray | tuple | list):
        return cast(JsonValue, np.asarray(value).tolist())
    return cast(JsonValue, value)


class NimbusLDA(GaussianClassifier):
    """Bayesian linear discriminant analysis: Gaussian classes that share one covariance.

    Conjugate Normal-inverse-Wishart posterior, prediction by the exact Student-t posterior predictive, so
    that few trials give wide posteriors. Known as RxLDAModel in older Nimbus documentation. Sources: Murphy,
    *Machine Learning: A Probabilistic Perspective*, sections 4.2 and 4.6.3; Gelman et al., BDA3, section 3.6.

    By default the prior is the one that makes the trials most probable: its strength follows from them, so
    that probabilities are calibrated also for more features than trials. Fixed values as in NimbusSDK.jl are
    ``dof_offset=2, mean_prior_precision=0.01``; they suit few features of many trials.

    The covariance prior assumes uncorrelated features. If they are nearly copies of each other, such as raw
    channels with one reference, apply a spatial filter first (CSP, a common average, PCA); otherwise the
    prior hides their small differences.

    Args:
        dof_offset: From 0 up. The covariance prior has n_features + dof_offset degrees of freedom: the more,
            the more the covariance is shrunk towards its diagonal. "auto" lets the trials decide.
        mean_prior_precision: From 0 up. Weight of the prior of each class mean, in trials: the more, the more
            the class means are shrunk towards each other. "auto" lets the trials decide; if ``dof_offset`` is
            "auto" too, also whether classes differ less in directions in which trials hardly vary.
        priors: Probability of each class in the order of ``classes_``; None for the frequencies in training.

    Examples:
        >>> model = NimbusLDA().fit([[0.0], [0.2], [1.0], [1.2]], ["rest", "rest", "move", "move"])
        >>> str(model.predict([[1.1]])[0])
        'move'
    """

    def __init__(
        self,
        *,
        dof_offset: Choice = "auto",
        mean_prior_precision: Choice = "auto",
        priors: npt.ArrayLike | None = None,
    ) -> None:
        super().__init__(dof_offset=dof_offset, mean_prior_precision=mean_prior_precision, priors=priors)

    @staticmethod
    def n_covariances(n_classes: int) -> int:
        """One, whatever ``n_classes``."""
        return 1

    @property
    def coef_(self) -> FloatArray:
        """Weights of the features in the linear discriminants, once trained, in the shape of scikit-learn's.

        They are those of the posterior's means and covariance: (1 × n_features) for two classes, in favour of
        the second, else (n_classes × n_features). `decision_function` averages over means and covariance
        instead of fixing them, so that it follows ``X @ coef_.T + intercept_`` where trials are many.
        """
        return self._discriminants()[0]

    @property
    def intercept_(self) -> FloatArray:
        """Constants of the linear discriminants, once trained, one for each row of `coef_`."""
        return self._discriminants()[1]

    def _discriminants(self) -> tuple[FloatArray, FloatArray]:
        """T. Hastie, R. Tibshirani and J. Friedman, The Elements of Statistical Learning (2009), 4.3."""
        posterior = self.posterior_
        n_features = posterior.means.shape[1]
        covariance = posterior.scatter[0] / (posterior.dof[0] - n_features + 1.0)
        weights = np.linalg.solve(covariance, posterior.means.T).T
        with np.errstate(divide="ignore"):
            constants = np.log(self.priors_) - 0.5 * (posterior.means * weights).sum(axis=1)
        return (weights, constants) if len(weights) > 2 else (np.diff(weights, axis=0), np.diff(constants))


class NimbusQDA(GaussianClassifier):
    """Bayesian quadratic discriminant analysis: Gaussian classes, each with a covariance of its own.

    For tasks whose classes differ in spread as well as in place; it needs more trials than `NimbusLDA`.
    Posterior and predictive as there, per class. The covariance priors of all classes have the same scale:
    the pooled variance within classes, or, if that makes the trials more probable, their pooled covariance
    as `NimbusLDA` estimates it. Then classes that do not differ in spread are decoded as by `NimbusLDA`.
    Known as RxGMMModel in older Nimbus documentation. Sources: Murphy, *Machine Learning: A Probabilistic
    Perspective*, sections 4.2 and 4.6.3; Gelman et al., BDA3, section 3.6.

    Args:
        dof_offset: From 0 up. Each covariance prior has n_features + dof_offset degrees of freedom: the more,
            the more covariances are shrunk towards the scale of the prior. "auto" lets the trials decide.
        mean_prior_precision: As for `NimbusLDA`.
        priors: Probability of each class in the order of ``classes_``; None for the frequencies in training.

    Examples:
        >>> labels = ["wide"] * 4 + ["narrow"] * 4
        >>> trials = [[-3.0], [3.0], [-2.0], [2.0], [-0.1], [0.1], [-0.2], [0.2]]
        >>> wide_or_narrow = NimbusQDA().fit(trials, labels)
        >>> [str(label) for label in wide_or_narrow.predict([[0.05], [4.0]])]
        ['narrow', 'wide']
    """

    def __init__(
        self,
        *,
        dof_offset: Choice = "auto",
        mean_prior_precision: Choice = "auto",
        priors: npt.ArrayLike | None = None,
    ) -> None:
        super().__init__(dof_offset=dof_offset, mean_prior_precision=mean_prior_precision, priors=priors)

    @staticmethod
    def n_covariances(n_classes: int) -> int:
        """One for each of ``n_classes``."""
        return n_classes
