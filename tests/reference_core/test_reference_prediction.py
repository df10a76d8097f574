"""predict_batch and what it says of its own certainty."""

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    CoreDataError,
    ModelCard,
    ModelMismatchError,
    NimbusLDA,
    calibrate_model,
    predict_batch,
    simulate,
    train_model,
)
from nimbus_sdk_core.decoding.confidence_calibration import measure_calibration
from nimbus_sdk_core.decoding.streaming import init_streaming
from nimbus_sdk_core.errors import CoreTypeError
from scipy import stats


@pytest.fixture(scope="module")
def model() -> NimbusLDA:
    """A model of four imagined movements."""
    return train_model(NimbusLDA, simulate("motor_imagery", n_trials=200, seed=1), name="a <b> & c")


@pytest.fixture(scope="module")
def data() -> BCIData:
    """Trials it has not seen."""
    return simulate("motor_imagery", n_trials=300, seed=2)


def test_all_parts_of_a_result_agree(model: NimbusLDA, data: BCIData) -> None:
    """Predictions, confidences, entropy and accuracy follow from the posteriors."""
    result = predict_batch(model, data)
    assert len(result) == 300
    np.testing.assert_array_equal(result.predictions, result.classes[result.posteriors.argmax(axis=1)])
    np.testing.assert_array_equal(result.confidences, result.posteriors.max(axis=1))
    np.testing.assert_allclose(result.entropy, stats.entropy(result.posteriors, base=2, axis=1), atol=1e-12)
    assert result.mean_entropy == pytest.approx(result.entropy.mean())
    assert result.accuracy == np.mean(result.predictions == data.labels)
    assert result.per_trial_latency_ms == pytest.approx(result.latency_ms / 300)
    shares = np.bincount(result.predictions)[1:] / 300
    assert result.balance == pytest.approx(stats.entropy(shares, base=4))


def test_outlier_scores_are_standard_scores_of_the_exact_tail(model: NimbusLDA, data: BCIData) -> None:
    """They match the F distribution of the squared distance, mapped to a normal."""
    result = predict_batch(model, data)
    dof = model.score_trials(data.features.mean(axis=1).T).dof[0]
    exact = stats.norm.isf(stats.f(16, dof).sf(result.mahalanobis_distances**2 / 16))
    np.testing.assert_allclose(result.outlier_scores, exact, atol=0.02)


def test_outliers_stand_out(model: NimbusLDA, data: BCIData) -> None:
    """A trial with an artefact is far from every class."""
    features = data.features.copy()
    features[:, :, 0] += 20.0 * (-1.0) ** np.arange(16)[:, None]
    result = predict_batch(model, BCIData(features, data.metadata))
    assert result.outlier_scores[0] > 6
    assert np.median(np.abs(result.outlier_scores)) < 1.5


def test_without_labels_nothing_is_measured(model: NimbusLDA, data: BCIData) -> None:
    """Accuracy and calibration are None; the predictions are the same."""
    blind = predict_batch(model, BCIData(data.features, data.metadata))
    assert (blind.accuracy, blind.confidence_calibration) == (None, None)
    np.testing.assert_array_equal(blind.posteriors, predict_batch(model, data).posteriors)


def test_iterations_change_nothing(model: NimbusLDA, data: BCIData) -> None:
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


def test_data_of_another_kind_are_refused(model: NimbusLDA, data: BCIData) -> None:
    """What would be misread is refused with both sides named."""
    meta = data.metadata
    with pytest.raises(CoreDataError, match=r"The data have 8 features on axis 0 .* expects 16"):
        predict_batch(model, simulate("motor_imagery", n_trials=4, seed=1, n_classes=2))
    for field, value in (("paradigm", "ssvep"), ("feature_type", "erp"), ("temporal_aggregation", "median")):
        other = type(meta)(**{name: getattr(meta, name) for name in meta.__slots__} | {field: value})
        with pytest.raises(
            ModelMismatchError, match=f"The data's {field} is '{value}', but .* was trained on"
        ):
            predict_batch(model, BCIData(data.features, other))
    fewer = type(meta)(**{name: getattr(meta, name) for name in meta.__slots__} | {"n_classes": 3})
    with pytest.raises(CoreDataError, match=r"n_classes is 3, .* has 4 classes"):
        predict_batch(model, BCIData(data.features, fewer))


