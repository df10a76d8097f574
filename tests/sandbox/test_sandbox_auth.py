"""validate, refresh and revoke, held to the documented bodies, word for word."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from nimbus_sdk.errors import ConfigurationError

UNKNOWN = "nbci_live_" + "0" * 48
RESEARCH = ["batch_inference", "streaming", "training", "calibration", "model_export"]


def test_validate_tells_holder_license_and_quota(sandbox, http):
    """A validated key is answered with exactly the documented fields."""
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


def test_refresh_leaves_the_holder_out(sandbox, http):
    """A refreshed key is answered with license and quota alone; no expiry is null."""
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


def test_optional_fields_of_the_holder_may_be_absent(sandbox, http):
    """A holder without name and organization has neither field in the answer."""
    key = sandbox.new_key(name=None, organization=None)
    body = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key}).json()
    assert "name" not in body
    assert "organization" not in body


@pytest.mark.parametrize(
    ("tier", "limit", "last_feature"),
    [
        ("free", 10_000, "batch_inference"),
        ("trial", 10_000, "batch_inference"),
        ("research", 50_000, "model_export"),
        ("commercial", 500_000, "priority_support"),
        ("enterprise", None, "on_premise"),
    ],
)
def test_every_tier_has_its_quota_and_features(sandbox, http, tier, limit, last_feature):
    """The five tiers carry the quota of the documented table; unlimited is null."""
    key = sandbox.new_key(tier)
    body = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key}).json()
    assert body["license_type"] == tier
    assert body["features"][-1] == last_feature
    assert body["quota"]["monthly_limit"] == limit
    assert body["quota"]["remaining"] == limit


def test_a_tier_of_the_future_can_be_issued_with_its_features(sandbox, http):
    """A license type that no client knows yet is issued where its features are named."""
    key = sandbox.new_key("academic_plus", features=["batch_inference", "telepathy"])
    body = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key}).json()
    assert (body["license_type"], body["features"]) == ("academic_plus", ["batch_inference", "telepathy"])


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
def test_unusable_keys_are_refused_alike(sandbox, http, endpoint, content, status, body):
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


def test_a_body_not_called_json_is_not_read(sandbox, http):
    """A key in a body of another content type counts as missing."""
    answer = http.post(f"{sandbox.api_url}/v1/auth/validate", data={"api_key": sandbox.new_key()})
    assert (answer.status_code, answer.json()["code"]) == (400, "MISSING_KEY")


def test_a_body_beyond_a_mebibyte_is_refused(sandbox, http):
    """A body that no client of this API sends is refused with 413, not read into memory."""
    answer = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": "x" * 2**21})
    assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("endpoint", ["validate", "refresh"])
def test_unknown_revoked_and_expired_keys_are_told_apart(sandbox, http, clock, endpoint):
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
    """A revoked key is dead at once, a second revoke finds nothing, and the reason is kept."""
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
    """A key that never was cannot be revoked."""
    answer = http.post(f"{sandbox.api_url}/v1/auth/revoke", json={"api_key": UNKNOWN})
    assert (answer.status_code, answer.json()["code"]) == (404, "KEY_NOT_FOUND")


def test_an_exhausted_key_still_validates_unless_told_otherwise(sandbox, http):
    """A used-up quota blocks validate only for keys that say so: an install must not fail for it."""
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
    """A wrong method is told the right ones, in the Allow header."""
    answer = http.request("DELETE", f"{sandbox.api_url}{path}")
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert answer.json() == {"error": "Method not allowed", "code": "METHOD_NOT_ALLOWED"}


def test_unknown_paths_are_404_in_json(sandbox, http):
    """A path without an endpoint answers JSON, also without the version in front."""
    answer = http.post(f"{sandbox.api_url}/auth/validate", json={})
    assert answer.status_code == 404
    assert answer.json() == {"error": "Not found", "code": "NOT_FOUND"}
    assert answer.headers["x-ratelimit-limit"] == "1000"


def test_request_ids_are_echoed_or_made(sandbox, http):
    """A request id of the caller comes back; an unusable one is replaced; each answer has a date."""
    url = f"{sandbox.api_url}/api/health"
    assert http.get(url, headers={"X-Request-ID": "mine-7"}).headers["x-request-id"] == "mine-7"
    assert http.get(url, headers={"X-Request-ID": "two words"}).headers["x-request-id"].startswith("req_")
    made = [http.get(url).headers["x-request-id"] for _ in range(2)]
    assert made[0] != made[1]
    assert http.get(url).headers["date"] == "Fri, 31 Oct 2025 12:00:00 GMT"


@pytest.mark.parametrize(
    "wrong",
    [
        {"tier": "gold"},
        {"kind": "prod"},
        {"used": -1},
        {"expires_at": datetime(2026, 1, 1)},
        {"block_when_exhausted": ("models",)},
    ],
)
def test_keys_that_cannot_be_are_refused(sandbox, wrong):
    """A key with an impossible property is refused with a configuration error, and not made."""
    with pytest.raises(ConfigurationError):
        sandbox.new_key(**wrong)
    assert sandbox.keys() == []


def test_listing_shows_masked_keys_only(sandbox):
    """The list of keys holds masks, fingerprints and facts, never a key."""
    key = sandbox.new_key("commercial", used=3, email="a@b.example")
    (row,) = sandbox.keys()
    assert row["key"] == f"{key[:14]}…{key[-4:]}"
    assert (row["license_type"], row["used"], row["monthly_limit"]) == ("commercial", 3, 500_000)
    assert key not in repr(sandbox.keys())


def test_answers_are_not_shared_between_clients(sandbox):
    """Two clients at once get their own answers on their own connections."""
    keys = [sandbox.new_key(user_id=f"usr_{number}") for number in range(5)]
    with httpx.Client(trust_env=False) as one, httpx.Client(trust_env=False) as other:
        for number, key in enumerate(keys):
            client = one if number % 2 else other
            body = client.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key}).json()
            assert body["user_id"] == f"usr_{number}"


@pytest.mark.parametrize("secret", ['"\\ud800"', "[" * 100_000])
def test_odd_json_is_refused_like_any_other(sandbox, http, secret):
    """Half a letter, and nesting without end, are answered as the documentation says."""
    body = b'{"api_key": ' + secret.encode() + b"}"
    headers = {"Content-Type": "application/json"}
    answer = http.post(f"{sandbox.api_url}/v1/auth/validate", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) in [(400, "INVALID_FORMAT"), (400, "MISSING_KEY")]


def test_half_a_letter_in_a_reason_is_kept_as_its_number(sandbox, http):
    """What no text can hold is no reason to fail."""
    body = f'{{"api_key": "{sandbox.new_key()}", "reason": "lost \\ud800"}}'
    headers = {"Content-Type": "application/json"}
    answer = http.post(f"{sandbox.api_url}/v1/auth/revoke", content=body, headers=headers)
    assert answer.status_code == 200
    assert sandbox.audit()[0]["reason"] == "lost \\ud800"
