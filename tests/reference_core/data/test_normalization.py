"""Normalization with parameters from the training data."""

import numpy as np
import pytest
from nimbus_sdk_core import BCIData, BCIMetadata, CoreDataError
from nimbus_sdk_core.data.normalization import apply_normalization, estimate_normalization_params
from scipy import stats
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler


def trials(features: np.ndarray, labels=None, rate: float = 250.0, **changes: object) -> BCIData:
    """Features as data of two classes."""
    about = BCIMetadata(rate, "motor_imagery", "csp", len(features), 2, **changes)
    return BCIData(features, about, labels)


@pytest.mark.parametrize(
    ("method", "scaler"),
    [
        ("zscore", StandardScaler()),
        ("minmax", MinMaxScaler()),
        ("robust", RobustScaler(quantile_range=(25, 75))),
    ],
)
def test_normalization_agrees_with_scikit_learn(
    method: str, scaler: object, random: np.random.Generator
) -> None:
    """Over samples and trials; the robust width is that of a normal distribution (MAD, not quartiles)."""
    features = random.normal(3.0, [[[1.0]], [[20.0]]], size=(2, 50, 400))
    expected = scaler.fit_transform(features.reshape(2, -1).T).T.reshape(features.shape)  # type: ignore[attr-defined]
    found = apply_normalization(features, estimate_normalization_params(features, method=method))
    if method == "robust":
        mads = stats.median_abs_deviation(features.reshape(2, -1), axis=1, scale="normal")
        medians = np.median(features.reshape(2, -1), axis=1)
        np.testing.assert_allclose(found, (features - medians[:, None, None]) / mads[:, None, None])
        np.testing.assert_allclose(found.std(), 1.0, atol=0.05)
    else:
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_new_data_are_scaled_by_the_training_parameters(random: np.random.Generator) -> None:
    """The parameters come from the training data; type, metadata and labels stay the same."""
    training = trials(random.normal(5.0, 2.0, size=(3, 4, 100)))
    params = estimate_normalization_params(training)
    assert params.computed_from_n_trials == 100
    later = trials(random.normal(50.0, 2.0, size=(3, 4, 5)), labels=[1, 2, 1, 2, 1])
    scaled = apply_normalization(later, params)
    assert scaled.labels.tolist() == [1, 2, 1, 2, 1]
    assert scaled.metadata == later.metadata
    np.testing.assert_allclose(
        scaled.features, (later.features - params.means[:, None, None]) / params.stds[:, None, None]
    )
    assert scaled.features.min() > 15


def test_constant_features_are_shifted_and_not_scaled() -> None:
    """No division by zero, nor by what rounding leaves of a constant."""
    features = np.stack([np.full((5, 7), 0.1 + 0.2), np.arange(35.0).reshape(5, 7)])
    for method in ("zscore", "minmax", "robust", "none"):
        scaled = apply_normalization(features, estimate_normalization_params(features, method=method))
        assert np.ptp(scaled[0]) == 0.0
        assert np.abs(scaled[0]).max() < 1.0
    np.testing.assert_array_equal(scaled, features)


@pytest.mark.parametrize(
    ("features", "method", "words"),
    [
        (np.zeros((2, 3, 4)), "quantile", "method is 'quantile'. Use one of zscore"),
        (np.zeros((3, 4)), "zscore", r"shape \(3, 4\), expected 3 axes"),
        (np.zeros((2, 3, 0)), "zscore", "nothing to learn from"),
        (np.zeros((0, 3, 1)), "zscore", "expected 3 axes"),
        (np.full((2, 3, 4), "a"), "zscore", "expected 3 axes"),
        ([[[1.0]], [[1.0, 2.0]]], "zscore", "ragged"),
        (np.full((2, 3, 4), np.nan), "zscore", "not finite"),
        (np.full((2, 3, 4), np.inf), "robust", "not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_normalization_of_unusable_features_is_rejected(features, method: str, words: str) -> None:
    """The message says what is wrong."""
    with pytest.raises(CoreDataError, match=words):
        estimate_normalization_params(features, method=method)


def test_parameters_of_other_features_are_rejected() -> None:
    """Their number must agree."""
    params = estimate_normalization_params(np.random.default_rng(1).normal(size=(2, 3, 4)))
    with pytest.raises(CoreDataError, match=r"shape \(3, 3, 4\), the parameters are those of 2"):
        apply_normalization(np.zeros((3, 3, 4)), params)


def test_a_chunk_is_scaled_as_the_trials_are() -> None:
    """Two axes are a chunk of a stream."""
    trials = np.random.default_rng(1).normal(size=(2, 3, 4))
    params = estimate_normalization_params(trials)
    scaled = apply_normalization(trials, params)
    np.testing.assert_array_equal(apply_normalization(trials[:, :, 1], params), scaled[:, :, 1])
    with pytest.raises(CoreDataError, match=r"of shape \(2,\), expected 3 axes"):
        apply_normalization(trials[:, 0, 0], params)
    with pytest.raises(CoreDataError, match=r"of shape \(2, 3\), expected 3 axes"):
        estimate_normalization_params(trials[:, :, 1])


def test_values_that_are_not_finite_are_not_scaled() -> None:
    """NaN is found with its place, in trials as in a chunk."""
    trials = np.ones((2, 3, 4))
    params = estimate_normalization_params(trials)
    trials[1, 2, 3] = np.nan
    with pytest.raises(CoreDataError, match=r"the first \(nan\) at feature 1, sample 2, trial 3, counted"):
        apply_normalization(trials, params)
    with pytest.raises(CoreDataError, match=r"at feature 1, sample 2, counted"):
        apply_normalization(trials[:, :, 3], params)
