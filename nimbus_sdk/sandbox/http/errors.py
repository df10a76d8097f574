"""Error bodies: the codes and wording of each service, and the JSON it writes them in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import responses as reason_phrases
from typing import NamedTuple

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


class ErrorDetails(NamedTuple):
    """What an error body is written from; ``text`` is the documented wording, ``message`` that of a case."""

    status: int
    code: str
    text: str
    message: str | None
    request_id: str


@dataclass(frozen=True, slots=True)
class ErrorFormat:
    """How one service writes its errors.

    Attributes:
        codes: Status and wording by code.
        default_code: The code of a status that has none.
        body: Returns the JSON body.
        by_status: The code of a bare status, where that is not the first code of that status.
    """

    codes: Mapping[str, tuple[int, str]]
    default_code: str
    body: Callable[[ErrorDetails], object]
    by_status: Mapping[int, str] = field(default_factory=dict)

    def response(
        self,
        request_id: str,
        *,
        status: int | None = None,
        code: str | None = None,
        message: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Return an error response; status and code default to what is usual for the other of them."""
        if status is None:
            status = self.codes.get(code or "", (500, ""))[0]
        if code is None:
            codes = (name for name, (usual_status, _) in self.codes.items() if usual_status == status)
            code = self.by_status.get(status) or next(codes, self.default_code)
        text = self.codes[code][1] if code in self.codes else reason_phrases.get(status, "Unknown")
        details = ErrorDetails(status, code, text, message, request_id)
        return json_response(status, self.body(details), headers)

    def response_to(self, error: HttpError, request_id: str) -> Response:
        """Return the response that an error ends its request with."""
        return self.response(request_id, code=error.code, message=error.message, headers=error.headers)
