"""NimbusProbit: Bayesian multinomial probit regression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from .._types import FloatArray, LabelArray
from ..data.argument_checks import check_whole_number
from ..data.training_set import MAX_ABSOLUTE, TrainingSet, check_range
from ..stats.evidence import choose_prior
from ..stats.niw import build_prior, check_variation, update_posterior
from ..stats.student_t import Scores, normalize_log_joint, squared_distances
from ..stats.sufficient_statistics import Moments, compute_moments
from .base import BayesianClassifier
from .model_card import JsonValue
from .niw_arrays import check_scores
from .probit_predictive import log_class_probabilities
from .probit_prior import ProbitHyper, build_probit_prior
from .probit_regression import LatentRegression, RegressionFit, fit_regression
from .probit_state import (
    ProbitPosterior,
    ProbitState,
    from_arrays,
    prepare_state,
    standardize,
    to_arrays,
    warn_if_moving,
)

_PRIORS = ("N", "xi_beta", "W_beta", "W_df", "W_scale")


class NimbusProbit(BayesianClassifier):
    """Bayesian multinomial probit regression: the highest of several noisy scores makes the class.

    The scores are linear in the features, in K - 1 dimensions for K classes, and their noise may be
    correlated. Unlike `NimbusLDA` it makes no assumption on the distribution of the features, which helps if
    they are not Gaussian. Coefficients and noise have a matrix-normal Wishart prior; the posterior is
    variational and the same at every run, the predictive a Student-t integrated over each class's region.
    Known as RxPolyaModel in older Nimbus documentation. Sources: Albert and Chib, JASA 88 (1993); Imai and
    van Dyk, J. Econometrics 124 (2005); Fasano, Durante and Zanella, Biometrika 109 (2022).

    Time grows with the number of classes, since their regions are integrated in one dimension fewer. Measured
    on one core with 400 trials of 16 features, training takes 0.03 to 0.3 s for 2 to 4 classes, 5 s for 5 and
    6, 8 s for 8; decoding takes 0.001 to 0.004 ms a trial for 2 to 4 classes, 0.02 ms for 5, 0.2 ms for 6 and
    0.5 ms for 8.

    Hyper-parameters are in units of standardised features: each less its mean, divided by its standard
    deviation over the trials of the first training. As for `NimbusLDA`, features that are nearly copies of
    each other need a spatial filter first. With more features than trials the approximation is close to the
    posterior, but labels alone say little about so many coefficients: `NimbusLDA`, which also learns from how
    the features are distributed, is better there. `build_probit_prior` has the figures.

    Each ``partial_fit`` approximates again, and the errors add up, but little. Measured log loss of one fit,
    and of the same trials in 2, 5 and 20 steps: 0.197, 0.212, 0.232 and 0.204 for 200 trials of 16 features
    and 4 classes; 0.427, 0.441, 0.439 and 0.439 for as many of simulated motor imagery; 0.567 or 0.568 for 2
    classes.

    Args:
        iterations: Largest number of iterations at each ``fit`` or ``partial_fit``. Learning ends when
            nothing moves by more than 1e-5 standard deviations of the noise, mostly after 10 to 100
            iterations, and warns (`ConvergenceWarning`) if something moved by 3e-4 in the last one.
        N: Number of identical answers that each label counts for, 1 or more.
        xi_beta: Prior mean of the coefficients (ξβ), a number or shape (n_features + 1 × n_classes - 1);
            None for 0.
        W_beta: Their prior precision (Wβ), a number or shape (n_features + 1 × n_features + 1), in units of
            the noise's own; None for 3, and for more than 16 features in proportion more. A smaller number
            trusts the trials more: better where classes are far apart, overconfident elsewhere.
            `build_probit_prior` has measurements; choose by log loss::

                GridSearchCV(NimbusProbit(), {"W_beta": [0.3, 1, 3, 10]}, scoring="neg_log_loss")

        W_df: Degrees of freedom of the noise precision's Wishart prior, above n_classes - 2; None for
            n_classes + 1.
        W_scale: Its scale, a number or shape (n_classes - 1 × n_classes - 1); None for 1 / W_df.

    Examples:
        >>> model = NimbusProbit().fit([[0.0], [0.2], [1.0], [1.2]], ["rest", "rest", "move", "move"])
        >>> str(model.predict([[1.1]])[0])
        'move'
    """

    parameters: ClassVar[tuple[str, ...]] = ("iterations", *_PRIORS)
    learned_: ProbitState

    def __init__(
        self,
        *,
        iterations: int = 100,
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
    def posterior_(self) -> ProbitPosterior:
        """What was learned, once trained."""
        self._require_trained()
        return self.learned_.posterior

    @property
    def priors_(self) -> FloatArray:
        """Share of each class among the trials learned from, shape (n_classes,), once trained."""
        self._require_trained()
        return self.learned_.priors

    @property
    def n_iter_(self) -> int | None:
        """Iterations of the last training; None if the model was read from a file."""
        self._require_trained()
        return self.learned_.n_iterations

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
        vectors, known = self._read(X), self.learned_
        with np.errstate(over="ignore", invalid="ignore"):
            squared = squared_distances(known.marginal, vectors)
        if not np.maximum.reduce(squared, axis=None, initial=0.0) < MAX_ABSOLUTE**2:
            check_range(vectors)
        posteriors, log_posteriors = normalize_log_joint(log_class_probabilities(known.predictive, vectors))
        return Scores(
            posteriors=posteriors.T,
            log_posteriors=log_posteriors.T,
            squared_distances=squared.repeat(len(posteriors), axis=0).T,
            dof=known.dof,
        )

    def arrays(self) -> dict[str, FloatArray]:
        """What was learned as named arrays, for a model file."""
        return to_arrays(self.posterior_)

    def restore(self, classes: LabelArray, arrays: Mapping[str, FloatArray]) -> Self:
        """Take over what `arrays` gave, after checking that it is a posterior.

        Raises:
            CoreDataError: The arrays are not the posterior of such a model.
        """
        posterior = from_arrays(arrays, len(classes))
        self._build_prior(len(posterior.centre), len(classes))
        self.learned_ = prepare_state(classes, posterior, self._hyper())
        check_scores(self.score_trials, posterior.centre, posterior.scale)
        return self

    def _learn(self, given: TrainingSet) -> ProbitState:
        prior = self._build_prior(given.vectors.shape[1], len(given.classes))
        moments = _compute_joint_moments(given)
        check_variation(moments)
        before = build_prior(moments, choose_prior(moments))
        centre, scale = moments.means[0], np.sqrt(np.diagonal(moments.scatters[0]) / moments.counts[0])
        fitted = self._fit_regression(prior, centre, scale, given)
        marginal, counts = update_posterior(before, moments), _count_classes(given)
        posterior = ProbitPosterior(centre, scale, counts, fitted.posterior, marginal)
        return prepare_state(given.classes, posterior, self._hyper(), fitted.n_iterations)

    def _learn_further(self, given: TrainingSet) -> ProbitState:
        before = self.learned_
        known = before.posterior
        fitted = self._fit_regression(known.regression, known.centre, known.scale, given)
        marginal = update_posterior(known.marginal, _compute_joint_moments(given))
        counts = known.counts + _count_classes(given)
        posterior = ProbitPosterior(known.centre, known.scale, counts, fitted.posterior, marginal)
        hyper = {**before.hyper, "N": self._hyper()["N"]}
        return prepare_state(before.classes, posterior, hyper, fitted.n_iterations)

    def _hyper(self) -> Mapping[str, JsonValue]:
        given = {name: getattr(self, name) for name in _PRIORS}
        return {name: value if value is None else np.asarray(value).tolist() for name, value in given.items()}

    def _build_prior(self, n_features: int, n_classes: int) -> LatentRegression:
        check_whole_number("N", self.N, least=1, most=1_000_000)
        hyper = ProbitHyper(self.xi_beta, self.W_beta, self.W_df, self.W_scale)
        return build_probit_prior(hyper, n_features, n_classes)

    def _fit_regression(
        self, prior: LatentRegression, centre: FloatArray, scale: FloatArray, given: TrainingSet
    ) -> RegressionFit:
        iterations = check_whole_number("iterations", self.iterations, least=1, most=2**31 - 1)
        inputs = np.ascontiguousarray(standardize(centre, scale, given.vectors).T)
        fitted = fit_regression(prior, inputs, given.index, copies=self.N, iterations=iterations)
        warn_if_moving(fitted)
        return fitted


def _count_classes(given: TrainingSet) -> FloatArray:
    return np.bincount(given.index, minlength=len(given.classes)).astype(np.float64)


def _compute_joint_moments(given: TrainingSet) -> Moments:
    """The moments of all vectors, whatever their label."""
    return compute_moments(given.vectors, np.zeros(len(given.vectors), dtype=np.intp), 1, 1)
