"""Errors of Nimbus OS.

Source: the section "Error Responses" of the Nimbus OS authentication page for 401 and 403; the page shows
no others, which are written in the same form.
"""

from __future__ import annotations

from nimbus_sdk.sandbox.http.errors import ErrorFormat

NIMBUS_OS_ERRORS = ErrorFormat(
    codes={
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
    },
    default_code="internal_error",
    body=lambda error: {
        "error": {"code": error.code, "message": error.wording, "requestId": error.request_id}
    },
)
