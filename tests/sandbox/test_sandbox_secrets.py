"""The journal tells what was asked, and no secret is found in anything that the sandbox keeps or says."""

from __future__ import annotations

import logging
import re

import httpx

from nimbus_sdk.sandbox import Sandbox

REPO = "nimbusbci/NimbusSDKCore"


def install(sandbox, key):
    """The four requests of an installation, and what a careless client might add; the token it got."""
    with httpx.Client(trust_env=False) as http:
        http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key})
        token = http.get(
            f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": key, "X-Request-ID": key}
        ).json()["github_token"]
        auth = {"Authorization": f"Bearer {token}"}
        latest = f"{sandbox.github_url}/repos/{REPO}/releases/latest"
        release = http.get(latest, headers=auth).json()
        link = http.get(
            release["assets"][0]["url"], headers={**auth, "Accept": "application/octet-stream"}
        ).headers["location"]
        http.get(link, headers={"Range": "bytes=5-", "Referer": f"http://x/?k={key}", "Cookie": token})
        http.get(f"{sandbox.api_url}/v1/installer/github-token", params={"api_key": key})
        http.get(f"{sandbox.api_url}/lost/{key}/{token}", params={"x": token})
        event = {"api_key": key, "event_type": "error", "error_message": f"{key} {token}"}
        http.post(f"{sandbox.api_url}/v1/analytics/log", json=event)
        sandbox.fault("refresh", status=500)
        http.post(f"{sandbox.api_url}/v1/auth/refresh", json={"api_key": key})
        http.post(f"{sandbox.api_url}/v1/auth/revoke", json={"api_key": key, "reason": f"leak of {key}"})
    return token


def test_the_journal_tells_an_installation_in_order(sandbox):
    """Each request is noted with endpoint, status, size and range, in order of arrival."""
    install(sandbox, sandbox.new_key())
    journal = sandbox.journal()
    assert [(exchange.seq, exchange.endpoint, exchange.status) for exchange in journal] == [
        (1, "validate", 200),
        (2, "github_token", 200),
        (3, "release", 200),
        (4, "asset", 302),
        (5, "storage", 206),
        (6, "github_token", 200),
        (7, "unknown", 404),
        (8, "analytics", 202),
        (9, "refresh", 500),
        (10, "revoke", 200),
    ]
    storage = journal[4]
    assert storage.range == "bytes=5-"
    assert storage.bytes_sent > 0
    assert re.fullmatch(r"/release-assets/\d+\?sig=\*\*\*&expires=\d+", storage.path)
    assert storage.headers["cookie"] == "***"
    assert journal[5].path == "/v1/installer/github-token?api_key=***"
    assert journal[2].headers["authorization"] == "Bearer ***"
    sandbox.clear_journal()
    assert sandbox.journal() == []


def test_no_secret_is_kept_or_logged(tmp_path, caplog, capfd, core_source):
    """Key and token are in no journal, no database file, no log at DEBUG and no output."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # the test's own client logs URLs
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    db = tmp_path / "sandbox.db"
    with Sandbox(db=db, core_source=core_source) as sandbox:
        key = sandbox.new_key()
        token = install(sandbox, key)
        kept = [repr(sandbox.journal()), repr(sandbox.keys()), repr(sandbox.audit()), repr(sandbox)]
        kept += [path.read_bytes().decode("latin-1") for path in tmp_path.glob("sandbox.db*")]
    kept += [path.read_bytes().decode("latin-1") for path in tmp_path.glob("sandbox.db*")]
    kept += [caplog.text, *capfd.readouterr()]
    assert len(kept) >= 8
    for text in kept:
        assert key[10:] not in text
        assert token[4:] not in text


def test_a_failing_endpoint_is_500_and_logged_without_secrets(sandbox, http, caplog, monkeypatch):
    """A fault of the sandbox's own answers SERVER_ERROR and leaves a traceback without the key."""
    key = sandbox.new_key()

    def fail(*_):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr("nimbus_sdk.sandbox.nimbus_api.keys.LicenseKeys.require_active", fail)
    answer = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key})
    assert answer.status_code == 500
    assert answer.json() == {"error": "Internal server error", "code": "SERVER_ERROR"}
    assert "disk on fire" in caplog.text
    assert key not in caplog.text
