"""What was asked of the sandbox, in order, without a secret in it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from nimbus_sdk.sandbox.http.masking import mask_headers, mask_path, mask_text

KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what became of it.

    Attributes:
        seq: 1 for the first request of this sandbox, and so on, in order of arrival.
        method: HTTP method.
        path: Path and query, secrets masked.
        endpoint: The endpoint's name, ``unknown`` where there is none.
        status: Status sent; None while unanswered, or where the connection was cut before the head.
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
        """The exchange as JSON-ready values."""
        return asdict(self)


class Journal:
    """The last 10,000 exchanges."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._exchanges: deque[Entry] = deque(maxlen=KEPT)

    def open(
        self,
        *,
        method: str,
        path: str,
        query: str,
        endpoint: str,
        request_id: str,
        headers: Iterable[tuple[str, str]],
        received_at: float,
    ) -> Entry:
        """Note an arrival; the entry is filled in as the answer goes out."""
        masked = mask_headers(headers)
        with self._lock:
            self._count += 1
            entry = Entry(
                Exchange(
                    seq=self._count,
                    method=method,
                    path=mask_path(path, query),
                    endpoint=endpoint,
                    status=None,
                    request_id=mask_text(request_id),
                    headers=masked,
                    received_at=received_at,
                    bytes_sent=0,
                    range=masked.get("range"),
                )
            )
            self._exchanges.append(entry)
        return entry

    def exchanges(self) -> list[Exchange]:
        """All that is kept, oldest first, as it stands now."""
        with self._lock:
            return [entry.exchange for entry in self._exchanges]

    def clear(self) -> None:
        """Forget what was noted; numbering goes on."""
        with self._lock:
            self._exchanges.clear()


class Entry:
    """An exchange under way; only the server's thread writes to it."""

    __slots__ = ("exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def answered(self, status: int) -> None:
        """The head with this status goes out now."""
        self.exchange = replace(self.exchange, status=status)

    def sent(self, count: int) -> None:
        """So many more bytes of body go out now."""
        self.exchange = replace(self.exchange, bytes_sent=self.exchange.bytes_sent + count)
