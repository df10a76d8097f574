"""Test a program of yours against the sandbox, with pytest. No key and no network are needed.

    pip install "..[sandbox]" pytest
    python -m pytest 06_sandbox_in_your_tests.py

pytest finds the fixtures by itself once ``nimbusbci-sdk[sandbox]`` is installed. ``nimbus_sandbox`` is a
running sandbox that the SDK uses during one test, ``nimbus_key`` a research key of that sandbox, and
``nimbus_home`` the empty folder in which the SDK stores everything meanwhile.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import nimbus_sdk
from nimbus_sdk.sandbox import Sandbox


def start_experiment() -> str:
    """A program like yours: it goes on with a stored session if the service is down."""
    try:
        session = nimbus_sdk.install_core()
    except nimbus_sdk.KeyExpiredError:
        return "ask for a new key"
    session.require_feature("streaming")
    return "stored session" if session.stale else "ready"


def test_a_research_key_can_stream(nimbus_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a research key the experiment starts."""
    monkeypatch.setenv("NIMBUS_API_KEY", nimbus_key)
    assert start_experiment() == "ready"


def test_a_free_key_cannot(nimbus_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a free key the experiment says what is missing."""
    monkeypatch.setenv("NIMBUS_API_KEY", nimbus_sandbox.new_key("free"))
    with pytest.raises(nimbus_sdk.FeatureNotLicensedError, match="streaming"):
        start_experiment()


def test_an_expired_key(nimbus_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """An expired key and a wrong key raise different errors."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    monkeypatch.setenv("NIMBUS_API_KEY", nimbus_sandbox.new_key(expires_at=yesterday))
    assert start_experiment() == "ask for a new key"


def test_a_failure_of_the_service(
    nimbus_sandbox: Sandbox, nimbus_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one failure the request is sent again, and the program does not notice."""
    monkeypatch.setenv("NIMBUS_API_KEY", nimbus_key)
    nimbus_sandbox.fault("validate", status=503, headers={"Retry-After": "0"})
    assert start_experiment() == "ready"
    assert [exchange.status for exchange in nimbus_sandbox.journal()][:2] == [503, 200]
