"""What scikit-learn expects of an estimator beyond its methods, without importing scikit-learn.

Where a program has loaded scikit-learn, its own error and warning classes are raised, so that its tools
recognise them; everywhere else the models work without it.
"""

from __future__ import annotations

import sys
import warnings
from functools import cache
from importlib import import_module

from .errors import NotTrainedError


def not_fitted_error(message: str, hint: str) -> NotTrainedError:
    """A NotTrainedError that is also scikit-learn's NotFittedError where scikit-learn is loaded.

    >>> str(not_fitted_error("This model is not trained.", "Call fit() first."))
    'This model is not trained. Call fit() first.'
    """
    exceptions = sys.modules.get("sklearn.exceptions")
    if exceptions is None:
        return NotTrainedError(message, hint)
    return _not_fitted_class(exceptions.NotFittedError)(message, hint)


def warn_column_labels(shape: tuple[int, ...]) -> None:
    """Tell that labels came as a column; scikit-learn's DataConversionWarning where it is loaded."""
    exceptions = sys.modules.get("sklearn.exceptions")
    category = UserWarning if exceptions is None else exceptions.DataConversionWarning
    warnings.warn(
        "A column-vector y was passed when a 1d array was expected: "
        f"labels have shape {shape}. Give y.ravel().",
        category,
        stacklevel=caller_stacklevel(),
    )


def classifier_tags() -> object:
    """What scikit-learn 1.6 and later asks for as ``__sklearn_tags__``."""
    utils = import_module("sklearn.utils")
    tags: object = utils.Tags(
        estimator_type="classifier",
        target_tags=utils.TargetTags(required=True),
        classifier_tags=utils.ClassifierTags(),
        input_tags=utils.InputTags(),
    )
    return tags


def caller_stacklevel() -> int:
    """What a warning's ``stacklevel`` is that points at who called this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and _is_own_package(frame.f_globals.get("__package__")):
        level, frame = level + 1, frame.f_back
    return level


def _is_own_package(package: str | None) -> bool:
    return package is not None and package.split(".")[0] == __package__


@cache
def _not_fitted_class(theirs: type[Exception]) -> type[NotTrainedError]:
    def reduced(error: NotTrainedError) -> tuple[object, ...]:
        return not_fitted_error, error.args

    return type("NotTrainedError", (NotTrainedError, theirs), {"__reduce__": reduced})
