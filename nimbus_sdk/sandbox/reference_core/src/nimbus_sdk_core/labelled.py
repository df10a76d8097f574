"""Vectors and labels as a classifier wants them: checked, float64, labels as places in the classes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .arrays import FloatArray, IndexArray, LabelArray
from .errors import CoreDataError
from .labels import as_labels, classes_in, index_of

LARGEST = 1e100


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Vectors with the class of each.

    Attributes:
        vectors: Shape (n_vectors × n_features).
        index: Place of each vector's label in ``classes``, shape (n_vectors,).
        classes: The labels, sorted, shape (n_classes,).
    """

    vectors: FloatArray
    index: IndexArray
    classes: LabelArray


def as_matrix(vectors: npt.ArrayLike) -> FloatArray:
    """Read a (n_vectors × n_features) matrix of numbers that may still be NaN, infinite or too large.

    Raises:
        CoreDataError: Not two axes, or not real numbers.
    """
    found = np.asarray(vectors)
    if found.ndim != 2:
        raise CoreDataError(
            f"Vectors have {found.ndim} axes, shape {found.shape}, expected 2 (n_trials × n_features).",
            "For one trial use x[np.newaxis, :].",
        )
    if found.dtype.kind not in "iuf":
        raise CoreDataError(f"Vectors are of type {found.dtype}, not real numbers.", "Give floats.")
    return found.astype(np.float64, copy=False)


def check_range(vectors: FloatArray) -> None:
    """Refuse numbers whose squares and their sums leave the range of a float64.

    Raises:
        CoreDataError: A value that is not finite or beyond 1e100.
    """
    # NaN fails both comparisons; neither needs a temporary of the size of the vectors.
    if not vectors.size or (vectors.min() > -LARGEST and vectors.max() < LARGEST):
        return
    row, column = (int(at) for at in np.argwhere(~(np.abs(vectors) < LARGEST))[0])
    raise CoreDataError(
        f"Vectors hold NaN, infinity or more than {LARGEST:g}, first at trial {row}, feature {column} "
        f"(counted from 0): {vectors[row, column]}.",
        "Drop or repair these trials first, or use larger units.",
    )


def to_learn(vectors: npt.ArrayLike, labels: npt.ArrayLike) -> Labelled:
    """Read vectors and labels of a first training; the classes are those that occur.

    Raises:
        CoreDataError: Fewer than two classes, or shapes that do not fit.
    """
    read, named = _together(vectors, labels)
    classes, index = classes_in(named)
    if len(classes) < 2:
        raise CoreDataError(
            f"labels hold {len(classes)} class(es): {[item.item() for item in classes]}.",
            "A classifier needs at least two.",
        )
    return Labelled(read, index, classes)


def to_learn_on(vectors: npt.ArrayLike, labels: npt.ArrayLike, classes: LabelArray) -> Labelled:
    """Read vectors and labels for a model whose ``classes`` are known; some may be absent.

    Raises:
        CoreDataError: A label that the model does not know, or shapes that do not fit.
    """
    read, named = _together(vectors, labels)
    return Labelled(read, index_of(named, classes), classes)


def _together(vectors: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[FloatArray, LabelArray]:
    read, named = as_matrix(vectors), as_labels(labels)
    check_range(read)
    if len(read) != len(named):
        raise CoreDataError(
            f"There are {len(read)} vectors and {len(named)} labels.", "Give one label for each trial."
        )
    return read, named
