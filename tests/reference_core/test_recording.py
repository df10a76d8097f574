"""Real EEG: the public recording of examples/eye_state, compared with scikit-learn."""

from pathlib import Path

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    NimbusLDA,
    NimbusProbit,
    calibrate_model,
    predict_batch,
    train_model,
)
from scipy import signal
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import log_loss

RECORDING = Path(__file__).parents[2] / "examples" / "eye_state" / "recording.npz"
FOLDS = np.arange(98) % 7


@pytest.fixture(scope="module")
def recording() -> BCIData:
    """98 seconds of 14 channels, from 13 to 45 Hz, against their mean; eyes open or closed."""
    with np.load(RECORDING) as arrays:
        microvolts, labels = arrays["samples"] / 100.0, arrays["labels"]
    against_mean = microvolts - microvolts.mean(axis=0)
    centred = against_mean - against_mean.mean(axis=1, keepdims=True)
    waves = signal.butter(4, [13.0, 45.0], "bandpass", fs=128.0, output="sos")
    about = BCIMetadata(128.0, "eye_state", "bandpower", 14, 2, temporal_aggregation="logvar")
    return BCIData(signal.sosfiltfilt(waves, centred, axis=1), about, labels)


def some(data: BCIData, which: np.ndarray) -> BCIData:
    """The chosen trials."""
    return BCIData(data.features[..., which], data.metadata, data.labels[which])


def rival_posteriors(data: BCIData) -> np.ndarray:
    """What scikit-learn's LDA says of each trial from the other folds."""
    vectors, found = np.log(data.features.var(axis=1)).T, np.empty((98, 2))
    for fold in range(7):
        held_out = fold == FOLDS
        model = LinearDiscriminantAnalysis().fit(vectors[~held_out], data.labels[~held_out])
        found[held_out] = model.predict_proba(vectors[held_out])
    return found


@pytest.mark.parametrize(("kind", "accuracy"), [(NimbusLDA, 0.75), (NimbusProbit, 0.78)])
def test_real_eeg_is_decoded_as_well_as_by_scikit_learn(
    kind: type[NimbusLDA], accuracy: float, recording: BCIData
) -> None:
    """As many trials correct on the same folds as scikit-learn's LDA, with better probabilities."""
    found = np.empty((98, 2))
    for fold in range(7):
        held_out = fold == FOLDS
        model = train_model(kind, some(recording, ~held_out))
        found[held_out] = predict_batch(model, some(recording, held_out)).posteriors
    rival = rival_posteriors(recording)
    right = np.mean(found.argmax(axis=1) == recording.labels)
    assert right >= max(accuracy, np.mean(rival.argmax(axis=1) == recording.labels))
    assert log_loss(recording.labels, found) < log_loss(recording.labels, rival)


def test_calibration_on_the_latest_minute_helps(recording: BCIData) -> None:
    """A model of the first trials predicts the last ones better once it has seen some before them."""
    early, middle, late = (some(recording, np.arange(98) // 33 == part) for part in (0, 1, 2))
    base = train_model(NimbusLDA, early)
    mine = calibrate_model(base, middle)
    before, after = (log_loss(late.labels, predict_batch(model, late).posteriors) for model in (base, mine))
    assert after < before


def test_the_recording_agrees_with_its_readme(recording: BCIData) -> None:
    """Shape, labels and units, and the licence beside it."""
    with np.load(RECORDING) as arrays:
        assert {name: arrays[name].shape for name in arrays} == {
            "samples": (14, 128, 98),
            "labels": (98,),
            "channels": (14,),
        }
        assert 3_000_00 < arrays["samples"].min() < arrays["samples"].max() < 5_000_00
    assert np.bincount(recording.labels).tolist() == [54, 44]
    about = RECORDING.with_name("README.md").read_text(encoding="utf-8")
    assert "CC BY 4.0" in about
    assert "10.24432/C57G7J" in about
