"""One conversation for each endpoint of the Nimbus API, as flows; no I/O happens here.

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
    """Ask whether a key is valid, and what it may do.

    Raises:
        InvalidKeyError: The service does not know the key.
    """
    step = Request(
        name="validate",
        method="POST",
        url=f"{base}/v1/auth/validate",
        json={"api_key": key.reveal()},
        secrets=(key.reveal(),),
        per_minute=100,
    )
    answer = yield from send(step)
    return _valid(parse_response(Entitlement, answer)), answer


def refresh(base: str, key: ApiKey, timeout: float | None = None) -> Flow[tuple[Entitlement, Response]]:
    """Ask for the current quota and features; the answer has no user fields.

    Args:
        base: Base URL of the API.
        key: The key.
        timeout: Seconds this may take, retries included, if fewer than the whole flow may take.

    Raises:
        InvalidKeyError: The service does not know the key any more.
    """
    step = Request(
        name="refresh",
        method="POST",
        url=f"{base}/v1/auth/refresh",
        json={"api_key": key.reveal()},
        secrets=(key.reveal(),),
        per_minute=10,
        timeout=timeout,
    )
    answer = yield from send(step)
    return _valid(parse_response(Entitlement, answer)), answer


def revoke(base: str, key: ApiKey, reason: str | None) -> Flow[Revocation]:
    """Revoke a key for good.

    A retry that finds no such key, after an attempt whose answer was lost, means that the first attempt
    has done it.

    Raises:
        KeyNotFoundError: The key does not exist, or was revoked before.
    """
    step = Request(
        name="revoke",
        method="POST",
        url=f"{base}/v1/auth/revoke",
        json={"api_key": key.reveal()} | ({} if reason is None else {"reason": reason}),
        secrets=(key.reveal(),),
        per_minute=10,
    )
    try:
        answer = yield from send(step)
    except KeyNotFoundError as error:
        if error.answer_lost:
            return Revocation(revoked=True, message="Revoked; the first answer was lost on its way.")
        raise
    return parse_response(Revocation, answer)


def github_token(base: str, key: ApiKey) -> Flow[GithubToken]:
    """Get the temporary token that opens the core's release.

    Raises:
        NotConfiguredError: The service has none to give.
    """
    url = f"{base}/v1/installer/github-token"
    step = Request(name="github_token", method="GET", url=url, auth=_key_header(base, key), per_minute=20)
    answer = yield from send(step)
    return parse_response(GithubToken, answer)


def list_models(
    base: str, key: ApiKey, paradigm: str | None, model_type: str | None
) -> Flow[tuple[ModelInfo, ...]]:
    """List the pre-trained models, filtered by paradigm and type where given.

    Raises:
        PermissionDeniedError: The license tier does not cover what was asked.
    """
    step = Request(
        name="models",
        method="GET",
        url=f"{base}/v1/models/list",
        auth=_key_header(base, key),
        params={"paradigm": paradigm, "type": model_type},
        per_minute=60,
    )
    answer = yield from send(step)
    return parse_response(ModelList, answer).models


def log_event(
    base: str, key: ApiKey, event_type: EventType, details: Mapping[str, object]
) -> Flow[EventReceipt]:
    """Log one event; an inference counts against the quota, so a lost answer is not sent again.

    Raises:
        QuotaExceededError: The month's quota is used up.
    """
    told = {name: value for name, value in details.items() if value is not None}
    step = Request(
        name="analytics",
        method="POST",
        url=f"{base}/v1/analytics/log",
        json={"api_key": key.reveal(), "event_type": event_type, **told},
        secrets=(key.reveal(),),
        repeatable=False,
        per_minute=1000,
    )
    answer = yield from send(step)
    return parse_response(EventReceipt, answer)


def health(base: str) -> Flow[Health]:
    """Ask how the service is; a service that says it is unwell has answered too."""
    step = Request(name="health", method="GET", url=f"{base}/api/health", accept=frozenset({UNAVAILABLE}))
    answer = yield from send(step)
    if answer.status == UNAVAILABLE:
        with suppress(ResponseFormatError):
            return parse_response(Health, answer)
    # A 503 in other words than health's own is a refusal like any other call's.
    return parse_response(Health, raise_for_status(replace(step, accept=frozenset()), answer))


def _valid(entitlement: Entitlement) -> Entitlement:
    if not entitlement.valid:
        raise InvalidKeyError("The service says that this key is not valid.", status=401)
    return entitlement


def _key_header(base: str, key: ApiKey) -> HeaderAuth:
    return HeaderAuth("X-API-Key", key.reveal(), origin(base))
