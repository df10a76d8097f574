"""Error bodies: the codes and wording of each service, and the JSON it writes them in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from nimbus_sdk.sandbox.http.responses import Response, json_response


class HttpError(Exception):
    """Ends a request with an error body, written in the format of its service.

    Args:
        code: One of the service's codes.
        message: Text for this case.
        headers: Headers to add to the response.
    """

    def __init__(
        self, code: str, message: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """What an error body is written from.

    Attributes:
        status: HTTP status.
        code: Error code.
        text: The documented wording of the code.
        message: Text for this case, or None.
        request_id: ``X-Request-ID`` of the exchange.
    """

    status: int
    code: str
    text: str
    message: str | None
    request_id: str

    @property
    def wording(self) -> str:
        """Text for this case, or else the documented one."""
        return self.message or self.text


@dataclass(frozen=True, slots=True)
class ErrorFormat:
    """How one service writes its errors.

    Attributes:
        codes: Status and wording by code.
        default_code: The code of a status that has none.
        body: Returns the JSON body.
        by_status: The code of a bare status; None takes the first code of that status.
    """

    codes: Mapping[str, tuple[int, str]]
    default_code: str
    body: Callable[[ErrorDetails], object]
    by_status: Mapping[int, str] | None = None

    def response(
        self,
        request_id: str,
        *,
        status: int | None = None,
        code: str | None = None,
        message: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Return an error response.

        Args:
            request_id: ``X-Request-ID`` of the exchange, for bodies that repeat it.
            status: HTTP status; None takes the code's own.
            code: Error code; None takes the usual one of the status.
            message: Text for this case.
            headers: Headers to add.
        """
        if status is None:
            status = self.codes.get(code or "", (500, ""))[0]
        if code is None:
            code = self._code_of(status)
        text = self.codes[code][1] if code in self.codes else _reason_phrase(status)
        details = ErrorDetails(status, code, text, message, request_id)
        return json_response(status, self.body(details), headers)

    def response_to(self, error: HttpError, request_id: str) -> Response:
        """Return the response that an error ends its request with."""
        return self.response(request_id, code=error.code, message=error.message, headers=error.headers)

    def _code_of(self, status: int) -> str:
        if self.by_status is not None:
            return self.by_status.get(status, self.default_code)
        codes = (code for code, (usual_status, _) in self.codes.items() if usual_status == status)
        return next(codes, self.default_code)


def _reason_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
