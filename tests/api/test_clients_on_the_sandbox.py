"""Both clients over real sockets, against a service that was written from the documentation alone."""

from datetime import UTC, datetime, timedelta

import pytest

from nimbus_sdk import errors

# The table of license tiers in the Nimbus API documentation.
TIERS = [
    ("free", 10_000, {"batch_inference"}, {"streaming", "training"}),
    ("trial", 10_000, {"batch_inference"}, {"streaming", "training"}),
    ("research", 50_000, {"batch_inference", "streaming", "training"}, {"custom_models", "on_premise"}),
    ("commercial", 500_000, {"streaming", "training", "custom_models", "priority_support"}, {"on_premise"}),
    ("enterprise", None, {"streaming", "custom_models", "on_premise"}, set()),
]


@pytest.fixture
def say(face, sandbox):
    """Says one thing to the sandbox with a key."""

    def say(key, method, *given, **named):
        return face.say(method, *given, client={"api_key": key, "base_url": sandbox.api_url}, **named)

    return say


@pytest.mark.parametrize(("tier", "limit", "has", "lacks"), TIERS)
def test_every_tier_is_read_as_it_is_issued(say, sandbox, tier, limit, has, lacks):
    """Limits, null for unlimited, and features of each license."""
    entitlement = say(sandbox.new_key(tier, used=10), "validate")
    assert entitlement.license_type == tier
    assert entitlement.quota.monthly_limit == limit
    assert entitlement.quota.remaining == (None if limit is None else limit - 10)
    assert has <= set(entitlement.features)
    assert not lacks & set(entitlement.features)


def test_a_tier_of_tomorrow_does_not_break_the_client(say, sandbox):
    """A license type that nobody knows yet is read like any other."""
    key = sandbox.new_key("clinical", features=["telepathy"], monthly_limit=7)
    entitlement = say(key, "validate")
    assert (entitlement.license_type, entitlement.features) == ("clinical", ("telepathy",))


def test_the_whole_life_of_a_key(say, sandbox):
    """Valid, refreshed, used, revoked, dead."""
    key = sandbox.new_key("research", monthly_limit=2)
    assert say(key, "validate").quota.remaining == 2
    assert say(key, "log_event", "inference", duration_ms=1.5).quota.remaining == 1
    assert say(key, "log_event", "model_load").quota.remaining == 1
    assert say(key, "log_event", "inference").quota.remaining == 0
    with pytest.raises(errors.QuotaExceededError):
        say(key, "log_event", "inference")
    assert say(key, "refresh").quota.used == 2
    assert say(key, "github_token").github_token.get_secret_value().startswith("gh")
    assert say(key, "revoke", "bench test").revoked is True
    for method in ("validate", "refresh", "github_token", "list_models"):
        with pytest.raises(errors.InvalidKeyError):
            say(key, method)
    with pytest.raises(errors.KeyNotFoundError):
        say(key, "revoke")
    assert sandbox.audit()[0]["reason"] == "bench test"


def test_an_expired_key_is_told_as_one(say, sandbox):
    """KEY_EXPIRED is not INVALID_KEY."""
    key = sandbox.new_key(expires_at=datetime.now(UTC) - timedelta(seconds=5))
    with pytest.raises(errors.KeyExpiredError):
        say(key, "validate")


def test_an_unknown_event_type_is_refused_by_the_service(say, sandbox):
    """The type checker would say so before."""
    with pytest.raises(errors.MissingEventTypeError):
        say(sandbox.new_key(), "log_event", "telepathy")


def test_a_service_without_a_github_token_says_so_once(say, sandbox):
    """Trying again would not help, and is not done."""
    sandbox.github_configured = False
    with pytest.raises(errors.NotConfiguredError):
        say(sandbox.new_key(), "github_token")
    assert [exchange.endpoint for exchange in sandbox.journal()] == ["github_token"]


def test_the_registry_is_listed(say, sandbox):
    """Names, tiers and sizes of the four documented models; filters work."""
    key = sandbox.new_key("free")
    models = {model.name: model for model in say(key, "list_models")}
    assert models["motor_imagery_4class_v1"].n_features == 16
    assert models["motor_imagery_4class_v1"].requires_license == "free"
    assert models["p300_binary_v1"].requires_license == "research"
    assert {model.paradigm for model in say(key, "list_models", "p300")} == {"p300"}
    assert {model.type for model in say(key, "list_models", model_type="NimbusQDA")} == {"NimbusQDA"}


def test_health_is_told_well_and_unwell(say, sandbox):
    """The documented 503 is an answer."""
    assert say(None, "health").status == "healthy"
    sandbox.switches.healthy = False
    health = say(None, "health")
    assert (health.status, health.error) == ("unhealthy", "Database connection failed")
    assert len(sandbox.journal()) == 2


def test_a_passing_fault_is_not_seen(say, sandbox):
    """500, a reset, a cut answer; the fourth try gives the answer, all four under one request id."""
    key = sandbox.new_key()
    sandbox.fault("validate", status=500)
    sandbox.fault("validate", reset="before_head")
    sandbox.fault("validate", truncate=10)
    assert say(key, "validate").valid
    assert len({exchange.request_id for exchange in sandbox.journal()}) == 1
    assert len(sandbox.journal()) == 4


def test_requests_are_recognised_by_their_headers(say, sandbox):
    """The service sees which SDK, Python and platform ask."""
    say(sandbox.new_key(), "validate")
    (exchange,) = sandbox.journal()
    assert exchange.headers["user-agent"].startswith("nimbusbci-sdk/")
    assert len(exchange.request_id) == 32
