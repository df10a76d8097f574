"""`refresh`, `quota` and `explain`: session, quota and key, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nimbus_sdk.account.authentication import authenticate
from nimbus_sdk.sandbox import Sandbox
from tests.cli.conftest import Nimbus
from tests.support.raw_server import Ender

OTHER_KEY = "nbci_live_" + "0123456789abcdef" * 3


def test_refresh_asks_once_and_shows_the_session(nimbus: Nimbus, sandbox: Sandbox, signed_in: str) -> None:
    """One request, and the new quota is what the session has from then on."""
    from nimbus_sdk.api.client import NimbusClient

    with NimbusClient() as client:
        client.log_event("inference")
    sandbox.clear_journal()
    text = nimbus("refresh")
    assert text.code == 0
    assert "49,999" in text.out
    assert [exchange.endpoint for exchange in sandbox.journal()] == ["refresh"]
    assert nimbus("refresh", "--json").document["usage_quota"] == 49_999


def test_refresh_without_a_network_ends_with_9(
    nimbus: Nimbus, sandbox: Sandbox, end: Ender, signed_in: str
) -> None:
    """An unreachable service is reported as such, with its own exit code."""
    end(sandbox)
    done = nimbus("refresh", "--timeout", "1", "--json")
    assert (done.code, done.error["error"]) == (9, "NimbusConnectionError")


def test_quota_asks_nobody(nimbus: Nimbus, sandbox: Sandbox, signed_in: str) -> None:
    """The quota is read from the stored session."""
    found = nimbus("quota", "--json").document
    assert found.keys() == {"remaining", "monthly_limit", "usage_percentage", "resets_at", "confirmed_at"}
    assert (found["remaining"], found["monthly_limit"], found["usage_percentage"]) == (50_000, 50_000, 0.0)
    assert found["resets_at"].endswith("+00:00")
    assert "50,000" in nimbus("quota").out
    assert sandbox.journal() == []


def test_an_unlimited_quota_is_called_so(nimbus: Nimbus, sandbox: Sandbox) -> None:
    """Null means unlimited: in words for people, as null for programs."""
    authenticate(sandbox.new_key("enterprise"))
    assert "unlimited" in nimbus("quota").out
    assert nimbus("quota", "--json").document["remaining"] is None


def test_quota_without_a_session_ends_with_10(nimbus: Nimbus, sandbox: Sandbox) -> None:
    """Without a session there is no quota."""
    assert nimbus("quota").code == 10


def test_explain_shows_every_source_and_no_key(nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch) -> None:
    """All seven paths in their order, with what counts and what is hidden behind it."""
    monkeypatch.setenv("NIMBUS_API_KEY", OTHER_KEY)
    Path(".env").write_text(f"NIMBUS_API_KEY={OTHER_KEY[:-1]}0\n")
    found = nimbus("explain", "--json").document
    assert found["source"] == "environment"
    assert [one["source"] for one in found["sources"]] == [
        "argument",
        "environment",
        "dotenv",
        "key_file",
        "store",
        "julia",
        "prompt",
    ]
    assert [one["state"] for one in found["sources"][:3]] == ["absent", "found", "shadowed"]
    text = nimbus("explain")
    assert OTHER_KEY not in text.out + json.dumps(found)
    assert "nbci_live_0123…cdef" in text.out
    assert "shadowed" in text.out


def test_explain_works_where_a_source_is_broken(nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A malformed key is what explain is there to show, so it does not fail for it."""
    monkeypatch.setenv("NIMBUS_API_KEY", "nbci_live_short")
    done = nimbus("explain")
    assert done.code == 0
    assert "malformed" in done.out


def test_a_rejected_key_is_reported(nimbus: Nimbus, sandbox: Sandbox, signed_in: str) -> None:
    """`explain` and `status` say that the key in use was rejected, and when."""
    assert "rejected" not in nimbus("explain").out + nimbus("status").out
    sandbox.revoke_key(signed_in)
    assert nimbus("refresh").code == 4
    for command in ("explain", "status"):
        assert "the service rejected it on 20" in nimbus(command).out
    sources = nimbus("explain", "--json").document["sources"]
    (found,) = (one for one in sources if one["state"] == "found")
    assert "(INVALID_KEY)" in found["detail"]
