"""A machine with a core and a session, and a way to run the doctor on it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import TypeAlias

import pytest

import nimbus_sdk
from nimbus_sdk.account.session_lookup import clear_cache
from nimbus_sdk.doctor import Diagnosis, Finding, diagnose
from nimbus_sdk.sandbox import Sandbox

SECRET = re.compile(r"nbci_(?:live|test)_[0-9a-fA-F]{48}|ghp_[A-Za-z0-9]{36}")


@dataclass(frozen=True)
class Seen:
    """A diagnosis, by the names of its findings."""

    diagnosis: Diagnosis

    def __getitem__(self, check: str) -> Finding:
        (found,) = (finding for finding in self.diagnosis.findings if finding.check == check)
        return found

    def __contains__(self, check: str) -> bool:
        return any(finding.check == check for finding in self.diagnosis.findings)

    def but(self, *verdicts: str) -> list[str]:
        """Names of all findings with another verdict."""
        return [finding.check for finding in self.diagnosis.findings if finding.verdict not in verdicts]


Examine: TypeAlias = Callable[..., Seen]


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch) -> Examine:
    """Runs the doctor, under further environment variables, and checks what must hold for every diagnosis."""

    def look(offline_for: timedelta | None = None, **environ: str) -> Seen:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        clear_cache()
        diagnosis = diagnose(offline_for=offline_for)
        assert SECRET.search(json.dumps(diagnosis.to_dict())) is None
        for finding in diagnosis.findings:
            assert finding.cause, finding
            assert bool(finding.fix) == (finding.verdict in ("warning", "fault")), finding
        return Seen(diagnosis)

    return look


@pytest.fixture
def installed(sandbox: Sandbox, key: str) -> str:
    """Core, session and key are installed; returns the key."""
    nimbus_sdk.install_core(key)
    sandbox.clear_journal()
    return key


@pytest.fixture
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network checks have a short timeout."""
    # A function of the package has the name of the module.
    monkeypatch.setattr(import_module("nimbus_sdk.doctor.network_checks"), "TIMEOUT_SECONDS", 0.4)
