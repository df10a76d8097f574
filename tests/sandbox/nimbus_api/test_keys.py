"""License keys: tiers, valid options, listings, the monthly quota, and database files."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox import Sandbox, create_key, list_keys, revoke_key
from nimbus_sdk.sandbox.nimbus_api.keys import is_covered, next_month
from tests.support.sandbox_requests import (
    log_event,
    validate,
)


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
def test_invalid_options_create_no_key(sandbox, wrong):
    """An invalid option is a configuration error, and no key is created."""
    with pytest.raises(ConfigurationError):
        sandbox.new_key(**wrong)
    assert sandbox.keys() == []


def test_listing_shows_masked_keys_only(sandbox):
    """The list of keys has masks, fingerprints and properties, never a key."""
    key = sandbox.new_key("commercial", used=3, email="a@b.example")
    (row,) = sandbox.keys()
    assert row["key"] == f"{key[:14]}…{key[-4:]}"
    assert (row["license_type"], row["used"], row["monthly_limit"]) == ("commercial", 3, 500_000)
    assert key not in repr(sandbox.keys())


def test_a_used_up_quota_is_reset_with_the_month(sandbox, http, clock):
    """The last inference passes, the next is QUOTA_EXCEEDED, and the first of the month resets the quota."""
    key = sandbox.new_key("free", used=9_999)
    assert log_event(sandbox, http, key, event_type="inference").json()["quota"] == {
        "used": 10000,
        "remaining": 0,
    }
    refused = log_event(sandbox, http, key, event_type="inference")
    assert refused.status_code == 429
    assert refused.json() == {"error": "Monthly quota exceeded", "code": "QUOTA_EXCEEDED"}
    assert "retry-after" not in refused.headers

    clock.now += 12 * 3600
    assert log_event(sandbox, http, key, event_type="inference").json()["quota"] == {
        "used": 1,
        "remaining": 9999,
    }
    quota = http.post(f"{sandbox.api_url}/v1/auth/refresh", json={"api_key": key}).json()["quota"]
    assert quota["resets_at"] == "2025-12-01T00:00:00Z"


def test_enterprise_is_unlimited(sandbox, http):
    """Without a limit the remaining quota is null, before and after an inference."""
    key = sandbox.new_key("enterprise", used=10**9)
    answer = log_event(sandbox, http, key, event_type="inference")
    assert answer.json()["quota"] == {"used": 10**9 + 1, "remaining": None}


def test_keys_are_managed_without_a_server_and_while_one_runs(tmp_path, http):
    """A running server uses keys created, listed and revoked in its file at once."""
    db = tmp_path / "sandbox.db"
    first = create_key(db, "enterprise", kind="live", used=4)
    with Sandbox(db=db) as sandbox:
        assert validate(sandbox, http, first).json()["license_type"] == "enterprise"
        second = create_key(db, expires_at=datetime(2099, 1, 1, tzinfo=UTC))
        assert validate(sandbox, http, second).status_code == 200
        revoke_key(db, list_keys(db)[0]["fingerprint"], reason="old")
        assert validate(sandbox, http, first).status_code == 401
    rows = list_keys(db)
    assert [row["kind"] for row in rows] == ["live", "test"]
    assert [row["revoked_at"] is None for row in rows] == [False, True]
    with pytest.raises(ConfigurationError, match="no such active key"):
        revoke_key(db, first)


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


def test_an_unknown_tier_can_have_its_own_features(sandbox, http):
    """A license type that no client knows yet can be issued if its features are given."""
    key = sandbox.new_key("academic_plus", features=["batch_inference", "telepathy"])
    body = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key}).json()
    assert (body["license_type"], body["features"]) == ("academic_plus", ["batch_inference", "telepathy"])


def test_a_license_covers_its_own_tier_and_those_below():
    """Free and trial are one rank."""
    assert is_covered("research", "commercial")
    assert not is_covered("research", "free")
    assert is_covered("free", "trial")


def test_quotas_are_reset_at_the_start_of_the_next_month():
    """The last second of October belongs to October."""
    assert next_month(1_761_955_199) == 1_761_955_200.0
    assert next_month(1_761_955_200) == 1_764_547_200.0
