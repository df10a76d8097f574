"""Features, metadata and labels from MNE's Epochs."""

import mne
import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    CoreDataError,
    NimbusLDA,
    Pipeline,
    SpatialFilters,
    init_streaming,
    predict_batch,
    process_chunk,
    train_model,
)
from sklearn.pipeline import make_pipeline


def test_channels_become_features_and_events_labels(training: mne.EpochsArray) -> None:
    """Axes turn from (epochs, channels, times) to (features, samples, trials); nothing is scaled."""
    data = BCIData.from_epochs(training, paradigm="motor_imagery", chunk_size=50)
    np.testing.assert_array_equal(data.features, training.get_data(verbose="error").transpose(1, 2, 0))
    assert data.labels.tolist() == ["left", "right"] * 30
    about = data.metadata
    assert (about.sampling_rate, about.n_features, about.n_classes, about.chunk_size) == (100.0, 6, 2, 50)
    assert (about.feature_type, about.temporal_aggregation) == ("raw_filtered", "logvar")


def test_rhythms_of_plain_channels_are_decoded(training: mne.EpochsArray, later: mne.EpochsArray) -> None:
    """Motor imagery without filters is far above chance, since its power is what counts."""
    train, test = (BCIData.from_epochs(each, paradigm="motor_imagery") for each in (training, later))
    assert predict_batch(train_model(NimbusLDA, train), test).accuracy > 0.7


def test_how_samples_become_a_vector_is_never_guessed(training: mne.EpochsArray) -> None:
    """Without a default the caller chooses the aggregation, and the choice is used."""
    unreduced = BCIData.from_epochs(training, paradigm="p300")
    for use in (unreduced.vectors, lambda: train_model(NimbusLDA, unreduced)):
        with pytest.raises(
            CoreDataError, match=r"the 100 samples of a trial.* Give temporal_aggregation"
        ) as raised:
            use()
        assert "feature_type='erp'" in raised.value.hint
    filters = SpatialFilters(np.eye(6), training.ch_names)
    with pytest.raises(CoreDataError, match=r"The kind of feature .* the 100 samples") as both:
        BCIData.from_epochs(training, paradigm="p300", transformer=filters)
    assert both.value.hint.startswith("Give feature_type,")
    assert "temporal_aggregation: 'logvar' for rhythms" in both.value.hint
    for word in ("csp", "bandpower", "time_domain"):
        with pytest.raises(CoreDataError, match="the 100 samples"):
            BCIData.from_epochs(training, paradigm="p300", transformer=filters, feature_type=word)
    data = BCIData.from_epochs(training, paradigm="p300", temporal_aggregation="median")
    assert data.metadata.temporal_aggregation == "median"


@pytest.mark.parametrize(
    ("transformer", "shape", "way"),
    [
        (mne.decoding.CSP(n_components=3), (3, 1, 60), "none"),
        (mne.decoding.Vectorizer(), (600, 1, 60), "none"),
        (mne.decoding.CSP(n_components=3, transform_into="csp_space"), (3, 100, 60), "logvar"),
    ],
)
def test_transformers_of_mne_are_accepted(transformer, shape: tuple, way: str, training) -> None:
    """Features with and without samples; the caller names the feature type."""
    with mne.use_log_level("error"):
        transformer.fit(training.get_data(), training.events[:, 2])
    data = BCIData.from_epochs(
        training,
        paradigm="erp",
        feature_type="time_domain",
        transformer=transformer,
        temporal_aggregation=None if way == "none" else way,
    )
    assert data.features.shape == shape
    assert data.metadata.temporal_aggregation == way
    with pytest.raises(CoreDataError, match=f"that the {type(transformer).__name__} makes is not known"):
        BCIData.from_epochs(training, paradigm="erp", transformer=transformer)


@pytest.mark.parametrize("choice", [{"feature_type": "erp"}, {"temporal_aggregation": "none"}])
def test_samples_of_filtered_epochs_are_features_of_a_wave(
    choice: dict[str, str], training: mne.EpochsArray, later: mne.EpochsArray
) -> None:
    """Each sample of each component is a feature, and a pipeline reads the epochs as they are."""
    filters = SpatialFilters(np.eye(6)[:2], training.ch_names)
    about = {"paradigm": "p300", "feature_type": "time_domain", **choice}
    data = BCIData.from_epochs(training, transformer=filters, **about)  # type: ignore[arg-type]
    assert (data.features.shape, data.metadata.temporal_aggregation) == ((200, 1, 60), "none")
    np.testing.assert_array_equal(
        data.features[:, 0].T, filters.transform(training.get_data()).reshape(60, -1)
    )
    pipeline = Pipeline(filters, None, train_model(NimbusLDA, data))
    raw = BCIData.from_epochs(later, paradigm="p300")
    assert pipeline.metadata == raw.metadata
    filtered = BCIData.from_epochs(later, transformer=filters, **about)  # type: ignore[arg-type]
    np.testing.assert_allclose(
        predict_batch(pipeline, raw).posteriors, predict_batch(pipeline.model, filtered).posteriors
    )
    session = init_streaming(pipeline, pipeline.metadata)
    assert process_chunk(session, raw.features[:, :, 0]).prediction in ("left", "right")


def test_a_transformer_that_is_not_fitted_says_so(training: mne.EpochsArray) -> None:
    """The error names the transformer and what to do."""
    filters = SpatialFilters(np.eye(6), training.ch_names)
    both = make_pipeline(filters, mne.decoding.Vectorizer())
    with pytest.raises(CoreDataError, match=r"The Pipeline cannot transform the epochs: .*[^.]\. Fit all"):
        BCIData.from_epochs(training, paradigm="p300", transformer=both, feature_type="erp")


def test_a_transformer_that_loses_epochs_is_rejected(training: mne.EpochsArray) -> None:
    """What it gives must have one entry an epoch."""

    class Lossy:
        def transform(self, recording: np.ndarray) -> np.ndarray:
            return recording[1:, :, 0]

    with pytest.raises(CoreDataError, match=r"made an array of shape \(59, 6, 1\) of 60 epochs"):
        BCIData.from_epochs(training, paradigm="erp", feature_type="erp", transformer=Lossy())
