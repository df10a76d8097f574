"""Decode a file of features as a memory map, in one process; part of ``.scale``."""

from __future__ import annotations

import json
import sys
import time
import tracemalloc
from dataclasses import fields

import numpy as np

import nimbus_sdk
from tests.qualification.benchmarks.scale_cluster import trained


def main(path: str) -> None:
    """Decode, print one line of JSON with seconds, and MiB that were allocated at most."""
    model = trained(path)
    features = np.load(path, mmap_mode="r").transpose(2, 1, 0)
    labels = np.arange(features.shape[2]) % 4 + 1
    about = nimbus_sdk.BCIMetadata(250.0, "own", "own", len(features), 4)
    tracemalloc.start()
    started = time.perf_counter()
    data = nimbus_sdk.BCIData(features, about, labels)
    result = nimbus_sdk.predict_batch(model, data)
    seconds = time.perf_counter() - started
    taken = tracemalloc.get_traced_memory()[1]
    arrays = [getattr(result, field.name) for field in fields(result)]
    result_bytes = sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))
    print(json.dumps({"seconds": seconds, "taken_mib": taken / 2**20, "result_mib": result_bytes / 2**20}))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
