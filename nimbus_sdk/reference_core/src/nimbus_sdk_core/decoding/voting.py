"""One decision from those of several chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, SupportsIndex, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from .._types import FloatArray, IndexArray
from ..data.argument_checks import check_whole_number
from ..data.labels import check_not_masked, encode_labels, find_classes, read_labels
from ..errors import CoreDataError

Aggregation: TypeAlias = Literal["weighted_vote", "max_confidence", "posterior_mean", "unanimous"]
Label: TypeAlias = int | str | bool


class AggregatedChunks(NamedTuple):
    """What several chunks say together.

    Attributes:
        prediction: The label decided for.
        confidence: Its probability in ``posterior``.
        posterior: Probability of each class, shape (n_classes,).
    """

    prediction: Label
    confidence: float
    posterior: FloatArray


class ChunkVotes(NamedTuple):
    """What each chunk says.

    Attributes:
        choices: Place of the predicted class, shape (n_chunks,).
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
    """Decide on one class from what several chunks of a trial say.

    What comes out orders trials by how sure they are; as a probability of being right, the votes and the mean
    are too low and the surest chunk is too high. `finalize_trial` has the figures.

    Methods:

    - ``"weighted_vote"``: each chunk votes for its class with its confidence. The posterior holds the shares
      of the votes, drawn towards even as far as the mean confidence is from certain; so chunks that agree
      are as confident together as on average, and chunks that do not are less.
    - ``"max_confidence"``: what the most confident chunk says.
    - ``"posterior_mean"``: the mean of the chunks' posteriors.
    - ``"unanimous"``: the mean of the posteriors where all chunks predict one class, else the weighted vote.

    Args:
        predictions: Label predicted by each chunk, shape (n_chunks,).
        confidences: Its probability, shape (n_chunks,).
        n_classes: Number of classes.
        posteriors: Probability of each class, shape (n_chunks × n_classes). Where left out, what a chunk
            does not give to its prediction is spread evenly over the other classes.
        method: One of the above.
        classes: The labels in the order of the posteriors, sorted; by default 1, 2, …, n_classes.
        weights: How much each chunk counts, shape (n_chunks,), not negative; such as `temporal_weights`, or
            the lengths of the chunks. A vote counts with confidence times weight, the most confident chunk is
            that with the largest such product, and means are weighted means. Only their ratios matter; by
            default all are the same.

    Raises:
        CoreDataError: No chunks, an unknown method or label, or shapes and numbers that do not fit.

    >>> found = aggregate_chunks([1, 2, 2], [0.9, 0.6, 0.5], 2)
    >>> found.prediction, round(found.confidence, 3)
    (2, 0.517)
    """
    known = check_whole_number("n_classes", n_classes, least=2, most=4_096)
    named = np.arange(1, known + 1) if classes is None else find_classes(read_labels(classes))[0]
    if len(named) != known:
        raise CoreDataError(f"classes holds {len(named)} labels, n_classes is {known}.", "Give all of them.")
    choices = encode_labels(read_labels(predictions), named)
    if not len(choices):
        raise CoreDataError("There are no chunks to decide from.", "Process at least one.")
    sure = _read_numbers("confidences", confidences, (len(choices),), most=1.0)
    spread = _spread_confidences(choices, sure, known)
    if posteriors is not None:
        spread = _read_numbers("posteriors", posteriors, spread.shape, most=1.0)
    equal = np.ones(len(choices))
    given = equal if weights is None else _read_numbers("weights", weights, equal.shape, most=np.inf)
    if not given.any():
        raise CoreDataError("All weights are 0.", "Give at least one chunk a weight above 0.")
    posterior, best = decide_trial(ChunkVotes(choices, sure, spread, given), method)
    return AggregatedChunks(named[best].item(), float(posterior[best]), posterior)


def decide_trial(ballots: ChunkVotes, method: Aggregation) -> tuple[FloatArray, int]:
    """The posterior of a trial, and the place of the class decided for.

    Raises:
        CoreDataError: There is no such method.
    """
    if method not in get_args(Aggregation):
        raise CoreDataError(f"method is {method!r}.", f"Use one of {', '.join(get_args(Aggregation))}.")
    posterior, best = _METHODS[method](ballots)
    # Rounding may leave a certain class a little above 1, which is no probability.
    return np.clip(posterior, 0.0, 1.0), best


def is_unanimous(choices: IndexArray) -> bool:
    """Whether all chunks predict one class."""
    return bool((choices == choices[0]).all())


def _weighted_vote(ballots: ChunkVotes) -> tuple[FloatArray, int]:
    n_classes = ballots.posteriors.shape[1]
    votes = np.bincount(ballots.choices, ballots.weights * ballots.confidences, n_classes)
    if not votes.any():
        return np.full(n_classes, 1.0 / n_classes), int(ballots.choices[0])
    mean = float(np.average(ballots.confidences, weights=ballots.weights))
    above_chance = min(1.0, max(0.0, (n_classes * mean - 1.0) / (n_classes - 1.0)))
    return above_chance * votes / votes.sum() + (1.0 - above_chance) / n_classes, int(votes.argmax())


def _max_confidence(ballots: ChunkVotes) -> tuple[FloatArray, int]:
    most = int((ballots.weights * ballots.confidences).argmax())
    return ballots.posteriors[most].copy(), int(ballots.choices[most])


def _posterior_mean(ballots: ChunkVotes) -> tuple[FloatArray, int]:
    mean = ballots.weights @ ballots.posteriors
    # Not by the sum of the weights: only a sum of the shares themselves is never below one of them.
    mean /= mean.sum() or 1.0
    return mean, int(mean.argmax())


def _unanimous(ballots: ChunkVotes) -> tuple[FloatArray, int]:
    if not is_unanimous(ballots.choices):
        return _weighted_vote(ballots)
    return _posterior_mean(ballots)[0], int(ballots.choices[0])


_METHODS: dict[str, Callable[[ChunkVotes], tuple[FloatArray, int]]] = {
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
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise CoreDataError(f"{name} are not all numbers.", f"Give an array of shape {shape}.") from None
    if found.shape != shape:
        raise CoreDataError(f"{name} have shape {found.shape}, expected {shape}.", "Give one for each chunk.")
    if not ((found >= 0.0) & (found <= most) & np.isfinite(found)).all():
        raise CoreDataError(f"{name} hold numbers that are no such thing.", f"Give numbers from 0 to {most}.")
    return found
