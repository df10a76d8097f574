"""Aggregation of the predictions of several chunks into one decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, SupportsIndex, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from .._types import FloatArray, IndexArray
from ..data.argument_checks import check_choice, check_whole_number
from ..data.labels import check_not_masked, encode_labels, find_classes, read_labels
from ..errors import CoreDataError
from .trial_evidence import temper_product

Aggregation: TypeAlias = Literal["evidence", "weighted_vote", "max_confidence", "posterior_mean", "unanimous"]
Label: TypeAlias = int | str | bool


_LOG_SMALLEST = -1e3


class AggregatedChunks(NamedTuple):
    """The decision from several chunks.

    Attributes:
        prediction: The chosen label.
        confidence: Its probability in ``posterior``.
        posterior: Probability of each class, shape (n_classes,).
    """

    prediction: Label
    confidence: float
    posterior: FloatArray


class ChunkVotes(NamedTuple):
    """The predictions of chunks.

    Attributes:
        choices: Index of the predicted class, shape (n_chunks,).
        confidences: Its probability, shape (n_chunks,).
        posteriors: Probability of each class, shape (n_chunks × n_classes).
        weights: How much each chunk counts, not negative, shape (n_chunks,).
    """

    choices: IndexArray
    confidences: FloatArray
    posteriors: FloatArray
    weights: FloatArray


def aggregate_chunks(
    predictions: npt.ArrayLike,
    confidences: npt.ArrayLike,
    n_classes: SupportsIndex,
    *,
    posteriors: npt.ArrayLike | None = None,
    method: Aggregation = "weighted_vote",
    classes: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
) -> AggregatedChunks:
    """Decide on one class from the predictions of several chunks of a trial.

    The confidence orders trials; as a probability of being right, that of votes and means is too low and that
    of the most confident chunk too high. `finalize_trial` has the figures.

    Methods:

    - ``"evidence"``: the product of the chunks' posteriors, raised to the power of one over their number, for
      classes that are equally frequent; `finalize_trial` knows the class priors and better powers.
    - ``"weighted_vote"``: each chunk votes for its class with its confidence. The posterior holds the shares
      of the votes, shrunk towards equal shares by the lack of mean confidence; so chunks that agree are as
      confident together as on average, and chunks that do not are less.
    - ``"max_confidence"``: the posterior of the most confident chunk.
    - ``"posterior_mean"``: the mean of the chunks' posteriors.
    - ``"unanimous"``: the mean of the posteriors where all chunks predict one class, else the weighted vote.

    Args:
        predictions: Label predicted by each chunk, shape (n_chunks,).
        confidences: Its probability, shape (n_chunks,).
        n_classes: Number of classes.
        posteriors: Probability of each class, shape (n_chunks × n_classes). If omitted, the rest of a chunk's
            probability is spread evenly over the other classes.
        method: One of the above.
        classes: The labels in the order of the posteriors, sorted; by default 1, 2, …, n_classes.
        weights: How much each chunk counts, shape (n_chunks,), not negative; such as the lengths of the
            chunks. A vote counts with confidence times weight, the most confident chunk is
            that with the largest such product, and means are weighted means. Only their ratios matter; by
            default all are the same.

    Raises:
        CoreDataError: No chunks, an unknown method or label, or shapes and numbers that do not fit.

    Examples:
        >>> result = aggregate_chunks([1, 2, 2], [0.9, 0.6, 0.5], 2)
        >>> result.prediction, round(result.confidence, 3)
        (2, 0.517)
    """
    n_labels = check_whole_number("n_classes", n_classes, least=2, most=4_096)
    labels = np.arange(1, n_labels + 1) if classes is None else find_classes(read_labels(classes))[0]
    if len(labels) != n_labels:
        raise CoreDataError(
            f"classes holds {len(labels)} labels, n_classes is {n_labels}.", "Give all of them."
        )
    choices = encode_labels(read_labels(predictions), labels)
    if not len(choices):
        raise CoreDataError("There are no chunks to decide from.", "Process at least one.")
    checked_confidences = _read_numbers("confidences", confidences, (len(choices),), most=1.0)
    checked_posteriors = _spread_confidences(choices, checked_confidences, n_labels)
    if posteriors is not None:
        checked_posteriors = _read_numbers("posteriors", posteriors, checked_posteriors.shape, most=1.0)
    equal = np.ones(len(choices))
    checked_weights = (
        equal if weights is None else _read_numbers("weights", weights, equal.shape, most=np.inf)
    )
    if not checked_weights.any():
        raise CoreDataError("All weights are 0.", "Give at least one chunk a weight above 0.")
    posterior, best = decide_trial(
        ChunkVotes(choices, checked_confidences, checked_posteriors, checked_weights), method
    )
    return AggregatedChunks(labels[best].item(), float(posterior[best]), posterior)


def decide_trial(votes: ChunkVotes, method: Aggregation) -> tuple[FloatArray, int]:
    """Return the posterior of a trial and the index of the chosen class.

    Raises:
        CoreDataError: There is no such method.
    """
    check_choice("method", method, get_args(Aggregation))
    posterior, best = _METHODS[method](votes)
    # Rounding may leave a certain class a little above 1, which is not a probability.
    return np.clip(posterior, 0.0, 1.0), best


def is_unanimous(choices: IndexArray) -> bool:
    """Whether all chunks predict one class."""
    return bool((choices == choices[0]).all())


def _evidence(votes: ChunkVotes) -> tuple[FloatArray, int]:
    n_classes = votes.posteriors.shape[1]
    with np.errstate(divide="ignore"):
        # A class that one chunk excludes is excluded, unless all are: then each is as likely as before.
        logs = np.maximum(np.log(votes.posteriors), _LOG_SMALLEST)
    posterior = temper_product(
        votes.weights @ logs, np.full(n_classes, 1.0 / n_classes), 1.0 / votes.weights.sum()
    )
    return posterior, int(posterior.argmax())


def _weighted_vote(votes: ChunkVotes) -> tuple[FloatArray, int]:
    n_classes = votes.posteriors.shape[1]
    shares = np.bincount(votes.choices, votes.weights * votes.confidences, n_classes)
    if not shares.any():
        return np.full(n_classes, 1.0 / n_classes), int(votes.choices[0])
    mean = float(np.average(votes.confidences, weights=votes.weights))
    above_chance = min(1.0, max(0.0, (n_classes * mean - 1.0) / (n_classes - 1.0)))
    return above_chance * shares / shares.sum() + (1.0 - above_chance) / n_classes, int(shares.argmax())


def _max_confidence(votes: ChunkVotes) -> tuple[FloatArray, int]:
    most = int((votes.weights * votes.confidences).argmax())
    return votes.posteriors[most].copy(), int(votes.choices[most])


def _posterior_mean(votes: ChunkVotes) -> tuple[FloatArray, int]:
    mean = votes.weights @ votes.posteriors
    # Divided by its own sum: divided by the sum of the weights, rounding could leave it below a share.
    mean /= mean.sum() or 1.0
    return mean, int(mean.argmax())


def _unanimous(votes: ChunkVotes) -> tuple[FloatArray, int]:
    if not is_unanimous(votes.choices):
        return _weighted_vote(votes)
    return _posterior_mean(votes)[0], int(votes.choices[0])


_METHODS: dict[str, Callable[[ChunkVotes], tuple[FloatArray, int]]] = {
    "evidence": _evidence,
    "weighted_vote": _weighted_vote,
    "max_confidence": _max_confidence,
    "posterior_mean": _posterior_mean,
    "unanimous": _unanimous,
}


def _spread_confidences(choices: IndexArray, confidences: FloatArray, n_classes: int) -> FloatArray:
    posteriors = np.empty((len(choices), n_classes))
    posteriors[...] = ((1.0 - confidences) / (n_classes - 1))[:, None]
    posteriors[np.arange(len(choices)), choices] = confidences
    return posteriors


def _read_numbers(name: str, values: npt.ArrayLike, shape: tuple[int, ...], *, most: float) -> FloatArray:
    check_not_masked(name, values)
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise CoreDataError(f"{name} are not all numbers.", f"Give an array of shape {shape}.") from None
    if numbers.shape != shape:
        raise CoreDataError(
            f"{name} have shape {numbers.shape}, expected {shape}.", "Give one for each chunk."
        )
    if not ((numbers >= 0.0) & (numbers <= most) & np.isfinite(numbers)).all():
        raise CoreDataError(f"{name} hold numbers out of range.", f"Give numbers from 0 to {most}.")
    return numbers
