"""The diagnosis of a healthy machine, and its forms."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from nimbus_sdk.doctor import Diagnosis, Finding, diagnose, diagnose_async
from nimbus_sdk.sandbox import Sandbox
from tests.cli.conftest import Nimbus, nimbus
from tests.doctor.conftest import SECRET, Examine
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE

__all__ = ["nimbus"]

CHECKS = [
    *("core", "session", "key", "keyring", "folder config", "folder data", "folder state", "folder cache"),
    *("proxy", "dns api", "dns github", "certificate", "api", "clock", "github"),
]


def test_a_healthy_machine_is_healthy(installed: str, examine: Examine) -> None:
    """Every check has a finding, each is ok, and core and session work offline."""
    seen = examine()
    assert [finding.check for finding in seen.diagnosis.findings] == CHECKS
    assert seen.but("ok", "skipped") == []
    assert seen.diagnosis
    assert seen.diagnosis.usable_offline


def test_the_doctor_sends_no_key(installed: str, sandbox: Sandbox, examine: Examine) -> None:
    """Each service gets one request, without a key."""
    examine()
    assert [exchange.endpoint for exchange in sandbox.journal()] == ["health", "unknown"]
    for exchange in sandbox.journal():
        assert not {"x-api-key", "authorization"} & set(exchange.headers)


def test_the_awaitable_doctor_says_the_same(installed: str) -> None:
    """Both functions run the same checks."""
    awaited = asyncio.run(diagnose_async())
    assert [finding.check for finding in awaited.findings] == CHECKS
    assert awaited.usable_offline == diagnose().usable_offline


def test_before_an_install_what_is_missing_is_reported(sandbox: Sandbox, examine: Examine) -> None:
    """No core and no session are faults with the command that fixes them; a missing key is a warning."""
    seen = examine()
    assert seen.but("ok", "skipped") == ["core", "session", "key"]
    assert [seen[check].verdict for check in ("core", "session", "key")] == ["fault", "fault", "warning"]
    assert "nimbus-sdk install" in seen["core"].fix
    assert "nimbus-sdk install" in seen["session"].fix
    assert not seen.diagnosis
    assert not seen.diagnosis.usable_offline


def test_offline_mode_asks_nobody(installed: str, sandbox: Sandbox, examine: Examine) -> None:
    """Checks beyond this machine are skipped, and all others run."""
    seen = examine(NIMBUS_SDK_OFFLINE="1")
    assert seen["network"].verdict == "skipped"
    assert "dns api" not in seen
    assert seen.diagnosis
    assert sandbox.journal() == []


def test_the_command_gives_json_and_an_exit_code(installed: str, nimbus: Nimbus) -> None:
    """0 and the documented fields if all is well."""
    done = nimbus("doctor", "--json")
    document = done.document
    assert done.code == 0
    assert set(document) == {"healthy", "usable_offline", "offline_until", "findings"}
    assert document["healthy"] is True
    assert document["offline_until"] is None or datetime.fromisoformat(document["offline_until"]).tzinfo
    assert [set(finding) for finding in document["findings"]] == [
        {"check", "verdict", "cause", "fix"} for _ in CHECKS
    ]
    assert not SECRET.search(done.out + done.err)


def test_the_command_ends_with_1_if_work_cannot_go_on(sandbox: Sandbox, nimbus: Nimbus) -> None:
    """A job scheduler reads the exit code; a user reads cause and fix."""
    done = nimbus("doctor")
    assert done.code == 1
    assert "The core is not installed" in done.out
    assert "core: Run nimbus_sdk.install_core(" in done.out + done.err
    assert nimbus("doctor", "--json").document["healthy"] is False


@pytest.mark.parametrize("span", ["14", "d", "-1d", "two weeks", "100000d", "1.5d", ""])
def test_an_invalid_span_is_a_usage_error(sandbox: Sandbox, nimbus: Nimbus, span: str) -> None:
    """Exit code 2, before anything is checked."""
    done = nimbus("doctor", f"--offline-for={span}")
    assert done.code == 2
    assert sandbox.journal() == []


def test_a_diagnosis_is_plain_data() -> None:
    """Times in ISO 8601, and a warning alone is no fault."""
    until = datetime(2030, 1, 2, tzinfo=UTC) + timedelta(0)
    diagnosis = Diagnosis((Finding("dns api", "warning", "no answer", "Try again."),), True, until)
    assert diagnosis
    assert json.loads(json.dumps(diagnosis.to_dict())) == {
        "healthy": True,
        "usable_offline": True,
        "offline_until": "2030-01-02T00:00:00+00:00",
        "findings": [{"check": "dns api", "verdict": "warning", "cause": "no answer", "fix": "Try again."}],
    }
