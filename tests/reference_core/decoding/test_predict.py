"""predict_batch and its results."""

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    CoreDataError,
    NimbusLDA,
    calibrate_model,
    predict_batch,
    train_model,
)
from nimbus_sdk_core.errors import CoreTypeError
from scipy import stats

from tests.reference_core.support import simulated


@pytest.fixture(scope="module")
def model() -> NimbusLDA:
    """A model of four imagined movements."""
    return train_model(NimbusLDA, simulated("motor_imagery", n_trials=200, seed=1), name="a <b> & c")


@pytest.fixture(scope="module")
def data() -> BCIData:
    """Trials it has not seen."""
    return simulated("motor_imagery", n_trials=200, seed=2)


def test_all_parts_of_a_result_agree(model: NimbusLDA, data: BCIData) -> None:
    """Predictions, confidences, entropy and accuracy follow from the posteriors."""
    result = predict_batch(model, data)
    assert len(result) == 200
    np.testing.assert_array_equal(result.predictions, result.classes[result.posteriors.argmax(axis=1)])
    np.testing.assert_array_equal(result.confidences, result.posteriors.max(axis=1))
    np.testing.assert_allclose(result.entropy, stats.entropy(result.posteriors, base=2, axis=1), atol=1e-12)
    assert result.mean_entropy == pytest.approx(result.entropy.mean())
    assert result.accuracy == np.mean(result.predictions == data.labels)
    assert result.per_trial_latency_ms == pytest.approx(result.latency_ms / 200)
    shares = np.bincount(result.predictions)[1:] / 200
    assert result.balance == pytest.approx(stats.entropy(shares, base=4))


def test_without_labels_there_is_no_accuracy(model: NimbusLDA, data: BCIData) -> None:
    """Accuracy and calibration are None; the predictions are the same."""
    blind = predict_batch(model, BCIData(data.features, data.metadata))
    assert (blind.accuracy, blind.confidence_calibration) == (None, None)
    np.testing.assert_array_equal(blind.posteriors, predict_batch(model, data).posteriors)


def test_iterations_are_ignored(model: NimbusLDA, data: BCIData) -> None:
    """The closed form needs no iterations, and a senseless number is refused all the same."""
    np.testing.assert_array_equal(
        predict_batch(model, data, iterations=1).posteriors,
        predict_batch(model, data, iterations=99).posteriors,
    )
    with pytest.raises(CoreDataError, match="iterations is -1"):
        predict_batch(model, data, iterations=-1)


@pytest.mark.parametrize("n_trials", [0, 1])
def test_tiny_batches_work(model: NimbusLDA, data: BCIData, n_trials: int) -> None:
    """No trial gives empty arrays and NaN means, one trial one of each."""
    result = predict_batch(
        model, BCIData(data.features[..., :n_trials], data.metadata, data.labels[:n_trials])
    )
    assert result.posteriors.shape == (n_trials, 4)
    assert len(result.outlier_scores) == len(result.predictions) == n_trials
    assert np.isnan(result.mean_entropy) == np.isnan(result.balance) == (n_trials == 0)
    assert (result.accuracy is None) == (n_trials == 0)
    assert f"trials {n_trials}" in repr(result)


@pytest.mark.parametrize(
    "change", [np.asfortranarray, np.float32, lambda x: np.moveaxis(np.moveaxis(x, 2, 0).copy(), 0, 2)]
)
def test_layout_and_precision_do_not_matter(model: NimbusLDA, data: BCIData, change: object) -> None:
    """Fortran order, strides and float32 give the same posteriors (these features are exact in float32)."""
    other = BCIData(change(data.features), data.metadata)
    np.testing.assert_allclose(
        predict_batch(model, other).posteriors, predict_batch(model, data).posteriors, atol=1e-12
    )


def test_arguments_of_the_wrong_kind_are_named(model: NimbusLDA, data: BCIData) -> None:
    """The message names the given type and the expected one."""
    for use in (predict_batch, calibrate_model):
        with pytest.raises(CoreTypeError, match=r"model is a NoneType, not a model\. Give what train_model"):
            use(None, data)
        with pytest.raises(CoreTypeError, match=r"data is an ndarray, not a BCIData\. Build it with"):
            use(model, data.features)


def test_posteriors_are_stored_in_single_precision_where_asked(model: NimbusLDA, data: BCIData) -> None:
    """They are those of double precision, rounded, and nothing else of the result changes."""
    full, short = predict_batch(model, data), predict_batch(model, data, dtype=np.float32)
    assert short.posteriors.dtype == np.float32
    np.testing.assert_array_equal(short.posteriors, full.posteriors.astype(np.float32))
    for name in ("predictions", "confidences", "entropy", "outlier_scores"):
        np.testing.assert_array_equal(getattr(short, name), getattr(full, name), err_msg=name)
    assert abs(short.log_loss - full.log_loss) < 1e-6
    with pytest.raises(CoreDataError, match=r"dtype is <class 'int'>. Give np.float64 or np.float32"):
        predict_batch(model, data, dtype=int)
