"""Cells in a kernel of Jupyter whose front end answers no questions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox

pytestmark = pytest.mark.qualification
nbformat = pytest.importorskip("nbformat", reason="needs nbclient and ipykernel")
nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel")
pytest.importorskip("ipykernel", reason="needs nbclient and ipykernel")
_COLOUR = re.compile(r"\x1b\[[\d;]+m")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs cells in a new kernel and returns the outputs of each."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.delenv("NIMBUS_SDK_NO_PROGRESS")

    def run(*cells: str) -> list[list]:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        nbclient.NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=60).execute()
        return [cell.outputs for cell in notebook.cells]

    return run


def printed(output) -> str:
    """What a front end shows of an error."""
    return _COLOUR.sub("", "\n".join(output.traceback))


def test_errors_are_boxes_and_everything_can_be_asked_for(run, sandbox: Sandbox) -> None:
    """The user's lines and a box; with %tb Verbose the SDK's frames; the traceback stays whole."""
    short, full, frames = run(
        "import nimbus_sdk\n\ndef mine():\n    return nimbus_sdk.get_model_info('p300')\n\nmine()",
        "%tb Verbose",
        "import sys, traceback\nlen(traceback.extract_tb(sys.last_value.__traceback__))",
    )
    text = printed(short[-1])
    assert text.startswith("Cell In[1], line 6\n    mine()\nCell In[1], line 4, in mine\n")
    assert "╭─ MissingKeyError ─" in text
    assert "nimbus-sdk install" in text
    assert "key_lookup.py" not in text
    assert "key_lookup.py" in printed(full[-1])
    assert int(frames[-1].data["text/plain"]) > 5


def test_an_install_ends_with_one_line_and_results_are_tables(
    run, sandbox: Sandbox, key: str, monkeypatch
) -> None:
    """One line with core, license and next step; short tables whose other fields are folded."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    installed, session, models, quota, data, model = run(
        "import nimbus_sdk\nsession = nimbus_sdk.install_core()",
        "session",
        "nimbus_sdk.list_available_models()",
        "nimbus_sdk.get_quota_status()",
        "from nimbus_sdk_core import simulate\nsimulate('p300', n_trials=6, seed=1)",
        "nimbus_sdk.load_model(nimbus_sdk.NimbusLDA, 'motor_imagery_4class_v1')",
    )
    [line] = installed
    assert "✓ Core 0.1.0 is installed (research license)" in line.data["text/html"]
    assert "Next: <code>nimbus_sdk.list_available_models()</code>" in line.data["text/html"]
    for [table] in (session, models, data, model):
        short, folded = table.data["text/html"].split("<details>")
        assert short.count("<tr>") <= 9
        assert folded.count("<tr>") > 2
    assert "50,000" in quota[0].data["text/html"]
    assert key not in repr([session, models, quota, installed])


def test_an_interrupted_download_goes_on(run, sandbox: Sandbox, key: str, monkeypatch) -> None:
    """The cell says how much is stored, and the next run continues there."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    sandbox.fault("storage", drip=40_000)
    _, output = run(
        "import _thread, threading, nimbus_sdk",
        "threading.Timer(3.0, _thread.interrupt_main).start()\nnimbus_sdk.install_core()",
    )
    said = output[0].data["text/html"]
    assert re.search(r"Interrupted: [\d.]+ of [\d.]+ MiB are stored\. Run it again", said), said
    before = len(sandbox.journal())
    [again] = run("import nimbus_sdk\nnimbus_sdk.install_core(progress=False).license_type")
    assert again[-1].data["text/plain"] == "'research'"
    assert any(exchange.range for exchange in sandbox.journal()[before:])
