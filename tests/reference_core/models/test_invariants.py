"""Predictions do not depend on names, order or units."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nimbus_sdk_core import CoreDataError, NimbusLDA, NimbusProbit, NimbusQDA

from tests.support.examples import examples

# The probit integrates classes in an order, each time to the accuracy of its rules, and stops near the end.
KINDS = pytest.mark.parametrize(
    ("kind", "allowed"),
    [(NimbusLDA, 1e-8), (NimbusQDA, 1e-8), pytest.param(NimbusProbit, 1e-3, marks=pytest.mark.qualification)],
    ids=["NimbusLDA", "NimbusQDA", "NimbusProbit"],
)
SEEDS = st.integers(0, 2**32 - 1)


def trials(seed: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Forty trials of four features and three classes, all of which occur."""
    random = np.random.default_rng(seed)
    y = np.concatenate([np.arange(3), random.integers(0, 3, 37)])
    return random.normal(size=(40, 4)) + y[:, None] * random.normal(size=4), y, random


@KINDS
@examples(30)
@given(seed=SEEDS, names=st.permutations(["feet", "left", "right"]))
def test_names_of_classes_do_not_matter(
    kind: Callable[[], NimbusLDA], allowed: float, seed: int, names: list[str]
) -> None:
    """Renaming classes permutes the columns of the posteriors and nothing else."""
    x, y, _ = trials(seed)
    plain = kind().fit(x, y)
    named = kind().fit(x, np.array(names)[y])
    columns = np.searchsorted(named.classes_, names)
    np.testing.assert_allclose(named.predict_proba(x)[:, columns], plain.predict_proba(x), atol=allowed)
    sure = np.sort(plain.predict_proba(x), axis=1) @ [0, -1, 1] > 2 * allowed
    assert named.predict(x[sure]).tolist() == [names[k] for k in plain.predict(x[sure])]


@KINDS
@examples(30)
@given(seed=SEEDS)
def test_order_of_trials_and_features_does_not_matter(
    kind: Callable[[], NimbusLDA], allowed: float, seed: int
) -> None:
    """Shuffled trials and features give the same posteriors."""
    x, y, random = trials(seed)
    rows, columns = random.permutation(len(x)), random.permutation(x.shape[1])
    shuffled = kind().fit(x[rows][:, columns], y[rows])
    np.testing.assert_allclose(
        shuffled.predict_proba(x[:, columns]), kind().fit(x, y).predict_proba(x), atol=allowed
    )


@KINDS
@examples(30)
@given(
    seed=SEEDS,
    scales=st.lists(st.floats(1e-6, 1e6), min_size=4, max_size=4),
    signs=st.lists(st.sampled_from([-1.0, 1.0]), min_size=4, max_size=4),
    shift=st.floats(-10, 10),
)
def test_units_of_features_do_not_matter(
    kind: Callable[[], NimbusLDA],
    allowed: float,
    seed: int,
    scales: list[float],
    signs: list[float],
    shift: float,
) -> None:
    """Microvolt or volt, each feature in its own unit and with its own zero: the same posteriors."""
    x, y, _ = trials(seed)
    other = (x + shift) * np.array(scales) * np.array(signs)
    np.testing.assert_allclose(
        kind().fit(other, y).predict_proba(other), kind().fit(x, y).predict_proba(x), atol=allowed
    )


@KINDS
@examples(30)
@given(seed=SEEDS, factor=st.floats(1, 1e90))
def test_posteriors_are_probabilities_however_far_the_trial(
    kind: Callable[[], NimbusLDA], allowed: float, seed: int, factor: float
) -> None:
    """Rows sum to one and hold no NaN, for trials far from all that was seen."""
    x, y, _ = trials(seed)
    found = kind().fit(x, y).predict_proba(x * factor)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [(NimbusLDA, 1e-9), (NimbusQDA, 1e-9), (NimbusProbit, 1e-4)],
    ids=["NimbusLDA", "NimbusQDA", "NimbusProbit"],
)
def test_a_trial_alone_is_scored_as_among_others(kind: Callable[[], NimbusLDA], allowed: float) -> None:
    """Posteriors, their logarithms and distances are the same, far from all classes too."""
    x, y, _ = trials(3)
    model, far = kind().fit(x, y), x * 10.0 ** np.arange(-20, 20)[:, None]
    together = model.score_trials(far)
    alone = [model.score_trials(each[None]) for each in far]
    for name in ("posteriors", "log_posteriors", "squared_distances"):
        each = np.concatenate([getattr(scores, name) for scores in alone])
        np.testing.assert_allclose(each, getattr(together, name), rtol=allowed, atol=allowed)
    with pytest.raises(CoreDataError, match="NaN, infinity"):
        model.score_trials([[0.0, np.nan, 0.0, 0.0]])
