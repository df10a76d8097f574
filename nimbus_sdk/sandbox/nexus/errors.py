"""Errors of Nexus.

Source: the section "Authentication Errors" of the Nexus API documentation for 401 and 403; the page shows no
others, which are written in the same form.
"""

from __future__ import annotations

from nimbus_sdk.sandbox.http.errors import ErrorFormat

NEXUS_ERRORS = ErrorFormat(
    codes={
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
    },
    default_code="Internal Server Error",
    body=lambda error: {"statusCode": error.status, "message": error.wording, "error": error.code},
)
