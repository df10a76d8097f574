"""The endpoints of the Nimbus API, each as a flow; no I/O happens here.

The errors of each are documented at the methods of the clients.

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
from nimbus_sdk.transport.status_errors import raise_for_status

EventType = Literal["inference", "model_load", "error"]
InferenceType = Literal["batch", "streaming"]
UNAVAILABLE = 503


def validate(base: str, key: ApiKey) -> Flow[tuple[Entitlement, Response]]:
    """Validate a key, and return its entitlement and the response."""
    response = yield from send(_post("validate", f"{base}/v1/auth/validate", key, 100))
    entitlement = _require_valid(parse_response(Entitlement, response))
    absent = [name for name in ("user_id", "email") if not getattr(entitlement, name)]
    if absent:
        raise ResponseFormatError(
            f"The service accepted the key, but did not say whose it is ({', '.join(absent)})."
        )
    return entitlement, response


def refresh(base: str, key: ApiKey, timeout: float | None = None) -> Flow[tuple[Entitlement, Response]]:
    """Return the current quota and features, without user fields, and the response.

    ``timeout`` seconds are what this may take, retries included, if fewer than the whole flow may take.
    """
    request = _post("refresh", f"{base}/v1/auth/refresh", key, 10)
    response = yield from send(replace(request, timeout=timeout))
    return _require_valid(parse_response(Entitlement, response)), response


def revoke(base: str, key: ApiKey, reason: str | None) -> Flow[Revocation]:
    """Revoke a key permanently.

    If the response to one attempt is lost and the next one finds no such key, the first has revoked it.
    """
    request = _post("revoke", f"{base}/v1/auth/revoke", key, 10, {"reason": reason})
    try:
        response = yield from send(request)
    except KeyNotFoundError as error:
        if error.answer_lost:
            return Revocation(revoked=True, message="Revoked; the first response was lost.")
        raise
    return parse_response(Revocation, response)


def github_token(base: str, key: ApiKey) -> Flow[GithubToken]:
    """Return a temporary token for the release of the core."""
    url = f"{base}/v1/installer/github-token"
    request = Request(name="github_token", method="GET", url=url, auth=_authorize(base, key), per_minute=20)
    response = yield from send(request)
    return parse_response(GithubToken, response)


def list_models(
    base: str, key: ApiKey, paradigm: str | None, model_type: str | None
) -> Flow[tuple[ModelInfo, ...]]:
    """Return the pre-trained models, filtered by paradigm and type."""
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
    """Log an event. An inference counts against the quota, so it is not sent again after a lost response."""
    fields = {"event_type": event_type, **details}
    request = _post("analytics", f"{base}/v1/analytics/log", key, 1000, fields)
    response = yield from send(replace(request, repeatable=False))
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


def _post(
    name: str, url: str, key: ApiKey, per_minute: int, fields: Mapping[str, object] | None = None
) -> Request:
    """Return a request with the key in its body; fields of None are omitted."""
    given = {field: value for field, value in (fields or {}).items() if value is not None}
    return Request(
        name=name,
        method="POST",
        url=url,
        json={"api_key": key.reveal(), **given},
        secrets=(key.reveal(),),
        per_minute=per_minute,
    )


def _authorize(base: str, key: ApiKey) -> HeaderAuth:
    return HeaderAuth("X-API-Key", key.reveal(), origin(base))
