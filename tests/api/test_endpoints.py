"""Each endpoint step by step without a network: the request, and the result of the response."""

import json

import pytest

from nimbus_sdk.api import endpoints
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.errors import (
    InvalidKeyError,
    KeyNotFoundError,
    NimbusTimeoutError,
    ResponseFormatError,
    ServerError,
)
from nimbus_sdk.transport.flow import Response

BASE = "https://api.nimbusbci.com"
KEY = ApiKey.parse("nbci_live_" + "0123456789ab" * 4)
QUOTA = {"monthly_limit": 10, "used": 5, "remaining": 5, "resets_at": None}
LICENSE = {"valid": True, "license_type": "free", "features": ["batch_inference"], "quota": QUOTA}


def answer(body, status=200, **headers):
    """An answer of the service."""
    return Response(status=status, headers=headers, body=json.dumps(body).encode())


def finish(flow, reply):
    """Send a flow its last answer, and give its value."""
    with pytest.raises(StopIteration) as end:
        flow.send(reply)
    return end.value.value


# name, flow, method, path, JSON body, key in the header, requests a minute, repeatable
ENDPOINTS = [
    (
        "validate",
        endpoints.validate(BASE, KEY),
        "POST",
        "/v1/auth/validate",
        {"api_key": KEY.reveal()},
        False,
        100,
        True,
    ),
    (
        "refresh",
        endpoints.refresh(BASE, KEY),
        "POST",
        "/v1/auth/refresh",
        {"api_key": KEY.reveal()},
        False,
        10,
        True,
    ),
    (
        "revoke",
        endpoints.revoke(BASE, KEY, "lost"),
        "POST",
        "/v1/auth/revoke",
        {"api_key": KEY.reveal(), "reason": "lost"},
        False,
        10,
        True,
    ),
    (
        "revoke",
        endpoints.revoke(BASE, KEY, None),
        "POST",
        "/v1/auth/revoke",
        {"api_key": KEY.reveal()},
        False,
        10,
        True,
    ),
    (
        "github_token",
        endpoints.github_token(BASE, KEY),
        "GET",
        "/v1/installer/github-token",
        None,
        True,
        20,
        True,
    ),
    ("models", endpoints.list_models(BASE, KEY, None, None), "GET", "/v1/models/list", None, True, 60, True),
    (
        "analytics",
        endpoints.log_event(BASE, KEY, "error", {"error_message": "x", "success": None}),
        "POST",
        "/v1/analytics/log",
        {"api_key": KEY.reveal(), "event_type": "error", "error_message": "x"},
        False,
        1000,
        False,
    ),
    ("health", endpoints.health(BASE), "GET", "/api/health", None, False, None, True),
]


@pytest.mark.parametrize(
    ("name", "flow", "method", "path", "body", "in_header", "per_minute", "repeatable"), ENDPOINTS
)
def test_every_endpoint_is_asked_as_documented(
    name, flow, method, path, body, in_header, per_minute, repeatable
):
    """Method, path, place of the key, documented limit; never a key in the URL."""
    step = next(flow)
    assert (step.name, step.method, step.url, step.json) == (name, method, f"{BASE}{path}", body)
    assert (step.per_minute, step.repeatable) == (per_minute, repeatable)
    if in_header:
        assert step.auth.headers(step.url) == {"X-API-Key": KEY.reveal()}
    else:
        assert step.auth is None
    assert KEY.reveal() not in f"{step.url} {step.params} {step.headers} {step!r}"


def test_models_are_filtered_by_the_service():
    """Paradigm and type go along as the query's names."""
    step = next(endpoints.list_models(BASE, KEY, "motor_imagery", "NimbusLDA"))
    assert step.params == {"paradigm": "motor_imagery", "type": "NimbusLDA"}


def test_a_refresh_may_be_given_less_patience():
    """A refresh that can fall back to the cached session has a timeout of its own."""
    assert next(endpoints.refresh(BASE, KEY, 1.4)).timeout == 1.4
    assert next(endpoints.refresh(BASE, KEY)).timeout is None


PERSON = {"user_id": "usr_1", "email": "researcher@university.edu"}


@pytest.mark.parametrize("absent", [("user_id",), ("email",), ("user_id", "email")])
@pytest.mark.parametrize("form", [{}, {"value": None}, {"value": ""}])
def test_a_valid_key_without_its_person_is_no_answer(absent, form):
    """validate must say whose the key is; the message names what is missing."""
    fields = {**LICENSE, **{name: text for name, text in PERSON.items() if name not in absent}}
    fields.update({name: form["value"] for name in absent if form})
    flow = endpoints.validate(BASE, KEY)
    next(flow)
    with pytest.raises(ResponseFormatError, match=", ".join(absent)):
        flow.send(answer(fields))


@pytest.mark.parametrize("endpoint", [endpoints.validate, endpoints.refresh])
def test_a_key_that_the_service_calls_invalid_in_a_success_is_invalid(endpoint):
    """valid: false is a refusal, whatever the status."""
    flow = endpoint(BASE, KEY)
    next(flow)
    with pytest.raises(InvalidKeyError) as caught:
        flow.send(answer({**LICENSE, "valid": False}))
    assert (caught.value.status, caught.value.code) == (401, "INVALID_KEY")


