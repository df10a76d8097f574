"""All that NimbusProbit knows once it has learned, and a warning where learning ended too early."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from .arrays import LabelArray
from .card import JsonValue
from .predictive import Predictive, predictive
from .probit_posterior import ProbitPosterior
from .probit_predictive import ProbitPredictive, probit_predictive
from .regression import Found
from .scikit import level_of_caller

# Where less moves after 100 turns, probabilities under the automatic prior are final to 0.02 in all measured
# problems. Under a prior a hundred times weaker they may still be far from where they end.
_MOVING = 3e-4


class ConvergenceWarning(UserWarning):
    """Learning ended while the posterior still moved."""


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """All that a training leaves behind: replaced as a whole, so that no thread sees half of it.

    Attributes:
        classes: The labels, sorted, shape (n_classes,).
        posterior: What was learned.
        ready: The predictive of its regression.
        usual: The predictive of its one Gaussian for all trials.
        hyper: The hyper-parameters that it was trained with.
        turns: How many the last training took, where that is known.
    """

    classes: LabelArray
    posterior: ProbitPosterior
    ready: ProbitPredictive
    usual: Predictive
    hyper: Mapping[str, JsonValue]
    turns: int | None


def learned(
    classes: LabelArray, posterior: ProbitPosterior, hyper: Mapping[str, JsonValue], turns: int | None = None
) -> Learned:
    """Prepare the predictives of a posterior.

    Raises:
        CoreDataError: A matrix is not positive definite in floating point.
    """
    ready, usual = probit_predictive(posterior.regression), predictive(posterior.usual)
    return Learned(classes, posterior, ready, usual, hyper, turns)


def warn_where_it_moves(found: Found) -> None:
    """Warn the caller of this package where the last turn still changed the posterior."""
    if found.moved > _MOVING:
        warnings.warn(
            f"After {found.turns} iterations the posterior still moves, by {found.moved:.1g} standard "
            "deviations of the noise in the last one: probabilities are not final. Give more iterations, or "
            "a larger W_beta.",
            ConvergenceWarning,
            stacklevel=level_of_caller(),
        )
