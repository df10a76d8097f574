"""The reference core from its source tree, visible to the tests of this folder and to no others.

The SDK's own tests prove what happens while no core can be imported, so this one must not stay in reach.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

TREE = Path(__file__).parents[2] / "nimbus_sdk" / "reference_core"
SOURCE = TREE / "src"

sys.path.insert(0, str(SOURCE))

import nimbus_sdk_core  # noqa: E402

from tests.reference_core.support import simulate_epochs  # noqa: E402

if TYPE_CHECKING:
    import mne

for found in pkgutil.walk_packages(nimbus_sdk_core.__path__, "nimbus_sdk_core."):
    importlib.import_module(found.name)

_MODULES = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "nimbus_sdk_core"}


def pytest_collection_finish() -> None:
    """Hide the core again, once the test modules here have imported what they need."""
    if str(SOURCE) in sys.path:
        sys.path.remove(str(SOURCE))
    for name in _MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(autouse=True)
def _core_in_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in _MODULES.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(sys, "path", [str(SOURCE), *sys.path])


@pytest.fixture(scope="session")
def tree() -> Path:
    """The source tree of the reference core."""
    return TREE


@pytest.fixture(scope="session")
def model() -> nimbus_sdk_core.NimbusLDA:
    """A small trained model."""
    return nimbus_sdk_core.train_model(
        nimbus_sdk_core.NimbusLDA,
        nimbus_sdk_core.simulate("p300", n_trials=60, seed=1),
        name="mine",
        description="ü",
    )


@pytest.fixture(scope="session")
def content(model: nimbus_sdk_core.NimbusLDA) -> bytes:
    """The same as a file."""
    return nimbus_sdk_core.io.model_file.to_bytes(model)


@pytest.fixture(scope="module")
def training() -> mne.EpochsArray:
    """Epochs to learn from."""
    return simulate_epochs(1)


@pytest.fixture(scope="module")
def later() -> mne.EpochsArray:
    """Epochs of another day."""
    return simulate_epochs(2)


@pytest.fixture
def random() -> np.random.Generator:
    """A seeded source of randomness."""
    return np.random.default_rng(20250101)
