"""Features, metadata and labels from MNE's Epochs."""

import mne
import numpy as np
import pytest
from nimbus_sdk_core import BCIData, CoreDataError, NimbusLDA, predict_batch, train_model

from tests.reference_core.support import simulate_epochs


@pytest.fixture(scope="module")
def training() -> mne.EpochsArray:
    """Epochs to learn from."""
    return simulate_epochs(1)


@pytest.fixture(scope="module")
def later() -> mne.EpochsArray:
    """Epochs of another day."""
    return simulate_epochs(2)


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
    with pytest.raises(
        CoreDataError, match=r"the 100 samples of an epoch.* Give temporal_aggregation"
    ) as raised:
        BCIData.from_epochs(training, paradigm="p300")
    assert "a transformer such as mne.decoding.Vectorizer()" in raised.value.hint
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
    with pytest.raises(CoreDataError, match=f"that a {type(transformer).__name__} makes is not known"):
        BCIData.from_epochs(training, paradigm="erp", transformer=transformer)


def test_a_transformer_that_loses_epochs_is_rejected(training: mne.EpochsArray) -> None:
    """What it gives must have one entry an epoch."""

    class Lossy:
        def transform(self, recording: np.ndarray) -> np.ndarray:
            return recording[1:, :, 0]

    with pytest.raises(CoreDataError, match=r"made an array of shape \(59, 6, 1\) of 60 epochs"):
        BCIData.from_epochs(training, paradigm="erp", feature_type="erp", transformer=Lossy())
