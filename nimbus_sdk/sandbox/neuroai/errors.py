"""Errors of NeuroAI.

Source: the section "Troubleshooting" of the NeuroAI documentation names the cases (401, 403, 429, expired
key, referrer restrictions); its samples are missing, so codes and form are an assumption of this SDK.
"""

from __future__ import annotations

from nimbus_sdk.sandbox.http.errors import ErrorFormat

NEUROAI_ERRORS = ErrorFormat(
    codes={
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
    },
    default_code="internal_error",
    body=lambda error: {"error": {"code": error.code, "message": error.wording}},
)
