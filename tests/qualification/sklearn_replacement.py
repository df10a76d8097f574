"""A pytest plugin: scikit-learn's tests find another classifier where they import one of its own.

``CLASSIFIER`` in the environment names it: a model of the reference core, or ``GaussianNB`` for scale. It
takes the parameters of the classifier that it replaces, ignores those that it does not have, and counts its
instances, so that a report tells which tests used one. ``REPORT`` is the file for the outcomes, as JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import sklearn

ROOT = Path(__file__).parents[2]
REPLACED = {
    "discriminant_analysis": ("LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis"),
    "linear_model": ("LogisticRegression", "Perceptron", "RidgeClassifier", "SGDClassifier"),
    "naive_bayes": ("GaussianNB", "MultinomialNB"),
    "neighbors": ("KNeighborsClassifier",),
    "svm": ("LinearSVC", "SVC"),
    "tree": ("DecisionTreeClassifier",),
}
NOT_OURS_TO_IMPORT = ("tests", "externals", "_build_utils", "conftest")

made = 0
outcomes: dict[str, tuple[str, int, str]] = {}


def __getattr__(name: str) -> type:
    """A replacement by its name, in a process that did not start as pytest but unpickles one."""
    if "CLASSIFIER" in os.environ and name in {each for names in REPLACED.values() for each in names}:
        replace_all()
        return globals()[name]  # type: ignore[no-any-return]
    raise AttributeError(name)


def import_all() -> None:
    """Import scikit-learn whole, so that its own modules keep its own classifiers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for found in pkgutil.walk_packages(sklearn.__path__, "sklearn."):
            if not set(found.name.split(".")) & set(NOT_OURS_TO_IMPORT):
                importlib.import_module(found.name)


def find_classifier() -> type:
    """The classifier that replaces the others."""
    name = os.environ["CLASSIFIER"]
    if name == "GaussianNB":
        return importlib.import_module("sklearn.naive_bayes").GaussianNB  # type: ignore[no-any-return]
    sys.path.insert(0, str(ROOT / "nimbus_sdk" / "reference_core" / "src"))
    return getattr(importlib.import_module("nimbus_sdk_core"), name)  # type: ignore[no-any-return]


def build_replacement(base: type, original: type) -> type:
    """A subclass with the name of the original, which takes the original's parameters too."""
    own = set(base().get_params())
    foreign = set(original().get_params()) - own

    class Replacement(base):  # type: ignore[misc, valid-type]
        def __init__(self, *args: object, **params: object) -> None:
            global made
            made += 1
            super().__init__(**{name: params[name] for name in params if name in own})
            self._foreign = {name: params[name] for name in params if name not in own}
            self._show_foreign()

        def _show_foreign(self) -> None:
            for name in set(self._foreign) - set(dir(type(self))):
                setattr(self, name, self._foreign[name])

        def get_params(self, deep: bool = True) -> dict[str, object]:
            return {**{name: getattr(self, name) for name in sorted(own)}, **self._foreign}

        def set_params(self, **params: object) -> object:
            for name, value in params.items():
                if name in own:
                    setattr(self, name, value)
                elif name in foreign:
                    self._foreign[name] = value
                    self._show_foreign()
                else:
                    raise ValueError(f"Invalid parameter {name!r} for estimator {self}.")
            return self

    Replacement.__name__ = Replacement.__qualname__ = original.__name__
    Replacement.__module__ = __name__
    globals()[original.__name__] = Replacement
    return Replacement


def pytest_configure() -> None:
    """Replace the classifiers before any test module imports them."""
    replace_all()


def replace_all() -> None:
    """Put a replacement into each module that has a classifier to be replaced."""
    import_all()
    base = find_classifier()
    for module, names in REPLACED.items():
        home = importlib.import_module(f"sklearn.{module}")
        for name in names:
            setattr(home, name, build_replacement(base, getattr(home, name)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Count the instances that a test makes, in its fixtures too."""
    before = made
    result = yield
    outcome, _, reason = outcomes.get(item.nodeid, ("", 0, ""))
    # Instances among the parameters were made when the module was imported.
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    outcomes[item.nodeid] = (outcome, made - before + ("Replacement" in describe_types(parameters)), reason)
    return result


def describe_types(value: object) -> str:
    """The classes of a parameter and of what it holds, as text."""
    if isinstance(value, dict):
        return " ".join(describe_types(each) for each in value.values())
    if isinstance(value, list | tuple | set):
        return " ".join(describe_types(each) for each in value)
    kind = value if isinstance(value, type) else type(value)
    text = "Replacement" if kind.__module__ == __name__ else ""
    inside = vars(value) if hasattr(value, "get_params") and not isinstance(value, type) else {}
    return f"{text} {describe_types(list(inside.values()))}" if inside else text


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Store the outcome of a test, an error of a fixture counted as a failure."""
    if report.when == "call" or report.outcome != "passed":
        reason = str(report.longrepr)[-2_000:] if report.failed else ""
        outcomes[report.nodeid] = (report.outcome, 0, reason)


def pytest_sessionfinish() -> None:
    """Write the report."""
    Path(os.environ["REPORT"]).write_text(json.dumps(outcomes))
