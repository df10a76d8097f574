"""Real EEG: are the eyes open or closed? A public recording, from raw samples to probabilities.

    pip install "..[sandbox]" scipy
    python 09_real_eeg.py                                      # on a sandbox, with the open reference core
    NIMBUS_API_KEY=nbci_live_… python 09_real_eeg.py           # with your own key

What the recording is, who made it and its licence: eye_state/README.md.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from on_sandbox import sandbox_unless_key
from scipy import signal

import nimbus_sdk

RECORDING = Path(__file__).parent / "eye_state" / "recording.npz"
RATE = 128.0
FOLDS = 7


def recording() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return beta and gamma waves of each trial, relative to the mean of all channels, and the labels."""
    with np.load(RECORDING) as arrays:
        microvolts, labels = arrays["samples"] / 100.0, arrays["labels"].astype(np.int64)
    relative = microvolts - microvolts.mean(axis=0)
    centred = relative - relative.mean(axis=1, keepdims=True)
    waves = signal.butter(4, [13.0, 45.0], "bandpass", fs=RATE, output="sos")
    return signal.sosfiltfilt(waves, centred, axis=1), labels


def some(which: npt.NDArray[np.bool_]) -> nimbus_sdk.BCIData:
    """Return the chosen trials; the core computes how much a wave varies within a trial."""
    about = nimbus_sdk.BCIMetadata(
        sampling_rate=RATE,
        paradigm="eye_state",
        feature_type="bandpower",
        n_features=len(features),
        n_classes=2,
        temporal_aggregation="logvar",
    )
    return nimbus_sdk.BCIData(features[..., which], about, labels[which])


features, labels = recording()
trial = np.arange(len(labels))
with sandbox_unless_key():
    nimbus_sdk.install_core()

    print(f"{len(labels)} trials; always saying 'open' is correct in {np.mean(labels == 0):.1%}")
    for kind in (nimbus_sdk.NimbusLDA, nimbus_sdk.NimbusProbit):
        hits = surprise = 0.0
        for fold in range(FOLDS):
            held_out = trial % FOLDS == fold
            model = nimbus_sdk.train_model(kind, some(~held_out))
            result = nimbus_sdk.predict_batch(model, some(held_out))
            hits += float(np.sum(result.predictions == labels[held_out]))
            surprise -= float(np.log(result.posteriors[np.arange(len(result)), labels[held_out]]).sum())
        print(f"{kind.__name__}, each trial predicted from the other folds:")
        print(f"  {hits / len(labels):.1%} correct, log loss {surprise / len(labels):.3f}")
        model = nimbus_sdk.train_model(kind, some(trial < 56))
        last = nimbus_sdk.predict_batch(model, some(trial >= 56))
        print(f"  {last.accuracy:.1%} of the last 42 from the first 56")
