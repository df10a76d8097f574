"""The connection to a service: its base URL, the key in use, and one way to send a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias
from urllib.parse import unquote

from nimbus_sdk.config.keys import raise_if_invalid
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.errors import ApiError, ConfigurationError, NimbusError
from nimbus_sdk.services.base.key_slot import FoundKey, KeySlot
from nimbus_sdk.services.base.service import ParsedServiceKey, Service, ServiceKey
from nimbus_sdk.transport.flow import Flow, HeaderAuth, Request, Response, run_blocking, send

Params: TypeAlias = Mapping[str, "str | int | float | bool | None"]
"""A query; values of None are omitted."""

# RFC 9110, 9.2.2: sent twice they do what they do once, so they may be repeated after a lost response.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_METHODS = _IDEMPOTENT | {"POST", "PATCH"}
_MAX_PATH_LENGTH = 2048


class Connection:
    """One service, one base URL, one key; does no I/O itself.

    Args:
        service: The service.
        given: The caller's own key, from ``Service.parse_key``; an error is raised here.
        base_url: As for ``Service.find_base_url``. Without one, all works that needs no service.
        timeout: Seconds for one call, retries included.
        profile: Whose stored key.

    Attributes:
        clock_offset: Seconds that the service's clock was ahead of this machine's at the last response.
    """

    def __init__(
        self,
        service: Service,
        given: ParsedServiceKey,
        *,
        base_url: str | None = None,
        timeout: float | None = None,
        profile: str | None = None,
    ) -> None:
        self.service = service
        self.settings = Settings.load(timeout=timeout, profile=profile)
        self._base = service.find_base_url(base_url)
        self.clock_offset: float | None = None
        self._found: FoundKey | None = None
        key = raise_if_invalid(given)
        if key is not None:
            self._found = FoundKey(key, "argument", "the argument")

    @property
    def slot(self) -> KeySlot:
        """Where the service's key is stored."""
        return KeySlot(self.settings.for_service(self.service.entry), self.service)

    @property
    def base(self) -> str:
        """The base URL; ``ConfigurationError`` if none was given, and the service has none of its own."""
        base = self._base or self.service.find_base_url(None)
        if base is None:
            raise ConfigurationError(
                f"The base URL of {self.service.name} is not known.",
                hint=f"Give base_url=…, or set {self.service.url_variable}.",
            )
        return base

    @property
    def origin(self) -> str:
        """The one scheme, host and port that the key may be sent to."""
        return origin(self.base)

    def find_key(self) -> FoundKey:
        """Return the key in use and where it is from; see ``KeySlot.find_key``. Blocking."""
        if self._found is None:
            self._found = self.slot.find_key(self.base)
        return self._found

    def forget_stored_key(self) -> None:
        """Forget a key that came from the store: another process may have replaced it."""
        if self._found is not None and self._found.source == "store":
            self._found = None

    def use_key(self, key: ServiceKey, source: str) -> None:
        """Use another key from now on."""
        self._found = FoundKey(key, source, "this client")

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: object = None,
        request_id: str | None = None,
    ) -> Request:
        """Return a request, without a key. POST and PATCH are not repeated if the response is lost.

        The path is below the base URL, and without a query. ``ConfigurationError`` if method, path or request
        id cannot be used.
        """
        method = _normalize_method(method)
        _check_path(path)
        _check_request_id(request_id)
        return Request(
            name=f"the {self.service.name} call",
            method=method,
            url=f"{self.base}{path}",
            headers={} if request_id is None else {"X-Request-ID": request_id},
            params={name: _text(value) for name, value in (params or {}).items()},
            json=json,
            repeatable=method in _IDEMPOTENT,
        )

    def exchange(self, request: Request, key: ServiceKey | None = None) -> Flow[Response]:
        """Send a request with a key, the one in use if omitted; errors have the hints of this service."""
        if key is None:
            key = (yield from run_blocking(self.find_key)).key
        auth = HeaderAuth(self.service.header, key.reveal(), self.origin, self.service.prefix)
        try:
            response = yield from send(replace(request, auth=auth))
        except NimbusError as error:
            # Refusals carry the service's time as a success does; expiry is judged by it.
            if isinstance(error, ApiError) and error.status in (401, 403) and error.clock_offset is not None:
                self.clock_offset = error.clock_offset
            self.service.set_hint(error)
            raise
        if response.clock_offset is not None:
            self.clock_offset = response.clock_offset
        return response

    def __repr__(self) -> str:
        masked = None if self._found is None else self._found.key.masked
        return f"base_url={self._base!r}, api_key={masked!r}"


def parse_content(response: Response) -> object:
    """Return the parsed JSON of a response; None if it is empty."""
    return response.json() if response.body.strip() else None


def _check_path(path: str) -> None:
    """Raise if a path leaves the base URL, or carries a query, which would end up in logs."""
    if not path.startswith("/") or "?" in path or "#" in path:
        raise ConfigurationError(
            "The path must start with a slash, and have no query in it.",
            hint='Write request("GET", "/orders", params={"page": 2}); the base URL is the client\'s.',
        )
    segments = unquote(path).replace("\\", "/").split("/")
    if len(path) > _MAX_PATH_LENGTH or not unquote(path).isprintable() or {".", ".."} & set(segments):
        raise ConfigurationError(
            "The path has a dot segment or a control character, or is too long.",
            hint="Give the path as the service documents it; quote parts that come from elsewhere.",
        )


def _check_request_id(given: str | None) -> None:
    if given is None:
        return
    if not 0 < len(given) <= 128 or not all("!" <= letter <= "~" for letter in given):
        raise ConfigurationError(
            "A request id is 1 to 128 visible ASCII characters.", hint="Omit request_id to get a new one."
        )


def _normalize_method(method: str) -> str:
    normalized = method.strip().upper()
    if normalized not in _METHODS:
        raise ConfigurationError(
            f"{method[:20]!r} is not an HTTP method that can be sent.",
            hint=f"One of {', '.join(sorted(_METHODS))}.",
        )
    return normalized


def _text(value: str | int | float | bool | None) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
