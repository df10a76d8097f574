"""``python -m tests.qualification.benchmarks.scale``: more trials than fit into the memory of a cluster.

Features are written to a file that is larger than the memory limit of all workers together. A core is
installed from a sandbox, as a user would; then, offline, a local cluster of two processes decodes the file
as a Dask array, and a single process decodes it as a memory map. ``--write`` puts the table into the section
"Scale" of ``docs/performance.md``. It ends with 1 where a promise is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.qualification.benchmarks import page
from tests.qualification.benchmarks.measures import Verdict

MEBIBYTE = 2**20
N_FEATURES, N_SAMPLES, N_CLASSES = 16, 4, 4


def write_features(path: Path, n_trials: int, piece: int = 100_000) -> float:
    """Write simulated features of four classes, in pieces; gives the size in MiB."""
    shape = (n_trials, N_SAMPLES, N_FEATURES)
    target = np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=shape)
    places = 0.7 * np.random.default_rng(0).normal(size=(N_CLASSES, 1, N_FEATURES))
    for start in range(0, n_trials, piece):
        end = min(start + piece, n_trials)
        noise = np.random.default_rng([1, start]).standard_normal((end - start, N_SAMPLES, N_FEATURES))
        target[start:end] = noise + places[np.arange(start, end) % N_CLASSES]
        target.flush()
    return path.stat().st_size / MEBIBYTE


def in_a_process(module: str, **arguments: object) -> dict[str, float]:
    """Run one part of the measurement in a fresh process, and give the figures that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.qualification.benchmarks.{module}", json.dumps(arguments)],
        cwd=page.ROOT,
        env={**os.environ, "NIMBUS_SDK_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def installed(folder: Path) -> None:
    """Install the core from a sandbox into a home of its own, which the environment then names."""
    import nimbus_sdk
    from nimbus_sdk.sandbox import Sandbox

    os.environ.update(NIMBUS_SDK_HOME=str(folder / "home"), NIMBUS_SDK_CREDENTIAL_STORE="file")
    with Sandbox(wheel_dir=folder / "wheels") as sandbox:
        os.environ.update(sandbox.environment())
        nimbus_sdk.install_core(sandbox.new_key("research"), progress=False)


def verdicts(size: float, limit: float, cluster: dict[str, float], alone: dict[str, float]) -> list[Verdict]:
    """What was promised of the figures."""
    everybody = 2 * cluster["worker_mib"] + cluster["client_mib"]
    return [
        Verdict("features by the memory of all workers", size / limit, 1.5, "times", at_least=True),
        Verdict("most memory of workers and client, by that limit", everybody / limit, 1.0, "times"),
        Verdict("workers that had to be restarted", cluster["restarts"], 0.0, ""),
        Verdict("difference to NumPy", cluster["difference"], 1e-12, ""),
        Verdict(
            "memory that decoding a memory map takes, by its size", alone["taken_mib"] / size, 0.6, "times"
        ),
    ]


def table(cluster: dict[str, float], alone: dict[str, float], n_trials: int) -> str:
    """The figures in Markdown."""

    def row(name: str, seconds: float, memory: str) -> list[str]:
        return [name, f"{seconds:.1f} s", f"{n_trials / seconds / 1e6:.2f} million", memory]

    workers = f"{cluster['worker_mib']:.0f} MiB in a worker, {cluster['client_mib']:.0f} MiB in the client"
    return page.markdown(
        ["what", "time", "trials a second", "most memory"],
        [
            row("Dask, two workers: accuracy, entropy, balance, calibration", cluster["scalars_s"], workers),
            row("Dask, two workers: predictions into files", cluster["stored_s"], workers),
            row(
                "one process, memory map: everything, held in memory",
                alone["seconds"],
                f"{alone['taken_mib']:.0f} MiB allocated, {alone['result_mib']:.0f} MiB of it the result",
            ),
        ],
    )


def main() -> int:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.qualification.benchmarks.scale", description=__doc__
    )
    parser.add_argument("--trials", type=int, default=5_000_000, help="(default: %(default)s)")
    parser.add_argument(
        "--memory", type=int, default=1_024, help="of all workers, MiB (default: %(default)s)"
    )
    parser.add_argument("--write", action="store_true", help=f"into {page.PAGE.name}")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        installed(folder)
        size = write_features(folder / "features.npy", chosen.trials)
        given = {"path": str(folder / "features.npy"), "folder": name, "limit_mib": chosen.memory}
        cluster = in_a_process("scale_cluster", **given)
        alone = in_a_process("scale_alone", path=given["path"])
    found, figures = verdicts(size, chosen.memory, cluster, alone), table(cluster, alone, chosen.trials)
    text = (
        f"{chosen.trials:,} trials of {N_FEATURES} features and {N_SAMPLES} samples, {size:,.0f} MiB in a "
        f"file; two workers with {chosen.memory:,} MiB together; largest difference of a posterior to "
        f"NumPy's {cluster['difference']:.0e}"
    )
    print(text, figures, *found, sep="\n")
    if chosen.write:
        said = "`python -m tests.qualification.benchmarks.scale --write` measures this section: "
        page.put("Scale", f"{said}{text}. {page.machine()}\n\n{figures}")
    return 0 if all(verdict.kept for verdict in found) else 1


if __name__ == "__main__":
    sys.exit(main())
