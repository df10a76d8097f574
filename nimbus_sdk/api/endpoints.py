"""The endpoints of the Nimbus API, each as a flow; no I/O happens here.

Source: the endpoint table of the Nimbus API documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Literal

from nimbus_sdk.api.schemas import (
    Entitlement,
    EventReceipt,
    GithubToken,
    Health,
    ModelInfo,
    ModelList,
    Revocation,
)
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import origin
from nimbus_sdk.errors import InvalidKeyError, KeyNotFoundError, ResponseFormatError
from nimbus_sdk.transport.flow import Flow, HeaderAuth, Request, Response, send
from nimbus_sdk.transport.parse import parse_response
from nimbus_sdk.transport.status import raise_for_status

EventType = Literal["inference", "model_load", "error"]
InferenceType = Literal["batch", "streaming"]
UNAVAILABLE = 503


def validate(base: str, key: ApiKey) -> Flow[tuple[Entitlement, Response]]:
    """Validate a key, and return its entitlement and the response.

    Raises:
        InvalidKeyError: The service does not know the key.
    """
    request = Request(
        name="validate",
        method="POST",
        url=f"{base}/v1/auth/validate",
        json={"api_key": key.reveal()},
        secrets=(key.reveal(),),
        per_minute=100,
    )
    response = yield from send(request)
    return _require_valid(parse_response(Entitlement, response)), response


def refresh(base: str, key: ApiKey, timeout: float | None = None) -> Flow[tuple[Entitlement, Response]]:
    """Return the current quota and features, without user fields, and the response.

    Args:
        base: Base URL of the API.
        key: The key.
        timeout: Seconds this may take, retries included, if fewer than the whole flow may take.

    Raises:
        InvalidKeyError: The service does not know the key any more.
    """
    request = Request(
        name="refresh",
        method="POST",
        url=f"{base}/v1/auth/refresh",
        json={"api_key": key.reveal()},
        secrets=(key.reveal(),),
        per_minute=10,
        timeout=timeout,
    )
    response = yield from send(request)
    return _require_valid(parse_response(Entitlement, response)), response


def revoke(base: str, key: ApiKey, reason: str | None) -> Flow[Revocation]:
    """Revoke a key for good.

    If the response to one attempt is lost and the next one finds no such key, the first has revoked it.

    Raises:
        KeyNotFoundError: The key does not exist, or was revoked before.
    """
    request = Request(
        name="revoke",
        method="POST",
        url=f"{base}/v1/auth/revoke",
        json={"api_key": key.reveal()} | ({} if reason is None else {"reason": reason}),
        secrets=(key.reveal(),),
        per_minute=10,
    )
    try:
        response = yield from send(request)
    except KeyNotFoundError as error:
        if error.answer_lost:
            return Revocation(revoked=True, message="Revoked; the first response was lost.")
        raise
    return parse_response(Revocation, response)


def github_token(base: str, key: ApiKey) -> Flow[GithubToken]:
    """Return a temporary token for the release of the core.

    Raises:
        NotConfiguredError: The service has none.
    """
    url = f"{base}/v1/installer/github-token"
    request = Request(name="github_token", method="GET", url=url, auth=_authorize(base, key), per_minute=20)
    response = yield from send(request)
    return parse_response(GithubToken, response)


def list_models(
    base: str, key: ApiKey, paradigm: str | None, model_type: str | None
) -> Flow[tuple[ModelInfo, ...]]:
    """Return the pre-trained models, filtered by paradigm and type.

    Raises:
        PermissionDeniedError: The license tier does not cover them.
    """
    request = Request(
        name="models",
        method="GET",
        url=f"{base}/v1/models/list",
        auth=_authorize(base, key),
        params={"paradigm": paradigm, "type": model_type},
        per_minute=60,
    )
    response = yield from send(request)
    return parse_response(ModelList, response).models


def log_event(
    base: str, key: ApiKey, event_type: EventType, details: Mapping[str, object]
) -> Flow[EventReceipt]:
    """Log an event. An inference counts against the quota, so it is not sent again after a lost response.

    Raises:
        QuotaExceededError: The monthly quota is used up.
    """
    fields = {name: value for name, value in details.items() if value is not None}
    request = Request(
        name="analytics",
        method="POST",
        url=f"{base}/v1/analytics/log",
        json={"api_key": key.reveal(), "event_type": event_type, **fields},
        secrets=(key.reveal(),),
        repeatable=False,
        per_minute=1000,
    )
    response = yield from send(request)
    return parse_response(EventReceipt, response)


def health(base: str) -> Flow[Health]:
    """Return the state of the service, also if that is not healthy."""
    request = Request(name="health", method="GET", url=f"{base}/api/health", accept=frozenset({UNAVAILABLE}))
    response = yield from send(request)
    if response.status == UNAVAILABLE:
        with suppress(ResponseFormatError):
            return parse_response(Health, response)
    # Any other 503 is a refusal, as at every endpoint.
    return parse_response(Health, raise_for_status(replace(request, accept=frozenset()), response))


def _require_valid(entitlement: Entitlement) -> Entitlement:
    if not entitlement.valid:
        raise InvalidKeyError("The service says that this key is not valid.", status=401)
    return entitlement


def _authorize(base: str, key: ApiKey) -> HeaderAuth:
    return HeaderAuth("X-API-Key", key.reveal(), origin(base))
