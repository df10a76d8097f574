"""Printing a result or an error never fails, whatever the stream can encode."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from nimbus_sdk import AuthSession, NimbusClient, errors
from nimbus_sdk.account.revocation import RevocationResult
from nimbus_sdk.api.schemas import Entitlement
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.core.installation_status import InstallationStatus
from nimbus_sdk.display.progress import ProgressEvent
from nimbus_sdk.display.reporting import reporting
from nimbus_sdk.display.terminal import print_notice
from nimbus_sdk.doctor.finding import Diagnosis, Finding
from nimbus_sdk.errors.printable import printable
from nimbus_sdk.services.base.service import ServiceKey
from nimbus_sdk.storage.key_lookup import KeyResolution, SourceReport

KEY = ApiKey.parse("nbci_live_0123" + "4" * 40 + "cdef")
NAME = "Łukasz → Zoë"
SESSION = AuthSession(
    key_fingerprint=KEY.fingerprint,
    key_masked=KEY.masked,
    user_id=None,
    email=None,
    name=NAME,
    organization=None,
    license_type="research",
    expires_at=None,
    features_enabled=frozenset(),
    usage_quota=None,
    usage_quota_max=None,
    quota_reset_at=None,
    validated_at=datetime(2026, 1, 31, tzinfo=UTC),
    api_origin="https://api.nimbusbci.com:443",
)
SOURCE = SourceReport(source="argument", location="-", state="found", key_masked=KEY.masked)
RESULTS = [
    KEY,
    ServiceKey("sk_live_0123456789abcdef"),
    SESSION,
    [SESSION],
    SOURCE,
    KeyResolution((SOURCE,)),
    InstallationStatus(False, None, None, replace(SESSION, stale=True), (NAME,)),
    Diagnosis((Finding("session", "fault", NAME),), False, None),
    RevocationResult(True, NAME, KEY.masked),
    NimbusClient(KEY.reveal()),
    errors.CoreNotInstalledError("No core …"),
    errors.ApiError(f"{KEY.masked} was refused: {NAME}", code=NAME),
    errors.CoreIntegrityError("It is damaged.", issues=(NAME,)),
]


@pytest.fixture(params=["ascii", "cp1252", "cp437", "latin-1", "utf-8"])
def redirect(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], io.BytesIO]:
    """Makes standard output and error streams of an encoding, which refuse what it has not."""

    def patch() -> io.BytesIO:
        written = io.BytesIO()
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, io.TextIOWrapper(written, request.param, write_through=True))
        return written

    return patch


def test_whatever_a_call_returns_or_raises_can_be_printed(redirect: Callable[[], io.BytesIO]) -> None:
    """As str and as repr; the … of a masked key becomes three dots."""
    written = redirect()
    for result in RESULTS:
        print(result, repr(result), [result], f"{result}", sep="\n")
    text = written.getvalue().decode(sys.stdout.encoding)
    assert "nbci_live_0123…cdef" in text or "nbci_live_0123...cdef" in text
    assert NAME in text or "\\u0141ukasz" in text


def test_progress_and_notices_can_be_drawn(redirect: Callable[[], io.BytesIO]) -> None:
    """A bar, its spinner and its texts, which are shortened on a narrow terminal."""
    written = redirect()
    print_notice(f"Waiting for {NAME} …")
    with reporting(True, False) as report:
        report(ProgressEvent("validate", f"Validating {KEY.masked}"))
        report(ProgressEvent("download", "Downloading " + "x" * 300, 1, 2))
    assert b"Validating" in written.getvalue() or b"Downloading" in written.getvalue()


def test_text_of_the_service_can_be_printed(redirect: Callable[[], io.BytesIO]) -> None:
    """A name in any script, and even half of a surrogate pair."""
    redirect()
    entitlement = Entitlement.model_validate(
        {
            "valid": True,
            "license_type": "free",
            "features": (),
            "quota": {"monthly_limit": None, "remaining": None},
            "name": NAME,
        }
    )
    print(entitlement, printable("\ud83d"))


def test_a_stream_without_an_encoding_takes_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """As StringIO; or where there is no stream at all, or one of an unknown encoding."""
    for stream in (io.StringIO(), None, type("", (), {"encoding": "no-such"})()):
        monkeypatch.setattr(sys, "stdout", stream)
        assert str(KEY) == "ApiKey('nbci_live_0123…cdef')"
