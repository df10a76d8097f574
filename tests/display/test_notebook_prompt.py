"""A secret is asked for below the cell; what is typed, and what was wrong with it, does not stay there."""

import getpass
import sys
import types

import pytest

from nimbus_sdk.display import notebook_prompt
from nimbus_sdk.display.terminal import secret_prompt


@pytest.fixture
def cell(monkeypatch):
    """What a cell shows, in a kernel without widgets whose front end has a prompt."""
    shown = []
    handle = types.SimpleNamespace(update=shown.append)
    application = types.SimpleNamespace(initialized=lambda: True)
    modules = {
        "ipykernel.kernelapp": types.SimpleNamespace(IPKernelApp=application),
        "IPython.display": types.SimpleNamespace(HTML=str, display=lambda html, display_id: handle),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(notebook_prompt, "find_spec", lambda name: None)
    return shown


def test_without_widgets_the_front_end_asks(cell, monkeypatch):
    """Where to get a key is above its prompt, a fault of the answer before too, and nothing stays."""
    labels, answers = [], iter(["wrong", "right"])
    monkeypatch.setattr(getpass, "getpass", lambda label: labels.append(label) or next(answers))
    with secret_prompt("Key for <it>", introduction="Write to a@b.", button="Use") as ask:
        assert ask("") == "wrong"
        assert cell[-1] == "<div>Write to a@b.</div>"
        assert ask("Not <a> key.") == "right"
        assert "Not &lt;a&gt; key." in cell[-1]
    assert cell[-1] == ""
    assert labels == ["Key for <it> (Enter for none): "] * 2
    assert "right" not in "".join(cell)


def test_what_nobody_asks_for_shows_nothing(cell):
    """A call that finds its key elsewhere leaves no trace in the cell."""
    with secret_prompt("Key", introduction="Write.", button="Use"):
        pass
    assert cell == []
