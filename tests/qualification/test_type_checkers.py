"""A user's program under the type checkers that editors use, with the SDK as a wheel installs it."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

pytestmark = pytest.mark.qualification
PROGRAM = """
import nimbus_sdk
from nimbus_sdk import BCIMetadata, NimbusLDA, load_model, predict_batch, train_model
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk_core import OwnWord, fit_csp, simulate

model = load_model(NimbusLDA, "motor_imagery_4class_v1")
reveal_type(model)
reveal_type(predict_batch(model, simulate("motor_imagery", n_trials=5, seed=1)))
reveal_type(nimbus_sdk.install_core)
BCIMetadata(sampling_rate="fast", paradigm="p300", feature_type="erp", n_features=1, n_classes=2)
nimbus_sdk.lode_model
BCIMetadata(250.0, "motor imagery", "csp", 16, 4)
BCIMetadata(250.0, "p300", "CSP", 16, 4)
BCIMetadata(250.0, OwnWord("attention"), OwnWord("riemann"), 16, 4)
simulate("speech", n_trials=5, seed=1)
train_model("NimbusLda", simulate("p300", n_trials=5, seed=1))
with Sandbox() as sandbox:
    sandbox.fault("validate", status=500, times=2, reset="before_head")
    sandbox.fault("validat", status=500)
    sandbox.fault("validate", statuss=500)
    sandbox.fault("validate", reset="sometimes")
"""
WRONG = [
    number
    for number, line in enumerate(PROGRAM.splitlines(), 1)
    for word in (
        "fast",
        "lode",
        "motor imagery",
        "CSP",
        "speech",
        "NimbusLda",
        '"validat"',
        "statuss",
        "sometimes",
    )
    if word in line
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with a wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    [site] = (folder / "venv").glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    # The dependencies are those of this environment.
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "venv" / "bin" / "python"


@pytest.mark.parametrize(
    ("checker", "option"),
    [("mypy", "--python-executable"), ("pyright", "--pythonpath"), ("basedpyright", "--pythonpath")],
)
def test_a_program_of_a_user(installed: Path, tmp_path: Path, checker: str, option: str) -> None:
    """Names of SDK and core have their types, and a wrong argument or name is an error."""
    pytest.importorskip(checker)
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", checker, option, str(installed), "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    for text in ("NimbusLDA", "BatchResult", "AuthSession"):
        assert text in done.stdout, done.stdout
    found = re.findall(r"program\.py:(\d+)(?::\d+ -|:) error", done.stdout)
    assert sorted({int(number) for number in found}) == WRONG, done.stdout
