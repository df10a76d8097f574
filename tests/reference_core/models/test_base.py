"""All model kinds are scikit-learn estimators."""

import copy
import pickle

import numpy as np
import pytest
from nimbus_sdk_core import CoreDataError, NimbusLDA, NimbusProbit, NimbusQDA, NotTrainedError
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

KINDS = pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA, NimbusProbit])
# Many trainings, which take NimbusProbit long.
FAST_KINDS = pytest.mark.parametrize(
    "kind", [NimbusLDA, NimbusQDA, pytest.param(NimbusProbit, marks=pytest.mark.qualification)]
)


def trials(n_trials: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Three classes that overlap a little, in four features."""
    random = np.random.default_rng(5)
    y = np.arange(n_trials) % 3
    return random.normal(size=(n_trials, 4)) + 2.0 * np.eye(3, 4)[y], y


@FAST_KINDS
@pytest.mark.filterwarnings("ignore:.*does not inherit from `sklearn.base.BaseEstimator`:UserWarning")
@pytest.mark.filterwarnings("ignore:After .* iterations the posterior still moves:UserWarning")
def test_every_check_that_scikit_learn_has_passes(kind: type[NimbusLDA]) -> None:
    """check_estimator finds nothing; what it cannot check here for want of a package is known."""
    results = check_estimator(
        kind(iterations=5) if kind is NimbusProbit else kind(), on_fail=None, on_skip=None
    )
    assert [found["check_name"] for found in results if found["status"] == "failed"] == []
    skipped = {found["check_name"] for found in results if found["status"] == "skipped"}
    assert skipped <= {
        "check_array_api_input",
        "check_classifier_data_not_an_array",
        "check_sample_weights_pandas_series",
    }
    assert len(results) > 50


@FAST_KINDS
def test_models_work_in_pipelines_and_searches(kind: type[NimbusLDA]) -> None:
    """Cross-validation, a pipeline with a scaler and a search over a hyper-parameter."""
    x, y = trials()
    assert cross_val_score(make_pipeline(StandardScaler(), kind()), x, y, cv=3).mean() > 0.7
    name = "W_scale" if kind is NimbusProbit else "mean_prior_precision"
    search = GridSearchCV(kind(), {name: [0.01, 0.1]}, cv=3).fit(x, y)
    assert search.best_score_ > 0.7


@KINDS
def test_copies_clones_and_pickles(kind: type[NimbusLDA]) -> None:
    """A clone has the parameters and nothing learned; a copy and a pickle predict the same."""
    x, y = trials()
    model = kind().fit(x, y)
    assert not hasattr(clone(model), "classes_")
    assert clone(model).get_params() == model.get_params()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(twin.predict_proba(x), model.predict_proba(x))


@KINDS
def test_score_is_the_share_of_right_predictions(kind: type[NimbusLDA]) -> None:
    """As scikit-learn's classifiers score."""
    x, y = trials()
    model = kind().fit(x, y)
    assert model.score(x, y) == np.mean(model.predict(x) == y)
    with pytest.raises(CoreDataError, match="There are no trials to score"):
        model.score(x[:0], y[:0])
    with pytest.raises(CoreDataError, match="There are 90 vectors and 89 labels"):
        model.score(x, y[1:])


@KINDS
def test_score_asks_predict_and_weighs_trials(kind: type[NimbusLDA]) -> None:
    """A subclass that decides in another way is scored by its decisions, as scikit-learn scores it."""

    class Contrary(kind):  # type: ignore[misc, valid-type]
        def predict(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
            return (super().predict(X) + 1) % 3

    x, y = trials()
    model = Contrary().fit(x, y)
    weights = np.arange(90) / 90.0
    assert model.score(x, y) == np.mean(model.predict(x) == y) < 0.3
    assert model.score(x, y, sample_weight=weights) == accuracy_score(
        y, model.predict(x), sample_weight=weights
    )


@KINDS
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_decision_function_is_the_evidence_for_the_prediction(
    kind: type[NimbusLDA], n_classes: int
) -> None:
    """Log odds of the second of two classes, log posteriors of more, as scikit-learn's tools expect."""
    x, y = trials()
    x, y = x[y < n_classes], y[y < n_classes]
    model = kind().fit(x, y)
    decided = model.decision_function(x)
    if n_classes == 2:
        np.testing.assert_allclose(1.0 / (1.0 + np.exp(-decided)), model.predict_proba(x)[:, 1], atol=1e-12)
        np.testing.assert_array_equal(model.predict(x), (decided > 0).astype(int))
    else:
        np.testing.assert_array_equal(decided, model.predict_log_proba(x))
    with pytest.raises(NotTrainedError):
        kind().decision_function(x)


@KINDS
def test_parameters_are_set_by_name(kind: type[NimbusLDA]) -> None:
    """set_params changes what it knows and refuses the rest by name."""
    name, value = next(iter(kind().get_params().items()))
    assert kind().set_params(**{name: 4}).get_params()[name] == 4 != value
    with pytest.raises(CoreDataError, match=f"{kind.__name__} has no parameter 'colour'. It has {name}"):
        kind().set_params(colour=1)


@KINDS
def test_classes_may_be_named_before_they_occur(kind: type[NimbusLDA]) -> None:
    """partial_fit takes all classes at the first call; later ones may bring the others, but no new ones."""
    x, y = trials()
    order = np.argsort(y, kind="stable")
    first, second = order[:40], order[40:]
    model = kind().partial_fit(x[first], y[first], classes=[0, 1, 2])
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.partial_fit(x[second], y[second]).score(x, y) > 0.7
    with pytest.raises(CoreDataError, match=r"classes are \[0, 1\], but this model knows \[0, 1, 2\]"):
        model.partial_fit(x, y, classes=[0, 1])
    with pytest.raises(CoreDataError, match=r"labels hold \[2\], but the model's classes are \[0, 1\]"):
        kind().partial_fit(x, y, classes=[0, 1])


@KINDS
def test_untrained_models_are_not_fitted(kind: type[NimbusLDA]) -> None:
    """Where scikit-learn is loaded, the error is its own as well as ours, and survives pickling."""
    with pytest.raises(NotFittedError, match="is not trained") as caught:
        kind().predict([[1.0]])
    assert isinstance(caught.value, NotTrainedError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(again, NotTrainedError)
    assert (again.message, again.hint) == (caught.value.message, caught.value.hint)


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA])
def test_logarithms_of_probabilities_stay_finite(kind: type[NimbusLDA]) -> None:
    """They are those of predict_proba, and go on where that is 0; scikit-learn's scorers take them."""
    x, y = trials()
    model = kind().fit(x, y)
    np.testing.assert_allclose(model.predict_log_proba(x), np.log(model.predict_proba(x)), atol=1e-12)
    assert cross_val_score(kind(), x, y, cv=3, scoring="neg_log_loss").mean() > -1.0
    two = np.arange(600) % 2
    clear = kind().fit(two[:, np.newaxis] + 1e-6 * np.random.default_rng(1).normal(size=(600, 1)), two)
    assert clear.predict_proba([[0.0]]).min() == 0.0
    assert clear.predict_log_proba([[0.0]]).min() > -np.inf
    with pytest.raises(NotTrainedError):
        kind().predict_log_proba(x)


@KINDS
def test_positional_parameters_are_rejected_under_the_public_class_name(kind: type[NimbusLDA]) -> None:
    """Python's own message names the class that was called, and not one behind it."""
    with pytest.raises(TypeError, match=rf"^{kind.__name__}\.__init__\(\) takes 1 positional argument"):
        kind(3)
