"""Both clients against answers that a test writes, one exchange at a time."""

import asyncio
import json
import os
import threading

import httpcore
import httpx
import pytest
import respx

from nimbus_sdk import AsyncNimbusClient, NimbusClient, errors
from nimbus_sdk.config import keys
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.services import NeuroAI, NimbusOS
from nimbus_sdk.storage.key_lookup import find_key
from nimbus_sdk.transport.flow import Response
from nimbus_sdk.transport.redaction import mask_values
from tests.api.conftest import BASE, KEY
from tests.support.evidence import everything_in, strangers_in

RECEIPT = {"logged": True, "quota": {"used": 5, "remaining": 7}}
QUOTA = {"monthly_limit": 50000, "used": 1234, "remaining": 48766, "resets_at": "2025-11-01T00:00:00Z"}
LICENSE = {
    "valid": True,
    "license_type": "research",
    "features": ["batch_inference", "streaming"],
    "quota": QUOTA,
    "expires_at": "2026-01-01T00:00:00Z",
}
USER = {
    "user_id": "usr_1",
    "email": "researcher@university.edu",
    "name": "Dr. Jane Smith",
    "organization": "Lab",
}
MODEL = {
    "name": "p300_binary_v1",
    "version": "1.0.0",
    "type": "NimbusQDA",
    "paradigm": "p300",
    "n_features": 8,
    "n_classes": 2,
    "size_mb": 1.5,
    "download_url": "https://api.nimbusbci.com/v1/models/p300_binary_v1/download",
    "checksum": "sha256:" + "0" * 64,
    "requires_license": "research",
    "metadata": {"fs": 250},
}


@pytest.fixture
def service():
    """The service; a test defines its responses."""
    with respx.mock(base_url=BASE, assert_all_called=False) as mocked:
        yield mocked


def sent(route):
    """The JSON body of the last request."""
    return json.loads(route.calls.last.request.content)


def test_validate_says_who_and_what(any_client, service):
    """The whole answer is there, moments in UTC."""
    route = service.post("/v1/auth/validate").respond(json={**LICENSE, **USER})
    entitlement = any_client.call("validate")
    assert sent(route) == {"api_key": KEY}
    assert (entitlement.user_id, entitlement.name) == ("usr_1", "Dr. Jane Smith")
    assert entitlement.features == ("batch_inference", "streaming")
    assert entitlement.quota.remaining == 48766
    assert entitlement.expires_at.isoformat() == "2026-01-01T00:00:00+00:00"


def test_refresh_has_no_user(any_client, service):
    """The user fields are None there."""
    service.post("/v1/auth/refresh").respond(json=LICENSE)
    entitlement = any_client.call("refresh")
    assert (entitlement.user_id, entitlement.quota.used) == (None, 1234)


@pytest.mark.parametrize("reason", [None, "No longer needed"])
def test_revoke_sends_the_reason_where_there_is_one(any_client, service, reason):
    """The revocation has the message of the service."""
    route = service.post("/v1/auth/revoke").respond(json={"revoked": True, "message": "done"})
    revocation = any_client.call("revoke", reason)
    assert sent(route) == ({"api_key": KEY} if reason is None else {"api_key": KEY, "reason": reason})
    assert (revocation.revoked, revocation.message) == (True, "done")


def test_github_token_sends_the_key_in_the_header_alone(any_client, service):
    """Neither URL nor body contain it."""
    route = service.get("/v1/installer/github-token").respond(
        json={"success": True, "github_token": "ghp_x1", "expires_at": None, "message": "ok"}
    )
    token = any_client.call("github_token")
    request = route.calls.last.request
    assert (request.headers["x-api-key"], str(request.url)) == (KEY, f"{BASE}/v1/installer/github-token")
    assert request.content == b""
    assert token.github_token.get_secret_value() == "ghp_x1"


def test_models_are_listed_and_filtered(any_client, service):
    """Filters go into the query by their documented names."""
    route = service.get("/v1/models/list").respond(json={"models": [MODEL], "total": 1})
    (model,) = any_client.call("list_models", "p300", model_type="NimbusQDA")
    assert dict(route.calls.last.request.url.params) == {"paradigm": "p300", "type": "NimbusQDA"}
    assert (model.name, model.n_features, model.metadata) == ("p300_binary_v1", 8, {"fs": 250})
    any_client.call("list_models")
    assert dict(route.calls.last.request.url.params) == {}


