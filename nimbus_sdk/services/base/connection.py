"""What every conversation with a system needs: its base URL, the key, one way to ask."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias
from urllib.parse import unquote

from nimbus_sdk.config.keys import raise_if_invalid
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.errors import ConfigurationError, NimbusError
from nimbus_sdk.services.base.key_lookup import FoundKey, find_key
from nimbus_sdk.services.base.key_slot import Slot
from nimbus_sdk.services.base.service import System
from nimbus_sdk.services.base.service_key import GivenKey, ServiceKey
from nimbus_sdk.transport.flow import Flow, HeaderAuth, Request, Response, run_blocking, send
from nimbus_sdk.transport.status import raise_for_status

Params: TypeAlias = Mapping[str, "str | int | float | bool | None"]
"""A query; values of None are left out."""

# RFC 9110, 9.2.2: carried out twice they do what they do once, so a lost answer may be asked for again.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_METHODS = _IDEMPOTENT | {"POST", "PATCH"}
_LONGEST_PATH = 2048
# Refusals that tell the service's time as well as a success does: expiry is judged by it.
_TELLING = frozenset({401, 403})


class Link:
    """One system, one base URL, one key; no I/O happens here.

    ``clock_offset`` is the seconds by which the system's clock is ahead of this machine's, as its last answer
    told, or None.

    Args:
        system: Whom it leads to.
        given: The caller's own key, from :meth:`System.read_key`.
        base_url: From the environment, or the system's own, where left out. Where none of them is there,
            all works that needs no service.
        timeout: Seconds for one call, retries included.
        profile: Whose stored key.

    Raises:
        InvalidKeyFormatError: The text that was given is no key.
        ConfigurationError: The base URL or a setting cannot be used.
    """

    def __init__(
        self,
        system: System,
        given: GivenKey,
        *,
        base_url: str | None = None,
        timeout: float | None = None,
        profile: str | None = None,
    ) -> None:
        self.system = system
        self.settings = Settings.load(timeout=timeout, profile=profile)
        self._base = system.known_base_url(base_url)
        self.clock_offset: float | None = None
        self._found: FoundKey | None = None
        key = raise_if_invalid(given)
        if key is not None:
            self._found = FoundKey(key, "argument", "the argument")

    @property
    def slot(self) -> Slot:
        """Where the system's key is stored."""
        return Slot.of(self.settings, self.system)

    @property
    def base(self) -> str:
        """The base URL.

        Raises:
            ConfigurationError: None was given, and the system has none of its own.
        """
        return self.system.base_url(None) if self._base is None else self._base

    @property
    def origin(self) -> str:
        """The one scheme, host and port that may see the key.

        Raises:
            ConfigurationError: As for :attr:`base`.
        """
        return origin(self.base)

    def found(self) -> FoundKey:
        """The key in use and where it is from; blocking, since the store may have to be asked.

        Raises:
            MissingKeyError: No source has one; see :func:`nimbus_sdk.services.base.key_lookup.find_key`.
        """
        if self._found is None:
            self._found = find_key(self.slot, self.base)
        return self._found

    def look_again(self) -> None:
        """Forget a key that came from the store: another process may have replaced it."""
        if self._found is not None and self._found.source == "store":
            self._found = None

    def adopt(self, key: ServiceKey, source: str) -> None:
        """Use another key from now on."""
        self._found = FoundKey(key, source, "this client")

    def shadow(self, fingerprint: str) -> str:
        """The source that comes before the store and names another key than this one; empty where none does.

        The caller's own argument is passed over: the next process has it no more.
        """
        without_store = replace(self.slot, settings=replace(self.slot.settings, credential_store="none"))
        try:
            found = find_key(without_store, "")
        except NimbusError:
            return ""
        return "" if found.key.fingerprint == fingerprint else found.location

    def exchange(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        request_id: str | None = None,
        key: ServiceKey | None = None,
    ) -> Flow[Response]:
        """Ask once, with the retries that the method allows.

        Args:
            method: HTTP method.
            path: Below the base URL, starting with a slash, without a query.
            params: Query.
            json: Body; None sends none.
            headers: Further headers.
            request_id: For ``X-Request-ID``; a new one where left out.
            key: Instead of the key in use.

        Raises:
            ConfigurationError: Method, path or request id cannot be used.
            NimbusError: The system refused, or nothing came back; with this system's own advice.
        """
        step = Request(
            name=f"the {self.system.name} call",
            method=checked_method(method),
            url=f"{self.base}{checked_path(path)}",
            headers={**(headers or {}), "X-Request-ID": request_id_of(request_id)},
            params={name: _text(value) for name, value in (params or {}).items()},
            json=json,
            repeatable=checked_method(method) in _IDEMPOTENT,
            accept=_TELLING,
        )
        if key is None:
            key = (yield from run_blocking(self.found)).key
        return (yield from self._sent(replace(step, auth=self._header(key))))

    def _sent(self, step: Request) -> Flow[Response]:
        try:
            answer = yield from send(step)
            if answer.clock_offset is not None:
                self.clock_offset = answer.clock_offset
            return raise_for_status(replace(step, accept=frozenset()), answer)
        except NimbusError as error:
            self.system.advise(error)
            raise

    def _header(self, key: ServiceKey) -> HeaderAuth:
        return HeaderAuth(self.system.header, key.reveal(), self.origin, self.system.prefix)

    def __repr__(self) -> str:
        masked = None if self._found is None else self._found.key.masked
        return f"base_url={self._base!r}, api_key={masked!r}"


def content(answer: Response) -> object:
    """The parsed JSON of an answer; None where it is empty.

    Raises:
        ResponseFormatError: It is something else.
    """
    return answer.json() if answer.body.strip() else None


def checked_path(path: str) -> str:
    """A path that stays below the base URL and carries no query, which would end up in logs.

    Raises:
        ConfigurationError: It does not.

    Example:
        >>> checked_path("/orders/17")
        '/orders/17'
    """
    if not path.startswith("/") or "?" in path or "#" in path:
        raise ConfigurationError(
            "The path must start with a slash, and have no query in it.",
            hint='Write request("GET", "/orders", params={"page": 2}); the base URL is the client\'s.',
        )
    steps = unquote(path).replace("\\", "/").split("/")
    if len(path) > _LONGEST_PATH or not unquote(path).isprintable() or {".", ".."} & set(steps):
        raise ConfigurationError(
            "The path has a dot segment or a control character, or is too long.",
            hint="Give the path as the service documents it; quote parts that come from elsewhere.",
        )
    return path


def request_id_of(given: str | None) -> str:
    """The caller's request id, or a new one.

    Raises:
        ConfigurationError: It is not 1 to 128 visible characters.
    """
    if given is None:
        return uuid.uuid4().hex
    if not 0 < len(given) <= 128 or not all("!" <= letter <= "~" for letter in given):
        raise ConfigurationError(
            "A request id is 1 to 128 visible ASCII characters.",
            hint="Leave request_id out to get a new one.",
        )
    return given


def checked_method(method: str) -> str:
    """The method as it is sent.

    Raises:
        ConfigurationError: It is none that can be.

    Example:
        >>> checked_method("get")
        'GET'
    """
    known = method.strip().upper()
    if known not in _METHODS:
        raise ConfigurationError(
            f"{method[:20]!r} is no HTTP method that can be sent.",
            hint=f"One of {', '.join(sorted(_METHODS))}.",
        )
    return known


def _text(value: str | int | float | bool | None) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
