"""``python -m tests.qualification.benchmarks.streaming``: how long a chunk takes, from samples to prediction.

A chunk has 16 features and 250 samples, the model four classes. The models take turns, chunk by chunk, so
that whatever else the machine does meets them alike. ``--write`` puts the table into the section "Streaming"
of ``docs/performance.md``. It ends with 1 where a promise is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from tests.qualification.benchmarks import page
from tests.qualification.benchmarks.measures import Verdict

sys.path.insert(0, str(Path(page.ROOT, "nimbus_sdk", "reference_core", "src")))

from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    StreamingSession,
    finalize_trial,
    init_streaming,
    process_chunk,
    train_model,
)

N_FEATURES, N_CLASSES, N_SAMPLES, CHUNKS_A_TRIAL = 16, 4, 250, 8
KINDS = ("NimbusLDA", "NimbusQDA", "NimbusProbit")
WAYS = ("mean", "logvar", "median")
LIMITS_MS = {"NimbusLDA": 0.1, "NimbusQDA": 0.2, "NimbusProbit": 0.2}


def sessions() -> dict[str, StreamingSession]:
    """One for each kind of model and way of aggregation."""
    random = np.random.default_rng(1)
    labels = np.arange(400) % N_CLASSES
    places = random.normal(size=(N_FEATURES, 1, N_CLASSES))
    features = random.normal(size=(N_FEATURES, 25, 400)) * np.exp(0.3 * places[..., labels])
    found = {}
    for kind in KINDS:
        for way in WAYS:
            training = BCIMetadata(250.0, "own", "own", N_FEATURES, N_CLASSES, None, way)
            model = train_model(kind, BCIData(features, training, labels))
            stream = BCIMetadata(250.0, "own", "own", N_FEATURES, N_CLASSES, N_SAMPLES, way)
            found[f"{kind}, {way}"] = init_streaming(model, stream)
    return found


def measured(n_chunks: int) -> dict[str, list[float]]:
    """Milliseconds of every chunk by name, and of every decision on a trial of eight chunks."""
    running = sessions()
    times: dict[str, list[float]] = {name: [] for name in [*running, "the decision on eight chunks"]}
    random = np.random.default_rng(2)
    chunks = random.normal(size=(64, N_FEATURES, N_SAMPLES))
    for turn in range(n_chunks):
        for name, session in running.items():
            started = time.perf_counter()
            process_chunk(session, chunks[turn % len(chunks)])
            times[name].append(1e3 * (time.perf_counter() - started))
            if len(session.chunk_history) == CHUNKS_A_TRIAL:
                started = time.perf_counter()
                finalize_trial(session)
                times["the decision on eight chunks"].append(1e3 * (time.perf_counter() - started))
    return times


def verdicts(times: dict[str, list[float]]) -> list[Verdict]:
    """What was promised of the figures."""
    chunks = {name: values for name, values in times.items() if name.startswith(KINDS)}
    return [
        Verdict(
            f"a chunk of 250 samples, {name}", float(np.median(values)), LIMITS_MS[name.split(",")[0]], "ms"
        )
        for name, values in chunks.items()
    ]


def table(times: dict[str, list[float]]) -> str:
    """The figures in Markdown."""
    rows = []
    for name, values in times.items():
        median, nine_of_ten, most = np.quantile(values, [0.5, 0.9, 0.99])
        rows.append([name, f"{median:.3f} ms", f"{nine_of_ten:.3f} ms", f"{most:.3f} ms"])
    return page.markdown(["a chunk of 16 features by 250 samples", "median", "90 %", "99 %"], rows)


def main() -> int:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.qualification.benchmarks.streaming", description=__doc__
    )
    parser.add_argument("--chunks", type=int, default=4_000, help="of each model (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help=f"into {page.PAGE.name}")
    chosen = parser.parse_args()
    times = measured(chosen.chunks)
    found = verdicts(times)
    print(table(times), *found, sep="\n")
    if chosen.write:
        page.put(
            "Streaming",
            "`python -m tests.qualification.benchmarks.streaming --write` "
            f"measures this section: {chosen.chunks:,} chunks "
            "of each model in turns, from samples to `ChunkResult`, with all checks; four classes. Each "
            "chunk is held to 0.2 ms, of NimbusLDA to 0.1 ms. "
            f"{page.machine()}\n\n{table(times)}",
        )
    return 0 if all(verdict.kept for verdict in found) else 1


if __name__ == "__main__":
    sys.exit(main())