def test_models_trained_on_plain_matrices_predict_too(data: BCIData) -> None:
    """Without a card only the shapes are compared."""
    bare = NimbusLDA().fit(data.features.mean(axis=1).T, data.labels)
    result = predict_batch(bare, data)
    assert (result.model_name, result.simulated) == ("NimbusLDA", False)
    assert result.accuracy > 0.8
    assert repr(bare) == "<NimbusLDA 16 features, 4 classes>"
    mine = calibrate_model(bare, data)
    assert mine.card is None
    assert mine.posterior_.counts.sum() == 2 * 300


def test_notebooks_show_a_table_with_every_value_escaped(model: NimbusLDA, data: BCIData) -> None:
    """A model's name cannot bring markup into the page."""
    html = predict_batch(model, data)._repr_html_()
    assert "a &lt;b&gt; &amp; c" in html
    assert "<b>" not in html
    assert "accuracy" in html


def test_simulated_models_say_so_on_screen(model: NimbusLDA, data: BCIData) -> None:
    """Whoever looks at model or result sees that no brain was involved."""
    model = NimbusLDA().restore(model.classes_, model.arrays())
    model.card = ModelCard("toy", data.metadata, details={"simulated": True})
    result = predict_batch(model, data)
    assert "simulated data" in repr(model)
    assert "simulated data" in repr(result)
    assert "simulated data" in result._repr_html_()


def test_a_name_cannot_steer_the_terminal(model: NimbusLDA, data: BCIData) -> None:
    """Control characters and marks that turn the reading direction are shown as escapes, letters as such."""
    model = NimbusLDA().restore(model.classes_, model.arrays())
    model.card = ModelCard("ü\x1b]0;owned\x07\x9b2J\n\u202e", data.metadata)
    for shown in (repr(predict_batch(model, data)), repr(init_streaming(model, data.metadata))):
        assert shown.isprintable()
        assert r"ü\x1b]0;owned\x07\x9b2J\n\u202e" in shown


def test_arguments_of_the_wrong_kind_are_named(model: NimbusLDA, data: BCIData) -> None:
    """What was given, and what is wanted, in the core's own words."""
    for use in (predict_batch, calibrate_model):
        with pytest.raises(CoreTypeError, match=r"model is a NoneType, not a model\. Give what train_model"):
            use(None, data)
        with pytest.raises(CoreTypeError, match=r"data is a ndarray, not a BCIData\. Build it with"):
            use(model, data.features)


def test_calibration_of_confidences_by_hand() -> None:
    """Gaps between confidence and accuracy, weighted by trials, over ten bins."""
    found = measure_calibration(
        np.array([0.55, 0.55, 0.95, 1.0, 0.95, 1.0]), np.array([True, False, True, True, True, False])
    )
    assert found.bin_counts.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 4]
    assert found.bin_accuracies[[5, 9]].tolist() == [0.5, 0.75]
    assert np.isnan(found.bin_confidences[0])
    assert found.expected_error == pytest.approx((2 * 0.05 + 4 * (0.975 - 0.75)) / 6)
    assert found.maximum_error == pytest.approx(0.225)


def test_confidences_keep_their_promise() -> None:
    """On data that follow the simulator, confidence and accuracy differ little."""
    model = train_model(NimbusLDA, simulate("motor_imagery", n_trials=800, seed=1))
    result = predict_batch(model, simulate("motor_imagery", n_trials=2000, seed=2))
    assert result.confidence_calibration.expected_error < 0.03
