"""An error in IPython: the user's own lines and a box, and everything on request."""

from __future__ import annotations

import re
import sys
import types

import pytest

import nimbus_sdk
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import CoreIntegrityError, InvalidKeyError, NimbusError
from nimbus_sdk.errors.notebook_traceback import WIDTH

_COLOUR = re.compile(r"\x1b\[\d+m")


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """A shell of IPython in its usual mode."""
    full = types.SimpleNamespace(mode="Context", structured_traceback=lambda *_, tb_offset: ["everything"])
    names = types.SimpleNamespace(
        format_code_name=lambda name: ("Cell", "In[7]") if name == __file__ else None
    )
    shell = types.SimpleNamespace(InteractiveTB=full, compile=names)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    return shell


def lines_of(error: NimbusError) -> list[str]:
    """What IPython prints, without colours."""
    return [_COLOUR.sub("", line) for line in error._render_traceback_()]


def test_an_error_shows_the_users_lines_and_no_line_of_the_sdk(shell: types.SimpleNamespace) -> None:
    """Each call from the cell down to the SDK is there, then what happened and what to do."""

    def helper() -> None:
        Settings.load(profile="..")

    with pytest.raises(NimbusError) as raised:
        helper()
    lines = lines_of(raised.value)
    assert lines[0].startswith("Cell In[7], line ")
    assert "Settings.load(profile=" in lines[3]
    assert not [line for line in lines if "settings.py" in line]
    assert any("profile must be" in line for line in lines)
    assert any("Correct it" in line for line in lines)
    assert {len(line) for line in lines if line[0] in "╭│╰"} == {WIDTH}


def test_everything_can_be_asked_for(shell: types.SimpleNamespace) -> None:
    """In the mode Verbose, IPython formats the whole traceback, which is still there."""
    shell.InteractiveTB.mode = "Verbose"
    assert lines_of(NimbusError("x")) == ["everything"]


def test_a_line_with_a_key_in_it_is_not_repeated(shell: types.SimpleNamespace) -> None:
    """A cell that passes a key keeps it out of its output."""
    with pytest.raises(NimbusError) as raised:
        nimbus_sdk.install_core("nbci_live_1234")
    assert "nbci_live_1234" not in "".join(lines_of(raised.value))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InvalidKeyError("No.", status=401, request_id="r-1"), "[401, INVALID_KEY, request r-1]"),
        (
            CoreIntegrityError("Damaged.", issues=("a.py: changed", "b.py: " + "missing " * 20)),
            "- a.py: changed",
        ),
    ],
)
def test_further_facts_are_in_the_box(shell: types.SimpleNamespace, error: NimbusError, words: str) -> None:
    """Status, code and request, or every fault; long lines are folded."""
    lines = lines_of(error)
    assert any(words in line for line in lines)
    assert {len(line) for line in lines[:-1]} == {WIDTH}


def test_an_interrupt_shows_the_users_lines_alone(
    shell: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No frame of the SDK or of its libraries is between the cell and the end."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nimbus_sdk.transport.driver.Driver.run", interrupt)
    with pytest.raises(KeyboardInterrupt) as raised:
        nimbus_sdk.install_core("nbci_live_" + "0" * 48)
    lines = lines_of(raised.value)  # type: ignore[arg-type]
    assert lines[0].startswith("Cell In[7], line ")
    assert lines[1:] == ["KeyboardInterrupt", "Everything: %tb Verbose. Debugger: %debug."]
