"""``--offline-for``: whether this machine will still work then, and a renewal now where that helps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import nimbus_sdk
from nimbus_sdk.sandbox import Sandbox
from tests.cli.conftest import Nimbus, nimbus
from tests.doctor.conftest import Examine
from tests.support.flows import TINY_CORE
from tests.support.raw_server import Ender

pytestmark = TINY_CORE

__all__ = ["nimbus"]

DAY = timedelta(days=1)


def asked(sandbox: Sandbox) -> list[str]:
    """The requests that reached the service."""
    return [exchange.endpoint for exchange in sandbox.journal() if exchange.endpoint != "unknown"]


@pytest.fixture
def key(sandbox: Sandbox) -> str:
    """A key that is valid for thirty days."""
    return sandbox.new_key("research", expires_at=datetime.now(UTC) + 30 * DAY)


def test_a_session_that_lasts_is_left_as_it_is(installed: str, sandbox: Sandbox, examine: Examine) -> None:
    """A session that lasts long enough is not renewed."""
    seen = examine(offline_for=14 * DAY)
    assert seen["offline time"].verdict == "ok"
    assert seen.diagnosis.offline_until is not None
    assert asked(sandbox) == ["health"]


def test_a_session_that_ends_too_soon_is_renewed_now(
    installed: str, sandbox: Sandbox, examine: Examine, age
) -> None:
    """If the key is valid longer than the session, one renewal is enough."""
    age(hours=5, expires_at=datetime.now(UTC) + DAY)
    seen = examine(offline_for=14 * DAY)
    assert seen["offline time"].verdict == "ok"
    assert asked(sandbox) == ["refresh", "health"]
    assert nimbus_sdk.current_session().expires_at > datetime.now(UTC) + 29 * DAY
    assert seen.diagnosis.offline_until == nimbus_sdk.current_session().expires_at


def test_an_ended_session_is_renewed_too(installed: str, sandbox: Sandbox, examine: Examine, age) -> None:
    """An expired session is renewed."""
    age(hours=50, expires_at=datetime.now(UTC) - DAY)
    seen = examine(offline_for=DAY)
    assert seen["offline time"].verdict == "ok"
    assert "refresh" in asked(sandbox)
    assert seen["session"].verdict == "ok"
    assert seen.diagnosis
    assert seen.diagnosis.usable_offline


def test_a_key_that_ends_too_soon_is_a_fault(installed: str, sandbox: Sandbox, examine: Examine) -> None:
    """Both times are in the message, and that a longer key is needed."""
    seen = examine(offline_for=60 * DAY)
    until = datetime.now(UTC) + 60 * DAY
    assert seen["offline time"].verdict == "fault"
    assert f"{until:%Y-%m-%d}" in seen["offline time"].cause
    assert "valid longer" in seen["offline time"].fix
    assert not seen.diagnosis


def test_a_service_that_cannot_be_reached_leaves_a_fault_with_its_reason(
    installed: str, sandbox: Sandbox, end: Ender, examine: Examine, age
) -> None:
    """The session would not last, and why it was not renewed."""
    age(hours=5, expires_at=datetime.now(UTC) + DAY)
    end(sandbox)
    seen = examine(offline_for=14 * DAY)
    assert seen["offline time"].verdict == "fault"
    assert "it was not renewed: " in seen["offline time"].cause
    assert seen.diagnosis.usable_offline


def test_offline_mode_judges_and_renews_nothing(
    installed: str, sandbox: Sandbox, examine: Examine, age
) -> None:
    """In offline mode no request is sent."""
    age(hours=5, expires_at=datetime.now(UTC) + DAY)
    seen = examine(offline_for=14 * DAY, NIMBUS_SDK_OFFLINE="1")
    assert seen["offline time"].verdict == "fault"
    assert sandbox.journal() == []


def test_without_a_session_there_is_nothing_that_could_last(sandbox: Sandbox, examine: Examine) -> None:
    """No session and no key: a fault that says so."""
    seen = examine(offline_for=DAY)
    assert seen["offline time"].verdict == "fault"
    assert "there is no session" in seen["offline time"].cause


def test_a_key_that_never_ends_lasts_for_any_time(sandbox: Sandbox, examine: Examine) -> None:
    """A session without an end lasts as long as the key."""
    nimbus_sdk.install_core(sandbox.new_key("research", expires_at=None))
    for span in (5_000 * DAY, timedelta.max):
        seen = examine(offline_for=span)
        assert seen["offline time"].cause == "the session lasts as long as the key is valid"
        assert seen.diagnosis.offline_until is None


def test_a_span_beyond_the_calendar_is_one_to_its_end(
    installed: str, sandbox: Sandbox, examine: Examine
) -> None:
    """No key with an end lasts that long; a negative span ends now."""
    seen = examine(offline_for=timedelta.max)
    assert seen["offline time"].verdict == "fault"
    assert "before 9999-12-31" in seen["offline time"].cause
    assert examine(offline_for=timedelta.min)["offline time"].verdict == "ok"


def test_a_rejected_key_is_reported_before_going_offline(
    installed: str, sandbox: Sandbox, examine: Examine, age
) -> None:
    """A refused renewal removes the session, and the finding says so."""
    age(hours=5, expires_at=datetime.now(UTC) + DAY)
    sandbox.revoke_key(installed)
    seen = examine(offline_for=14 * DAY)
    assert seen["offline time"].verdict == "fault"
    assert not seen.diagnosis.usable_offline
    assert seen["session"].verdict == "fault"
    with pytest.raises(nimbus_sdk.SessionNotFoundError):
        nimbus_sdk.current_session()


@pytest.mark.parametrize(
    ("span", "code"),
    [
        ("14d", 0),
        ("60d", 1),
        *(pytest.param(span, 0, marks=pytest.mark.qualification) for span in ("2w", "36h", "90m")),
    ],
)
def test_the_exit_code_is_the_verdict(installed: str, nimbus: Nimbus, span: str, code: int) -> None:
    """``nimbus-sdk doctor --offline-for 14d && sbatch run.sh``"""
    assert nimbus("doctor", "--offline-for", span).code == code
