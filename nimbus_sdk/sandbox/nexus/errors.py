"""Refusals of Nexus: status, message and the status in words.

Source: the section "Authentication Errors" of the Nexus API documentation for 401 and 403; the page shows no
others, which are written in the same form.
"""

from __future__ import annotations

from collections.abc import Mapping

from nimbus_sdk.sandbox.http.responses import Answered, json_reply

NEXUS_REFUSALS: Mapping[str, tuple[int, str]] = {
    "Bad Request": (400, "Bad request"),
    "Unauthorized": (401, "Invalid API key"),
    "Forbidden": (403, "Insufficient permissions"),
    "Not Found": (404, "Not found"),
    "Method Not Allowed": (405, "Method not allowed"),
    "Payload Too Large": (413, "Request body is too large"),
    "Too Many Requests": (429, "Rate limit exceeded"),
    "Internal Server Error": (500, "Internal server error"),
    "Bad Gateway": (502, "Bad gateway"),
    "Service Unavailable": (503, "Service unavailable"),
    "Gateway Timeout": (504, "Gateway timeout"),
}


def nexus_error(status: int, error: str, message: str) -> dict[str, object]:
    """The JSON body of a refusal.

    Example:
        >>> nexus_error(401, "Unauthorized", "Invalid API key")
        {'statusCode': 401, 'message': 'Invalid API key', 'error': 'Unauthorized'}
    """
    return {"statusCode": status, "message": message, "error": error}


def nexus_refusal(
    error: str, message: str | None = None, headers: Mapping[str, str] | None = None
) -> Answered:
    """What to raise to end a request with a refusal.

    Args:
        error: One of :data:`NEXUS_REFUSALS`.
        message: In place of the usual wording.
        headers: Headers that this refusal adds to the answer.
    """
    status, usual = NEXUS_REFUSALS[error]
    return Answered(json_reply(status, nexus_error(status, error, message or usual), headers))