def test_an_event_carries_what_was_given_and_nothing_else(any_client, service):
    """Omitted fields are not sent as null."""
    answer = {"logged": True, "event_id": "evt_1", "quota": {"used": 5, "remaining": 7}}
    route = service.post("/v1/analytics/log").respond(202, json=answer)
    receipt = any_client.call(
        "log_event", "inference", model_name="m", inference_type="batch", duration_ms=2.5, metadata={"n": 3}
    )
    assert sent(route) == {
        "api_key": KEY,
        "event_type": "inference",
        "model_name": "m",
        "inference_type": "batch",
        "duration_ms": 2.5,
        "metadata": {"n": 3},
    }
    assert (receipt.event_id, receipt.quota.remaining) == ("evt_1", 7)
    any_client.call("log_event", "error", success=False, error_message="boom")
    assert sent(route) == {
        "api_key": KEY,
        "event_type": "error",
        "success": False,
        "error_message": "boom",
    }


def test_an_event_is_never_sent_twice(any_client, service):
    """An inference counts against the quota, so a request is not repeated after a lost response."""
    route = service.post("/v1/analytics/log").mock(side_effect=httpcore.ReadTimeout("late"))
    with pytest.raises(errors.NimbusTimeoutError):
        any_client.call("log_event", "inference")
    assert route.call_count == 1


def test_an_event_that_never_left_is_sent_again(any_client, service):
    """A connection that was refused has counted nothing."""
    receipt = httpx.Response(202, json=RECEIPT)
    route = service.post("/v1/analytics/log").mock(side_effect=[httpcore.ConnectError("refused"), receipt])
    assert any_client.call("log_event", "inference").logged is True
    assert route.call_count == 2


def test_an_event_that_is_not_json_is_an_error_before_it_is_sent(any_client, service):
    """An object in the metadata that is not JSON is a ConfigurationError."""
    route = service.post("/v1/analytics/log").respond(202, json=RECEIPT)
    for metadata in ({"x": object()}, {"x": float("nan")}):
        with pytest.raises(errors.ConfigurationError, match="analytics") as caught:
            any_client.call("log_event", "inference", metadata=metadata)
        assert KEY not in everything_in(caught.value)
    assert route.call_count == 0


def test_health_needs_no_key(any_client, service):
    """Nothing is looked up and nothing sent."""
    route = service.get("/api/health").respond(
        json={
            "status": "healthy",
            "timestamp": "2025-10-31T12:00:00Z",
            "version": "1.1.0",
            "database": "connected",
        }
    )
    health = any_client.call("health", client={"api_key": None})
    assert (health.status, health.database) == ("healthy", "connected")
    assert KEY not in repr(route.calls.last.request.headers.raw)


SEEN = {
    "another client": ("nbci_test_" + "f00dfeedbeef" * 4, NimbusClient),
    "another service": ("opaque-key-of-nobody-42", NimbusOS),
    "NeuroAI": ("zyxwvutsrqponml", NeuroAI),
}


@pytest.mark.parametrize("status", [200, 503, 500])
def test_health_repeats_no_key_that_this_process_has_seen(any_client, service, tmp_path, status):
    """Of no client, service or profile: neither whole, nor without its prefix, nor in capitals."""
    secrets = [secret for secret, make in SEEN.values() if make(secret) is not None]
    mounted = "nbci_live_" + "abad1deaabad" * 4
    (tmp_path / "key").write_text(mounted)
    find_key(Settings(profile="other", key_file=str(tmp_path / "key"), home=str(tmp_path)))
    forms = [
        form for secret in (*secrets, mounted) for form in (*keys.maskable_forms(secret), secret.upper())
    ]
    text = f"a {' b '.join(forms)} z"
    fields = {"status": text, "version": text, "database": text, "error": text}
    service.get("/api/health").respond(status, json=fields)
    if status == 500:
        with pytest.raises(errors.ServerError) as caught:
            any_client.call("health", client={"api_key": None})
        shown = everything_in(caught.value)
    else:
        health = any_client.call("health", client={"api_key": None})
        shown = health.model_dump_json()
        assert (health.error[:2], health.error[-2:]) == ("a ", " z")
    assert not [form for form in forms if form in shown]


def test_only_so_many_keys_are_noted_and_no_word(monkeypatch):
    """A program that sees a key of each of its users does not grow for ever; a short key could be a word."""
    monkeypatch.setattr(keys, "_seen", {})
    monkeypatch.setattr(keys, "_MOST_SEEN", 2)
    for secret in ("healthy", "key-first", "key-other", "key-third"):
        keys.note_secret(secret)
    assert mask_values("İ healthy key-first KEY-OTHER, key-thirdkey-third", []) == "İ healthy key-first …, ……"


