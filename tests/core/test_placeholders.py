"""Names of the core can be imported before the core is installed, and work once it is."""

from __future__ import annotations

from nimbus_sdk.sandbox import Sandbox
from tests.conftest import Fresh

FIRST_CELL = """
from nimbus_sdk import *
import inspect, pickle, pydoc
from abc import ABC
from pathlib import Path
from typing import get_type_hints
from unittest import mock
import nimbus_sdk
from nimbus_sdk import BCIData, NimbusLDA, RxLDAModel, load_model, predict_batch, train_model
from nimbus_sdk.core.wheel import protocol
"""

BEFORE = """
assert all(hasattr(nimbus_sdk, name) for name in nimbus_sdk.__all__)
assert set(nimbus_sdk.__all__) <= set(dir(nimbus_sdk))
assert nimbus_sdk.NimbusLDA is NimbusLDA is RxLDAModel and nimbus_sdk.load_model is load_model
assert (load_model.__name__, NimbusLDA.__name__) == ("load_model", "NimbusLDA")

def decode(model: "NimbusLDA", other: NimbusLDA | None, data: list[BCIData]) -> "BatchResult": ...

assert get_type_hints(decode)["model"] is NimbusLDA
assert not isinstance(decode, NimbusLDA) and not issubclass(int, NimbusLDA)
assert not hasattr(BCIData, "from_epochs") and not hasattr(NimbusLDA, "_repr_html_")
for name in ("load_model", "NimbusLDA"):
    get_type_hints(getattr(nimbus_sdk, name))
    with mock.patch(f"nimbus_sdk.{name}", autospec=True) as fake:
        assert getattr(nimbus_sdk, name) is fake
assert nimbus_sdk.load_model is load_model
assert "core" in pydoc.render_doc(load_model, renderer=pydoc.plaintext)
pydoc.render_doc(NimbusLDA)
assert pickle.loads(pickle.dumps([NimbusLDA, load_model])) == [NimbusLDA, load_model]

def fails(use):
    try:
        use()
    except nimbus_sdk.CoreNotInstalledError as error:
        assert "install_core" in error.hint and "nimbus-sdk install" in str(error)
    else:
        raise SystemExit("no error")

fails(lambda: load_model(NimbusLDA, "motor_imagery_4class_v1"))
fails(lambda: calculate_ITR(0.8, 4, 4.0))
fails(NimbusLDA)
fails(lambda: BCIData.from_epochs)
fails(type("Mine", (NimbusLDA,), {}))
"""

AFTER = """
class Early(NimbusLDA, ABC):
    def predict(self, X):
        return super().predict(X)

class Recording(BCIData):
    pass

kept = {"function": predict_batch, "kind": NimbusLDA, "pickled": pickle.dumps((NimbusLDA, load_model))}
install_core(input())
import nimbus_sdk_core as core

assert not isinstance(3, NimbusLDA)
model = load_model(NimbusLDA, "motor_imagery_4class_v1")
data = core.simulate("motor_imagery", n_trials=40, seed=1)
assert type(model) is nimbus_sdk.NimbusLDA is core.NimbusLDA
assert isinstance(model, NimbusLDA) and issubclass(type(model), NimbusLDA)
assert issubclass(NimbusLDA, NimbusLDA)
assert isinstance(data, BCIData) and not isinstance(data, NimbusLDA)
assert len(kept["function"](model, data)) == 40
assert isinstance(train_model(kind=kept["kind"], data=data), NimbusLDA)
assert isinstance(nimbus_sdk.train_model(NimbusLDA, data, name="mine"), core.NimbusLDA)
assert BCIData(data.features, data.metadata, data.labels).n_trials == 40
assert NimbusLDA(dof_offset=3).get_params()["dof_offset"] == 3
assert BCIData.from_epochs.__func__ is core.BCIData.from_epochs.__func__
assert inspect.signature(NimbusLDA) == inspect.signature(core.NimbusLDA)
for name in set(nimbus_sdk.__all__) - {*nimbus_sdk._MODULES, *protocol.ALIASES, "__version__"}:
    ours, theirs = getattr(nimbus_sdk, name), getattr(core, name)
    assert inspect.isclass(ours) == inspect.isclass(theirs), name
    assert set(theirs.__doc__.splitlines()) <= set(ours.__doc__.splitlines()), name
    assert str(inspect.signature(ours)) == str(inspect.signature(theirs)), name
types = Path(nimbus_sdk.__file__).parent / "reference_core" / "src" / "nimbus_sdk_core"
running = Path(core.__file__).parent
for file in types.rglob("*.py"):
    assert file.read_bytes() == (running / file.relative_to(types)).read_bytes(), file
assert NimbusLDA.__doc__ == core.NimbusLDA.__doc__ and "fit" in dir(NimbusLDA)

class Late(NimbusLDA):
    def predict(self, X):
        return super().predict(X)

for derived in (Early, Late):
    mine = derived().fit(data.vectors(), data.labels)
    assert isinstance(mine, core.NimbusLDA) and isinstance(mine, NimbusLDA) and isinstance(mine, derived)
    assert issubclass(derived, NimbusLDA) and not isinstance(model, derived)
    assert isinstance(pickle.loads(pickle.dumps(mine)), derived)
    assert len(derived.predict(mine, data.vectors())) == 40

assert len(Recording(data.features, data.metadata, data.labels)[:5]) == 5
kind, load = pickle.loads(kept["pickled"])
assert isinstance(load(kind, "motor_imagery_4class_v1"), core.NimbusLDA)
with mock.patch.object(NimbusLDA, "fit", autospec=True) as fit:
    core.NimbusLDA().fit([[1.0]], [1])
    assert fit.called
assert core.NimbusLDA.fit is NimbusLDA.fit is not fit
with open("kept.pickle", "wb") as file:
    pickle.dump((model, NimbusLDA, predict_batch, data), file)
"""

ELSEWHERE = """
import nimbus_sdk_core, pickle
assert nimbus_sdk_core.simulate("p300", n_trials=2, seed=1).n_trials == 2
with open("kept.pickle", "rb") as file:
    model, kind, decode, data = pickle.load(file)
import nimbus_sdk
assert kind is nimbus_sdk.NimbusLDA is type(model) and decode is nimbus_sdk.predict_batch
assert len(decode(model, data)) == 40
"""


def test_a_first_cell_imports_everything_before_the_core_is_installed(forked: Fresh) -> None:
    """Imports, hasattr, mock.patch, type hints and help work; a call or an instance says what to run."""
    forked(FIRST_CELL + BEFORE)


def test_the_core_by_its_own_name_says_how_to_install_it(fresh: Fresh) -> None:
    """In a program that imports nothing else of the SDK, the error names what to run."""
    done = fresh("import nimbus_sdk_core", check=False)
    last = done.stderr.splitlines()[-1]
    assert "CoreImportError: The core is not installed" in last
    assert "nimbus_sdk.install_core(" in last


def test_what_was_imported_before_the_install_works_after_it(
    sandbox: Sandbox, key: str, fresh: Fresh, forked: Fresh
) -> None:
    """Functions; classes as arguments, in isinstance, as bases, in pickles, here and in another process.

    The running core has the names, kinds, signatures and docstrings that editors and type checkers read.
    """
    forked(FIRST_CELL + AFTER, stdin=key)
    fresh(ELSEWHERE)
