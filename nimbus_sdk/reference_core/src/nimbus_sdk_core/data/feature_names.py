"""Names of features, as data frames have them: read at a training and compared at every later use."""

from __future__ import annotations

import warnings

from .._sklearn import caller_stacklevel
from ..errors import CoreDataError, CoreTypeError

FeatureNames = tuple[str, ...]


def read_feature_names(vectors: object) -> FeatureNames | None:
    """Return the names of the columns of a data frame; None without names, or where they are no texts.

    Raises:
        CoreTypeError: Some of the names are texts and others are not.
    """
    columns = getattr(vectors, "columns", None)
    if columns is None:
        return None
    names = tuple(columns)
    kinds = sorted({type(name).__name__ for name in names})
    if not any(isinstance(name, str) for name in names):
        return None
    if not all(isinstance(name, str) for name in names):
        raise CoreTypeError(
            "Feature names are only supported if all input features have string names, but your input has "
            f"{kinds} as feature name / column name types.",
            "Use X.columns = X.columns.astype(str) if you want feature names to be stored and checked.",
        )
    return names


def check_feature_names(kind: str, expected: FeatureNames | None, given: FeatureNames | None) -> None:
    """Raise CoreDataError for names in another order or of other features; warn where one side has none.

    Args:
        kind: Name of the model's class, for the messages.
        expected: The names of the training.
        given: The names of the vectors to read.
    """
    if expected == given:
        return
    if expected is None or given is None:
        here, there = ("has", "without") if expected is None else ("does not have valid", "with")
        warnings.warn(
            f"X {here} feature names, but {kind} was fitted {there} feature names",
            UserWarning,
            stacklevel=caller_stacklevel(),
        )
        return
    raise CoreDataError(
        "The feature names should match those that were passed during fit.\n" + _describe(expected, given),
        f"Use X[{kind.lower()}.feature_names_in_].",
    )


def _describe(expected: FeatureNames, given: FeatureNames) -> str:
    unseen = sorted(set(given) - set(expected))
    missing = sorted(set(expected) - set(given))
    if not unseen and not missing:
        return "Feature names must be in the same order as they were in fit.\n"
    text = f"Feature names unseen at fit time:\n{_list(unseen)}" if unseen else ""
    return text + (f"Feature names seen at fit time, yet now missing:\n{_list(missing)}" if missing else "")


def _list(names: list[str]) -> str:
    most = 5
    return "".join(f"- {name}\n" for name in [*names[:most], *(["..."] if len(names) > most else [])])
