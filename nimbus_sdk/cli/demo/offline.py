"""The demo's last step: decode offline in a fresh process.

Run as ``python -m nimbus_sdk.cli.demo.offline STARTED_AT``; prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from itertools import pairwise

MODEL = "motor_imagery_4class_v1"
SEED = 2024
"""Of the simulated recording; the model was trained on others."""


def decode(started_at: float) -> dict[str, object]:
    """Load session, core and model, and decode simulated trials; this process was started at a Unix time."""
    times = [("", started_at), ("start", time.time())]
    import nimbus_sdk

    session = nimbus_sdk.current_session()
    times.append(("session", time.time()))
    load_model, predict_batch = nimbus_sdk.load_model, nimbus_sdk.predict_batch
    times.append(("load core", time.time()))
    model = load_model(nimbus_sdk.NimbusLDA, MODEL)
    times.append(("load model", time.time()))
    trials = import_module("nimbus_sdk_core").simulate("motor_imagery", n_trials=200, seed=SEED)
    times.append(("simulate", time.time()))
    result = predict_batch(model, trials)
    times.append(("predict", time.time()))
    return {
        "model": MODEL,
        "trials": len(result.predictions),
        "chance": 1 / len(result.classes),
        "accuracy": float(result.accuracy or 0.0),
        "mean_confidence": float(result.confidences.mean()),
        "trained_on_simulated_data": result.simulated,
        "license_type": session.license_type,
        "stale": session.stale,
        "milliseconds": {step: round(1000 * (end - begin), 2) for (_, begin), (step, end) in pairwise(times)},
        "network_libraries": [name for name in ("httpx", "httpcore", "keyring") if name in sys.modules],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(decode(float(sys.argv[1]))))
