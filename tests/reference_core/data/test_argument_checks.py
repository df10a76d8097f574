"""Errors for arguments of a wrong kind, and for masked arrays."""

import numpy as np
import pytest
from nimbus_sdk_core import CoreDataError
from nimbus_sdk_core.checks.validation import validate_data
from nimbus_sdk_core.data.normalization import apply_normalization, estimate_normalization_params
from nimbus_sdk_core.decoding.trial_quality import assess_trial_quality
from nimbus_sdk_core.errors import CoreTypeError
from nimbus_sdk_core.models.compatibility import get_n_classes, get_n_features, get_paradigm


def noise(n_features: int = 3, n_samples: int = 500, n_trials: int = 30) -> np.ndarray:
    """Unremarkable features."""
    return np.random.default_rng(5).normal(size=(n_features, n_samples, n_trials))


def test_masked_arrays_are_neither_scaled_nor_assessed() -> None:
    """Masked values would be treated as measured."""
    masked = np.ma.masked_greater(noise(), 1.0)
    params = estimate_normalization_params(noise())
    for use in (estimate_normalization_params, lambda features: apply_normalization(features, params)):
        with pytest.raises(CoreDataError, match="features are a masked array"):
            use(masked)
    with pytest.raises(CoreDataError, match="posteriors are a masked array"):
        assess_trial_quality(np.ma.array([[0.9, 0.1]], mask=[[0, 1]]))


def test_arguments_of_the_wrong_kind_are_named() -> None:
    """The message names the given type and the expected one."""
    for ask in (get_n_features, get_n_classes, get_paradigm):
        with pytest.raises(CoreTypeError, match="model is a NoneType, not a model"):
            ask(None)
    with pytest.raises(CoreTypeError, match="params is a NoneType, not a NormalizationParams"):
        apply_normalization(noise(), None)
    with pytest.raises(CoreTypeError, match="data is a list, not a BCIData"):
        validate_data([])
