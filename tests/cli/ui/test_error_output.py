"""Errors as text and as JSON."""

from __future__ import annotations

import inspect

import pytest

from nimbus_sdk import errors
from nimbus_sdk.errors import CoreIntegrityError, InvalidKeyError, NimbusError
from tests.cli.conftest import Nimbus

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, NimbusError) and kind.__module__ == errors.__name__
]


def _raise_from_quota(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*, profile: str | None = None) -> None:
        raise error

    monkeypatch.setattr("nimbus_sdk.current_session", fail)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_ends_with_its_own_code_and_advice(
    nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch, kind: type[NimbusError]
) -> None:
    """Message and hint go to the error stream, nothing to the output, and the exit code is the class's."""
    _raise_from_quota(monkeypatch, kind("It did not work."))
    done = nimbus("quota")
    assert done.code == kind.exit_code != 0
    assert done.out == ""
    assert done.err.startswith("Error: It did not work.")
    assert kind.advice in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_json_where_json_was_asked_for(
    nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch, kind: type[NimbusError]
) -> None:
    """With --json the error stream holds one object with always the same keys."""
    error = kind("It did not work.")
    _raise_from_quota(monkeypatch, error)
    done = nimbus("quota", "--json")
    assert done.code == kind.exit_code
    assert done.error == {
        "error": kind.__name__,
        "message": "It did not work.",
        "hint": kind.advice,
        "exit_code": kind.exit_code,
        "code": getattr(error, "code", None),
        "status": None,
        "request_id": None,
        "retry_after": None,
        "issues": [],
    }


def test_what_support_needs_is_printed(nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status, code and request id of a refusal follow its message."""
    refusal = InvalidKeyError("The service does not know the key.", status=401, request_id="req_1")
    _raise_from_quota(monkeypatch, refusal)
    assert "not know the key. [401, INVALID_KEY, request req_1]" in nimbus("quota").err
    done = nimbus("quota", "--json").error
    assert (done["status"], done["code"], done["request_id"]) == (401, "INVALID_KEY", "req_1")


def test_all_faults_of_a_core_are_listed(nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that has found several faults shows each of them."""
    _raise_from_quota(monkeypatch, CoreIntegrityError("Changed.", issues=("a.py: gone", "b.py: new")))
    done = nimbus("quota")
    assert "  - a.py: gone\n  - b.py: new\n" in done.err
    assert nimbus("quota", "--json").error["issues"] == ["a.py: gone", "b.py: new"]


def test_what_strangers_wrote_does_not_drive_the_terminal(
    nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control characters in a message are shown and not obeyed."""
    _raise_from_quota(monkeypatch, NimbusError("Cleared \x1b[2J\x07 screen."))
    assert "Cleared \\x1b[2J\\x07 screen." in nimbus("quota").err
