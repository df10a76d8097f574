"""What a conversation is made of; no I/O happens here.

A flow is a generator: it yields steps and receives what they gave. ``Driver`` and ``AsyncDriver`` run
the same flow, so that every story of the SDK is written once.
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
"""Bytes of an answer that are read at most, where nothing else receives them."""


class Sink(Protocol):
    """Receives the body of a download while it arrives, over as many attempts as it takes."""

    def request_headers(self) -> Mapping[str, str]:
        """Headers for the next attempt: ``Range`` and ``If-Range`` where a part is there already."""
        ...

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """An answer with status 200 or 206 starts; header names are in lower case."""
        ...

    def write(self, chunk: bytes) -> None:
        """The next bytes of the body."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to a service, with all that its retries may do.

    Attributes:
        name: What the call is, for limits, logs and messages (``validate``, ``asset``…).
        method: HTTP method.
        url: Absolute URL, without any secret.
        auth: Header that authenticates it, bound to one origin; None where nothing may be sent.
        headers: Further headers.
        params: Query; values of None are left out.
        json: Body, sent as JSON; None sends none.
        secrets: What of the body nobody may see; masked in whatever the service says.
        repeatable: May be sent again when its answer was lost.
        per_minute: Requests a minute that the service documents for it, or None.
        patience: Seconds this call may take, retries included, where that is less than what is left.
        allowance: Seconds by which the body may prolong the whole conversation (a large download).
        sink: Receives the body of a 200 or 206; the answer's own body is empty then.
        accept: Statuses that are an answer and no error, beside 2xx.
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
    patience: float | None = None
    allowance: float = 0.0
    sink: Sink | None = None
    accept: frozenset[int] = frozenset()

    @property
    def hidden(self) -> tuple[str, ...]:
        """All that must not come back in the service's words: what body and header carry."""
        carried = self.secrets if self.auth is None else (*self.secrets, self.auth.secret)
        return tuple(telling for secret in carried for telling in maskable_forms(secret))


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back; header names are in lower case.

    Attributes:
        clock_offset: Seconds by which the service's clock is ahead of ours, or None if it told none.
        secrets: What the call carried; masked in what is told or kept of the answer.
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
            ResponseFormatError: It is none, is nested too deep, or names a field twice.
        """
        try:
            return json.loads(self.body, object_pairs_hook=_unambiguous)
        except (ValueError, RecursionError) as error:
            fault = type(error).__name__
        from nimbus_sdk.transport.redaction import sanitize

        kind = sanitize(self.headers.get("content-type", "no content type"), self.secrets, limit=80)
        # Raised here and not in the handler: json's error holds the whole body, and with it perhaps a token.
        raise ResponseFormatError(
            f"The service answered {self.status} with something that is not the JSON expected "
            f"({kind}, {len(self.body)} bytes, {fault})."
        )


@dataclass(frozen=True, slots=True)
class Blocking:
    """A blocking local job: disk, keyring, hashing. Async drivers send it to a thread."""

    run: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Sleep:
    """A wait for someone else on this machine, in seconds; it does not count against the budget."""

    seconds: float


Step: TypeAlias = Request | Blocking | Sleep
Flow: TypeAlias = Generator[Step, object, T]


def send(step: Request) -> Flow[Response]:
    """Send a request from within a flow: ``response = yield from send(Request(…))``."""
    answer = cast(Response, (yield step))
    return replace(answer, secrets=step.hidden)


def run_blocking(run: Callable[[], T]) -> Flow[T]:
    """Run a blocking job from within a flow: ``record = yield from run_blocking(store.read)``."""
    return cast(T, (yield Blocking(run)))


def sleep(seconds: float) -> Flow[None]:
    """Wait from within a flow."""
    yield Sleep(seconds)


def sleep_between(tries: Iterator[float], waiting: Callable[[], None] | None = None) -> Flow[None]:
    """Take each step of an iterator as a blocking job, and sleep for the seconds that it yields.

    Args:
        tries: Such as the tries for a lock, from ``Lock.retries``.
        waiting: Called once, before the first sleep.
    """
    while (seconds := (yield from run_blocking(lambda: next(tries, None)))) is not None:
        if waiting is not None:
            waiting()
            waiting = None
        yield from sleep(seconds)


def _unambiguous(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field occurs twice")
    return found


@dataclass(frozen=True, slots=True)
class HeaderAuth:
    """``X-API-Key``, ``Authorization: Bearer`` and ``api-key`` are three values of this.

    Args:
        name: Header name.
        secret: What it carries; never shown.
        origin: Scheme, host and port that may receive it, from :func:`nimbus_sdk.config.settings.origin`.
        prefix: Text before the secret, such as ``"Bearer "``.

    Example:
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
        """The header for a URL.

        Raises:
            ConfigurationError: The URL leads to another origin than the secret is meant for.
        """
        if origin(url) != self.origin:
            raise ConfigurationError(
                f"A credential for {self.origin} was about to go to {origin(url)}; it was not sent.",
                hint="Check NIMBUS_SDK_API_URL and NIMBUS_SDK_GITHUB_URL.",
            )
        return {self.name: f"{self.prefix}{self.secret}"}