def test_what_is_noted_of_a_key_is_not_the_key(monkeypatch):
    """No object holds a key after its last use; a digest of it is enough to find it."""
    monkeypatch.setattr(keys, "_seen", {})
    keys.ApiKey.parse(KEY)
    assert KEY[10:] not in repr(keys._seen)
    assert mask_values(f"a{KEY.upper()}z", []) == f"a{KEY[:10].upper()}…z"


CODES = [
    (400, "MISSING_KEY", errors.MissingKeyError, 1),
    (400, "INVALID_FORMAT", errors.InvalidKeyFormatError, 1),
    (401, "INVALID_KEY", errors.InvalidKeyError, 1),
    (401, "KEY_EXPIRED", errors.KeyExpiredError, 1),
    (403, "PERMISSION_DENIED", errors.PermissionDeniedError, 1),
    (405, "METHOD_NOT_ALLOWED", errors.MethodNotAllowedError, 1),
    (429, "QUOTA_EXCEEDED", errors.QuotaExceededError, 1),
    (429, "RATE_LIMIT_EXCEEDED", errors.RateLimitError, 4),
    (500, "SERVER_ERROR", errors.ServerError, 4),
    (502, None, errors.ServerError, 4),
    (503, "NOT_CONFIGURED", errors.NotConfiguredError, 1),
    (503, None, errors.ServerError, 4),
    (504, None, errors.ServerError, 4),
    (302, None, errors.ApiError, 1),
]


@pytest.mark.parametrize(("status", "code", "kind", "attempts"), CODES)
def test_a_refusal_has_its_error_and_number_of_attempts(any_client, service, status, code, kind, attempts):
    """A lasting refusal is raised at once, a passing one after four attempts; no other error hangs on it."""
    route = service.post("/v1/auth/validate").respond(
        status,
        json={"error": f"No: {KEY}", "code": code},
        headers={"X-Request-ID": "req_9", "Location": "https://x.example/"},
    )
    with pytest.raises(kind) as caught:
        any_client.call("validate")
    assert route.call_count == attempts
    error = caught.value
    assert (error.status, error.code, error.request_id) == (status, code if status != 302 else None, "req_9")
    assert KEY not in everything_in(error)
    assert strangers_in(error) == []


FAILURES = [
    (httpcore.ConnectError("refused"), errors.NimbusConnectionError),
    (httpcore.ReadTimeout("late"), errors.NimbusTimeoutError),
    (httpcore.RemoteProtocolError("garbage"), errors.NimbusConnectionError),
    (httpcore.ReadError(""), errors.NimbusConnectionError),
]


@pytest.mark.parametrize(("failure", "kind"), FAILURES)
def test_a_failure_that_may_pass_is_tried_four_times(any_client, service, failure, kind):
    """The last error is raised, an error of the SDK."""
    route = service.post("/v1/auth/validate").mock(side_effect=failure)
    with pytest.raises(kind) as caught:
        any_client.call("validate")
    assert route.call_count == 4
    assert KEY not in everything_in(caught.value)
    assert strangers_in(caught.value) == []


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"[]", b'{"valid": "yes"}', b'{"valid": true, "valid": true}', b"\xff"]
)
def test_a_success_that_is_none_is_an_error(any_client, service, content):
    """A captive portal's 200 is not taken for the service's."""
    service.post("/v1/auth/validate").respond(content=content)
    with pytest.raises(errors.ResponseFormatError) as caught:
        any_client.call("validate")
    assert "captive portal" in caught.value.hint
    assert KEY not in everything_in(caught.value)
    assert strangers_in(caught.value) == []


def test_a_revoke_whose_response_was_lost_has_succeeded(any_client, service):
    """The retry finds the key gone: the first attempt did it."""
    gone = httpx.Response(404, json={"error": "API key not found", "code": "KEY_NOT_FOUND"})
    route = service.post("/v1/auth/revoke").mock(side_effect=[httpcore.ReadTimeout("late"), gone])
    assert any_client.call("revoke").revoked is True
    assert route.call_count == 2


