"""The endpoints of the Nimbus API send the documented bodies, word for word."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.support.sandbox_requests import (
    log_event,
)

UNKNOWN = "nbci_live_" + "0" * 48
RESEARCH = ["batch_inference", "streaming", "training", "calibration", "model_export"]


def test_validate_returns_owner_license_and_quota(sandbox, http):
    """A valid key is answered with exactly the documented fields."""
    key = sandbox.new_key(
        "research",
        user_id="usr_1234567890",
        used=1234,
        expires_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    answer = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "valid": True,
        "user_id": "usr_1234567890",
        "email": "researcher@university.edu",
        "name": "Dr. Jane Smith",
        "organization": "Neuroscience Lab",
        "license_type": "research",
        "features": RESEARCH,
        "quota": {
            "monthly_limit": 50000,
            "used": 1234,
            "remaining": 48766,
            "resets_at": "2025-11-01T00:00:00Z",
        },
        "expires_at": "2026-01-01T00:00:00Z",
    }


def test_refresh_omits_the_owner(sandbox, http):
    """A refresh returns license and quota alone; no expiry is null."""
    key = sandbox.new_key("free", kind="live")
    answer = http.post(f"{sandbox.api_url}/v1/auth/refresh", json={"api_key": key})
    assert answer.status_code == 200
    assert answer.json() == {
        "valid": True,
        "license_type": "free",
        "features": ["batch_inference"],
        "quota": {
            "monthly_limit": 10000,
            "used": 0,
            "remaining": 10000,
            "resets_at": "2025-11-01T00:00:00Z",
        },
        "expires_at": None,
    }


def test_optional_fields_of_the_owner_can_be_absent(sandbox, http):
    """An owner without name and organization has neither field in the response."""
    key = sandbox.new_key(name=None, organization=None)
    body = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key}).json()
    assert "name" not in body
    assert "organization" not in body


@pytest.mark.parametrize("endpoint", ["validate", "refresh", "revoke"])
@pytest.mark.parametrize(
    ("content", "status", "body"),
    [
        (b'{"api_key": null}', 400, {"error": "API key is required", "code": "MISSING_KEY"}),
        (b"{}", 400, {"error": "API key is required", "code": "MISSING_KEY"}),
        (b'{"api_key": ""}', 400, {"error": "API key is required", "code": "MISSING_KEY"}),
        (b'{"api_key": 5}', 400, {"error": "Invalid API key format", "code": "INVALID_FORMAT"}),
        (b'{"api_key": "nbci_live_12"}', 400, {"error": "Invalid API key format", "code": "INVALID_FORMAT"}),
        (
            b"not json",
            400,
            {
                "error": "API key is required",
                "code": "MISSING_KEY",
                "message": "The body must be a JSON object, sent as application/json.",
            },
        ),
    ],
)
def test_missing_and_malformed_keys_are_400(sandbox, http, endpoint, content, status, body):
    """Missing, malformed and unreadable keys get 400 with the documented code."""
    answer = http.post(
        f"{sandbox.api_url}/v1/auth/{endpoint}", content=content, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()) == (status, body)


def test_the_documentations_own_example_is_malformed(sandbox, http):
    """The printed example key has 52 hexadecimal digits and is refused as malformed."""
    example = "nbci_live_a1b2c3d4e5f678901234567890abcdef12345678901234567890"
    answer = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": example})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_FORMAT")


@pytest.mark.parametrize("endpoint", ["validate", "refresh"])
def test_unknown_and_revoked_keys_differ_from_expired_ones(sandbox, http, clock, endpoint):
    """Unknown and revoked keys answer INVALID_KEY, expired ones KEY_EXPIRED, from their last second on."""
    url = f"{sandbox.api_url}/v1/auth/{endpoint}"
    invalid = (401, {"error": "Invalid or inactive API key", "code": "INVALID_KEY"})
    unknown = http.post(url, json={"api_key": UNKNOWN})
    assert (unknown.status_code, unknown.json()) == invalid

    revoked = sandbox.new_key()
    sandbox.revoke_key(revoked, reason="test")
    answer = http.post(url, json={"api_key": revoked})
    assert (answer.status_code, answer.json()) == invalid

    ending = sandbox.new_key(expires_at=datetime.fromtimestamp(clock.now + 10, UTC))
    assert http.post(url, json={"api_key": ending}).status_code == 200
    clock.now += 10
    answer = http.post(url, json={"api_key": ending})
    assert answer.status_code == 401
    assert answer.json() == {"error": "API key has expired", "code": "KEY_EXPIRED"}


def test_revoke_is_final_and_audited(sandbox, http):
    """A revoked key is rejected at once, a second revoke finds no key, and the reason is stored."""
    key = sandbox.new_key()
    url = f"{sandbox.api_url}/v1/auth/revoke"
    first = http.post(url, json={"api_key": key, "reason": f"Leaked: {key}"})
    assert first.status_code == 200
    assert first.json() == {"revoked": True, "message": "API key successfully revoked"}

    second = http.post(url, json={"api_key": key})
    assert second.status_code == 404
    assert second.json() == {"error": "API key not found or already revoked", "code": "KEY_NOT_FOUND"}

    (line,) = sandbox.audit()
    assert line["at"] == "2025-10-31T12:00:00Z"
    assert line["fingerprint"] == sandbox.keys()[0]["fingerprint"]
    assert line["reason"] == f"Leaked: {key[:14]}…{key[-4:]}"


def test_revoke_of_an_unknown_key_is_404(sandbox, http):
    """An unknown key cannot be revoked."""
    answer = http.post(f"{sandbox.api_url}/v1/auth/revoke", json={"api_key": UNKNOWN})
    assert (answer.status_code, answer.json()["code"]) == (404, "KEY_NOT_FOUND")


def test_a_lone_surrogate_in_a_reason_is_stored_escaped(sandbox, http):
    """A reason that is not valid Unicode is stored all the same."""
    body = f'{{"api_key": "{sandbox.new_key()}", "reason": "lost \\ud800"}}'
    headers = {"Content-Type": "application/json"}
    answer = http.post(f"{sandbox.api_url}/v1/auth/revoke", content=body, headers=headers)
    assert answer.status_code == 200
    assert sandbox.audit()[0]["reason"] == "lost \\ud800"


def test_an_exhausted_key_validates_unless_it_blocks_validate(sandbox, http):
    """A used-up quota blocks validate only for keys set so: an install must not fail for it."""
    lenient = sandbox.new_key("free", used=10_000)
    strict = sandbox.new_key("free", used=10_000, block_when_exhausted=("validate", "analytics"))
    url = f"{sandbox.api_url}/v1/auth"
    assert http.post(f"{url}/validate", json={"api_key": lenient}).json()["quota"]["remaining"] == 0
    answer = http.post(f"{url}/validate", json={"api_key": strict})
    assert answer.status_code == 429
    assert answer.json() == {"error": "Monthly quota exceeded", "code": "QUOTA_EXCEEDED"}
    assert http.post(f"{url}/refresh", json={"api_key": strict}).status_code == 200


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/auth/validate", "POST"),
        ("/v1/auth/refresh", "POST"),
        ("/v1/auth/revoke", "POST"),
        ("/v1/installer/github-token", "GET, POST"),
        ("/v1/models/list", "GET"),
        ("/v1/analytics/log", "POST"),
        ("/api/health", "GET"),
    ],
)
def test_other_methods_are_405_with_allow(sandbox, http, path, allowed):
    """The Allow header of a 405 lists the allowed methods."""
    answer = http.request("DELETE", f"{sandbox.api_url}{path}")
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert answer.json() == {"error": "Method not allowed", "code": "METHOD_NOT_ALLOWED"}


def test_unknown_paths_are_404_in_json(sandbox, http):
    """A path without an endpoint is answered with JSON, also without the version prefix."""
    answer = http.post(f"{sandbox.api_url}/auth/validate", json={})
    assert answer.status_code == 404
    assert answer.json() == {"error": "Not found", "code": "NOT_FOUND"}
    assert answer.headers["x-ratelimit-limit"] == "1000"


def test_revoked_keys_get_no_token(sandbox, http):
    """A revoked key is refused as the documentation words it."""
    key = sandbox.new_key()
    sandbox.revoke_key(key)
    answer = http.get(f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": key})
    assert answer.status_code == 401
    assert answer.json() == {"error": "Invalid or inactive API key", "code": "INVALID_KEY"}


def test_an_unconfigured_installer_is_503(sandbox, http):
    """NOT_CONFIGURED is 503 with the documented message."""
    sandbox.github_configured = False
    answer = http.get(
        f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": sandbox.new_key()}
    )
    assert answer.status_code == 503
    assert answer.json() == {
        "error": "GitHub token not configured",
        "code": "NOT_CONFIGURED",
        "message": "GitHub token is not configured on the server. Please contact support.",
    }


def test_an_inference_uses_one_of_the_quota(sandbox, http):
    """A logged inference is accepted with an id and the quota after it."""
    key = sandbox.new_key("research", used=7)
    answer = log_event(
        sandbox,
        http,
        key,
        event_type="inference",
        model_name="motor_imagery_4class_v1",
        inference_type="batch",
        duration_ms=12.5,
        success=True,
        metadata={"trials": 20},
    )
    assert answer.status_code == 202
    body = answer.json()
    assert body.pop("event_id").startswith("evt_")
    assert body == {"logged": True, "quota": {"used": 8, "remaining": 49992}}


def test_other_events_use_no_quota(sandbox, http):
    """Model loads and errors are logged and leave the quota as it is."""
    key = sandbox.new_key("free")
    for kind in ("model_load", "error"):
        assert log_event(sandbox, http, key, event_type=kind).json()["quota"] == {
            "used": 0,
            "remaining": 10000,
        }


@pytest.mark.parametrize(
    ("event", "extra"),
    [
        ({}, {}),
        ({"event_type": ""}, {}),
        ({"event_type": "dream"}, {"message": "event_type is one of inference, model_load, error."}),
    ],
)
def test_events_need_a_known_type(sandbox, http, event, extra):
    """An event without one of the documented types is refused."""
    answer = log_event(sandbox, http, sandbox.new_key(), **event)
    assert answer.status_code == 400
    assert answer.json() == {"error": "Event type is required", "code": "MISSING_EVENT_TYPE", **extra}


def test_models_are_listed_with_the_tier_they_require(models_dir, http):
    """Every tier lists every model, with a link, a checksum and its required license."""
    with Sandbox(models_dir=models_dir) as sandbox:
        answer = http.get(f"{sandbox.api_url}/v1/models/list", headers={"X-API-Key": sandbox.new_key("free")})
        url = f"{sandbox.api_url}/v1/models/motor_imagery_4class_v1/download"
    assert answer.status_code == 200
    body = answer.json()
    assert body["total"] == 2
    assert body["models"][0] == {
        "name": "motor_imagery_4class_v1",
        "version": "1.0.0",
        "type": "NimbusLDA",
        "paradigm": "motor_imagery",
        "n_features": 16,
        "n_classes": 4,
        "requires_license": "free",
        "size_mb": 0.023,
        "metadata": {"simulated": True},
        "download_url": url,
        "checksum": f"sha256:{hashlib.sha256(b'motor_imagery_4class_v1' * 1000).hexdigest()}",
    }


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"paradigm": "p300"}, ["p300_binary_v1"]),
        ({"type": "NimbusLDA"}, ["motor_imagery_4class_v1"]),
        ({"paradigm": "p300", "type": "NimbusLDA"}, []),
        ({"paradigm": "ssvep"}, []),
    ],
)
def test_the_list_filters_by_paradigm_and_type(models_dir, http, query, names):
    """Both filters narrow the list; total counts the remaining models."""
    with Sandbox(models_dir=models_dir) as sandbox:
        body = http.get(
            f"{sandbox.api_url}/v1/models/list", params=query, headers={"X-API-Key": sandbox.new_key()}
        ).json()
    assert [model["name"] for model in body["models"]] == names
    assert body["total"] == len(names)


def test_model_files_require_the_tier(models_dir, http):
    """A free key gets the free model and 403 for the research one, which a research key gets in parts too."""
    with Sandbox(models_dir=models_dir) as sandbox:
        base = f"{sandbox.api_url}/v1/models"
        free, research = ({"X-API-Key": sandbox.new_key(tier)} for tier in ("free", "research"))
        whole = http.get(f"{base}/motor_imagery_4class_v1/download", headers=free)
        denied = http.get(f"{base}/p300_binary_v1/download", headers=free)
        part = http.get(f"{base}/p300_binary_v1/download", headers={**research, "Range": "bytes=0-13"})
        missing = http.get(f"{base}/nothing/download", headers=research)
        keyless = http.get(f"{base}/p300_binary_v1/download")
    assert whole.content == b"motor_imagery_4class_v1" * 1000
    assert denied.status_code == 403
    assert denied.json() == {
        "error": "License tier does not cover this",
        "code": "PERMISSION_DENIED",
        "message": "p300_binary_v1 requires the research tier.",
    }
    assert (part.status_code, part.content) == (206, b"p300_binary_v1")
    assert (missing.status_code, missing.json()["code"]) == (404, "NOT_FOUND")
    assert (keyless.status_code, keyless.json()["code"]) == (400, "MISSING_KEY")


def test_health_reports_both_states(sandbox, http):
    """Health answers 200, and 503 when it is switched off."""
    url = f"{sandbox.api_url}/api/health"
    well = http.get(url)
    assert (well.status_code, well.json()) == (
        200,
        {
            "status": "healthy",
            "timestamp": "2025-10-31T12:00:00Z",
            "version": "1.1.0",
            "database": "connected",
        },
    )
    sandbox.switches.healthy = False
    unwell = http.get(url)
    assert (unwell.status_code, unwell.json()) == (
        503,
        {
            "status": "unhealthy",
            "timestamp": "2025-10-31T12:00:00Z",
            "error": "Database connection failed",
        },
    )


def test_the_reference_models_match_their_checksums(http):
    """The registry of the reference core has the true sizes and digests of its files."""
    with Sandbox() as sandbox:
        auth = {"X-API-Key": sandbox.new_key("enterprise")}
        models = http.get(f"{sandbox.api_url}/v1/models/list", headers=auth).json()["models"]
        assert "motor_imagery_4class_v1" in [model["name"] for model in models]
        for model in models:
            data = http.get(model["download_url"], headers=auth).content
            assert f"sha256:{hashlib.sha256(data).hexdigest()}" == model["checksum"]
            assert model["size_mb"] == len(data) / 1e6
