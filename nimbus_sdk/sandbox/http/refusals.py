"""Refusals of the Nimbus API: code, status and wording.

Source: the table "Error Codes" and the error examples of the Nimbus API documentation.
"""

from __future__ import annotations

from collections.abc import Mapping

REFUSALS: Mapping[str, tuple[int, str]] = {
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
}

USUAL_CODES: Mapping[int, str] = {
    400: "INVALID_FORMAT",
    401: "INVALID_KEY",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "PAYLOAD_TOO_LARGE",
    429: "RATE_LIMIT_EXCEEDED",
}


class Refused(Exception):  # noqa: N818  an answer in the making, not an error of the program
    """Ends a request with the API's error body.

    Args:
        code: One of :data:`REFUSALS`.
        message: The optional third field of the body, for people.
        headers: Headers that this refusal adds to the answer.
    """

    def __init__(
        self, code: str, message: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """HTTP status of this refusal."""
        return REFUSALS[self.code][0]

    def body(self) -> dict[str, object]:
        """The JSON body.

        Example:
            >>> Refused("INVALID_KEY").body()
            {'error': 'Invalid or inactive API key', 'code': 'INVALID_KEY'}
        """
        body: dict[str, object] = {"error": REFUSALS[self.code][1], "code": self.code}
        if self.message is not None:
            body["message"] = self.message
        return body
