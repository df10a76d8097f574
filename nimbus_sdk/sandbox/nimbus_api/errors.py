"""Errors of the Nimbus API.

Source: the table "Error Codes" and the error examples of the Nimbus API documentation.
"""

from __future__ import annotations

from dataclasses import replace

from nimbus_sdk.sandbox.http.errors import ErrorDetails, ErrorFormat


def _body(error: ErrorDetails) -> dict[str, object]:
    body: dict[str, object] = {"error": error.text, "code": error.code}
    return body if error.message is None else {**body, "message": error.message}


NIMBUS_API_ERRORS = ErrorFormat(
    codes={
        "MISSING_KEY": (400, "API key is required"),
        "INVALID_FORMAT": (400, "Invalid API key format"),
        "MISSING_EVENT_TYPE": (400, "Event type is required"),
        "INVALID_KEY": (401, "Invalid or inactive API key"),
        "KEY_EXPIRED": (401, "API key has expired"),
        "PERMISSION_DENIED": (403, "License tier does not cover this"),
        "KEY_NOT_FOUND": (404, "API key not found or already revoked"),
        "NOT_FOUND": (404, "Not found"),
        "METHOD_NOT_ALLOWED": (405, "Method not allowed"),
        "PAYLOAD_TOO_LARGE": (413, "Request body is too large"),
        "QUOTA_EXCEEDED": (429, "Monthly quota exceeded"),
        "RATE_LIMIT_EXCEEDED": (429, "Rate limit exceeded"),
        "SERVER_ERROR": (500, "Internal server error"),
        "NOT_CONFIGURED": (503, "GitHub token not configured"),
    },
    default_code="SERVER_ERROR",
    body=_body,
    by_status={
        400: "INVALID_FORMAT",
        401: "INVALID_KEY",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        405: "METHOD_NOT_ALLOWED",
        413: "PAYLOAD_TOO_LARGE",
        429: "RATE_LIMIT_EXCEEDED",
    },
)
REVOKE_ERRORS = replace(
    NIMBUS_API_ERRORS, by_status={**(NIMBUS_API_ERRORS.by_status or {}), 404: "KEY_NOT_FOUND"}
)
