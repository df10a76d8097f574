"""A real recording as a stream: flicker at 20 or 30 Hz, at four electrodes, and a model of other runs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from nimbus_sdk_core import BCIData, BCIMetadata, NimbusLDA, Pipeline, SpatialFilters, train_model
from scipy import signal

FILE = Path(__file__).parents[1] / "recordings" / "muse_ssvep_subject1.npz"
CHANNELS, RATE, BAND = ("TP9", "AF7", "AF8", "TP10"), 256.0, (18.0, 22.0)
TRIAL, WINDOW = 640, 256


@cache
def read_recording(first_run: int, last_run: int) -> tuple[np.ndarray, np.ndarray]:
    """Microvolts of these runs, one trial after the other, channels first, and the label of each trial."""
    with np.load(FILE) as arrays:
        some = (arrays["run"] >= first_run) & (arrays["run"] <= last_run)
        epochs, labels = arrays["epochs"][some] / 10.0, arrays["labels"][some]
    return epochs.transpose(1, 0, 2).reshape(len(CHANNELS), -1), labels


def filter_causally(samples: np.ndarray) -> np.ndarray:
    """The whole recording through the filter, as SciPy alone does it."""
    sections = signal.butter(4, BAND, "bandpass", output="sos", fs=RATE)
    state = signal.sosfilt_zi(sections)[:, None, :] * samples[None, :, :1]
    return signal.sosfilt(sections, samples, axis=1, zi=state)[0]


@cache
def make_pipeline() -> Pipeline:
    """A pipeline of the first three runs, for windows of a second, with how certain they are together."""
    samples, labels = read_recording(0, 2)
    trials = filter_causally(samples).reshape(len(CHANNELS), len(labels), TRIAL)[:, :, TRIAL - 2 * WINDOW :]
    about = BCIMetadata(
        RATE,
        "ssvep",
        "csp",
        len(CHANNELS),
        2,
        chunk_size=WINDOW,
        temporal_aggregation="logvar",
        channel_names=CHANNELS,
        unit="uV",
        band=BAND,
    )
    windows = trials.transpose(0, 2, 1)
    model = train_model(NimbusLDA, BCIData(windows, about, labels), name="flicker")
    return Pipeline(SpatialFilters(np.eye(len(CHANNELS)), CHANNELS), None, model)


def cut(
    samples: np.ndarray, sizes: str, stamps: bool = True
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """The recording in chunks: ``"whole"``, ``"single"`` samples, ``"even"`` ones of 32, or ``"uneven"``."""
    n_samples, random = samples.shape[1], np.random.default_rng(4)
    start = 0
    while start < n_samples:
        length = {"whole": n_samples, "single": 1, "even": 32, "uneven": int(random.integers(0, 90))}[sizes]
        stop = min(start + length, n_samples)
        yield samples[:, start:stop], np.arange(start, stop) / RATE if stamps else None
        start = stop
