"""Decode: load a pre-trained model, predict trials, train one of your own.

    pip install "..[sandbox]"
    python 07_decode.py                                        # on a sandbox, with the open reference core
    NIMBUS_API_KEY=nbci_live_… python 07_decode.py             # with your own key; see trials() below

The models of the reference core were trained on simulated EEG: they show how things work, not how well a
decoder does on recordings of people.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from on_sandbox import sandbox_unless_key

import nimbus_sdk


def trials(seed: int) -> nimbus_sdk.BCIData:
    """Return 200 labelled trials of motor imagery, as features for a model.

    The reference core simulates them. Put your own recording here: an array of shape
    (n_features, n_samples, n_trials), and one label for each trial.
    """
    from nimbus_sdk_core import simulate

    simulated = simulate("motor_imagery", n_trials=200, seed=seed)
    features, labels = np.asarray(simulated.features), np.asarray(simulated.labels)
    about = nimbus_sdk.BCIMetadata(
        sampling_rate=4.0, paradigm="motor_imagery", feature_type="csp", n_features=16, n_classes=4
    )
    return nimbus_sdk.BCIData(features, about, labels)


with sandbox_unless_key():
    session = nimbus_sdk.install_core()

    model = nimbus_sdk.load_model(nimbus_sdk.NimbusLDA, "motor_imagery_4class_v1")
    print(model)
    result = nimbus_sdk.predict_batch(model, trials(seed=1))
    print(f"  {result.accuracy:.1%} of {len(result)} trials are correct")
    doubtful = result.confidences < 0.5
    print(f"  {doubtful.sum()} trials were predicted with a probability below 0.5")

    # Training is not part of every license; predicting is.
    session.require_feature("training")
    mine = nimbus_sdk.train_model(nimbus_sdk.NimbusLDA, trials(seed=2), name="mine")
    with tempfile.TemporaryDirectory() as folder:
        path = nimbus_sdk.save_model(mine, Path(folder) / "mine.nimbus")
        again = nimbus_sdk.load_model(nimbus_sdk.NimbusLDA, path)
    print(again)
    print(f"  {nimbus_sdk.predict_batch(again, trials(seed=3)).accuracy:.1%} of other trials are correct")
