"""Misbehaviour on demand: faults of an endpoint, and switches of the whole sandbox."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.errors.suggestions import list_choices
from nimbus_sdk.sandbox.http.responses import ErrorFormat, HttpError, Response, json_response

_MAX_COUNT = 2**62
_REAL = (int, float)
_NUMBERS: Mapping[str, tuple[type | tuple[type, ...], float, float, str]] = {
    "status": (int, 100, 599, "an HTTP status from 100 to 599"),
    "delay": (_REAL, 0, 86_400, "a number of seconds from 0 to 86,400"),
    "truncate": (int, 0, _MAX_COUNT, "a number of bytes, 0 or more"),
    "drip": (_REAL, 1e-3, _MAX_COUNT, "a number of bytes per second above 0"),
    "date_offset": (_REAL, -1e10, 1e11, "a number of seconds within some thousand years"),
    "times": (int, 1, _MAX_COUNT, "a number of requests, 1 or more, or None for all"),
    "after": (int, 0, _MAX_COUNT, "a number of requests, 0 or more"),
}
_CAPTIVE_PORTAL = (
    b"<!DOCTYPE html><html><head><title>Guest network</title></head>"
    b"<body><h1>Sign in to use this network</h1><form><input name=room></form></body></html>"
)

Endpoint = Literal[
    "validate",
    "refresh",
    "revoke",
    "github_token",
    "models",
    "model_file",
    "analytics",
    "health",
    "release",
    "asset",
    "nimbus_os",
    "neuroai_keys",
    "neuroai_key",
    "neuroai_rotate",
    "neuroai_verify",
    "neuroai_audit",
    "neuroai_agents",
    "neuroai",
    "nexus_thread",
    "nexus",
    "storage",
]
ENDPOINTS: tuple[str, ...] = get_args(Endpoint)
Reset = Literal["before_head", "after_work", "after_head"]


@dataclass(slots=True)
class Switches:
    """Settings that can be changed while the sandbox runs.

    Attributes:
        github_configured: False makes github_token answer 503 NOT_CONFIGURED.
        healthy: False makes health answer 503.
        token_lifetime: Seconds until a GitHub token expires; None is never.
        link_lifetime: Seconds until the signed link to an asset expires.
        neuroai_camel_case: True makes NeuroAI write names in its answers in camelCase.
    """

    github_configured: bool = True
    healthy: bool = True
    token_lifetime: float | None = 3600.0
    link_lifetime: float = 300.0
    neuroai_camel_case: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. Only what is set goes wrong; the rest of the response is unchanged.

    Faults of one endpoint take effect in the order in which they were set.

    Attributes:
        endpoint: Name of the endpoint, as listed in ``nimbus_sdk.sandbox``.
        status: HTTP status, with a matching error body unless another body is set.
        code: Error code of that body; without a status it brings its usual one.
        body: JSON values to send instead of the real body, or text to send as it is.
        headers: Headers to add or replace.
        content_type: ``Content-Type`` to send.
        delay: Seconds to wait before the response.
        reset: Cut the connection with a TCP RST: before any work is done, after the work is done and before
            the response's head (a lost response), or right after the head.
        truncate: Bytes of body after which the connection closes; ``Content-Length`` stays that of the whole.
        corrupt_digest: Change one byte of a file, or one digit of the digests in JSON, so that file and
            digest differ.
        wrong_length: Send half of the true ``Content-Length``.
        html: Send the log-in page of a captive portal with status 200.
        redirect: Send 302 to this URL.
        drip: Bytes of body per second.
        raw_body: Bytes to send instead of the real body.
        date_offset: Seconds by which the ``Date`` header is wrong.
        times: Number of requests that fail; None is all.
        after: Number of requests that succeed first.
    """

    endpoint: Endpoint = field(kw_only=False)
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
        if self.reset not in (None, *get_args(Reset)):
            raise ConfigurationError(
                f"reset is {self.reset!r}.", hint=list_choices(self.reset, get_args(Reset))
            )
        for name, (kind, minimum, maximum, meaning) in _NUMBERS.items():
            number: float | None = getattr(self, name)
            if number is None:
                continue
            if not isinstance(number, kind) or isinstance(number, bool) or not minimum <= number <= maximum:
                raise ConfigurationError(f"{name} must be {meaning}.")
        headers = self.headers or {}
        texts = [self.code, self.content_type, self.redirect]
        if not isinstance(headers, Mapping) or not all(
            isinstance(text, str) for text in (*headers, *headers.values(), *filter(None, texts))
        ):
            raise ConfigurationError("code, content_type, redirect and all headers must be text.")

    @property
    def breaks_http(self) -> bool:
        """Whether the response is invalid HTTP, which no HTTP library would write."""
        return self.truncate is not None or self.wrong_length or self.reset == "after_head"

    def replacement(self, errors: ErrorFormat, request_id: str) -> Response | None:
        """Return the response to send instead of the endpoint's own, or None to send that one."""
        if self.redirect is not None:
            return Response(self.status or 302, {"Location": self.redirect})
        if self.raw_body is not None:
            return self._whole("application/octet-stream", self.raw_body)
        if self.html:
            return self._whole("text/html; charset=utf-8", _CAPTIVE_PORTAL)
        if isinstance(self.body, str):
            return self._whole("text/plain; charset=utf-8", self.body.encode())
        if self.body is not None:
            return json_response(self.status or 200, self.body)
        if self.status is None and self.code is None:
            return None
        return errors.response(HttpError(self.code, status=self.status), request_id)

    def _whole(self, content_type: str, body: bytes) -> Response:
        return Response(self.status or 200, {"Content-Type": content_type}, body)


NO_FAULT = Fault(endpoint="health")
"""A fault in which nothing is wrong, for whatever endpoint."""


class FaultQueues:
    """The faults to come; each endpoint has a queue of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[str, list[Fault]] = {}

    def add(self, fault: Fault) -> None:
        """Append a fault to the queue of its endpoint; raise ConfigurationError if there is none."""
        if fault.endpoint not in ENDPOINTS:
            raise ConfigurationError(
                f"The sandbox has no endpoint {fault.endpoint!r}.",
                hint=list_choices(fault.endpoint, ENDPOINTS),
            )
        with self._lock:
            self._queues.setdefault(fault.endpoint, []).append(fault)

    def pending(self) -> list[Fault]:
        """Return the faults to come, with the requests that are left to each."""
        with self._lock:
            return [fault for queue in self._queues.values() for fault in queue]

    def take(self, endpoint: str) -> Fault:
        """Return the fault of this request, or ``NO_FAULT``."""
        with self._lock:
            queue = self._queues.get(endpoint)
            if not queue:
                return NO_FAULT
            first = queue[0]
            if first.after:
                queue[0] = replace(first, after=first.after - 1)
                return NO_FAULT
            if first.times == 1:
                queue.pop(0)
            elif first.times is not None:
                queue[0] = replace(first, times=first.times - 1)
            return first

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._queues.clear()
