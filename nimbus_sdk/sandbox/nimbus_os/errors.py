"""Refusals of Nimbus OS: code, status, wording, and the body that carries the request's id.

Source: the section "Error Responses" of the Nimbus OS authentication page for 401 and 403; the page shows
no others, which are written in the same form.
"""

from __future__ import annotations

from collections.abc import Mapping

from nimbus_sdk.sandbox.http.responses import Answered, json_reply

NIMBUS_OS_REFUSALS: Mapping[str, tuple[int, str]] = {
    "invalid_request": (400, "Invalid request"),
    "unauthorized": (401, "Invalid or missing API key"),
    "forbidden": (403, "Insufficient permissions"),
    "not_found": (404, "Resource not found"),
    "method_not_allowed": (405, "Method not allowed"),
    "conflict": (409, "Conflict"),
    "payload_too_large": (413, "Request body is too large"),
    "rate_limited": (429, "Rate limit exceeded"),
    "internal_error": (500, "Internal server error"),
    "service_unavailable": (503, "Service unavailable"),
}


def nimbus_os_error(code: str, message: str, request_id: str) -> dict[str, object]:
    """The JSON body of a refusal.

    Example:
        >>> nimbus_os_error("forbidden", "Insufficient permissions", "req_abc123")
        {'error': {'code': 'forbidden', 'message': 'Insufficient permissions', 'requestId': 'req_abc123'}}
    """
    return {"error": {"code": code, "message": message, "requestId": request_id}}


def nimbus_os_refusal(
    code: str, request_id: str, message: str | None = None, headers: Mapping[str, str] | None = None
) -> Answered:
    """What to raise to end a request with a refusal.

    Args:
        code: One of :data:`NIMBUS_OS_REFUSALS`.
        request_id: ``X-Request-ID`` of the exchange.
        message: In place of the usual wording.
        headers: Headers that this refusal adds to the answer.
    """
    status, usual = NIMBUS_OS_REFUSALS[code]
    return Answered(json_reply(status, nimbus_os_error(code, message or usual, request_id), headers))
