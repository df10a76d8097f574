"""Errors and warnings of scikit-learn are used if it is loaded; nothing needs it."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from nimbus_sdk_core import NimbusLDA, NimbusProbit, NimbusQDA
from pyriemann.classification import TSClassifier
from pyriemann.estimation import Covariances
from sklearn import config_context
from sklearn.base import ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import DataConversionWarning
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

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


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA])
def test_tools_of_scikit_learn_take_the_models(kind: type[NimbusLDA]) -> None:
    """Calibration, wrappers, searches, ensembles and scores find all that they look for in a classifier."""
    x, y = trials(150)
    wrapped = [
        CalibratedClassifierCV(kind(), cv=3),
        OneVsRestClassifier(kind()),
        OneVsOneClassifier(kind()),
        BaggingClassifier(kind(), n_estimators=3, random_state=0),
        StackingClassifier([("own", kind())], final_estimator=kind(), cv=3),
        VotingClassifier([("own", kind())], voting="soft"),
    ]
    for each in wrapped:
        assert each.fit(x, y).score(x, y) > 0.7, each
    decisions = cross_val_predict(kind(), x, y, cv=3, method="decision_function")
    assert decisions.shape == (150, 3)
    scores = cross_val_score(kind(), x[y < 2], y[y < 2], cv=3, scoring="roc_auc")
    assert scores.min() > 0.8


def test_tools_that_need_coefficients_and_weights_take_lda() -> None:
    """Selection by coefficients, boosting by weights, and pyriemann's tangent space."""
    x, y = trials(150)
    assert RFE(NimbusLDA(), n_features_to_select=3).fit(x, y).support_.tolist() == [True, True, True, False]
    assert SelectFromModel(NimbusLDA()).fit(x, y).get_support().any()
    flowers, kinds = load_iris(return_X_y=True)
    boosted = AdaBoostClassifier(NimbusLDA(), n_estimators=3, random_state=0).fit(flowers, kinds)
    assert boosted.score(flowers, kinds) > 0.9
    signals = np.random.default_rng(1).normal(size=(60, 3, 100))
    signals[:30, 0] *= 3.0
    covariances = Covariances().transform(signals)
    tangent = TSClassifier(clf=NimbusLDA()).fit(covariances, np.arange(60) // 30)
    assert tangent.score(covariances, np.arange(60) // 30) > 0.9


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


def test_models_are_scikit_learns_classifiers_whichever_is_imported_first(tree: Path, tmp_path: Path) -> None:
    """Models that are older than scikit-learn's import are instances of its classes too."""
    package = tmp_path / "sklearn"
    package.mkdir()
    (package / "__init__.py").write_text("from sklearn import base")
    (package / "base.py").write_text("class ClassifierMixin: pass\nclass BaseEstimator: pass")
    code = """
import sys
import nimbus_sdk_core as core
made = core.NimbusLDA()
class Mine(core.NimbusQDA):
    pass
assert "sklearn" not in sys.modules
from sklearn.base import BaseEstimator, ClassifierMixin
for each in (made, Mine(), core.NimbusProbit()):
    assert isinstance(each, ClassifierMixin) and isinstance(each, BaseEstimator)
assert made.fit([[0.0], [0.2], [1.0], [1.2]], [0, 0, 1, 1]).predict([[1.1]])[0] == 1
"""
    environment = {"PYTHONPATH": f"{tree / 'src'}{os.pathsep}{tmp_path}"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
    assert issubclass(NimbusLDA, ClassifierMixin)


def test_weights_are_routed_through_a_pipeline() -> None:
    """With metadata routing a pipeline scores without weights, and passes them on where requested."""
    x, y = trials(60)
    weights = np.where(y == 1, 9.0, 1.0)
    with config_context(enable_metadata_routing=True):
        assert make_pipeline(StandardScaler(), NimbusLDA()).fit(x, y).score(x, y) > 0.7
        weighing = NimbusLDA().set_fit_request(sample_weight=True)  # type: ignore[attr-defined]
        model = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), weighing)
        model.fit(x, y, sample_weight=weights)
    np.testing.assert_allclose(model[-1].priors_, np.array([21.0, 181.0, 21.0]) / 223.0)
