"""NimbusProbit: Bayesian multinomial probit regression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from .._sklearn import classifier_tags
from .._types import FloatArray, LabelArray
from ..data.argument_checks import whole_number
from ..data.training_set import LARGEST, Labelled, check_range, to_learn, to_learn_on
from ..stats.niw import update, weak_prior
from ..stats.student_t import Scores, normalised, squared_distances
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
    probabilities,
    read,
    set_params,
)
from .model_card import JsonValue, ModelCard
from .niw_arrays import check_scores
from .probit_predictive import log_shares
from .probit_prior import ProbitHyper, probit_prior
from .probit_regression import Found, LatentRegression, learn
from .probit_state import (
    Learned,
    ProbitPosterior,
    from_arrays,
    learned,
    standardised,
    to_arrays,
    warn_where_it_moves,
)

_PRIORS = ("N", "xi_beta", "W_beta", "W_df", "W_scale")


class NimbusProbit:
    """Bayesian multinomial probit regression: the highest of several noisy scores makes the class.

    The scores are linear in the features, in K - 1 dimensions for K classes, and their noise may be
    correlated. Unlike `NimbusLDA` it says nothing of how the features themselves are spread, which serves
    where they are not Gaussian. Coefficients and noise have a matrix-normal Wishart prior; the posterior is
    variational and the same at every run, the predictive a Student-t integrated over each class's region.
    Known as RxPolyaModel in older Nimbus documentation. Sources: Albert and Chib, JASA 88 (1993); Girolami
    and Rogers, Neural Computation 18 (2006); Imai and van Dyk, J. Econometrics 124 (2005).

    Time grows with the number of classes, since their regions are integrated in one dimension fewer. Measured
    on one core with 400 trials of 16 features, training takes 0.03 to 0.2 s for 2 to 4 classes, 1 s for 5,
    4 s for 6, 20 s for 16 and 50 s for 32; decoding takes 0.04 ms a trial for 4 classes, 0.1 ms for 5, 1 ms
    for 6, 12 ms for 16 and 60 ms for 32.

    Hyper-parameters are in units of standardised features: each less its mean, divided by its standard
    deviation over the trials of the first training. As for `NimbusLDA`, features that are nearly copies of
    each other should be filtered in space first.

    Args:
        iterations: Most turns of the variational algorithm at each ``fit`` or ``partial_fit``. It ends where
            nothing moves by more than 1e-5 standard deviations of the noise, mostly after 10 to 90 turns, and
            warns (`ConvergenceWarning`) where the last one moved something by 3e-4.
        N: Unanimous answers that each label stands for, 1 or more.
        xi_beta: Prior mean of the coefficients (ξβ), a number or shape (n_features + 1 × n_classes - 1);
            None for 0.
        W_beta: Their prior precision (Wβ), a number or shape (n_features + 1 × n_features + 1), in units of
            the noise's own; None for 3. A smaller number trusts the trials more: better where classes are far
            apart, overconfident elsewhere. `probit_prior` has the measurements; the log loss decides::

                GridSearchCV(NimbusProbit(), {"W_beta": [0.3, 1, 3, 10]}, scoring="neg_log_loss")

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
        """The prior's by name, arrays as lists: once trained, those of the training; no ``iterations``."""
        return self.learned_.hyper if hasattr(self, "learned_") else self._hyper()

    @property
    def n_iter_(self) -> int | None:
        """Iterations that the last training took; None where it was another process that trained."""
        check_trained(self)
        return self.learned_.turns

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

        Each step approximates anew, and what that misses adds up: few large steps beat many small ones.
        Measured, log loss of one fit, and of the same trials in 2, 5 and 20 steps: 0.256, 0.283, 0.316 and
        0.380 for 200 trials of 16 features and 4 classes, 0.433 to 0.528 for as many of simulated motor
        imagery, 0.371 to 0.389 for 2 classes. One step of 40 trials after 400 loses 0.01 at most.

        Args:
            X: Shape (n_trials × n_features).
            y: Labels among ``classes_``, shape (n_trials,); classes may be absent.
            classes: All labels there will be, for the first call; by default those in ``y``.

        Raises:
            CoreDataError: Data or parameters that cannot be used, or other ``classes`` than before.
        """
        if not hasattr(self, "learned_"):
            return self._begin(to_learn(X, y, classes))
        before = self.learned_
        given = to_learn_on(X, y, before.classes, classes)
        check_width(self, given.vectors)
        known = before.posterior
        found = self._regress(known.regression, known.centre, known.scale, given)
        usual = update(known.usual, _as_one(given))
        posterior = ProbitPosterior(known.centre, known.scale, found.posterior, usual)
        hyper = {**before.hyper, "N": self._hyper()["N"]}
        return self._take(learned(before.classes, posterior, hyper, found.turns))

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
        vectors, known = read(self, X), self.learned_
        with np.errstate(over="ignore", invalid="ignore"):
            squared = squared_distances(known.usual, vectors)
        if not squared.max(initial=0.0) < LARGEST**2:
            check_range(vectors)
        inputs = standardised(known.posterior.centre, known.posterior.scale, vectors)
        found, logarithms = normalised(log_shares(known.ready, inputs))
        n_classes = len(found)
        return Scores(
            posteriors=found.T,
            log_posteriors=logarithms.T,
            squared_distances=squared.repeat(n_classes, axis=0).T,
            dof=known.usual.dof.repeat(n_classes),
        )

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
        """What was learned as named arrays, for a model file."""
        return to_arrays(self.posterior_)

    def restore(self, classes: LabelArray, arrays: Mapping[str, FloatArray]) -> Self:
        """Take over what `arrays` gave, after checking that it is a posterior.

        Raises:
            CoreDataError: The arrays are not the posterior of such a model.
        """
        posterior = from_arrays(arrays, len(classes))
        self._prior(len(posterior.centre), len(classes))
        self._take(learned(classes, posterior, self._hyper()))
        check_scores(self.score_trials, posterior.centre, posterior.scale)
        return self

    def __repr__(self) -> str:
        return describe(self)

    def __sklearn_tags__(self) -> object:
        return classifier_tags()

    def _begin(self, given: Labelled) -> Self:
        prior = self._prior(given.vectors.shape[1], len(given.classes))
        seen = _as_one(given)
        before = weak_prior(seen, n_covariances=1, dof_offset=2, mean_prior_precision=0.01)
        centre, scale = seen.means[0], np.sqrt(np.diagonal(seen.scatters[0]) / seen.counts[0])
        found = self._regress(prior, centre, scale, given)
        posterior = ProbitPosterior(centre, scale, found.posterior, update(before, seen))
        return self._take(learned(given.classes, posterior, self._hyper(), found.turns))

    def _hyper(self) -> Mapping[str, JsonValue]:
        given = {name: getattr(self, name) for name in _PRIORS}
        return {name: value if value is None else np.asarray(value).tolist() for name, value in given.items()}

    def _prior(self, n_features: int, n_classes: int) -> LatentRegression:
        whole_number("N", self.N, least=1, most=1_000_000)
        hyper = ProbitHyper(self.xi_beta, self.W_beta, self.W_df, self.W_scale)
        return probit_prior(hyper, n_features, n_classes)

    def _regress(
        self, prior: LatentRegression, centre: FloatArray, scale: FloatArray, given: Labelled
    ) -> Found:
        iterations = whole_number("iterations", self.iterations, least=1, most=2**31 - 1)
        inputs = np.ascontiguousarray(standardised(centre, scale, given.vectors).T)
        found = learn(prior, inputs, given.index, copies=self.N, iterations=iterations)
        warn_where_it_moves(found)
        return found

    def _take(self, known: Learned) -> Self:
        self.learned_ = known
        return self


def _as_one(given: Labelled) -> Moments:
    """The moments of all vectors, whatever their label."""
    return moments(given.vectors, np.zeros(len(given.vectors), dtype=np.intp), 1, 1)
