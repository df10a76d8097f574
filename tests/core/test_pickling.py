"""Objects of the core find it in a fresh process, though it is on no search path."""

from __future__ import annotations

import json
import os
import pickletools
from collections.abc import Callable
from pathlib import Path

import pytest

from nimbus_sdk import AuthSession
from tests.conftest import Fresh
from tests.support.wheels import fresh_python

PACK = """
import copy, pickle
import nimbus_sdk
from nimbus_sdk import NimbusLDA, NimbusQDA, predict_batch, train_model
import nimbus_sdk_core as core

data = core.simulate("p300", n_trials=60, seed=1)
model = train_model(NimbusLDA, data, name="mine")
session = nimbus_sdk.init_streaming(model, data.metadata)
nimbus_sdk.process_chunk(session, data.features[:, :, 0])
things = {
    "lda": model,
    "data": data,
    "result": predict_batch(model, data),
    "session": session,
    "error": core.CoreDataError("It broke.", "Mend it."),
    "predict": nimbus_sdk.predict_batch,
    "save": nimbus_sdk.save_model,
    "job": (nimbus_sdk.train_model, NimbusLDA, data),
    "rest": (
        data.metadata,
        train_model(NimbusQDA, data),
        NimbusLDA(dof_offset=3),
        session.chunk_history[0],
        nimbus_sdk.assess_trial_quality([[0.9, 0.1]]),
        nimbus_sdk.load_model,
        nimbus_sdk.calculate_ITR,
    ),
}
for protocol in (2, 5):
    for name, thing in things.items():
        with open(f"{name}.{protocol}.pickle", "wb") as file:
            pickle.dump(thing, file, protocol)
assert copy.copy(model).card is model.card
assert (copy.deepcopy(data).features == data.features).all()
"""

UNPACK = """
import pickle, sys
assert not any(name.startswith("nimbus") for name in sys.modules)
with open(FILE, "rb") as file:
    thing = pickle.load(file)
import nimbus_sdk, nimbus_sdk_core
assert not any("nimbus_sdk_core" in str(place) or "reference_core" in str(place) for place in sys.path)
"""

# NumPy is imported once, and then each pickle is loaded by a process that knows of nothing else.
FORK = """
import json, os, sys
import numpy
for code in json.load(sys.stdin):
    child = os.fork()
    if child == 0:
        exec(code, {"__name__": "__main__"})
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, code
"""

CHECKS = {
    "lda": "assert thing.card.name == 'mine' and thing.predict([[0.0] * 8]) in (1, 2)",
    "data": "assert thing.n_trials == 60 and set(thing.labels.tolist()) == {1, 2}",
    "result": "assert thing.accuracy > 0.7 and thing.confidence_calibration.bin_counts.sum() == 60",
    "session": "assert nimbus_sdk.finalize_trial(thing).n_chunks == 1",
    "error": "assert str(thing) == 'It broke. Mend it.' and thing.hint == 'Mend it.'",
    "predict": "assert thing is nimbus_sdk.predict_batch",
    "save": "assert thing is nimbus_sdk.save_model",
    "job": "train, kind, data = thing; assert type(train(kind, data)) is kind",
    "rest": (
        "metadata, model, untrained, chunk, quality, load, itr = thing\n"
        "assert (metadata.paradigm, untrained.dof_offset, itr(1.0, 4, 4.0)) == ('p300', 3, 30.0)\n"
        "assert len(model.predict_proba([[0.0] * 8])[0]) == 2\n"
        "assert chunk.confidence > 0.4 and quality.confidence_acceptable\n"
        "assert load('NimbusLDA', 'motor_imagery_4class_v1').n_features_in_ == 16"
    ),
}


