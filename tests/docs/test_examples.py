"""Every example runs as it is, and with a key."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.docs.conftest import Program
from tests.docs.pages import ROOT

EXAMPLES = ROOT / "examples"
TESTS = EXAMPLES / "06_sandbox_in_your_tests.py"
NOTEBOOK = EXAMPLES / "08_notebook.ipynb"
DECODING = ("07_decode.py", "09_real_eeg.py")
"""They take long, whatever service they use."""
INSTALLING = ("02_install.py", "03_offline_session.py", "05_async.py")
"""They install the core, which another test sees them do without a key."""
LONG = pytest.mark.qualification
PROGRAMS = sorted(set(EXAMPLES.glob("0*.py")) - {TESTS})


def programs(*long: str) -> list[object]:
    """Return the examples, some of them for the long run."""
    return [pytest.param(path, marks=LONG if path.name in long else (), id=path.name) for path in PROGRAMS]


@pytest.mark.parametrize("example", programs(*DECODING))
def test_an_example_runs_as_it_is(example: Path, program: Program) -> None:
    """Without a key an example starts a sandbox of its own and succeeds."""
    done = program(example)
    assert done.stdout.startswith("NIMBUS_API_KEY is not set, so this runs on a sandbox.")
    assert done.stderr == ""


@pytest.mark.parametrize("example", programs(*DECODING, *INSTALLING))
def test_an_example_runs_with_a_key(example: Path, with_key: Sandbox, program: Program) -> None:
    """With a key in the environment an example uses the service of the settings."""
    done = program(example)
    assert "sandbox" not in done.stdout
    assert with_key.journal()


@LONG
def test_the_example_tests_pass(program: Program) -> None:
    """The file that shows how to test a program passes under pytest."""
    # The file is in this project, whose own tests run in several processes: these few do not need them.
    done = program(
        "-m", "pytest", "-p", "no:cacheprovider", "--assert=plain", "-n", "0", "--basetemp=folder", TESTS
    )
    assert "4 passed" in done.stdout


def test_the_notebook_runs(program: Program) -> None:
    """All cells of the notebook run in order: in a kernel if one is installed, else as plain code."""
    program(ROOT / "tests" / "docs" / "run_notebook.py", NOTEBOOK)


def test_the_examples_are_numbered_without_a_gap() -> None:
    """The numbers of the examples are consecutive."""
    numbers = sorted(int(path.name[:2]) for path in EXAMPLES.iterdir() if path.name[:2].isdigit())
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_first_lines_of_an_example_say_what_it_needs() -> None:
    """Below the title there is the command that installs it all, followed by the one that runs it."""
    own = {"nimbus_sdk", "nimbus_sdk_core", "on_sandbox", "services_on_sandbox", "numpy"}
    packages = {"matplotlib": "plot", "mne_lsl": "lsl", "mne": "lsl"}
    for example in EXAMPLES.glob("[0-9]*.py"):
        tree = ast.parse(example.read_text(encoding="utf-8"))
        lines = (ast.get_docstring(tree) or "").splitlines()
        assert lines[2].strip().startswith('pip install "..[sandbox'), example
        assert f" {example.name}" in lines[3], example
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {name.name for node in imports if isinstance(node, ast.Import) for name in node.names}
        names |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
        for name in {name.partition(".")[0] for name in names} - own - sys.stdlib_module_names:
            assert packages.get(name, name) in lines[2], (example, name)
    [about, *_] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert 'pip install "..[sandbox]" jupyterlab ipywidgets' in about["source"][2]


def test_the_notebook_is_stored_without_output() -> None:
    """The notebook is stored without the output of a run."""
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == ([], None)
