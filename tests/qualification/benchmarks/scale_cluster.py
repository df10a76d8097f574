"""Decode a file of features on a cluster of two processes; part of ``.scale``."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
from distributed import Client, LocalCluster

import nimbus_sdk

PIECE = 50_000
COMPARED = 100_000


def piece_of(path: str, block_info: dict[None, dict[str, list[tuple[int, int]]]]) -> npt.NDArray[np.float64]:
    """Read the trials of one piece; the rest of the file stays on the disk."""
    start, end = block_info[None]["array-location"][2]
    return np.array(np.load(path, mmap_mode="r")[start:end].transpose(2, 1, 0))


def most_memory() -> float:
    """The largest amount of memory that this process ever held, in MiB."""
    (line,) = [
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    ]
    return int(line.split()[1]) / 1024


def lazily(path: str) -> nimbus_sdk.BCIData:
    """The file as labelled data that nothing has been read of."""
    n_trials, n_samples, n_features = np.load(path, mmap_mode="r").shape
    pieces = tuple(min(PIECE, n_trials - start) for start in range(0, n_trials, PIECE))
    features = da.map_blocks(
        piece_of,
        path,
        chunks=((n_features,), (n_samples,), pieces),
        dtype=np.float64,
        meta=np.empty((0, 0, 0)),
    )
    about = nimbus_sdk.BCIMetadata(250.0, "own", "own", n_features, 4)
    return nimbus_sdk.BCIData(features, about, np.arange(n_trials) % 4 + 1)


def trained(path: str) -> nimbus_sdk.NimbusLDA:
    """A model of the file's first trials."""
    first = np.load(path, mmap_mode="r")[:4_000].transpose(2, 1, 0)
    about = nimbus_sdk.BCIMetadata(250.0, "own", "own", len(first), 4)
    data = nimbus_sdk.BCIData(first, about, np.arange(4_000) % 4 + 1)
    return nimbus_sdk.train_model(nimbus_sdk.NimbusLDA, data, name="large")


def measured(client: Client, path: str, folder: str) -> dict[str, float]:
    """Decode, and give the figures."""
    model, data = trained(path), lazily(path)
    workers = set(client.run(os.getpid).values())
    result = nimbus_sdk.predict_batch(model, data)
    started = time.perf_counter()
    accuracy, entropy, balance, calibration = dask.compute(  # type: ignore[attr-defined]
        result.accuracy, result.mean_entropy, result.balance, result.confidence_calibration
    )
    scalars = time.perf_counter() - started
    assert accuracy > 0.5
    assert calibration.bin_counts.sum() == data.n_trials
    assert entropy > 0
    assert balance > 0.9
    started = time.perf_counter()
    da.to_npy_stack(os.path.join(folder, "predictions"), result.predictions)
    stored = time.perf_counter() - started
    held = np.array(np.load(path, mmap_mode="r")[:COMPARED].transpose(2, 1, 0))
    expected = nimbus_sdk.predict_batch(model, nimbus_sdk.BCIData(held, data.metadata))
    found = dask.compute(result.posteriors[: len(expected)], result.outlier_scores[: len(expected)])  # type: ignore[attr-defined]
    difference = max(
        np.abs(found[0] - expected.posteriors).max(), np.abs(found[1] - expected.outlier_scores).max()
    )
    return {
        "scalars_s": scalars,
        "stored_s": stored,
        "accuracy": float(accuracy),
        "difference": float(difference),
        "worker_mib": max(client.run(most_memory).values()),
        "client_mib": most_memory(),
        "restarts": len(set(client.run(os.getpid).values()) - workers),
    }


def main(path: str, folder: str, limit_mib: int) -> None:
    """Start the cluster, measure, print one line of JSON."""
    with (
        TemporaryDirectory(dir=folder) as spill,
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            memory_limit=f"{limit_mib // 2}MiB",
            local_directory=spill,
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
    ):
        figures = measured(client, path, folder)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
