"""Labels in any usual type, and the index of each in a model's classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from .._types import IndexArray, LabelArray
from ..errors import CoreDataError
from .argument_checks import is_instance_of

_HINT = "Give one whole number, one text or one truth value for each trial."

_READABLE = {bool: np.bool_, int: np.integer, float: np.floating, str: np.str_}

# Whole numbers within this range are looked up in a table, others by bisection.
_WIDEST_TABLE = 65_536


def read_labels(labels: npt.ArrayLike) -> LabelArray:
    """Read labels of any usual kind into a one-dimensional int64, text or bool array.

    Whole numbers may start at 1 (Julia, MATLAB), at 0 (Python) or anywhere else; floats that hold whole
    numbers are read as such. Nothing is renumbered: predictions have the same labels.

    Args:
        labels: Shape (n_trials,).

    Raises:
        CoreDataError: Not one-dimensional, not whole numbers, texts or truth values, or several of these.

    Examples:
        >>> read_labels([1.0, 2.0, 1.0])
        array([1, 2, 1])
    """
    check_not_masked("labels", labels)
    try:
        array = np.asarray(labels)
    except ValueError:
        raise CoreDataError("labels are ragged: entries of unequal length.", _HINT) from None
    if array.dtype == object:
        array = _read_objects(array)
    elif array.ndim == 1 and isinstance(labels, Sequence):
        # NumPy makes texts of numbers among texts, and numbers of truth values among numbers.
        _common_type(labels)
    if array.ndim != 1:
        raise CoreDataError(
            f"labels have shape {array.shape}, expected (n_trials,).", "Give one label for each trial."
        )
    if array.dtype.kind == "f":
        return _read_floats(array)
    if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise CoreDataError(f"A label is {array.max()}, too large.", "Use smaller whole numbers.")
    targets = {"b": np.bool_, "i": np.int64, "u": np.int64, "U": np.str_}
    if array.dtype.kind not in targets:
        raise CoreDataError(f"labels hold values of type {array.dtype}.", _HINT)
    return array.astype(targets[array.dtype.kind])


def check_not_masked(name: str, values: object) -> None:
    """Raise CoreDataError if values are a masked array, whose mask would be lost."""
    if type(values) is not np.ndarray and is_instance_of(values, "numpy.ma", "MaskedArray"):
        raise CoreDataError(f"{name} are a masked array, and the mask would be lost.", "Fill or drop first.")


def encode_labels(labels: LabelArray, classes: LabelArray) -> IndexArray:
    """Find the index of each label in the sorted ``classes``.

    Args:
        labels: Shape (n_trials,).
        classes: Shape (n_classes,), sorted, without repeats.

    Raises:
        CoreDataError: A label is not among the classes, or is of another kind (text against number).
    """
    # Without labels there is no type that could be wrong.
    if not labels.size:
        return np.empty(0, np.intp)
    known = [item.item() for item in classes]
    if labels.dtype.kind != classes.dtype.kind:
        raise CoreDataError(
            f"labels are of type {labels.dtype}, the model's classes are {known}.",
            "Translate the labels into the model's own.",
        )
    by_table = _encode_by_table(labels, classes) if labels.dtype.kind == "i" else None
    if by_table is not None:
        return by_table
    index = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    unknown = classes[index] != labels
    if not unknown.any():
        return index
    names = [item.item() for item in np.unique(labels[unknown])][:5]
    hint = "Translate the labels into the model's own."
    if names == [0] and known == list(range(1, len(known) + 1)):
        hint = "These labels count from 0 and the model's classes from 1: add 1 to the labels."
    raise CoreDataError(f"labels hold {names}, but the model's classes are {known}.", hint)


def find_classes(labels: LabelArray) -> tuple[LabelArray, IndexArray]:
    """Find the classes that occur, sorted, and the index of each label among them.

    Args:
        labels: Shape (n_trials,).

    Examples:
        >>> find_classes(read_labels([7, 5, 7]))
        (array([5, 7]), array([1, 0, 1]))
    """
    if labels.dtype.kind == "i" and labels.size:
        low, high = int(labels.min()), int(labels.max())
        if high - low < _WIDEST_TABLE:
            shifted = labels - low
            occurs = np.bincount(shifted) > 0
            if occurs.all():
                return np.arange(low, high + 1), shifted.astype(np.intp, copy=False)
            return np.flatnonzero(occurs) + low, (np.cumsum(occurs) - 1)[shifted]
    classes, index = np.unique(labels, return_inverse=True)
    return classes, index


def _encode_by_table(labels: LabelArray, classes: LabelArray) -> IndexArray | None:
    """Indices of whole numbers among whole numbers; None if a table cannot be used."""
    span = int(classes[-1]) - int(classes[0])
    if span >= _WIDEST_TABLE:
        return None
    # Read without sign, so that one comparison finds labels below and above the range.
    shifted = (labels - classes[0]).view(np.uint64)
    if shifted.max() > span:
        return None
    table = np.full(span + 1, -1, np.intp)
    table[classes - classes[0]] = np.arange(len(classes))
    index = table[shifted]
    return index if (index >= 0).all() else None


def _read_objects(objects: npt.NDArray[np.object_]) -> npt.NDArray[np.generic]:
    items = objects.ravel().tolist()
    kind = _common_type(items)
    if kind not in _READABLE:
        raise CoreDataError(f"labels hold values of type {kind.__name__}.", _HINT)
    return _array_of_type(items, kind).reshape(objects.shape)


def _common_type(items: Iterable[object]) -> type:
    """The Python type of all items; whole numbers among floats count as floats."""
    kinds = {_python_type(type_) for type_ in set(map(type, items))}
    if kinds == {int, float}:
        return float
    if len(kinds) > 1:
        names = sorted(kind.__name__ for kind in kinds)
        raise CoreDataError(f"labels mix values of types {', '.join(names)}.", _HINT)
    return kinds.pop() if kinds else int


def _python_type(type_: type) -> type:
    return next(
        (kind for kind, numpy_kind in _READABLE.items() if issubclass(type_, kind | numpy_kind)), type_
    )


def _array_of_type(items: list[object], kind: type) -> npt.NDArray[np.generic]:
    try:
        return np.array(items, dtype=kind)
    except OverflowError:
        raise CoreDataError("A label is a number beyond 64 bits.", "Use smaller whole numbers.") from None


def _read_floats(floats: npt.NDArray[np.generic]) -> LabelArray:
    numbers = floats.astype(np.float64)
    not_whole = ~np.isfinite(numbers) | (np.floor(numbers) != numbers) | (np.abs(numbers) > 2.0**53)
    if not_whole.any():
        trial = int(np.argmax(not_whole))
        raise CoreDataError(
            f"The label of trial {trial} (counted from 0) is {numbers[trial]}. "
            "Unknown label type: continuous.",
            _HINT,
        )
    return numbers.astype(np.int64)
