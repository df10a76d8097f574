"""Data, files and figures that several tests of the reference core need."""

from __future__ import annotations

import hashlib
import io
import json
import struct
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from nimbus_sdk_core import BCIData, BCIMetadata, process_chunk, simulate
from nimbus_sdk_core.models.probit_regression import LatentRegression, helmert_contrasts
from scipy import stats

if TYPE_CHECKING:
    import mne
    from matplotlib.figure import Figure
    from nimbus_sdk_core import StreamingSession

PREFIX = struct.Struct("<8sIIQ")
RATE, N_CHANNELS = 100.0, 6


@cache
def simulated(paradigm: str, *, n_trials: int, seed: int, **options: object) -> BCIData:
    """Return what ``simulate`` returns, drawn once for all tests, which cannot change it."""
    data = simulate(paradigm, n_trials=n_trials, seed=seed, **options)
    data.features.setflags(write=False)
    assert data.labels is not None
    data.labels.setflags(write=False)
    return data


def make_metadata(**changes: object) -> BCIMetadata:
    """Metadata of 3 features and 2 classes."""
    fields = {
        "sampling_rate": 250.0,
        "paradigm": "motor_imagery",
        "feature_type": "csp",
        "n_features": 3,
        "n_classes": 2,
    }
    return BCIMetadata(**{**fields, **changes})


def simulate_epochs(
    seed: int, n_epochs: int = 60, kinds: tuple[str, ...] = ("left", "right")
) -> mne.EpochsArray:
    """Simulate EEG of 1 s: each kind of event has a rhythm over another place of the head."""
    import mne

    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(N_CHANNELS, N_CHANNELS))
    codes = np.arange(n_epochs) % len(kinds)
    sources = random.normal(size=(n_epochs, N_CHANNELS, int(RATE)))
    sources[np.arange(n_epochs), codes] *= 2.5
    events = np.column_stack([np.arange(n_epochs) * 200, np.zeros(n_epochs, int), codes + 7])
    info = mne.create_info([f"C{k}" for k in range(N_CHANNELS)], RATE, "eeg")
    named = {name: code + 7 for code, name in enumerate(kinds)}
    return mne.EpochsArray(1e-5 * mixing @ sources, info, events, event_id=named, verbose="error")


class EpochsLookalike:
    """An object with the interface of mne.Epochs."""

    info = {"sfreq": 128}
    ch_names = ["Fz", "Cz"]
    event_id = {"a": 1, "b": 2}

    def __init__(self, n_events: int) -> None:
        self.events = np.array([[k, 0, 1 + k % 2] for k in range(n_events)])

    def get_data(self) -> np.ndarray:
        """The same for every epoch."""
        return np.ones((4, 2, 10))


def planned(data: BCIData, chunks: object = (-1, -1, 120)) -> BCIData:
    """The same as a Dask array."""
    import dask.array as da

    return BCIData(da.from_array(data.features, chunks=chunks), data.metadata, data.labels)


def stream(session: StreamingSession, trial: np.ndarray) -> None:
    """Process a trial in chunks of 4 samples."""
    for start in range(0, trial.shape[1], 4):
        process_chunk(session, trial[:, start : start + 4])


def forge_file(content: bytes, change: Callable[[dict], None], payload: bytes | None = None) -> bytes:
    """A file with another header (or payload) and a checksum that fits."""
    magic, version, header_bytes, _ = PREFIX.unpack_from(content)
    header = json.loads(content[PREFIX.size : PREFIX.size + header_bytes])
    change(header)
    text = json.dumps(header).encode()
    arrays = content[PREFIX.size + header_bytes : -32] if payload is None else payload
    body = PREFIX.pack(magic, version, len(text), len(arrays)) + text + arrays
    return body + hashlib.sha256(body).digest()


def overlapping_trials(
    random: np.random.Generator, n_trials: int, n_classes: int, apart: float = 1.2
) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping classes in three features of different units."""
    y = np.arange(n_trials) % n_classes
    places = apart * random.normal(size=(n_classes, 3))
    return (random.normal(size=(n_trials, 3)) + places[y]) * [1.0, 100.0, 0.01] + 5.0, y


def separated_trials(n_features: int, n_classes: int, n_trials: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian classes 0.8 standard deviations apart in each feature."""
    random = np.random.default_rng(0)
    y = np.arange(n_trials) % n_classes
    places = 0.8 * random.normal(size=(n_classes, n_features))
    return random.normal(size=(n_trials, n_features)) + places[y], y


def unbalanced_trials(
    random: np.random.Generator, n: int = 90, n_features: int = 5, n_classes: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Unbalanced, correlated classes of unequal spread."""
    y = random.choice(n_classes, size=n, p=np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum())
    mixing = random.normal(size=(n_features, n_features))
    x = (
        random.normal(size=(n, n_features)) @ mixing * (1 + y[:, None])
        + 2 * random.normal(size=(n_classes, n_features))[y]
    )
    return x + 10.0, y


def draw_from_posterior(
    posterior: LatentRegression, n_draws: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Coefficients and noise covariances from the matrix-normal Wishart."""
    random = np.random.default_rng(seed)
    covariances = stats.invwishart(posterior.dof, posterior.scatter).rvs(n_draws, random_state=random)
    rows = np.linalg.cholesky(np.linalg.inv(posterior.precision))
    draws = []
    for covariance in np.reshape(covariances, (n_draws, *posterior.scatter.shape)):
        columns = np.linalg.cholesky(covariance)
        noise = random.normal(size=posterior.coefficients.shape)
        draws.append((posterior.coefficients + rows @ noise @ columns.T, covariance))
    return draws


def estimate_class_shares(
    draws: list[tuple[np.ndarray, np.ndarray]], inputs: np.ndarray, seed: int
) -> np.ndarray:
    """How often each class wins, a latent vector for each draw of coefficients and noise."""
    random = np.random.default_rng(seed)
    n_latent = draws[0][1].shape[0]
    wins = np.zeros((inputs.shape[1], n_latent + 1))
    for coefficients, covariance in draws:
        noise = random.normal(size=(inputs.shape[1], n_latent)) @ np.linalg.cholesky(covariance).T
        winner = ((inputs.T @ coefficients + noise) @ helmert_contrasts(n_latent + 1).T).argmax(axis=1)
        wins[np.arange(len(wins)), winner] += 1
    return wins / len(draws)


def render_pixels(figure: Figure) -> np.ndarray:
    """The pixels of the saved figure."""
    import matplotlib.image

    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=50)
    file.seek(0)
    return matplotlib.image.imread(file)