@pytest.fixture(scope="session")
def packed_files(installed_homes: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pickles that another process made."""
    folder = tmp_path_factory.mktemp("pickles")
    home = str(installed_homes("research"))
    done = fresh_python(PACK, cwd=folder, NIMBUS_SDK_HOME=home, NIMBUS_SDK_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def packed(packed_files: Path, installed: AuthSession) -> Path:
    """The same folder, on a machine with the core."""
    return packed_files


def test_what_was_pickled_is_there_in_a_process_that_imported_nothing(packed: Path, fresh: Fresh) -> None:
    """Data, models, results, sessions, errors and functions; also in an old protocol."""
    files = {packed / f"{name}.5.pickle": check for name, check in CHECKS.items()}
    files[packed / "lda.2.pickle"] = CHECKS["lda"]
    programs = [UNPACK.replace("FILE", repr(str(file))) + check for file, check in files.items()]
    if hasattr(os, "fork"):
        fresh(FORK, stdin=json.dumps(programs), NIMBUS_SDK_OFFLINE="1")
    else:
        for program in programs:
            fresh(program, NIMBUS_SDK_OFFLINE="1")


def test_a_pickle_holds_neither_key_nor_user_data(packed: Path, installed: AuthSession) -> None:
    """A pickled model can be given away: nothing of the session goes with it."""
    for file in sorted(packed.glob("*.pickle")):
        content = file.read_bytes()
        for secret in (installed.email, installed.user_id, installed.key_fingerprint, "nbci_"):
            assert secret.encode() not in content, file.name
    opcodes = list(pickletools.genops((packed / "lda.5.pickle").read_bytes()))
    assert "nimbus_sdk.core.pickling" in [argument for _, argument, _ in opcodes]


def test_a_machine_without_the_core_says_what_to_run(
    packed: Path, isolated_home: Path, forked: Fresh
) -> None:
    """Unpickling there ends with the command that installs, and not with a missing module."""
    done = forked(
        f"import pickle\npickle.load(open({str(packed / 'lda.5.pickle')!r}, 'rb'))\n",
        check=False,
        NIMBUS_SDK_HOME=str(isolated_home / "elsewhere"),
    )
    assert done.returncode == 1
    assert "CoreNotInstalledError" in done.stderr
    assert "install_core" in done.stderr


def test_a_fresh_interpreter_of_multiprocessing_decodes(
    installed: AuthSession, fresh: Fresh, isolated_home: Path
) -> None:
    """Workers that are spawned get models and data, and send results back."""
    script = isolated_home / "work" / "spawning.py"
    script.write_text(
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "import nimbus_sdk\n"
        "if __name__ == '__main__':\n"
        "    model = nimbus_sdk.load_model('NimbusLDA', 'motor_imagery_4class_v1')\n"
        "    import nimbus_sdk_core\n"
        "    data = nimbus_sdk_core.simulate('motor_imagery', n_trials=20, seed=1)\n"
        "    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:\n"
        "        print(len(pool.submit(nimbus_sdk.predict_batch, model, data).result()))\n",
        encoding="utf-8",
    )
    done = fresh(
        f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')", NIMBUS_SDK_OFFLINE="1"
    )
    assert done.stdout == "20\n"


def test_what_pickle_finds_in_the_core_is_registered(installed: AuthSession, forked: Fresh) -> None:
    """Nothing before it is loaded; a module that another thread is importing, later.

    A damaged pickle makes nothing of what is no class, and calls nothing that is no function.
    """
    forked("""
import copyreg, importlib.util, pickle, sys
import nimbus_sdk
from nimbus_sdk.core import pickling
from nimbus_sdk.core.pickling import register_reducers
before = dict(copyreg.dispatch_table)
register_reducers()
assert copyreg.dispatch_table == before

def refused(function, *arguments):
    try:
        function(*arguments)
    except TypeError as error:
        return str(error)

assert "is not a class" in refused(pickling.reconstruct, "nimbus_sdk_core.models.training", "train_model")
assert "cannot be called" in refused(pickling.call, "nimbus_sdk_core", "PROTOCOL_VERSION")
spec = importlib.util.spec_from_loader("nimbus_sdk_core.extra", loader=None)
module = importlib.util.module_from_spec(spec)
spec._initializing = True
sys.modules[spec.name] = module
register_reducers()
exec("class Late: pass", vars(module))
spec._initializing = False
register_reducers()
assert b"nimbus_sdk.core.pickling" in pickle.dumps(module.Late())
""")