@pytest.mark.parametrize("endpoint", [endpoints.validate, endpoints.refresh])
def test_an_entitlement_comes_with_its_response(endpoint):
    """The response is returned with it: its Date is the clock of the service."""
    flow = endpoint(BASE, KEY)
    next(flow)
    reply = answer({**LICENSE, **PERSON})
    entitlement, given = finish(flow, reply)
    assert (entitlement.license_type, entitlement.features, given) == ("free", ("batch_inference",), reply)


def test_a_revoke_whose_answer_was_lost_and_whose_retry_finds_nothing_has_succeeded():
    """KEY_NOT_FOUND after a lost response means that the first attempt has revoked the key."""
    flow = endpoints.revoke(BASE, KEY, None)
    next(flow)
    lost = KeyNotFoundError("gone", status=404)
    lost.answer_lost = True
    with pytest.raises(StopIteration) as end:
        flow.throw(lost)
    assert end.value.value.revoked is True


def test_a_revoke_that_finds_nothing_at_once_has_not():
    """Without a lost response the key did not exist."""
    flow = endpoints.revoke(BASE, KEY, None)
    next(flow)
    with pytest.raises(KeyNotFoundError):
        flow.throw(KeyNotFoundError("gone", status=404))


def test_a_service_that_says_it_is_unwell_has_answered():
    """A 503 of health is its documented answer; a 503 of a proxy is a failure."""
    flow = endpoints.health(BASE)
    next(flow)
    body = {"status": "unhealthy", "timestamp": "2025-10-31T12:00:00Z", "error": "Database connection failed"}
    health = finish(flow, answer(body, 503, **{"content-type": "application/json; charset=utf-8"}))
    assert (health.status, health.error, health.version) == ("unhealthy", "Database connection failed", None)
    flow = endpoints.health(BASE)
    next(flow)
    with pytest.raises(ServerError) as caught:
        flow.send(Response(status=503, headers={"content-type": "text/html"}, body=b"<html>", request_id="r"))
    assert (caught.value.status, caught.value.request_id) == (503, "r")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": "Down for maintenance", "code": "SERVER_ERROR"}, "SERVER_ERROR"),
        ({"error": "Down for maintenance"}, None),
        ({"status": 503, "message": "Down for maintenance"}, None),
    ],
)
def test_a_503_of_health_in_other_words_is_a_refusal(body, code):
    """The error body of the API is not a health response: its message is in the error."""
    flow = endpoints.health(BASE)
    next(flow)
    with pytest.raises(ServerError, match="Down for maintenance") as caught:
        flow.send(answer(body, 503, **{"content-type": "application/json", "retry-after": "9"}))
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (503, code, 9.0)


@pytest.mark.parametrize(("name", "flow"), [(row[0], row[1].__name__) for row in ENDPOINTS[:-1]])  # type: ignore[attr-defined]
def test_every_call_with_the_key_knows_what_to_mask(name, flow):
    """Wherever the key travels, it and its bare digits are masked in the answer."""
    more = {"revoke": (None,), "list_models": (None, None), "log_event": ("error", {})}.get(flow, ())
    step = next(getattr(endpoints, flow)(BASE, KEY, *more))
    assert step.name == name
    assert set(step.maskable) == {KEY.reveal(), KEY.reveal()[10:]}


def test_a_token_that_the_service_calls_a_failure_is_not_used():
    """success: false is a refusal, whatever else it contains."""
    flow = endpoints.github_token(BASE, KEY)
    next(flow)
    with pytest.raises(ResponseFormatError, match="success"):
        flow.send(answer({"success": False, "github_token": "ghp_secret1"}))


def test_what_a_flow_does_not_handle_goes_through_it():
    """An error of the transport passes the flow unchanged."""
    flow = endpoints.github_token(BASE, KEY)
    next(flow)
    with pytest.raises(NimbusTimeoutError):
        flow.throw(NimbusTimeoutError("late"))


def test_a_token_that_is_none_is_refused():
    """An empty token is not what is documented."""
    flow = endpoints.github_token(BASE, KEY)
    next(flow)
    with pytest.raises(ResponseFormatError, match="github_token"):
        flow.send(answer({"success": True, "github_token": ""}))


def test_a_token_comes_masked():
    """It is handed on as a secret."""
    flow = endpoints.github_token(BASE, KEY)
    next(flow)
    token = finish(flow, answer({"success": True, "github_token": "ghp_secret1", "expires_at": None}))
    assert "ghp_secret1" not in repr(token)
    assert token.github_token.get_secret_value() == "ghp_secret1"


def test_no_conversation_has_the_key_in_its_frame():
    """A debugger that shows a flow's variables shows no key."""
    for _, flow, *_ in ENDPOINTS:
        if flow.gi_frame is not None:  # type: ignore[attr-defined]
            assert KEY.reveal() not in repr(flow.gi_frame.f_locals)  # type: ignore[attr-defined]
