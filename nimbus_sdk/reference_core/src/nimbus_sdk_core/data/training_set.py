"""Vectors and labels for a classifier: checked, in float64, labels as indices of the classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._sklearn import warn_column_labels
from .._types import FloatArray, IndexArray, LabelArray
from ..errors import CoreDataError, CoreTypeError
from .bci_data import BCIData
from .labels import check_not_masked, encode_labels, find_classes, read_labels

MAX_ABSOLUTE = 1e100


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """Vectors and the class of each.

    Attributes:
        vectors: Shape (n_vectors × n_features).
        index: Index of each vector's label in ``classes``, shape (n_vectors,).
        classes: The labels, sorted, shape (n_classes,).
        weights: How many vectors each one counts for, shape (n_vectors,); None for one each.
    """

    vectors: FloatArray
    index: IndexArray
    classes: LabelArray
    weights: FloatArray | None = None


def read_vectors(vectors: npt.ArrayLike) -> FloatArray:
    """Read a (n_vectors × n_features) matrix of numbers that may still be NaN, infinite or too large.

    Raises:
        CoreDataError: Not two axes, not real numbers, or a masked array.
    """
    if isinstance(vectors, BCIData):
        raise CoreTypeError(
            "These are BCIData, not one vector per trial.",
            "Give data.vectors() and data.labels; or use train_model() and predict_batch().",
        )
    if hasattr(vectors, "toarray"):
        raise CoreDataError("Vectors are a sparse matrix, which is not supported.", "Give X.toarray().")
    check_not_masked("Vectors", vectors)
    matrix = _read_two_axes(vectors)
    if matrix.dtype == object:
        matrix = _read_objects(matrix)
    if matrix.dtype.kind == "c":
        raise CoreDataError(
            f"Vectors are of type {matrix.dtype}: Complex data not supported.", "Give real numbers."
        )
    if matrix.dtype.kind not in "iuf":
        raise CoreDataError(f"Vectors are of type {matrix.dtype}, not real numbers.", "Give floats.")
    return matrix.astype(np.float64, copy=False)


def _read_two_axes(vectors: npt.ArrayLike) -> npt.NDArray[np.generic]:
    try:
        matrix = np.asarray(vectors)
    except ValueError:
        raise CoreDataError(
            "Vectors are ragged: rows of unequal length.", "Give one array (n_trials × n_features)."
        ) from None
    if matrix.ndim != 2:
        axes = "axis" if matrix.ndim == 1 else "axes"
        raise CoreDataError(
            f"Vectors have {matrix.ndim} {axes}, shape {matrix.shape}, expected 2 (n_trials × n_features).",
            "Reshape your data: one trial is x[np.newaxis, :], one feature x[:, np.newaxis].",
        )
    if matrix.shape[1] == 0:
        raise CoreDataError(
            f"Vectors have 0 feature(s) (shape={matrix.shape}) while a minimum of 1 is required.",
            "Give at least one feature.",
        )
    return matrix


def _read_objects(objects: npt.NDArray[np.generic]) -> FloatArray:
    texts = [item for item in objects.flat if isinstance(item, str | bytes | bool)]
    if texts:
        raise CoreDataError(f"Vectors hold {texts[0]!r}, which is not a number.", "Give floats.")
    try:
        return objects.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise CoreTypeError(
            f"Vectors hold something that is not a number: {error}.", "Give floats."
        ) from None


def check_range(vectors: FloatArray) -> None:
    """Raise CoreDataError for numbers whose squares and sums exceed the range of a float64.

    Raises:
        CoreDataError: A value that is not finite or beyond 1e100.
    """
    # NaN fails both comparisons; neither needs a temporary of the size of the vectors.
    if not vectors.size or (vectors.min() > -MAX_ABSOLUTE and vectors.max() < MAX_ABSOLUTE):
        return
    row, column = (int(at) for at in np.argwhere(~(np.abs(vectors) < MAX_ABSOLUTE))[0])
    raise CoreDataError(
        f"Vectors hold NaN, infinity or more than {MAX_ABSOLUTE:g}, first at trial {row}, feature {column} "
        f"(counted from 0): {vectors[row, column]}.",
        "Drop or repair these trials first, or use larger units.",
    )


def read_training_set(
    vectors: npt.ArrayLike,
    labels: npt.ArrayLike,
    classes: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
) -> TrainingSet:
    """Read vectors, labels and weights of a first training; by default the classes are those that occur.

    Raises:
        CoreDataError: Fewer than two classes, weights that are negative or all 0, or shapes that do not fit.
    """
    checked, checked_labels = _read_vectors_and_labels(vectors, labels)
    known, index = find_classes(checked_labels)
    if classes is not None:
        known = find_classes(read_labels(classes))[0]
        index = encode_labels(checked_labels, known)
    if not len(checked_labels):
        raise CoreDataError("There are no trials to learn from.", "Give at least two of one class.")
    if len(known) < 2:
        raise CoreDataError(
            f"labels hold {len(known)} class(es): {[item.item() for item in known]}.",
            "A classifier needs at least two.",
        )
    return TrainingSet(checked, index, known, read_weights(weights, len(checked)))


def read_further_training_set(
    vectors: npt.ArrayLike,
    labels: npt.ArrayLike,
    known: LabelArray,
    classes: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
) -> TrainingSet:
    """Read vectors, labels and weights that continue a training; classes in ``known`` may be absent.

    Raises:
        CoreDataError: A label that the model does not know, other ``classes``, weights that are negative or
            all 0, or shapes that do not fit.
    """
    if classes is not None and not np.array_equal(find_classes(read_labels(classes))[0], known):
        raise CoreDataError(
            f"classes are {read_labels(classes).tolist()}, but this model knows {known.tolist()}.",
            "Classes cannot be added: train a new model.",
        )
    checked, checked_labels = _read_vectors_and_labels(vectors, labels)
    index = encode_labels(checked_labels, known)
    return TrainingSet(checked, index, known, read_weights(weights, len(checked)))


def read_weights(weights: npt.ArrayLike | None, n_trials: int) -> FloatArray | None:
    """Read one weight for each of ``n_trials``, or one number for all; None stays None.

    Raises:
        CoreDataError: Another shape, numbers that are not finite or negative, or all of them 0.
    """
    if weights is None:
        return None
    check_not_masked("sample_weight", weights)
    hint = f"Give one number from 0 up for each of the {n_trials} trials."
    try:
        read = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        raise CoreDataError("sample_weight holds something that is not a number.", hint) from None
    if read.ndim == 0:
        read = np.full(n_trials, read)
    if read.ndim != 1:
        raise CoreDataError(f"Sample weights must be 1D array or scalar, found shape {read.shape}.", hint)
    if len(read) != n_trials:
        raise CoreDataError(f"sample_weight.shape == {read.shape}, expected {(n_trials,)}!", hint)
    if not (np.isfinite(read).all() and (read >= 0.0).all()):
        raise CoreDataError("sample_weight holds a number that is negative or not finite.", hint)
    if n_trials and not read.any():
        raise CoreDataError("Sample weights must contain at least one non-zero number.", hint)
    return read


def read_trial_labels(labels: npt.ArrayLike, n_trials: int) -> LabelArray:
    """Read one label for each of ``n_trials``; a column of labels is accepted with a warning.

    Raises:
        CoreDataError: Another number of labels, or labels of an unknown type.
    """
    check_not_masked("labels", labels)
    if labels is None:
        raise CoreDataError("A classifier requires y to be passed, but the target y is None.", "Give labels.")
    is_column = getattr(labels, "ndim", 1) == 2 and np.shape(labels)[1] == 1
    if is_column:
        warn_column_labels(np.shape(labels))
    trial_labels = read_labels(np.asarray(labels)[:, 0] if is_column else labels)
    if len(trial_labels) != n_trials:
        raise CoreDataError(
            f"There are {n_trials} vectors and {len(trial_labels)} labels.", "Give one label for each trial."
        )
    return trial_labels


def _read_vectors_and_labels(vectors: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[FloatArray, LabelArray]:
    matrix = read_vectors(vectors)
    check_range(matrix)
    return matrix, read_trial_labels(labels, len(matrix))
