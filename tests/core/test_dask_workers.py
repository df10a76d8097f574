"""A cluster of real worker processes, which know of the core only through the SDK."""

from __future__ import annotations

import pickle
import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from nimbus_sdk import AuthSession
from tests.conftest import Fresh

# Workers are spawned: what runs in them must not start clusters itself.
CLUSTER = """
import os
import numpy as np
import nimbus_sdk
import dask
import dask.array as da
from dask.distributed import Client, LocalCluster

def where_the_core_is(_):
    import sys
    nimbus_sdk.BCIData
    import nimbus_sdk_core
    return nimbus_sdk_core.__file__, any("reference_core" in place for place in sys.path)

if __name__ == "__main__":
    nimbus_sdk.BCIData
    import nimbus_sdk_core as core
    with dask.config.set({"distributed.comm.timeouts.connect": "30s"}), LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit="1GiB",
        dashboard_address="127.0.0.1:0",
    ) as cluster, Client(cluster) as client:
"""


def in_a_cluster(fresh: Fresh, folder: Path, body: str, **environ: str) -> str:
    """Run the body of a program with two workers."""
    script = folder / "on_a_cluster.py"
    script.write_text(CLUSTER + "".join(f"        {line}\n" for line in body.splitlines()), encoding="utf-8")
    start = f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')"
    return fresh(start, timeout=110, **environ).stdout


DECODE = """
data = core.simulate("motor_imagery", n_trials=400, seed=5)
model = nimbus_sdk.load_model("NimbusLDA", "motor_imagery_4class_v1")
lazy = nimbus_sdk.BCIData(da.from_array(data.features, chunks=(-1, -1, 60)), data.metadata, data.labels)
found, expected = nimbus_sdk.predict_batch(model, lazy).compute(), nimbus_sdk.predict_batch(model, data)
for name in ("posteriors", "entropy", "mahalanobis_distances", "outlier_scores", "confidences"):
    assert np.abs(getattr(found, name) - getattr(expected, name)).max() <= 1e-12, name
assert (found.predictions == expected.predictions).all()
assert abs(found.accuracy - expected.accuracy) <= 1e-12
for file, on_path in client.gather(client.map(where_the_core_is, range(4))):
    assert os.environ["NIMBUS_SDK_HOME"] in file and not on_path
spoiled = data.features.copy()
spoiled[0, 0, 130] = np.nan
try:
    nimbus_sdk.predict_batch(model, nimbus_sdk.BCIData(
        da.from_array(spoiled, chunks=(-1, -1, 60)), data.metadata)).compute()
except core.CoreDataError as error:
    print(error.message[:24])
"""

TRAIN = """
import shutil
os.environ["NIMBUS_SDK_HOME"] = home = os.environ["RESEARCH_HOME"]
elsewhere = os.path.join(os.getcwd(), "elsewhere")
shutil.copytree(home, elsewhere, ignore=lambda folder, names: [
    name for name in names if folder == home and name != "data"])
for folder, _, files in os.walk(elsewhere):
    for file in files:
        if "session" in file or "credential" in file:
            os.remove(os.path.join(folder, file))

def emigrate(home):
    os.environ["NIMBUS_SDK_HOME"] = home

client.run(emigrate, elsewhere)
data = core.simulate("p300", n_trials=60, seed=5)
try:
    client.submit(nimbus_sdk.train_model, "NimbusLDA", data).result()
except nimbus_sdk.SessionNotFoundError as error:
    print(type(error).__name__)
from nimbus_sdk.core.dask_workers import NimbusWorkers
client.register_plugin(NimbusWorkers())
print(client.submit(nimbus_sdk.train_model, "NimbusQDA", data).result())

def lent():
    from nimbus_sdk.core import license_gate
    session = license_gate._fallback_session
    try:
        session.api_key
    except nimbus_sdk.NimbusError as error:
        key = type(error).__name__
    user = [session.user_id, session.email, session.name, session.organization]
    return session.has_feature("training"), user, key

for found in client.run(lent).values():
    print(*found)
"""


ON_A_WORKER = """
import pickle, sys, types
sys.modules["distributed"] = types.SimpleNamespace(WorkerPlugin=object)
import nimbus_sdk
nimbus_sdk.BCIData
import nimbus_sdk_core as core
data = core.simulate("p300", n_trials=60, seed=5)
try:
    nimbus_sdk.train_model("NimbusLDA", data)
except nimbus_sdk.SessionNotFoundError as error:
    print(type(error).__name__)
with open("plugin.pickle", "rb") as file:
    plugin = pickle.load(file)
plugin.setup(None)
print(nimbus_sdk.train_model("NimbusQDA", data))
"""


def test_the_plugin_takes_the_license_along_without_key_and_user(
    installed: AuthSession, forked: Fresh, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine with the core and no session, training is refused until the plugin was set up."""
    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(WorkerPlugin=object))
    monkeypatch.delitem(sys.modules, "nimbus_sdk.core.dask_workers", raising=False)
    plugin = import_module("nimbus_sdk.core.dask_workers").NimbusWorkers()
    session = plugin.session
    assert session.has_feature("training")
    assert [session.user_id, session.email, session.name, session.organization] == [None] * 4
    (isolated_home / "work" / "plugin.pickle").write_bytes(pickle.dumps(plugin))
    del sys.modules["nimbus_sdk.core.dask_workers"]
    elsewhere = isolated_home / "elsewhere"
    shutil.copytree(isolated_home / "nimbus" / "data" / "core", elsewhere / "data" / "core")
    done = forked(ON_A_WORKER, NIMBUS_SDK_HOME=str(elsewhere), NIMBUS_SDK_OFFLINE="1")
    assert done.stdout == "SessionNotFoundError\n<NimbusQDA 'NimbusQDA_p300', 8 features, 2 classes>\n"


@pytest.mark.qualification
def test_workers_decode_and_train_without_the_key(
    installed_free: AuthSession,
    installed_homes: Callable[[str], Path],
    fresh: Fresh,
    isolated_home: Path,
) -> None:
    """A batch is decoded by workers that were prepared by nothing, and training needs the plugin's session.

    Decoding is offline and with a free license: model and plan bring the core along, and all agrees to 1e-12.
    Training is on machines with the core and no session: neither key nor user data is there, and what the
    license does not include stays refused.
    """
    output = in_a_cluster(
        fresh,
        isolated_home / "work",
        DECODE + TRAIN,
        NIMBUS_SDK_OFFLINE="1",
        NIMBUS_SDK_CREDENTIAL_STORE="file",
        RESEARCH_HOME=str(installed_homes("research")),
    )
    assert output.splitlines() == [
        "In trials 120 to 179: fe",
        "SessionNotFoundError",
        "<NimbusQDA 'NimbusQDA_p300', 8 features, 2 classes>",
        *["True [None, None, None, None] MissingKeyError"] * 2,
    ]


def test_without_dask_the_way_to_it_is_reported(forked: Fresh) -> None:
    """The plugin's module names the extra."""
    forked(
        "import sys\n"
        "sys.modules['distributed'] = None\n"
        "try:\n"
        "    import nimbus_sdk.core.dask_workers\n"
        "except ImportError as error:\n"
        '    assert \'"dask[array]" "distributed"\' in error.hint\n'
        "else:\n"
        "    raise AssertionError\n"
    )
