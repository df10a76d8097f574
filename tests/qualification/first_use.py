"""The first use of the SDK and the core by many threads at once, in a fresh process.

``python -m tests.qualification.first_use`` runs every job with 2, 16 and 100 threads in this environment.
"""

from __future__ import annotations

import subprocess
import sys

JOBS = ("load", "train", "fit", "untrained", "plot", "dask", "all")

PROGRAM = """
import pickle, sys, threading, traceback

def load():
    from nimbus_sdk import NimbusLDA, load_model
    return load_model(NimbusLDA, "motor_imagery_4class_v1")

def load_by_name():
    import nimbus_sdk
    import nimbus_sdk_core
    return nimbus_sdk_core.load_model("NimbusLDA", "motor_imagery_4class_v1")

def train():
    from nimbus_sdk import NimbusQDA, train_model
    import nimbus_sdk_core
    return train_model(NimbusQDA, nimbus_sdk_core.simulate("p300", n_trials=40, seed=1))

def fit():
    from nimbus_sdk import NimbusProbit
    return NimbusProbit().fit([[0.0], [0.2], [1.0], [1.2]], ["a", "a", "b", "b"])

def untrained():
    from nimbus_sdk import NimbusLDA
    import nimbus_sdk_core
    try:
        NimbusLDA().predict([[1.0]])
    except nimbus_sdk_core.NotTrainedError as error:
        return str(error)

def plot():
    import nimbus_sdk, nimbus_sdk_core
    batch = nimbus_sdk_core.simulate("motor_imagery", n_trials=20, seed=1)
    nimbus_sdk_core.plot_posteriors(nimbus_sdk.predict_batch(load(), batch))

def dask():
    import nimbus_sdk, nimbus_sdk_core
    batch = nimbus_sdk_core.simulate("motor_imagery", n_trials=20, seed=1)
    pieces = array.from_array(batch.features, chunks=(-1, -1, 10))
    nimbus_sdk.predict_batch(load(), nimbus_sdk.BCIData(pieces, batch.metadata)).compute()

def import_others():
    import numpy.ma, sklearn.exceptions

def install():
    import nimbus_sdk
    nimbus_sdk.install_core()
    return load()

jobs = {
    "load": [load, load_by_name],
    "train": [train, load_by_name],
    "fit": [fit, import_others],
    "untrained": [untrained, import_others],
    "plot": [plot],
    "dask": [dask, train, load],
    "install": [install],
    "all": [load, load_by_name, train, fit, untrained, plot, dask, import_others],
}[sys.argv[1]]
n_threads = int(sys.argv[2])
if dask in jobs:
    # In one thread: toolz, which Dask imports, fails now and then if several import it at once.
    from dask import array
barrier, failures, results = threading.Barrier(n_threads), [], []

def run(job):
    barrier.wait()
    try:
        results.append(job())
    except BaseException:
        failures.append(traceback.format_exc())

threads = [threading.Thread(target=run, args=(jobs[k % len(jobs)],), daemon=True) for k in range(n_threads)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(float(sys.argv[3]))
assert not [thread for thread in threads if thread.is_alive()], "threads wait for each other"
assert not failures, f"{len(failures)} of {n_threads} threads failed: {failures[0]}"
for model in results:
    # Another process finds the core by the name of the SDK's module.
    assert isinstance(model, str | None) or b"nimbus_sdk.core.pickling" in pickle.dumps(model)
"""


def run_first_use(job: str, n_threads: int, *, timeout: float = 300.0) -> str:
    """Run a job of `PROGRAM` in a fresh process and return what it wrote to standard error, if it failed."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, job, str(n_threads), str(timeout / 2)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return done.stderr if done.returncode else ""


if __name__ == "__main__":
    for each in JOBS:
        for threads in (2, 16, 100):
            failure = run_first_use(each, threads)
            print(f"{each:10} {threads:4} threads: {failure or 'ok'}")
