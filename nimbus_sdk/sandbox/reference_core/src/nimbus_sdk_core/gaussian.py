"""Bayesian classifiers with Gaussian classes: what NimbusLDA and NimbusQDA are."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

import numpy as np
import numpy.typing as npt

from .arrays import FloatArray, LabelArray
from .card import ModelCard
from .conjugate import NormalInverseWishart, update, weak_prior
from .diagnosis import posteriors
from .errors import CoreDataError, NotTrainedError
from .labelled import LARGEST, as_matrix, check_range, to_learn, to_learn_on
from .moments import moments
from .predictive import Predictive, Scores, evaluate, predictive

_ARRAYS = ("counts", "precision", "means", "dof", "scatter")


class GaussianClassifier(ABC):
    """A classifier whose classes are Gaussian, with a conjugate posterior and an exact predictive.

    It speaks scikit-learn's language: hyper-parameters in the constructor, ``fit`` and ``partial_fit`` on a
    (n_trials × n_features) matrix, what was learned in names that end in an underscore. Use the subclasses
    `NimbusLDA` and `NimbusQDA`, and `train_model` where the data are a `BCIData`.

    Attributes:
        dof_offset: Degrees of freedom of the covariance prior above the number of features.
        mean_prior_precision: Weight of the prior of each class mean, in trials.
        card: Name and origin, once `train_model` or `load_model` made the model.
        classes_: The labels, sorted, once trained.
        posterior_: The posterior of means and covariances, once trained.
    """

    card: ModelCard | None
    classes_: LabelArray
    posterior_: NormalInverseWishart
    _ready: Predictive

    def __init__(self, *, dof_offset: float = 2, mean_prior_precision: float = 0.01) -> None:
        self.dof_offset = dof_offset
        self.mean_prior_precision = mean_prior_precision
        self.card = None

    @staticmethod
    @abstractmethod
    def n_covariances(n_classes: int) -> int:
        """How many covariances describe ``n_classes`` classes."""

    @property
    def n_features_in_(self) -> int:
        """Length of the vectors that the trained model reads."""
        return int(self._learned().means.shape[1])

    @property
    def hyper(self) -> Mapping[str, float]:
        """The hyper-parameters by name."""
        return {"dof_offset": self.dof_offset, "mean_prior_precision": self.mean_prior_precision}

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Learn from scratch.

        Args:
            X: Shape (n_trials × n_features).
            y: Labels, shape (n_trials,).

        Raises:
            CoreDataError: Data or hyper-parameters that cannot be used.
        """
        _check_hyper(self.dof_offset, self.mean_prior_precision)
        given = to_learn(X, y)
        seen = moments(given.vectors, given.index, len(given.classes))
        prior = weak_prior(
            seen,
            n_covariances=self.n_covariances(len(given.classes)),
            dof_offset=self.dof_offset,
            mean_prior_precision=self.mean_prior_precision,
        )
        return self._take(given.classes, update(prior, seen))

    def partial_fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Go on learning: the posterior becomes the prior. Untrained, this is ``fit``.

        Args:
            X: Shape (n_trials × n_features).
            y: Labels among ``classes_``, shape (n_trials,); classes may be absent.

        Raises:
            CoreDataError: Data that cannot be used.
        """
        if not hasattr(self, "posterior_"):
            return self.fit(X, y)
        given = to_learn_on(X, y, self.classes_)
        self._check_width(given.vectors)
        seen = moments(given.vectors, given.index, len(self.classes_))
        return self._take(self.classes_, update(self.posterior_, seen))

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
            scores = evaluate(self._ready, vectors)
        # What is not finite shows in the distances, which are fewer than the features.
        if not scores.squared_distances.max(initial=0.0) < LARGEST**2:
            check_range(vectors)
        return scores

    def predict_proba(self, X: npt.ArrayLike) -> FloatArray:  # noqa: N803
        """Posterior probability of each class, shape (n_trials × n_classes)."""
        return posteriors(self, self._read(X)).T

    def predict(self, X: npt.ArrayLike) -> LabelArray:  # noqa: N803
        """The most probable label of each trial, shape (n_trials,)."""
        best = posteriors(self, self._read(X)).argmax(axis=0)
        return np.asarray(self.classes_[best])

    def arrays(self) -> dict[str, FloatArray]:
        """The posterior as named arrays, for a model file."""
        learned = self._learned()
        return {name: getattr(learned, name) for name in _ARRAYS}

    def restore(self, classes: LabelArray, arrays: Mapping[str, FloatArray]) -> Self:
        """Take over a posterior from `arrays`, after checking that it is one.

        Raises:
            CoreDataError: The arrays are not the posterior of such a model.
        """
        _check_hyper(self.dof_offset, self.mean_prior_precision)
        return self._take(classes, _as_posterior(arrays, len(classes), self.n_covariances(len(classes))))

    def __repr__(self) -> str:
        kind = type(self).__name__
        if not hasattr(self, "posterior_"):
            settings = ", ".join(f"{name}={value}" for name, value in self.hyper.items())
            return f"{kind}({settings})"
        facts = [f"{self.n_features_in_} features", f"{len(self.classes_)} classes"]
        if self.card is not None:
            facts.insert(0, repr(self.card.name))
            facts += ["trained on simulated data"] if self.card.simulated else []
        return f"<{kind} {', '.join(facts)}>"

    def _take(self, classes: LabelArray, posterior: NormalInverseWishart) -> Self:
        self._ready = predictive(posterior)
        self.classes_, self.posterior_ = classes, posterior
        return self

    def _learned(self) -> NormalInverseWishart:
        if not hasattr(self, "posterior_"):
            raise NotTrainedError(
                f"This {type(self).__name__} is not trained.",
                "Call fit(), train_model() or load_model() first.",
            )
        return self.posterior_

    def _read(self, X: npt.ArrayLike) -> FloatArray:  # noqa: N803
        self._learned()
        vectors = as_matrix(X)
        self._check_width(vectors)
        return vectors

    def _check_width(self, vectors: FloatArray) -> None:
        if vectors.shape[1] != self.n_features_in_:
            raise CoreDataError(
                f"X has {vectors.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input; found shape {vectors.shape}.",
                "Give the features the model was trained on.",
            )


def _check_hyper(dof_offset: float, mean_prior_precision: float) -> None:
    ranges = (("dof_offset", dof_offset, 1, 5), ("mean_prior_precision", mean_prior_precision, 0.001, 0.1))
    for name, value, least, most in ranges:
        hint = f"Give a number from {least} to {most}."
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise CoreDataError(f"{name} is {value!r}, not a number.", hint)
        if not least <= value <= most:
            raise CoreDataError(f"{name} is {value}.", hint)


def _as_posterior(
    arrays: Mapping[str, FloatArray], n_classes: int, n_covariances: int
) -> NormalInverseWishart:
    hint = "The arrays do not belong to a model of this kind."
    if set(arrays) != set(_ARRAYS) or arrays["means"].ndim != 2:
        raise CoreDataError(f"A posterior has the arrays {', '.join(_ARRAYS)}; found {sorted(arrays)}.", hint)
    n_features = arrays["means"].shape[1]
    shapes = {
        "counts": (n_classes,),
        "precision": (n_classes,),
        "means": (n_classes, n_features),
        "dof": (n_covariances,),
        "scatter": (n_covariances, n_features, n_features),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.float64:
            raise CoreDataError(
                f"{name} is {arrays[name].dtype} {arrays[name].shape}, expected float64 {shape}.", hint
            )
        if not np.isfinite(arrays[name]).all():
            raise CoreDataError(f"{name} holds values that are not finite.", hint)
    if (
        (arrays["counts"] < 0).any()
        or (arrays["precision"] <= 0).any()
        or (arrays["dof"] <= n_features - 1).any()
    ):
        raise CoreDataError("A count, a precision or the degrees of freedom are out of range.", hint)
    if n_features == 0 or (arrays["scatter"] != arrays["scatter"].transpose(0, 2, 1)).any():
        raise CoreDataError("The scatter is not a symmetric matrix.", hint)
    return NormalInverseWishart(**{name: arrays[name] for name in _ARRAYS})
