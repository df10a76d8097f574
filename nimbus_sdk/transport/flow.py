"""Flows: requests, blocking jobs and waits as data; no I/O happens here.

A flow is a generator: it yields steps and receives their results. ``Driver`` and ``AsyncDriver`` run
the same flow, so that the blocking and the awaitable API share one definition.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias, TypeVar, cast

from nimbus_sdk.config.keys import maskable_forms
from nimbus_sdk.config.settings import origin
from nimbus_sdk.errors import ConfigurationError, ResponseFormatError

T = TypeVar("T")

BODY_LIMIT = 4 * 2**20
"""Largest body in bytes that is read into memory; a sink may receive more."""


class Sink(Protocol):
    """Receives the body of a download while it arrives, over as many attempts as it takes."""

    @property
    def progress(self) -> int:
        """Rises whenever more of the body has arrived than at any time before."""
        ...

    def request_headers(self) -> Mapping[str, str]:
        """Headers for the next attempt: ``Range`` and ``If-Range`` if a part is stored already."""
        ...

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Start a response with status 200 or 206; header names are in lower case."""
        ...

    def write(self, chunk: bytes) -> None:
        """Receive the next bytes of the body."""
        ...

    def pause(self, seconds: float) -> None:
        """Note that the attempt has failed and the next one begins in some seconds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to a service, and how it may be retried.

    Attributes:
        name: Name of the endpoint, for limits, logs and messages (``validate``, ``asset``…).
        method: HTTP method.
        url: Absolute URL, without any secret.
        auth: Header that authenticates it, bound to one origin, or None.
        headers: Further headers.
        params: Query; values of None are omitted.
        json: Body, sent as JSON; None sends none.
        secrets: Secrets in the body; masked wherever the service repeats them.
        repeatable: May be sent again if its response was lost.
        per_minute: Requests a minute that the service documents for it, or None.
        timeout: Seconds this request may take, retries included, if fewer than the flow has left.
        silence: Seconds without a byte after which an attempt ends; None: half of those left, at least 15.
        sink: Receives the body of a 200 or 206; the response's own body is empty then.
        accept: Statuses beside 2xx that raise no error.
        settling: Those of them that may pass within seconds, since the service has just issued the secret.
    """

    name: str
    method: str
    url: str
    auth: HeaderAuth | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str | None] = field(default_factory=dict)
    json: object = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    repeatable: bool = True
    per_minute: int | None = None
    timeout: float | None = None
    silence: float | None = None
    sink: Sink | None = None
    accept: frozenset[int] = frozenset()
    settling: frozenset[int] = frozenset()

    @property
    def maskable(self) -> tuple[str, ...]:
        """Every secret in body and headers, in each form that must be masked in what the service says."""
        secrets = self.secrets if self.auth is None else (*self.secrets, self.auth.secret)
        return tuple(form for secret in secrets for form in maskable_forms(secret))


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The response to a request; header names are in lower case.

    Attributes:
        clock_offset: Seconds by which the service's clock is ahead of ours, or None without a Date header.
        secrets: Secrets of the request; masked in every text taken from the response.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    request_id: str | None = None
    clock_offset: float | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def json(self) -> object:
        """The body as JSON.

        Raises:
            ResponseFormatError: It is not JSON, is nested too deep, or names a field twice.
        """
        try:
            return json.loads(self.body, object_pairs_hook=_reject_duplicates)
        except (ValueError, RecursionError) as error:
            fault = type(error).__name__
        from nimbus_sdk.transport.redaction import sanitize

        kind = sanitize(self.headers.get("content-type", "no content type"), self.secrets, limit=80)
        # Raised here and not in the handler: json's error contains the whole body, perhaps with a token.
        raise ResponseFormatError(
            f"The service answered {self.status} with something that is not the JSON expected "
            f"({kind}, {len(self.body)} bytes, {fault})."
        )


@dataclass(frozen=True, slots=True)
class Blocking:
    """A blocking job on this machine: disk, keyring, hashing. AsyncDriver runs it in a thread."""

    run: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Sleep:
    """A wait for another process on this machine, in seconds; it does not count against the deadline."""

    seconds: float


Step: TypeAlias = Request | Blocking | Sleep
Flow: TypeAlias = Generator[Step, object, T]


def send(request: Request) -> Flow[Response]:
    """Send a request from within a flow: ``response = yield from send(Request(…))``."""
    response = cast(Response, (yield request))
    return replace(response, secrets=request.maskable)


def run_blocking(run: Callable[[], T]) -> Flow[T]:
    """Have the driver run a blocking job: ``record = yield from run_blocking(store.read)``."""
    return cast(T, (yield Blocking(run)))


def sleep(seconds: float) -> Flow[None]:
    """Have the driver wait."""
    yield Sleep(seconds)


def sleep_between(attempts: Iterator[float], waiting: Callable[[], None] | None = None) -> Flow[None]:
    """Make each attempt, such as those of ``Lock.retries``, a blocking job, and sleep as long as it says.

    ``waiting`` is called once, before the first sleep.
    """
    while (seconds := (yield from run_blocking(lambda: next(attempts, None)))) is not None:
        if waiting is not None:
            waiting()
            waiting = None
        yield from sleep(seconds)


def _reject_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field occurs twice")
    return fields


@dataclass(frozen=True, slots=True)
class HeaderAuth:
    """A header that authenticates a request, such as ``X-API-Key`` or ``Authorization: Bearer``.

    Args:
        name: Header name.
        secret: The key or token; not in the ``repr``.
        origin: Scheme, host and port that may receive it, from ``nimbus_sdk.config.settings.origin``.
        prefix: Text before the secret, such as ``"Bearer "``.

    Examples:
        >>> auth = HeaderAuth("X-API-Key", "s3cret", "https://api.nimbusbci.com:443")
        >>> auth
        HeaderAuth(name='X-API-Key', origin='https://api.nimbusbci.com:443', prefix='')
        >>> auth.headers("https://api.nimbusbci.com/v1/models/list")
        {'X-API-Key': 's3cret'}
    """

    name: str
    secret: str = field(repr=False)
    origin: str
    prefix: str = ""

    def headers(self, url: str) -> dict[str, str]:
        """Return the header for a URL.

        Raises:
            ConfigurationError: The URL has another origin than the secret is for.
        """
        if origin(url) != self.origin:
            raise ConfigurationError(
                f"A credential for {self.origin} was about to go to {origin(url)}; it was not sent.",
                hint="Check NIMBUS_SDK_API_URL and NIMBUS_SDK_GITHUB_URL.",
            )
        return {self.name: f"{self.prefix}{self.secret}"}
