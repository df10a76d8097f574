"""How much the chunks of a trial count together: tempers of their product, learned from labelled trials.

The evidence of the chunks of a trial is a product of likelihood ratios, raised to a power, its temper:

    log p(k | chunks) = log π_k + τ·Σ_t v_t·(log p(k | chunk t) - log π_k) + constant

π are the class priors and v_t is the length of chunk t. With τ = 1 this is Bayes' theorem for independent
chunks. Those of one trial are not: they share the trial's own deviations, so that their product is far too
certain. The temper with the smallest log loss on trials that the model has not seen makes it a probability:
C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017; as a pool of dependent opinions, C. Genest
and J. V. Zidek, Statistical Science 1 (1986). It depends on the number of chunks, which is why there is one
for each.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import numpy as np

from .._types import FloatArray, IndexArray
from ..data.aggregate import join_vectors
from ..data.argument_checks import check_whole_number
from ..data.bci_data import BCIData
from ..data.labels import encode_labels
from ..errors import CoreDataError
from .compatibility import check_data_fits
from .distinctness import MOST_BITS, measure_distinctness
from .model_card import JsonValue, ModelCard
from .pipeline import Pipeline, find_decoder
from .protocol import Decoder, snapshot
from .scoring import log_posteriors

M = TypeVar("M", bound=Decoder | Pipeline)

DETAIL = "tempering"
"""Where the card of a model has its tempers."""

_FOLDS = 5
_MOST_CHUNKS = 4_096
_LARGEST = 100.0
_NEWTON_STEPS = 30

# The share of real trials that is not taken for rest.
_NOT_REST = 0.95

# Tempers by number of chunks follow a power law within about this factor of themselves.
_SPREAD = 0.3


@dataclass(frozen=True, slots=True)
class Tempers:
    """Tempers for chunks of one length.

    Attributes:
        chunk_size: Samples in a chunk.
        values: The temper of a trial of 1, 2, … such chunks.
        distinctness: What 95 % of such trials exceed, in bits: `measure_distinctness`.
    """

    chunk_size: int
    values: tuple[float, ...]
    distinctness: tuple[float, ...]

    def at(self, n_chunks: float) -> float:
        """The temper for any number of chunks; beyond the longest trial, more chunks add no certainty.

        Examples:
            >>> tempers = Tempers(4, (0.8, 0.5), (1.0, 0.9))
            >>> tempers.at(1.5), tempers.at(4.0)
            (0.65, 0.25)
        """
        return _interpolate(n_chunks, self.values) * min(1.0, len(self.values) / n_chunks)

    def least_distinctness(self, n_chunks: float) -> float:
        """The distinctness in bits that 95 % of the trials exceed then."""
        return _interpolate(n_chunks, self.distinctness)


def read_tempers(model: Decoder | Pipeline) -> Tempers | None:
    """Return the tempers that a model has learned, or None."""
    found = None if model.card is None else model.card.details.get(DETAIL)
    if not isinstance(found, Mapping):
        return None
    size, values = found.get("chunk_size"), _read_numbers(found.get("tempers"), 0.0, _LARGEST)
    distinctness = _read_numbers(found.get("least_distinctness"), -MOST_BITS, MOST_BITS)
    if type(size) is not int or size < 1 or not values or len(values) != len(distinctness):
        return None
    return Tempers(size, values, distinctness)


def _read_numbers(listed: JsonValue, least: float, most: float) -> tuple[float, ...]:
    """The numbers of a list in a file; none if it is not a list of numbers in range."""
    if not isinstance(listed, list) or len(listed) > _MOST_CHUNKS:
        return ()
    numbers = [float(number) for number in listed if isinstance(number, int | float)]
    in_range = len(numbers) == len(listed) and all(least <= number <= most for number in numbers)
    return tuple(numbers) if in_range else ()


def with_tempers(card: ModelCard, tempers: Tempers) -> ModelCard:
    """Return a card that has tempers."""
    lists = cast("list[list[JsonValue]]", [list(tempers.values), list(tempers.distinctness)])
    learned: JsonValue = {
        "chunk_size": tempers.chunk_size,
        "tempers": lists[0],
        "least_distinctness": lists[1],
    }
    return replace(card, details={**card.details, DETAIL: learned})


def count_chunks(data: BCIData, chunk_size: int) -> int:
    """How many whole chunks a trial has, as far as a temper can be learned for them."""
    least = 2 if data.metadata.temporal_aggregation == "logvar" else 1
    return 0 if chunk_size < least else min(data.n_samples // chunk_size, _MOST_CHUNKS)


def cross_fit_tempers(untrained: Decoder, data: BCIData, chunk_size: int) -> Tempers | None:
    """Learn tempers from the trials that a model is trained on.

    Models like it are trained on four fifths of the trials and score the chunks of the others, so that no
    score is of a trial that its model has seen. The parts are runs of trials, since neighbours are alike.

    Args:
        untrained: A model with the hyper-parameters of the training.
        data: The trials of the training, with labels.
        chunk_size: Samples in a chunk.

    Returns:
        None if trials are shorter than a chunk, or a class has fewer than two.
    """
    n_chunks = count_chunks(data, chunk_size)
    classes, truth = np.unique(np.asarray(data.labels), return_inverse=True)
    n_folds = min(_FOLDS, int(np.bincount(truth).min()))
    if not n_chunks or n_folds < 2:
        return None
    fold_of = _assign_folds(truth, n_folds)
    vectors = data.vectors()
    ratios, priors = np.empty((n_chunks, len(truth), len(classes))), np.empty((len(truth), len(classes)))
    distinctness = np.empty((n_chunks, len(truth)))
    for fold in range(n_folds):
        chosen = fold_of == fold
        model = copy.copy(untrained).fit(vectors[~chosen], np.asarray(data.labels)[~chosen])
        priors[chosen] = model.priors_
        ratios[:, chosen], distinctness[:, chosen] = _score_chunks(model, data[chosen], chunk_size, n_chunks)
    return _conclude(chunk_size, fit_tempers(ratios, np.log(priors), truth), distinctness)


def calibrate_streaming(model: M, data: BCIData, *, chunk_size: int) -> M:
    """Learn how certain the chunks of a trial are together, so that confidences of streams are probabilities.

    `train_model` does it too if ``metadata.chunk_size`` is given; this is for a model that was trained
    without, or for chunks of another length.

    Args:
        model: A trained model or a `Pipeline`; it is left as it was.
        data: Labelled trials that the model was not trained on: of its own ones it would be too certain.
        chunk_size: Samples in a chunk, as they will be streamed.

    Returns:
        A copy of the model that knows its tempers, also in its file.

    Raises:
        CoreTypeError: ``model`` is not a model, or ``data`` are not BCIData.
        CoreDataError: Data without labels or trials, trials shorter than a chunk, or another number of
            features or classes.
        ModelMismatchError: Data of another paradigm, feature type or temporal aggregation.
        NotTrainedError: The model is not trained.

    Examples:
        >>> from nimbus_sdk_core import NimbusLDA, load_model, simulate
        >>> model = load_model(NimbusLDA, "motor_imagery_4class_v1")
        >>> trials = simulate("motor_imagery", n_trials=60, seed=7)
        >>> streaming = calibrate_streaming(model, trials, chunk_size=4)
        >>> len(streaming.card.details["tempering"]["tempers"])
        4
    """
    check_data_fits(model, data)
    size = check_whole_number("chunk_size", chunk_size, least=1, most=2**31 - 1)
    if data.labels is None or not data.n_trials:
        raise CoreDataError(
            "The data have no labels or no trials.", "Give BCIData(features, metadata, labels)."
        )
    n_chunks = count_chunks(data, size)
    if not n_chunks:
        raise CoreDataError(
            f"Trials of {data.n_samples} samples have no whole chunk of {size} that could be decoded.",
            "Give a chunk_size of at most the length of a trial, and of two samples or more for 'logvar'.",
        )
    decoder, truth = snapshot(find_decoder(model)), encode_labels(data.labels, model.classes_)
    ratios, distinctness = _score_chunks(model, data, size, n_chunks)
    priors = np.broadcast_to(decoder.priors_, ratios.shape[1:])
    with np.errstate(divide="ignore"):
        tempers = _conclude(size, fit_tempers(ratios, np.log(priors), truth), distinctness)
    card = decoder.card or ModelCard(type(decoder).__name__, data.metadata)
    decoder.card = with_tempers(card, tempers)
    return cast(M, model.with_model(decoder) if isinstance(model, Pipeline) else decoder)


def log_ratios(log_posterior: FloatArray, priors: FloatArray) -> FloatArray:
    """Log likelihood ratios of the classes up to a constant: log posteriors without the priors.

    Args:
        log_posterior: Shape (…, n_classes).
        priors: Shape (n_classes,); a class with prior 0 gets 0.
    """
    excluded = priors == 0.0
    ratios = log_posterior - np.log(np.where(excluded, 1.0, priors))
    return np.where(excluded, 0.0, ratios) if excluded.any() else ratios


def fit_tempers(ratios: FloatArray, log_priors: FloatArray, truth: IndexArray) -> tuple[float, ...]:
    """Find the temper with the smallest log loss for each number of chunks.

    Each one is drawn towards the power law that all of them follow best, the more the less it is determined
    by the trials.

    Args:
        ratios: Log likelihood ratios, shape (n_chunks × n_trials × n_classes).
        log_priors: Shape (n_trials × n_classes).
        truth: The class of each trial, shape (n_trials,).
    """
    sums = ratios.cumsum(axis=0)
    found, information = np.transpose([_fit_temper(each, log_priors, truth) for each in sums])
    logs, numbers = np.log(np.maximum(found, 1e-3)), np.log(np.arange(1.0, len(found) + 1.0))
    weights = information * np.maximum(found, 1e-3) ** 2 + 1e-12
    centre = np.average(numbers, weights=weights)
    spread = weights @ (numbers - centre) ** 2
    slope = weights @ ((numbers - centre) * logs) / spread if spread > 0.0 else 0.0
    law = np.exp(np.average(logs, weights=weights) + np.clip(slope, -1.0, 0.0) * (numbers - centre))
    pull = 1.0 / (_SPREAD * law) ** 2
    tempers = (information * found + pull * law) / (information + pull)
    return tuple(np.minimum(tempers, _LARGEST).tolist())


def _conclude(chunk_size: int, values: tuple[float, ...], distinctness: FloatArray) -> Tempers:
    return Tempers(chunk_size, values, tuple(np.quantile(distinctness, 1.0 - _NOT_REST, axis=1).tolist()))


def _interpolate(n_chunks: float, values: tuple[float, ...]) -> float:
    return float(np.interp(n_chunks, np.arange(1.0, len(values) + 1.0), values))


def _fit_temper(sums: FloatArray, log_priors: FloatArray, truth: IndexArray) -> tuple[float, float]:
    """The temper with the smallest log loss, which is convex in it, and the curvature there: Newton's method.

    One more trial of unknown class keeps it finite where classes do not overlap: J. Platt, Probabilistic
    outputs for support vector machines (1999).
    """
    unknown = 1.0 / (len(truth) + 2.0)
    own = (1.0 - unknown) * np.take_along_axis(sums, truth[:, None], axis=1)[:, 0]
    own += unknown * (np.exp(log_priors) * sums).sum(axis=1)
    temper, low, high = 0.5, 0.0, _LARGEST
    for _ in range(_NEWTON_STEPS):
        slope, curvature = _differentiate_loss(temper, sums, log_priors, own)
        if not curvature:
            break
        low, high = (low, temper) if slope > 0.0 else (temper, high)
        step = temper - slope / curvature
        # Outside the bracket bisection is safe.
        following = step if low <= step <= high else 0.5 * (low + high)
        if abs(following - temper) <= 1e-6 * temper:
            break
        temper = following
    return temper, curvature


def _differentiate_loss(
    temper: float, sums: FloatArray, log_priors: FloatArray, own: FloatArray
) -> tuple[float, float]:
    """First and second derivative of the log loss, summed over the trials: a mean and a variance."""
    joint = log_priors + temper * sums
    shares = np.exp(joint - joint.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    means = (shares * sums).sum(axis=1)
    away = sums - means[:, None]
    return float((means - own).sum()), float((shares * away * away).sum())


def _score_chunks(
    model: Decoder | Pipeline, data: BCIData, chunk_size: int, n_chunks: int
) -> tuple[FloatArray, FloatArray]:
    """Score the first, second, … chunk of every trial, and all up to it together.

    Returns:
        Log likelihood ratios of the classes, shape (n_chunks × n_trials × n_classes), and distinctness,
        shape (n_chunks × n_trials).
    """
    decoder = find_decoder(model)
    ratios, distinctness = [], []
    joined = np.zeros(0)
    for number in range(n_chunks):
        samples = data.features[:, number * chunk_size : (number + 1) * chunk_size]
        chunk = BCIData(samples, data.metadata, data.labels)
        if isinstance(model, Pipeline):
            chunk = model.transform(chunk)
        vectors = chunk.vectors()
        pieces = np.array([joined, vectors.ravel()]) if number else vectors.reshape(1, -1)
        lengths = np.array([number, 1.0])[-len(pieces) :]
        joined = join_vectors(pieces, lengths, chunk.metadata.temporal_aggregation)
        ratios.append(log_ratios(log_posteriors(decoder, vectors).T, decoder.priors_))
        distinctness.append(measure_distinctness(decoder, joined.reshape(vectors.shape), chunk.metadata))
    return np.array(ratios), np.array(distinctness)


def _assign_folds(truth: IndexArray, n_folds: int) -> IndexArray:
    """The fold of each trial: of every class, runs of equal length in the order of the trials."""
    fold_of = np.empty(len(truth), np.intp)
    for k in range(int(truth.max()) + 1):
        own = np.flatnonzero(truth == k)
        fold_of[own] = np.arange(len(own)) * n_folds // len(own)
    return fold_of
