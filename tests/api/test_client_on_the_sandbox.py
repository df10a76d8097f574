"""Both clients over real sockets, against a service that was written from the documentation alone."""

from datetime import UTC, datetime, timedelta

import pytest

import nimbus_sdk
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
def say(any_client, sandbox):
    """Says one thing to the sandbox with a key."""

    def say(key, method, *given, **named):
        return any_client.call(method, *given, client={"api_key": key, "base_url": sandbox.api_url}, **named)

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
    """Valid, refreshed, used, revoked, rejected."""
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


def test_an_expired_key_has_an_error_of_its_own(say, sandbox):
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


def test_health_is_reported_healthy_and_unhealthy(say, sandbox):
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


@pytest.mark.parametrize(("before", "succeeded"), [(500, False), (503, False), (502, True), (504, True)])
def test_a_revoke_has_succeeded_only_where_an_answer_was_lost(say, sandbox, before, succeeded):
    """A 500 has revoked nothing, so a key not there then is unknown; behind a gateway it may be gone."""
    sandbox.fault("revoke", status=before)
    unknown = "nbci_test_" + "0" * 48
    if succeeded:
        assert say(unknown, "revoke").revoked
        return
    with pytest.raises(errors.KeyNotFoundError) as caught:
        say(unknown, "revoke")
    assert (caught.value.attempts, caught.value.answer_lost) == (2, False)


@pytest.mark.parametrize("method", ["validate", "refresh", "revoke"])
def test_a_refusal_that_echoes_the_bare_digits_does_not_show_them(say, sandbox, method):
    """The key travels in the body there; whole or bare, it is masked in what the service says."""
    key = sandbox.new_key()
    echo = {
        "error": "no",
        "code": "INVALID_KEY",
        "message": f"key {key} / {key[10:]}",
        "request_id": key[10:],
    }
    sandbox.fault(method, status=401, body=echo, headers={"X-Request-ID": key[10:]})
    with pytest.raises(errors.InvalidKeyError, match="/ …") as caught:
        say(key, method)
    assert key[10:] not in f"{caught.value} {vars(caught.value)}"


def test_a_success_that_repeats_the_key_does_not_get_it_into_the_session(sandbox, monkeypatch, tmp_path):
    """Nor its digits, in any of the stored fields."""
    key = sandbox.new_key()
    people = dict.fromkeys(("user_id", "email", "organization", "license_type"), f"of {key[10:]}")
    quota = {"monthly_limit": 1, "used": 0, "remaining": 1, "resets_at": None}
    said = {"valid": True, "name": f"me {key}", "features": [key], "quota": quota, **people}
    sandbox.fault("validate", body=said)
    for name, value in {
        "NIMBUS_SDK_API_URL": sandbox.api_url,
        "NIMBUS_SDK_HOME": str(tmp_path),
        "NIMBUS_SDK_CREDENTIAL_STORE": "none",
    }.items():
        monkeypatch.setenv(name, value)
    session = nimbus_sdk.authenticate(key)
    assert key[10:] not in session.to_json()
    assert session.name == "me nbci_test_…"
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and key[10:].encode() in path.read_bytes()
    ]
