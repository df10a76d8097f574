"""NimbusProbit: Bayesian multinomial probit regression."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from .arrays import FloatArray, LabelArray
from .card import JsonValue, ModelCard
from .conjugate import update, weak_prior
from .errors import CoreDataError
from .estimator import (
    HyperValue,
    accuracy,
    check_trained,
    check_width,
    describe,
    forget_origin,
    get_params,
    most_probable,
    probabilities,
    read,
    set_params,
)
from .labelled import LARGEST, Labelled, check_range, to_learn, to_learn_on
from .metadata import whole_number
from .moments import Moments, moments
from .predictive import Predictive, Scores, normalised, predictive, squared_distances
from .probit_posterior import ProbitPosterior, from_arrays, standardised, to_arrays
from .probit_predictive import ProbitPredictive, log_shares, probit_predictive
from .probit_prior import ProbitHyper, probit_prior
from .regression import LatentRegression, learn
from .scikit import classifier_tags
from .stored import check_scores

_MOST_CLASSES = 32
_PRIORS = ("N", "xi_beta", "W_beta", "W_df", "W_scale")


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """All that a training leaves behind: replaced as a whole, so that no thread sees half of it.

    Attributes:
        classes: The labels, sorted, shape (n_classes,).
        posterior: What was learned.
        ready: The predictive of its regression.
        usual: The predictive of its one Gaussian for all trials.
        hyper: The hyper-parameters that it was trained with.
    """

    classes: LabelArray
    posterior: ProbitPosterior
    ready: ProbitPredictive
    usual: Predictive
    hyper: Mapping[str, JsonValue]


class NimbusProbit:
    """Bayesian multinomial probit regression: the highest of several noisy scores makes the class.

    The scores are linear in the features, in K - 1 dimensions for K classes, and their noise may be
    correlated. Unlike `NimbusLDA` it says nothing of how the features themselves are spread, which serves
    where they are not Gaussian. Coefficients and noise have a matrix-normal Wishart prior; the posterior is
    variational and the same at every run, the predictive a Student-t integrated over each class's region.
    Known as RxPolyaModel in older Nimbus documentation. Sources: Albert and Chib, JASA 88 (1993); Girolami
    and Rogers, Neural Computation 18 (2006); Imai and van Dyk, J. Econometrics 124 (2005).

    Time grows with the number of classes, since their regions are integrated in one dimension fewer. Measured
    on one core with 400 trials of 16 features, training takes 0.1 s for 2 to 4 classes, 0.7 s for 5, 2.5 s
    for 6, 10 s for 16 and 20 s for 32; decoding takes 0.04 ms a trial for 4 classes, 0.1 ms for 5, 1 ms for
    6, 12 ms for 16 and 60 ms for 32.

    Hyper-parameters are in units of standardised features: each less its mean, divided by its standard
    deviation over the trials of the first training. As for `NimbusLDA`, features that are nearly copies of
    each other should be filtered in space first.

    Args:
        iterations: Turns of the variational algorithm at each ``fit`` or ``partial_fit``.
        N: Unanimous answers that each label stands for, 1 or more.
        xi_beta: Prior mean of the coefficients (ξβ), a number or shape (n_features + 1 × n_classes - 1);
            None for 0.
        W_beta: Their prior precision (Wβ), a number or shape (n_features + 1 × n_features + 1), in units of
            the noise's own; None for 3.
        W_df: Degrees of freedom of the noise precision's Wishart prior, above n_classes - 2; None for
            n_classes + 1.
        W_scale: Its scale, a number or shape (n_classes - 1 × n_classes - 1); None for 1 / W_df.

    Attributes:
        card: Name and origin, once `train_model` or `load_model` made the model.
        learned_: All that was learned, once trained.

    >>> model = NimbusProbit().fit([[0.0], [0.2], [1.0], [1.2]], ["rest", "rest", "move", "move"])
    >>> str(model.predict([[1.1]])[0])
    'move'
    """

    card: ModelCard | None = None
    parameters: ClassVar[tuple[str, ...]] = ("iterations", *_PRIORS)
    learned_: Learned

    def __init__(
        self,
        *,
        iterations: int = 50,
        N: int = 1,  # noqa: N803
        xi_beta: npt.ArrayLike | None = None,
        W_beta: npt.ArrayLike | None = None,  # noqa: N803
        W_df: float | None = None,  # noqa: N803
        W_scale: npt.ArrayLike | None = None,  # noqa: N803
    ) -> None:
        self.iterations = iterations
        self.N = N
        self.xi_beta = xi_beta
        self.W_beta = W_beta
        self.W_df = W_df
        self.W_scale = W_scale

    @property
    def classes_(self) -> LabelArray:
        """The labels, sorted, once trained."""
        check_trained(self)
        return self.learned_.classes

    @property
    def posterior_(self) -> ProbitPosterior:
        """What was learned, once trained."""
        check_trained(self)
        return self.learned_.posterior

    @property
    def n_features_in_(self) -> int:
        """Length of the vectors that the trained model reads."""
        return len(self.posterior_.centre)

    @property
    def hyper(self) -> Mapping[str, JsonValue]:
        """The prior's hyper-parameters by name, arrays as lists: once trained, those of the training."""
        return self.learned_.hyper if hasattr(self, "learned_") else self._hyper()

    def get_params(self, deep: bool = True) -> dict[str, HyperValue]:
        """The parameters by name, as scikit-learn wants them; ``deep`` changes nothing."""
        return get_params(self)

    def set_params(self, **params: HyperValue) -> Self:
        """Change parameters for the next ``fit``; what was learned with others stays, also in a file.

        Raises:
            CoreDataError: There is no such parameter.
        """
        set_params(self, params)
        return self

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Learn from scratch; a card that tells of other data goes.

        Args:
            X: Shape (n_trials × n_features).
            y: Labels, shape (n_trials,).

        Raises:
            CoreDataError: Data or parameters that cannot be used.
        """
        self._begin(to_learn(X, y))
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
            CoreDataError: Data or parameters that cannot be used, or other ``classes`` than before.
        """
        if not hasattr(self, "learned_"):
            return self._begin(to_learn(X, y, classes))
        learned = self.learned_
        given = to_learn_on(X, y, learned.classes, classes)
        check_width(self, given.vectors)
        known = learned.posterior
        regression = self._regress(known.regression, known.centre, known.scale, given)
        usual = update(known.usual, _as_one(given))
        posterior = ProbitPosterior(known.centre, known.scale, regression, usual)
        return self._take(learned.classes, posterior, {**learned.hyper, "N": self._hyper()["N"]})

    def score_trials(self, X: npt.ArrayLike) -> Scores:  # noqa: N803
        """Log posteriors of every trial, and its distance from the trials of the training.

        A probit has no class centres: the distance is the same for every class, under the Student-t
        predictive of one Gaussian for all trials.

        Args:
            X: Shape (n_trials × n_features).

        Raises:
            NotTrainedError: Not trained yet.
            CoreDataError: Vectors that cannot be used.
        """
        vectors, learned = read(self, X), self.learned_
        with np.errstate(over="ignore", invalid="ignore"):
            squared = squared_distances(learned.usual, vectors)
        if not squared.max(initial=0.0) < LARGEST**2:
            check_range(vectors)
        inputs = standardised(learned.posterior.centre, learned.posterior.scale, vectors)
        found, logarithms = normalised(log_shares(learned.ready, inputs))
        n_classes = len(found)
        return Scores(
            posteriors=found.T,
            log_posteriors=logarithms.T,
            squared_distances=squared.repeat(n_classes, axis=0).T,
            dof=learned.usual.dof.repeat(n_classes),
        )

    def predict_proba(self, X: npt.ArrayLike) -> FloatArray:  # noqa: N803
        """Posterior probability of each class, shape (n_trials × n_classes)."""
        return probabilities(self, X)

    def predict(self, X: npt.ArrayLike) -> LabelArray:  # noqa: N803
        """The most probable label of each trial, shape (n_trials,)."""
        return most_probable(self, X)

    def score(self, X: npt.ArrayLike, y: npt.ArrayLike) -> float:  # noqa: N803
        """Share of right predictions on trials of shape (n_trials × n_features) with labels ``y``."""
        return accuracy(self, X, y)

    def arrays(self) -> dict[str, FloatArray]:
        """What was learned as named arrays, for a model file."""
        return to_arrays(self.posterior_)

    def restore(self, classes: LabelArray, arrays: Mapping[str, FloatArray]) -> Self:
        """Take over what `arrays` gave, after checking that it is a posterior.

        Raises:
            CoreDataError: The arrays are not the posterior of such a model.
        """
        _check_classes(classes)
        posterior = from_arrays(arrays, len(classes))
        self._prior(len(posterior.centre), len(classes))
        self._take(classes, posterior, self._hyper())
        check_scores(self.score_trials, posterior.centre, posterior.scale)
        return self

    def __repr__(self) -> str:
        return describe(self)

    def __sklearn_tags__(self) -> object:
        return classifier_tags()

    def _begin(self, given: Labelled) -> Self:
        _check_classes(given.classes)
        prior = self._prior(given.vectors.shape[1], len(given.classes))
        seen = _as_one(given)
        before = weak_prior(seen, n_covariances=1, dof_offset=2, mean_prior_precision=0.01)
        centre, scale = seen.means[0], np.sqrt(np.diagonal(seen.scatters[0]) / seen.counts[0])
        regression = self._regress(prior, centre, scale, given)
        posterior = ProbitPosterior(centre, scale, regression, update(before, seen))
        return self._take(given.classes, posterior, self._hyper())

    def _hyper(self) -> Mapping[str, JsonValue]:
        given = {name: getattr(self, name) for name in _PRIORS}
        return {name: value if value is None else np.asarray(value).tolist() for name, value in given.items()}

    def _prior(self, n_features: int, n_classes: int) -> LatentRegression:
        whole_number("N", self.N, least=1, most=1_000_000)
        hyper = ProbitHyper(self.xi_beta, self.W_beta, self.W_df, self.W_scale)
        return probit_prior(hyper, n_features, n_classes)

    def _regress(
        self, prior: LatentRegression, centre: FloatArray, scale: FloatArray, given: Labelled
    ) -> LatentRegression:
        iterations = whole_number("iterations", self.iterations, least=1, most=2**31 - 1)
        inputs = np.ascontiguousarray(standardised(centre, scale, given.vectors).T)
        return learn(prior, inputs, given.index, copies=self.N, iterations=iterations)

    def _take(self, classes: LabelArray, posterior: ProbitPosterior, hyper: Mapping[str, JsonValue]) -> Self:
        ready, usual = probit_predictive(posterior.regression), predictive(posterior.usual)
        self.learned_ = Learned(classes, posterior, ready, usual, hyper)
        return self


def _as_one(given: Labelled) -> Moments:
    """The moments of all vectors, whatever their label."""
    return moments(given.vectors, np.zeros(len(given.vectors), dtype=np.intp), 1, 1)


def _check_classes(classes: LabelArray) -> None:
    if len(classes) > _MOST_CLASSES:
        raise CoreDataError(
            f"There are {len(classes)} classes; NimbusProbit takes at most {_MOST_CLASSES}.",
            "Use NimbusLDA: it has no such limit.",
        )
