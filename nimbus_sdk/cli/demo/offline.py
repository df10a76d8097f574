"""The demo's last step, in a process of its own: from nothing to predictions, and never near the network.

Run as ``python -m nimbus_sdk.cli.demo.offline STARTED_AT``; prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from typing import TypedDict

MODEL = "motor_imagery_4class_v1"
PARADIGM = "motor_imagery"
TRIALS = 200
SEED = 2024
"""Of the recording that is decoded; the model was trained on others."""

NETWORK_LIBRARIES = ("httpx", "httpcore", "keyring")


class Decoding(TypedDict):
    """What the process found; the parent reads it as JSON."""

    model: str
    trials: int
    chance: float
    accuracy: float
    mean_confidence: float
    trained_on_simulated_data: bool
    license_type: str
    stale: bool
    milliseconds: dict[str, float]
    network_libraries: list[str]


class Stopwatch:
    """Milliseconds of one step after the other.

    Args:
        started_at: Unix time at which this process was asked for.

    Example:
        >>> watch = Stopwatch(time.time() - 1.0)
        >>> watch.lap("start")
        >>> 1000 <= watch.laps["start"] < 1100
        True
    """

    def __init__(self, started_at: float) -> None:
        self.laps: dict[str, float] = {}
        self._last = started_at

    def lap(self, name: str) -> None:
        """End a step here; the next one begins."""
        now = time.time()
        self.laps[name] = round(1000 * (now - self._last), 2)
        self._last = now


def main(started_at: float) -> Decoding:
    """Load session, core and model, and decode simulated trials whose truth is known.

    Args:
        started_at: Unix time at which this process was asked for.

    Raises:
        NimbusError: What a person would meet here.
    """
    watch = Stopwatch(started_at)
    watch.lap("start")
    import nimbus_sdk

    session = nimbus_sdk.current_session()
    watch.lap("session")
    load_model, predict_batch = nimbus_sdk.load_model, nimbus_sdk.predict_batch
    watch.lap("load core")
    model = load_model(nimbus_sdk.NimbusLDA, MODEL)
    watch.lap("load model")
    trials = import_module("nimbus_sdk_core").simulate(PARADIGM, n_trials=TRIALS, seed=SEED)
    watch.lap("simulate")
    result = predict_batch(model, trials)
    watch.lap("predict")
    return {
        "model": MODEL,
        "trials": len(result.predictions),
        "chance": 1 / len(result.classes),
        "accuracy": float(result.accuracy or 0.0),
        "mean_confidence": float(result.confidences.mean()),
        "trained_on_simulated_data": result.simulated,
        "license_type": session.license_type,
        "stale": session.stale,
        "milliseconds": watch.laps,
        "network_libraries": [name for name in NETWORK_LIBRARIES if name in sys.modules],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(float(sys.argv[1]))))
