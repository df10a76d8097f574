"""BayesianClassifier: what all model kinds offer, in the words of scikit-learn's estimators."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from .._repr import format_html_table
from .._sklearn import Joinable, classifier_tags, join_sklearn, not_fitted_error
from .._types import FloatArray, LabelArray
from ..data.feature_names import FeatureNames, check_feature_names, read_feature_names
from ..data.training_set import (
    TrainingSet,
    read_further_training_set,
    read_training_set,
    read_trial_labels,
    read_vectors,
    read_weights,
)
from ..errors import CoreDataError, NotTrainedError
from ..stats.student_t import Scores
from .model_card import JsonValue, ModelCard
from .protocol import snapshot
from .scoring import log_posteriors, posteriors

HyperValue: TypeAlias = npt.ArrayLike | None


class TrainedState(Protocol):
    """Everything a training has learned: replaced as a whole, so that no thread sees half of it."""

    @property
    def classes(self) -> LabelArray:
        """The labels, sorted, shape (n_classes,)."""
        ...

    @property
    def n_features(self) -> int:
        """Length of the vectors that were learned from."""
        ...

    @property
    def hyper(self) -> Mapping[str, JsonValue]:
        """The hyper-parameters of the training."""
        ...


class BayesianClassifier(Joinable, ABC):
    """A Bayesian classifier with the interface of scikit-learn.

    Hyper-parameters are given to the constructor, ``fit`` and ``partial_fit`` take a (n_trials × n_features)
    matrix, and what was learned is in names that end in an underscore. Use `NimbusLDA`, `NimbusQDA` or
    `NimbusProbit`, and `train_model` where the data are a `BCIData`.

    Attributes:
        card: Name and origin, once `train_model` or `load_model` made the model.
        parameters: Names of the constructor's parameters.
        learned_: All that was learned, once trained.
    """

    card: ModelCard | None = None
    parameters: ClassVar[tuple[str, ...]]
    learned_: TrainedState
    _feature_names: FeatureNames | None = None

    @property
    def classes_(self) -> LabelArray:
        """The labels, sorted, once trained."""
        self._require_trained()
        return self.learned_.classes

    @property
    def n_features_in_(self) -> int:
        """Length of the vectors that the trained model reads."""
        self._require_trained()
        return self.learned_.n_features

    @property
    @abstractmethod
    def priors_(self) -> FloatArray:
        """Probability of each class before its trial is seen, shape (n_classes,), once trained."""

    @property
    def feature_names_in_(self) -> npt.NDArray[np.object_]:
        """Names of the features, once trained on a data frame whose columns have texts as names."""
        if self._feature_names is None:
            raise NotTrainedError(
                f"This {type(self).__name__} knows no names of features.", "Train it on a data frame."
            )
        return np.array(self._feature_names, dtype=object)

    @property
    def hyper(self) -> Mapping[str, JsonValue]:
        """The hyper-parameters by name, as JSON values: once trained, those of the training."""
        return self.learned_.hyper if hasattr(self, "learned_") else self._hyper()

    def get_params(self, deep: bool = True) -> dict[str, HyperValue]:
        """The constructor's parameters by name, as given; ``deep`` is ignored."""
        return {name: getattr(self, name) for name in self.parameters}

    def set_params(self, **params: HyperValue) -> Self:
        """Change parameters for the next ``fit``; what was learned with others stays, also in a file.

        Raises:
            CoreDataError: There is no such parameter.
        """
        for name, value in params.items():
            if name not in self.parameters:
                raise CoreDataError(
                    f"{type(self).__name__} has no parameter {name!r}.",
                    f"It has {', '.join(self.parameters)}.",
                )
            setattr(self, name, value)
        return self

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Learn from scratch; the card, which describes other data, is removed.

        Args:
            X: Shape (n_trials × n_features).
            y: Labels, shape (n_trials,).

        Raises:
            CoreDataError: Data or parameters that cannot be used.
        """
        return self._train(X, y, None)

    def partial_fit(
        self,
        X: npt.ArrayLike,  # noqa: N803
        y: npt.ArrayLike,
        classes: npt.ArrayLike | None = None,
    ) -> Self:
        """Continue learning. Untrained, this is ``fit``, with one trial or more.

        Args:
            X: Shape (n_trials × n_features).
            y: Labels among ``classes_``, shape (n_trials,); classes may be absent.
            classes: All labels there will be, for the first call; by default those in ``y``.

        Raises:
            CoreDataError: Data or parameters that cannot be used, or other ``classes`` than before.
        """
        return self._train_further(X, y, classes, None)

    @abstractmethod
    def score_trials(self, X: npt.ArrayLike) -> Scores:  # noqa: N803
        """Log posteriors and distances of every trial to every class.

        Args:
            X: Shape (n_trials × n_features).

        Raises:
            NotTrainedError: Not trained yet.
            CoreDataError: Vectors that cannot be used.
        """

    def predict_proba(self, X: npt.ArrayLike) -> FloatArray:  # noqa: N803
        """Posterior probability of each class, shape (n_trials × n_classes)."""
        model = snapshot(self)
        return posteriors(model, model._read_named(X)).T

    def predict_log_proba(self, X: npt.ArrayLike) -> FloatArray:  # noqa: N803
        """Natural logarithms of `predict_proba`, finite also where a probability is too small for a float."""
        model = snapshot(self)
        return log_posteriors(model, model._read_named(X)).T

    def decision_function(self, X: npt.ArrayLike) -> FloatArray:  # noqa: N803
        """Evidence for the classes, as scikit-learn defines it: the largest is the prediction.

        Args:
            X: Shape (n_trials × n_features).

        Returns:
            For two classes the log odds of the second, shape (n_trials,); for more the log posterior of each,
            shape (n_trials × n_classes).
        """
        logarithms = self.predict_log_proba(X)
        return logarithms[:, 1] - logarithms[:, 0] if logarithms.shape[1] == 2 else logarithms

    def predict(self, X: npt.ArrayLike) -> LabelArray:  # noqa: N803
        """The most probable label of each trial, shape (n_trials,)."""
        model = snapshot(self)
        best = posteriors(model, model._read_named(X)).argmax(axis=0)
        return np.asarray(model.classes_[best])

    def score(
        self,
        X: npt.ArrayLike,  # noqa: N803
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Share of trials of shape (n_trials × n_features) that `predict` gives the label in ``y``.

        Raises:
            CoreDataError: No trials, or not as many labels or weights as trials.
        """
        predictions = np.asarray(self.predict(X))
        expected = read_trial_labels(y, len(predictions))
        weights = read_weights(sample_weight, len(predictions))
        if not len(predictions):
            raise CoreDataError("There are no trials to score.", "Give at least one.")
        return float(np.average(predictions == expected, weights=weights))

    @abstractmethod
    def arrays(self) -> dict[str, FloatArray]:
        """What was learned as named arrays, for a model file."""

    @abstractmethod
    def restore(self, classes: LabelArray, arrays: Mapping[str, FloatArray]) -> Self:
        """Take over what `arrays` gave, after checking that it is a posterior.

        Raises:
            CoreDataError: The arrays are not the posterior of such a model.
        """

    def __repr__(self) -> str:
        kind = type(self).__name__
        if not hasattr(self, "classes_"):
            return f"{kind}({', '.join(f'{name}={value!r}' for name, value in self.get_params().items())})"
        parts = [f"{self.n_features_in_} features", f"{len(self.classes_)} classes"]
        if self.card is not None:
            parts.insert(0, repr(self.card.name))
            parts += ["trained on simulated data"] if self.card.simulated else []
        return f"<{kind} {', '.join(parts)}>"

    def _repr_html_(self) -> str:
        """A small table for notebooks; every value escaped."""
        kind, hyper = type(self).__name__, [(name, str(value)) for name, value in self.get_params().items()]
        if not hasattr(self, "classes_"):
            return format_html_table(f"{kind}, not trained", hyper)
        summary = [
            ("features", str(self.n_features_in_)),
            ("classes", ", ".join(map(str, self.classes_.tolist()))),
        ]
        if self.card is None:
            return format_html_table(kind, summary, hyper)
        metadata = self.card.metadata
        summary += [("paradigm", metadata.paradigm), ("feature type", metadata.feature_type)]
        if self.card.simulated:
            summary.append(("trained on", "simulated data"))
        fields = [(field.name, str(getattr(metadata, field.name))) for field in dataclasses.fields(metadata)]
        details = [(name, str(value)) for name, value in self.card.details.items()]
        about = [("description", self.card.description)] if self.card.description else []
        return format_html_table(f"{kind} {self.card.name}", summary, [*about, *fields, *details, *hyper])

    def __sklearn_tags__(self) -> object:
        return classifier_tags()

    @abstractmethod
    def _learn(self, given: TrainingSet) -> TrainedState:
        """The state after learning from scratch."""

    @abstractmethod
    def _learn_further(self, given: TrainingSet) -> TrainedState:
        """The state after learning with the posterior so far as the prior."""

    @abstractmethod
    def _hyper(self) -> Mapping[str, JsonValue]:
        """The hyper-parameters as they are set now, as JSON values."""

    def _train(self, X: npt.ArrayLike, y: npt.ArrayLike, weights: npt.ArrayLike | None) -> Self:  # noqa: N803
        names = read_feature_names(X)
        self.learned_ = self._learn(read_training_set(X, y, weights=weights))
        # Only what changes: scikit-learn forbids attributes that fit() adds.
        if self._feature_names != names:
            self._feature_names = names
        if self.card is not None:
            self.card = None
        return self

    def _train_further(
        self,
        X: npt.ArrayLike,  # noqa: N803
        y: npt.ArrayLike,
        classes: npt.ArrayLike | None,
        weights: npt.ArrayLike | None,
    ) -> Self:
        names = read_feature_names(X)
        if not hasattr(self, "learned_"):
            self.learned_ = self._start_learning(read_training_set(X, y, classes, weights))
            if names is not None:
                self._feature_names = names
            return self
        # Another thread may replace what was learned; classes and posterior must be of one training.
        before = snapshot(self)
        given = read_further_training_set(X, y, before.classes_, classes, weights)
        check_feature_names(type(self).__name__, before._feature_names, names)
        before._check_width(given.vectors)
        self.learned_ = before._learn_further(given)
        return self

    def _start_learning(self, given: TrainingSet) -> TrainedState:
        """The state after a first ``partial_fit``, whose trials may be too few to learn from alone."""
        return self._learn(given)

    def _require_trained(self) -> None:
        if not hasattr(self, "learned_"):
            raise not_fitted_error(
                f"This {type(self).__name__} is not trained.",
                "Call fit(), train_model() or load_model() first.",
            )

    def _read_named(self, vectors: npt.ArrayLike) -> FloatArray:
        """Read vectors for a trained model, and compare the names of their features with the training's."""
        self._require_trained()
        check_feature_names(type(self).__name__, self._feature_names, read_feature_names(vectors))
        return self._read(vectors)

    def _read(self, vectors: npt.ArrayLike) -> FloatArray:
        """Read vectors for a trained model; their values are not checked."""
        self._require_trained()
        read = read_vectors(vectors)
        self._check_width(read)
        return read

    def _check_width(self, vectors: FloatArray) -> None:
        if vectors.shape[1] != self.n_features_in_:
            raise CoreDataError(
                f"X has {vectors.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input; found shape {vectors.shape}.",
                "Give the features the model was trained on.",
            )


join_sklearn(BayesianClassifier)
