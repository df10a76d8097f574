"""Faults on demand: what an endpoint is to do wrong, how often, and after how many good answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.error_bodies import ENDPOINTS, error_reply
from nimbus_sdk.sandbox.http.responses import Reply, json_reply

_MOST = 2**62
_REAL = (int, float)
_NUMBERS: Mapping[str, tuple[type | tuple[type, ...], float, float, str]] = {
    "status": (int, 100, 599, "a status of HTTP, from 100 to 599"),
    "delay": (_REAL, 0, 86_400, "a number of seconds from 0 on"),
    "truncate": (int, 0, _MOST, "a number of bytes from 0 on"),
    "drip": (_REAL, 1e-3, _MOST, "a number of bytes per second above 0"),
    "date_offset": (_REAL, -1e10, 1e11, "a number of seconds within some thousand years"),
    "times": (int, 1, _MOST, "a number of requests from 1 on, or None for ever"),
    "after": (int, 0, _MOST, "a number of requests from 0 on"),
}
_CAPTIVE_PORTAL = (
    b"<!DOCTYPE html><html><head><title>Guest network</title></head>"
    b"<body><h1>Sign in to use this network</h1><form><input name=room></form></body></html>"
)

Reset = Literal["before_head", "after_work", "after_head"]


class FaultFields(TypedDict, total=False):
    """The fields of :class:`Fault` but its endpoint, as keyword arguments."""

    status: int | None
    code: str | None
    body: object
    headers: Mapping[str, str] | None
    content_type: str | None
    delay: float | None
    reset: Reset | None
    truncate: int | None
    corrupt_digest: bool
    wrong_length: bool
    html: bool
    redirect: str | None
    drip: float | None
    raw_body: bytes | None
    date_offset: float | None
    times: int | None
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. Only what is set goes wrong; the rest of the answer stays as it is.

    Attributes:
        endpoint: Where it strikes: one of :data:`nimbus_sdk.sandbox.http.error_bodies.ENDPOINTS`.
        status: HTTP status, with an error body to match unless another body is set.
        code: Error code of that body; alone it brings its usual status.
        body: JSON values to answer in place of the real body, or text as it is.
        headers: Headers to add or replace.
        content_type: ``Content-Type`` to send.
        delay: Seconds before anything is answered.
        reset: Cut the connection with a TCP RST: before anything is done, after the work is done and before
            its answer's head (a lost answer), or right after the head.
        truncate: Bytes of body after which the connection closes; ``Content-Length`` still tells all.
        corrupt_digest: What is served no longer fits the published digest: one byte of a file, or one digit
            of the digests in JSON, is changed.
        wrong_length: ``Content-Length`` tells half of what is sent.
        html: The log-in page of a captive portal, status 200, in place of the answer.
        redirect: 302 to this URL in place of the answer.
        drip: Bytes of body per second.
        raw_body: Bytes to answer in place of the real body.
        date_offset: Seconds by which the ``Date`` header is wrong.
        times: Requests it strikes; None is for ever.
        after: Requests that pass first.
    """

    endpoint: str
    status: int | None = None
    code: str | None = None
    body: object = None
    headers: Mapping[str, str] | None = None
    content_type: str | None = None
    delay: float | None = None
    reset: Reset | None = None
    truncate: int | None = None
    corrupt_digest: bool = False
    wrong_length: bool = False
    html: bool = False
    redirect: str | None = None
    drip: float | None = None
    raw_body: bytes | None = None
    date_offset: float | None = None
    times: int | None = 1
    after: int = 0

    def __post_init__(self) -> None:
        if self.endpoint not in ENDPOINTS:
            raise ConfigurationError(
                f"The sandbox has no endpoint {self.endpoint!r}.", hint=f"Take one of {', '.join(ENDPOINTS)}."
            )
        if self.reset not in (None, "before_head", "after_work", "after_head"):
            raise ConfigurationError(f"reset is before_head, after_work or after_head, not {self.reset!r}.")
        for name, (kind, least, most, words) in _NUMBERS.items():
            number: float | None = getattr(self, name)
            if number is None:
                continue
            if not isinstance(number, kind) or isinstance(number, bool) or not least <= number <= most:
                raise ConfigurationError(f"{name} is {words}.")
        headers = self.headers or {}
        texts = [self.code, self.content_type, self.redirect]
        if not isinstance(headers, Mapping) or not all(
            isinstance(text, str) for text in (*headers, *headers.values(), *filter(None, texts))
        ):
            raise ConfigurationError("code, content_type, redirect and all headers are text.")

    @property
    def cuts(self) -> bool:
        """Whether the answer breaks the rules of HTTP, so that no HTTP library would write it."""
        return self.truncate is not None or self.wrong_length or self.reset == "after_head"

    def replacement(self, request_id: str) -> Reply | None:
        """The answer to send in place of the endpoint's own; None where that one stands.

        Args:
            request_id: ``X-Request-ID`` of the exchange, for error bodies that repeat it.
        """
        if self.redirect is not None:
            return Reply(self.status or 302, {"Location": self.redirect})
        if self.raw_body is not None:
            return Reply(self.status or 200, {"Content-Type": "application/octet-stream"}, self.raw_body)
        if self.html:
            return Reply(self.status or 200, {"Content-Type": "text/html; charset=utf-8"}, _CAPTIVE_PORTAL)
        if isinstance(self.body, str):
            return Reply(
                self.status or 200, {"Content-Type": "text/plain; charset=utf-8"}, self.body.encode()
            )
        if self.body is not None:
            return json_reply(self.status or 200, self.body)
        if self.status is None and self.code is None:
            return None
        return error_reply(self.endpoint, self.status, self.code, request_id)


NO_FAULT = Fault(endpoint="health")


class FaultBook:
    """The faults to come; each endpoint meets them in the order in which they were set."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[_Pending]] = {}

    def add(self, fault: Fault) -> None:
        """Set a fault."""
        with self._lock:
            self._waiting.setdefault(fault.endpoint, []).append(_Pending(fault, fault.after, fault.times))

    def take(self, endpoint: str) -> Fault:
        """The fault that strikes this request; :data:`NO_FAULT` where none does."""
        with self._lock:
            waiting = self._waiting.get(endpoint)
            if not waiting:
                return NO_FAULT
            first = waiting[0]
            if first.to_pass:
                first.to_pass -= 1
                return NO_FAULT
            if first.left is not None:
                first.left -= 1
                if first.left == 0:
                    waiting.pop(0)
            return first.fault

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._waiting.clear()


@dataclass(slots=True)
class _Pending:
    fault: Fault
    to_pass: int
    left: int | None


def fault_from_json(text: bytes) -> Fault:
    """A fault from a JSON object with the fields of :class:`Fault`; ``raw_body`` is text there.

    Raises:
        ConfigurationError: It is no such object.
    """
    try:
        fields = json.loads(text)
        if isinstance(fields.get("raw_body"), str):
            fields["raw_body"] = fields["raw_body"].encode()
        return Fault(**fields)
    except (ValueError, TypeError, AttributeError) as fault:
        raise ConfigurationError(f"This is not a fault: {fault}.") from fault
