"""The license tiers have the documented quotas and features."""

from __future__ import annotations

import pytest


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
