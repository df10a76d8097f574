"""Errors and warnings of scikit-learn are used if it is loaded; nothing needs it."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from nimbus_sdk_core import NimbusLDA, NimbusProbit, NimbusQDA
from sklearn.exceptions import DataConversionWarning

KINDS = pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA, NimbusProbit])


def trials(n_trials: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Three classes that overlap a little, in four features."""
    random = np.random.default_rng(5)
    y = np.arange(n_trials) % 3
    return random.normal(size=(n_trials, 4)) + 2.0 * np.eye(3, 4)[y], y


def test_a_column_of_labels_is_accepted_with_a_warning() -> None:
    """As scikit-learn does it, in its own category where it is loaded."""
    x, y = trials()
    with pytest.warns(DataConversionWarning, match=r"A column-vector y was passed.*shape \(90, 1\)"):
        model = NimbusLDA().fit(x, y[:, np.newaxis])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(model.predict_proba(x), NimbusLDA().fit(x, y).predict_proba(x))


@KINDS
@pytest.mark.parametrize("call", ["fit", "partial_fit", "score"])
def test_the_warning_points_at_the_calling_line(call: str, kind: type[NimbusLDA]) -> None:
    """And not into the core, however deep it was found."""
    x, y = trials()
    model = kind().fit(x, y)
    with pytest.warns(DataConversionWarning) as caught:
        getattr(model, call)(x, y[:, np.newaxis])
    assert [each.filename for each in caught] == [__file__]


def test_everything_works_without_scikit_learn(tree: Path) -> None:
    """Where it cannot be imported, models train, predict, warn and complain all the same."""
    code = """
import sys, warnings
sys.modules["sklearn"] = None
import nimbus_sdk_core as core
model = core.NimbusLDA()
try:
    model.predict([[1.0]])
except core.NotTrainedError as fault:
    assert type(fault) is core.NotTrainedError
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import numpy as np
    model.fit([[0.0], [0.2], [1.0], [1.2]], np.array([[0], [0], [1], [1]]))
assert [each.category for each in caught] == [UserWarning]
assert model.score([[0.1], [1.1]], [0, 1]) == 1.0
assert not [name for name in sys.modules if name.startswith("sklearn.")]
"""
    environment = {"PYTHONPATH": str(tree / "src")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)


def test_models_are_scikit_learns_classifiers_whichever_is_imported_first(tree: Path) -> None:
    """ClassifierMixin and metadata routing know the models, also those older than scikit-learn's import."""
    code = """
import sys
import nimbus_sdk_core as core
made = core.NimbusLDA()
class Mine(core.NimbusQDA):
    pass
assert not [name for name in sys.modules if name.startswith("sklearn")]
import numpy as np
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
for each in (made, Mine(), core.NimbusProbit()):
    assert isinstance(each, ClassifierMixin) and isinstance(each, BaseEstimator)
sklearn.set_config(enable_metadata_routing=True)
x, y = np.random.default_rng(1).normal(size=(40, 2)), np.arange(40) % 2
assert make_pipeline(StandardScaler(), made).fit(x, y).score(x, y) > 0.4
weighing = Mine().set_fit_request(sample_weight=True)
model = make_pipeline(StandardScaler().set_fit_request(sample_weight=True), weighing)
weights = np.where(y == 1, 9.0, 1.0)
assert np.allclose(model.fit(x, y, sample_weight=weights)[-1].priors_, [21 / 202, 181 / 202])
"""
    environment = {"PYTHONPATH": str(tree / "src")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