@pytest.mark.parametrize(
    "before", [[], [httpcore.ConnectError("refused")], [httpcore.ConnectTimeout("late")]]
)
def test_a_revoke_that_was_never_carried_out_is_not_called_one(any_client, service, before):
    """KEY_NOT_FOUND stays an error where no earlier attempt can have reached the service."""
    gone = httpx.Response(404, json={"error": "API key not found", "code": "KEY_NOT_FOUND"})
    service.post("/v1/auth/revoke").mock(side_effect=[*before, gone])
    with pytest.raises(errors.KeyNotFoundError):
        any_client.call("revoke")


def test_a_text_that_is_not_a_key_is_rejected_before_anything_is_sent(any_client, service):
    """The documentation's own example has four digits too many."""
    slip = "nbci_live_a1b2c3d4e5f678901234567890abcdef12345678901234567890"
    with pytest.raises(errors.InvalidKeyFormatError) as caught:
        any_client.call("validate", client={"api_key": slip})
    assert isinstance(caught.value, ValueError)
    assert slip not in everything_in(caught.value)
    assert not service.calls


def test_the_key_comes_from_the_environment_at_the_first_call(any_client, service, monkeypatch):
    """A client can be made where there is no key yet."""
    route = service.post("/v1/auth/validate").respond(json={**LICENSE, **USER})
    with pytest.raises(errors.MissingKeyError):
        any_client.call("validate", client={"api_key": None})
    monkeypatch.setenv("NIMBUS_API_KEY", f" {KEY}\n")
    any_client.call("validate", client={"api_key": None})
    assert sent(route) == {"api_key": KEY}
    assert os.environ["NIMBUS_API_KEY"] == f" {KEY}\n"


def test_the_key_goes_over_https_or_to_this_machine(any_client):
    """Plain http to the world is refused."""
    with pytest.raises(errors.ConfigurationError, match="https"):
        any_client.make(api_key=KEY, base_url="http://api.nimbusbci.com")


def test_a_client_masks_its_key(any_client):
    """Its repr says where it speaks to, and by which key, masked."""
    assert repr(any_client.make(api_key=KEY)).endswith(
        "NimbusClient(base_url='https://api.nimbusbci.com', api_key='nbci_live_0123…89ab')"
    )
    assert "api_key=None" in repr(any_client.make())


def test_a_client_stores_nothing(any_client, service, isolated_home):
    """No file, no session, no key in the store."""
    service.post("/v1/auth/validate").respond(json={**LICENSE, **USER})
    any_client.call("validate")
    assert not [path for path in isolated_home.rglob("*") if path.is_file()]


def test_a_transport_of_ones_own_needs_no_server(any_client):
    """A program is tested without a network by handing one in."""
    calls = []

    class Canned:
        def send(self, call, deadline):
            calls.append(call.name)
            return Response(status=200, headers={}, body=json.dumps({**LICENSE, **USER}).encode())

        def close(self):
            calls.append("closed")

    class AsyncCanned(Canned):
        async def send(self, call, deadline):
            return Canned.send(self, call, deadline)

        async def aclose(self):
            self.close()

    transport = Canned() if any_client.kind == "sync" else AsyncCanned()
    assert any_client.call("validate", client={"transport": transport}).user_id == "usr_1"
    assert calls == ["validate", "closed"]


def test_a_client_has_a_timeout_of_its_own(any_client, service, monkeypatch):
    """The seconds given bound the call with its retries."""
    service.post("/v1/auth/validate").respond(
        429, json={"code": "RATE_LIMIT_EXCEEDED"}, headers={"Retry-After": "3"}
    )
    with pytest.raises(errors.RateLimitError) as caught:
        any_client.call("validate", client={"timeout": 2})
    assert (caught.value.retry_after, caught.value.attempts) == (3.0, 1)
    with pytest.raises(errors.ConfigurationError, match="timeout"):
        any_client.make(api_key=KEY, timeout=0)


def test_threads_share_a_client(service):
    """Twenty threads ask one client at once, and each gets its answer."""
    service.get("/api/health").respond(json={"status": "healthy"})
    results = []
    with NimbusClient(KEY, base_url=BASE) as client:
        threads = [threading.Thread(target=lambda: results.append(client.health().status)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == ["healthy"] * 20


def test_tasks_share_a_client(service):
    """Twenty tasks do."""
    service.get("/api/health").respond(json={"status": "healthy"})

    async def main():
        async with AsyncNimbusClient(KEY, base_url=BASE) as client, asyncio.TaskGroup() as group:
            return [group.create_task(client.health()) for _ in range(20)]

    assert [task.result().status for task in asyncio.run(main())] == ["healthy"] * 20
