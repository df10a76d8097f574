"""The log of the requests that the sandbox received, in order, with secrets masked."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from nimbus_sdk.sandbox.http.masking import mask_headers, mask_path, mask_text

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_ENTRIES = 10_000


@dataclass(slots=True)
class Exchange:
    """One request and its response.

    Attributes:
        seq: Number of the request in this sandbox, from 1, in order of arrival.
        method: HTTP method.
        path: Path and query, secrets masked.
        endpoint: The endpoint's name, ``unknown`` if there is none.
        status: Status sent; None before the response, or if the connection was cut before its head.
        request_id: ``X-Request-ID`` of the exchange.
        headers: Request headers by lower-case name, secrets masked.
        received_at: Unix second of arrival, by the sandbox's clock.
        bytes_sent: Bytes of body sent so far.
        range: The ``Range`` header, or None.
    """

    seq: int
    method: str
    path: str
    endpoint: str
    status: int | None
    request_id: str
    headers: Mapping[str, str]
    received_at: float
    bytes_sent: int
    range: str | None

    def to_dict(self) -> dict[str, object]:
        """Return the exchange as JSON-ready values."""
        return asdict(self)


class RequestLog:
    """The last 10,000 exchanges."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._exchanges: deque[Exchange] = deque(maxlen=MAX_ENTRIES)

    def add(self, request: Request, endpoint: str, request_id: str, received_at: float) -> Exchange:
        """Record a request; the server updates the returned exchange as the response is sent."""
        headers = mask_headers(request.headers.items())
        with self._lock:
            self._count += 1
            exchange = Exchange(
                seq=self._count,
                method=request.method,
                path=mask_path(request.scope["path"], request.scope["query_string"].decode("latin-1")),
                endpoint=endpoint,
                status=None,
                request_id=mask_text(request_id),
                headers=headers,
                received_at=received_at,
                bytes_sent=0,
                range=headers.get("range"),
            )
            self._exchanges.append(exchange)
        return exchange

    def exchanges(self) -> list[Exchange]:
        """Return copies of all exchanges in their present state, oldest first."""
        with self._lock:
            return [replace(exchange) for exchange in self._exchanges]

    def clear(self) -> None:
        """Remove all exchanges; the numbering continues."""
        with self._lock:
            self._exchanges.clear()
