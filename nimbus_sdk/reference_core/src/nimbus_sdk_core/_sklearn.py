"""What scikit-learn expects of an estimator beyond its methods, without importing scikit-learn.

If a program has loaded scikit-learn, scikit-learn's own error and warning classes are used, so that its
tools recognise them. The models work without it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

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


class Joinable:
    """A base that `join_sklearn` needs: Python adds bases only to classes that have one with attributes."""


def join_sklearn(kind: type[Joinable]) -> None:
    """Give a class scikit-learn's BaseEstimator and ClassifierMixin as bases, as soon as these are loaded.

    Some tools ask ``isinstance(model, ClassifierMixin)``, and metadata routing needs BaseEstimator. The class
    keeps its own methods; nothing is imported here.
    """
    if "sklearn.base" in sys.modules:
        _add_sklearn_bases(kind)
    elif sys.modules.get("sklearn", sys) is not None:
        sys.meta_path.insert(0, _SklearnBaseFinder(kind))


class _SklearnBaseFinder:
    """Finds ``sklearn.base`` as the other finders do, and adds a class's bases once it is loaded."""

    def __init__(self, kind: type[Joinable]) -> None:
        self.kind = kind

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "sklearn.base" or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_join(module: ModuleType) -> None:
            execute(module)
            _add_sklearn_bases(self.kind)

        spec.loader.exec_module = execute_and_join  # type: ignore[method-assign]
        return spec


def _add_sklearn_bases(kind: type[Joinable]) -> None:
    base = import_module("sklearn.base")
    kind.__bases__ = (base.ClassifierMixin, base.BaseEstimator, *kind.__bases__)
    waiting = [kind]
    while waiting:
        found = waiting.pop()
        # BaseEstimator gives each class the methods set_fit_request() and so on when it is defined.
        found.__init_subclass__()
        waiting += found.__subclasses__()


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
