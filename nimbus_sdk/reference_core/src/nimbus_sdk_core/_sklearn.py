"""What scikit-learn expects of an estimator beyond its methods, without importing scikit-learn.

If a program has loaded scikit-learn, scikit-learn's own error and warning classes are used, so that its
tools recognise them. The models work without it.
"""

from __future__ import annotations

import sys
import warnings
from functools import cache
from importlib import import_module

from .errors import NotTrainedError


def not_fitted_error(message: str, hint: str) -> NotTrainedError:
    """Create a NotTrainedError that is also scikit-learn's NotFittedError if scikit-learn is loaded.

    Examples:
        >>> str(not_fitted_error("This model is not trained.", "Call fit() first."))
        'This model is not trained. Call fit() first.'
    """
    sklearn_error = _find_sklearn_exception("NotFittedError")
    return (NotTrainedError if sklearn_error is None else _not_fitted_class(sklearn_error))(message, hint)


def warn_column_labels(shape: tuple[int, ...]) -> None:
    """Warn about labels in a column, with scikit-learn's DataConversionWarning if it is loaded."""
    category = _find_sklearn_exception("DataConversionWarning")
    warnings.warn(
        "A column-vector y was passed when a 1d array was expected: "
        f"labels have shape {shape}. Give y.ravel().",
        UserWarning if category is None else category,
        stacklevel=caller_stacklevel(),
    )


def classifier_tags() -> object:
    """Return the ``__sklearn_tags__`` that scikit-learn 1.6 and later need."""
    utils = import_module("sklearn.utils")
    tags: object = utils.Tags(
        estimator_type="classifier",
        target_tags=utils.TargetTags(required=True),
        classifier_tags=utils.ClassifierTags(),
        input_tags=utils.InputTags(),
    )
    return tags


def caller_stacklevel() -> int:
    """Return the ``stacklevel`` with which a warning points at the caller of this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and _is_own_package(frame.f_globals.get("__package__")):
        level, frame = level + 1, frame.f_back
    return level


def _is_own_package(package: str | None) -> bool:
    return package is not None and package.split(".")[0] == __package__


def _find_sklearn_exception(name: str) -> type | None:
    # While another thread is importing the module, it has no such name yet.
    kind: type | None = getattr(sys.modules.get("sklearn.exceptions"), name, None)
    return kind


@cache
def _not_fitted_class(sklearn_error: type[Exception]) -> type[NotTrainedError]:
    def reduced(error: NotTrainedError) -> tuple[object, ...]:
        return not_fitted_error, error.args

    return type("NotTrainedError", (NotTrainedError, sklearn_error), {"__reduce__": reduced})
