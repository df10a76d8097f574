"""A live stream: half of a real recording trains a pipeline, the rest is replayed over LSL and decoded.

    pip install "..[sandbox,lsl]" scipy
    python 14_live_stream.py                                   # on a sandbox, with the open reference core
    NIMBUS_API_KEY=nbci_live_… python 14_live_stream.py        # with your own key

It takes half a minute, since the recording is replayed in real time. What the recording is, who made it and
its licence: eye_state/README.md.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import mne
import numpy as np
from on_sandbox import sandbox_unless_key
from scipy import signal

import nimbus_sdk

RECORDING = Path(__file__).parent / "eye_state" / "recording.npz"
RATE, BAND, TRAINED, FIRST = 128, (13.0, 45.0), 56, 72

# Sender and reader are on this machine, where multicast may not be; other machines are not looked at.
ONLY_HERE = "[multicast]\nResolveScope = machine\n[lab]\nKnownPeers = {127.0.0.1}\n[log]\nlevel = -3\n"


def train(microvolts: np.ndarray, states: np.ndarray, channels: list[str]) -> nimbus_sdk.Pipeline:
    """Train on windows of a second, filtered as the stream will be, against the mean of all channels."""
    from nimbus_sdk_core import SpatialFilters

    against_mean = SpatialFilters(np.eye(len(channels)) - 1 / len(channels), channels)
    waves = signal.sosfilt(signal.butter(4, BAND, "bandpass", fs=RATE, output="sos"), microvolts)
    windows = (against_mean.filters @ waves).reshape(len(channels), -1, RATE).transpose(0, 2, 1)
    about = nimbus_sdk.BCIMetadata(
        sampling_rate=RATE,
        paradigm="eye_state",
        feature_type="bandpower",
        n_features=len(channels),
        n_classes=2,
        chunk_size=RATE,
        temporal_aggregation="logvar",
        channel_names=channels,
        unit="uV",
        band=BAND,
    )
    model = nimbus_sdk.train_model(
        nimbus_sdk.NimbusLDA, nimbus_sdk.BCIData(windows, about, states), name="eyes"
    )
    return nimbus_sdk.Pipeline(against_mean, None, model)


def replay(microvolts: np.ndarray, channels: list[str]) -> tuple[object, float]:
    """Start a player, as if a headset were there: in volts. Return it, and the time of its first sample."""
    from mne_lsl.lsl import local_clock
    from mne_lsl.player import PlayerLSL

    raw = mne.io.RawArray(1e-6 * microvolts, mne.create_info(channels, RATE, "eeg"), verbose="error")
    player = PlayerLSL(raw, chunk_size=16, n_repeat=1, name="Headset")
    start = local_clock()
    player.start()
    return player, start


with np.load(RECORDING) as arrays:
    samples = arrays["samples"].transpose(0, 2, 1).reshape(len(arrays["channels"]), -1) / 100.0
    states = np.where(arrays["labels"] == 1, "closed", "open")
    channels = [str(name) for name in arrays["channels"]]

with sandbox_unless_key(), tempfile.TemporaryDirectory() as folder:
    configuration = Path(folder) / "lsl_api.cfg"
    configuration.write_text(ONLY_HERE, encoding="utf-8")
    os.environ["LSLAPICFG"] = str(configuration)
    nimbus_sdk.install_core()
    pipeline = train(samples[:, : TRAINED * RATE], states[:TRAINED], channels)
    player, start = replay(samples[:, FIRST * RATE :], channels)

    right, decided = 0, 0
    results = nimbus_sdk.decode_stream(
        pipeline, "Headset", window=1.0, step=0.25, confidence=0.8, max_chunks=6, pause=0.5
    )
    for result in results:
        seconds = result.timestamp - start
        if isinstance(result, nimbus_sdk.StreamingResult):
            # The eyes were open or closed in most of the last window.
            truth = states[min(FIRST + int(seconds - 0.5), len(states) - 1)]
            decided, right = decided + 1, right + (result.prediction == truth)
            verdict = "rest" if result.is_rest else result.prediction
            print(f"{seconds:5.1f} s  {verdict:6} {result.confidence:.2f}  the eyes were {truth}")
        if seconds > len(states) - FIRST - 2:
            break
    player.stop()
    print(f"{right} of {decided} decisions are right.")
