"""Vectors and labels as a classifier wants them: checked, float64, labels as places in the classes."""

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
    """Vectors with the class of each.

    Attributes:
        vectors: Shape (n_vectors × n_features).
        index: Place of each vector's label in ``classes``, shape (n_vectors,).
        classes: The labels, sorted, shape (n_classes,).
    """

    vectors: FloatArray
    index: IndexArray
    classes: LabelArray


def read_vectors(vectors: npt.ArrayLike) -> FloatArray:
    """Read a (n_vectors × n_features) matrix of numbers that may still be NaN, infinite or too large.

    Raises:
        CoreDataError: Not two axes, not real numbers, or a masked array.
    """
    if isinstance(vectors, BCIData):
        raise CoreTypeError(
            "These are BCIData and not one vector a trial.",
            "Give data.vectors() and data.labels; or use train_model() and predict_batch().",
        )
    if hasattr(vectors, "toarray"):
        raise CoreDataError("Vectors are a sparse matrix, which is not supported.", "Give X.toarray().")
    check_not_masked("Vectors", vectors)
    found = _read_two_axes(vectors)
    if found.dtype == object:
        found = _read_objects(found)
    if found.dtype.kind == "c":
        raise CoreDataError(
            f"Vectors are of type {found.dtype}: Complex data not supported.", "Give real numbers."
        )
    if found.dtype.kind not in "iuf":
        raise CoreDataError(f"Vectors are of type {found.dtype}, not real numbers.", "Give floats.")
    return found.astype(np.float64, copy=False)


def _read_two_axes(vectors: npt.ArrayLike) -> npt.NDArray[np.generic]:
    try:
        found = np.asarray(vectors)
    except ValueError:
        raise CoreDataError(
            "Vectors are ragged: rows of unequal length.", "Give one array (n_trials × n_features)."
        ) from None
    if found.ndim != 2:
        axes = "axis" if found.ndim == 1 else "axes"
        raise CoreDataError(
            f"Vectors have {found.ndim} {axes}, shape {found.shape}, expected 2 (n_trials × n_features).",
            "Reshape your data: one trial is x[np.newaxis, :], one feature x[:, np.newaxis].",
        )
    if found.shape[1] == 0:
        raise CoreDataError(
            f"Vectors have 0 feature(s) (shape={found.shape}) while a minimum of 1 is required.",
            "Give at least one feature.",
        )
    return found


def _read_objects(found: npt.NDArray[np.generic]) -> FloatArray:
    texts = [item for item in found.flat if isinstance(item, str | bytes | bool)]
    if texts:
        raise CoreDataError(f"Vectors hold {texts[0]!r}, which is no number.", "Give floats.")
    try:
        return found.astype(np.float64)
    except (TypeError, ValueError) as fault:
        raise CoreTypeError(f"Vectors hold something that is no number: {fault}.", "Give floats.") from None


def check_range(vectors: FloatArray) -> None:
    """Refuse numbers whose squares and their sums leave the range of a float64.

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
    vectors: npt.ArrayLike, labels: npt.ArrayLike, classes: npt.ArrayLike | None = None
) -> TrainingSet:
    """Read vectors and labels of a first training; the classes are those given, or else those that occur.

    Raises:
        CoreDataError: Fewer than two classes, or shapes that do not fit.
    """
    read, named = _read_vectors_and_labels(vectors, labels)
    known, index = find_classes(named)
    if classes is not None:
        known = find_classes(read_labels(classes))[0]
        index = encode_labels(named, known)
    if not len(named):
        raise CoreDataError("There are no trials to learn from.", "Give at least two of one class.")
    if len(known) < 2:
        raise CoreDataError(
            f"labels hold {len(known)} class(es): {[item.item() for item in known]}.",
            "A classifier needs at least two.",
        )
    return TrainingSet(read, index, known)


def read_further_training_set(
    vectors: npt.ArrayLike,
    labels: npt.ArrayLike,
    known: LabelArray,
    classes: npt.ArrayLike | None = None,
) -> TrainingSet:
    """Read vectors and labels for a model whose classes are ``known``; some may be absent.

    Raises:
        CoreDataError: A label that the model does not know, other ``classes``, or shapes that do not fit.
    """
    if classes is not None and not np.array_equal(find_classes(read_labels(classes))[0], known):
        raise CoreDataError(
            f"classes are {read_labels(classes).tolist()}, but this model knows {known.tolist()}.",
            "Classes cannot be added: train a new model.",
        )
    read, named = _read_vectors_and_labels(vectors, labels)
    return TrainingSet(read, encode_labels(named, known), known)


def read_trial_labels(labels: npt.ArrayLike, n_trials: int) -> LabelArray:
    """Read one label for each of ``n_trials``; a column of labels is taken with a warning.

    Raises:
        CoreDataError: Another number of labels, or labels of no usual kind.
    """
    check_not_masked("labels", labels)
    if labels is None:
        raise CoreDataError("A classifier requires y to be passed, but the target y is None.", "Give labels.")
    column = getattr(labels, "ndim", 1) == 2 and np.shape(labels)[1] == 1
    if column:
        warn_column_labels(np.shape(labels))
    named = read_labels(np.asarray(labels)[:, 0] if column else labels)
    if len(named) != n_trials:
        raise CoreDataError(
            f"There are {n_trials} vectors and {len(named)} labels.", "Give one label for each trial."
        )
    return named


def _read_vectors_and_labels(vectors: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[FloatArray, LabelArray]:
    read = read_vectors(vectors)
    check_range(read)
    return read, read_trial_labels(labels, len(read))
