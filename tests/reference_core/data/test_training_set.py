"""Vectors and labels for a training."""

import re

import numpy as np
import pytest
from nimbus_sdk_core import BCIData, CoreDataError, NimbusLDA, calibrate_model, train_model

from tests.reference_core.support import simulated


def test_labels_from_zero_are_recognised() -> None:
    """Labels that count from 0 on a model that counts from 1 are refused with the remedy."""
    data = simulated("p300", n_trials=40, seed=1)
    model = train_model(NimbusLDA, data)
    with pytest.raises(CoreDataError, match="count from 0 and the model's classes from 1: add 1"):
        calibrate_model(model, BCIData(data.features, data.metadata, data.labels - 1))
    with pytest.raises(CoreDataError, match=r"labels are of type <U1, the model's classes are \[1, 2\]"):
        calibrate_model(model, BCIData(data.features, data.metadata, ["a", "b"] * 20))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([1.0, 2.0], "Vectors have 1 axis, shape (2,), expected 2"),
        ([[1.0, 2.0, 3.0]], "X has 3 features, but NimbusLDA is expecting 2 features"),
        ([[1.0, np.nan]], "Vectors hold NaN, infinity or more than 1e+100, first at trial 0, feature 1"),
        ([[1.0, 1e200]], "feature 1 (counted from 0): 1e+200"),
        ([["a", "b"]], "not real numbers"),
    ],
)
def test_vectors_are_checked(x: object, words: str) -> None:
    """The estimator's own methods refuse what they cannot read."""
    model = NimbusLDA().fit([[0.0, 1.0], [0.5, 0.0], [1.0, 1.0], [1.5, 0.0]], [0, 0, 1, 1])
    with pytest.raises(CoreDataError, match=re.escape(words)):
        model.predict(x)  # type: ignore[arg-type]


def test_vectors_and_labels_must_have_equal_length() -> None:
    """One label for each vector."""
    with pytest.raises(CoreDataError, match="There are 2 vectors and 3 labels"):
        NimbusLDA().fit([[1.0], [2.0]], [1, 2, 1])
