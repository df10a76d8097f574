"""Refusals of NeuroAI: code, status and wording.

Source: the section "Troubleshooting" of the NeuroAI documentation names the cases (401, 403, 429, expired
key, referrer restrictions); its samples are missing, so codes and form are an assumption of this SDK.
"""

from __future__ import annotations

from collections.abc import Mapping

NEUROAI_REFUSALS: Mapping[str, tuple[int, str]] = {
    "unauthorized": (401, "Invalid or missing API key"),
    "key_expired": (401, "API key has expired"),
    "forbidden": (403, "API key lacks the required permission"),
    "referrer_denied": (403, "API key is not allowed from this referrer"),
    "not_found": (404, "Resource not found"),
    "method_not_allowed": (405, "Method not allowed"),
    "conflict": (409, "Conflict"),
    "payload_too_large": (413, "Request body is too large"),
    "invalid_request": (422, "Invalid request"),
    "rate_limited": (429, "Rate limit exceeded"),
    "internal_error": (500, "Internal server error"),
    "service_unavailable": (503, "Service unavailable"),
}


class NeuroAiRefused(Exception):  # noqa: N818  an answer in the making, not an error of the program
    """Ends a request with NeuroAI's error body.

    Args:
        code: One of :data:`NEUROAI_REFUSALS`.
        message: In place of the usual wording.
        headers: Headers that this refusal adds to the answer.
    """

    def __init__(
        self, code: str, message: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.status, usual = NEUROAI_REFUSALS[code]
        self.message = message or usual
        self.headers = dict(headers or {})


def neuroai_error(code: str, message: str) -> dict[str, object]:
    """The JSON body of a refusal.

    Example:
        >>> neuroai_error("key_expired", "API key has expired")
        {'error': {'code': 'key_expired', 'message': 'API key has expired'}}
    """
    return {"error": {"code": code, "message": message}}
