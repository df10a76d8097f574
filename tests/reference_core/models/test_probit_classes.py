"""NimbusProbit does not depend on the order of the classes, and copes with many features."""

import numpy as np
import pytest
from nimbus_sdk_core import NimbusProbit
from sklearn.metrics import log_loss


@pytest.mark.parametrize(
    ("n_classes", "n_trials"),
    [
        (4, 80),
        *(pytest.param(k, 200, marks=pytest.mark.qualification) for k in (3, 4, 5)),
    ],
)
def test_the_order_of_the_classes_does_not_matter(n_classes: int, n_trials: int) -> None:
    """Renamed classes have the same probabilities, to half a percent."""
    random = np.random.default_rng(0)
    y = np.arange(n_trials) % n_classes
    places = random.normal(size=(n_classes, 8))
    x, new = 1.2 * random.normal(size=(n_trials, 8)) + places[y], 1.5 * random.normal(size=(200, 8))
    expected = NimbusProbit().fit(x, y).predict_proba(new)
    for order in (np.arange(n_classes)[::-1], np.roll(np.arange(n_classes), 1)):
        found = NimbusProbit().fit(x, order[y]).predict_proba(new)[:, order]
        np.testing.assert_allclose(found, expected, atol=0.005)


@pytest.mark.parametrize(("n_features", "n_trials"), [(100, 60), (40, 80)])
def test_many_features_leave_probabilities_useful(n_features: int, n_trials: int) -> None:
    """Also with more features than trials log loss is well below that of the base rate."""
    random = np.random.default_rng(2)
    y, truth = np.arange(n_trials) % 2, np.arange(1_000) % 2
    places = 1.7 * random.normal(size=(2, n_features)) / np.sqrt(n_features)
    model = NimbusProbit().fit(random.normal(size=(n_trials, n_features)) + places[y], y)
    found = model.predict_proba(random.normal(size=(1_000, n_features)) + places[truth])
    assert log_loss(truth, found) < 0.63
