"""NimbusProbit does not depend on the order of the classes, and copes with many features."""

from itertools import permutations

import numpy as np
import pytest
from nimbus_sdk_core import NimbusProbit
from sklearn.metrics import log_loss


@pytest.mark.parametrize(
    ("n_classes", "n_orders"),
    [
        (4, 2),
        *(pytest.param(k, n, marks=pytest.mark.qualification) for k, n in ((3, 6), (4, 24), (5, 12), (6, 3))),
    ],
)
def test_the_order_of_the_classes_does_not_matter(n_classes: int, n_orders: int) -> None:
    """Renamed classes have the same probabilities, to half a percent, in every order."""
    random = np.random.default_rng(0)
    y = np.arange(20 * n_classes) % n_classes
    places = random.normal(size=(n_classes, 8))
    x, new = 1.2 * random.normal(size=(len(y), 8)) + places[y], 1.5 * random.normal(size=(200, 8))
    expected = NimbusProbit().fit(x, y).predict_proba(new)
    orders = list(permutations(range(n_classes)))
    for order in orders[:: len(orders) // n_orders]:
        renamed = np.array(order)
        found = NimbusProbit().fit(x, renamed[y]).predict_proba(new)[:, renamed]
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
