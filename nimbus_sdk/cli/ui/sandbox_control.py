"""Sandboxes in other processes of this machine: the client of their control plane, and which one runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from typing import Any, NamedTuple, TypedDict

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings, is_loopback
from nimbus_sdk.config.urls import split_url
from nimbus_sdk.errors import ConfigurationError, NimbusConnectionError, NimbusError, ResponseFormatError
from nimbus_sdk.storage import fs, trust
from nimbus_sdk.transport.redaction import sanitize

TOKEN_VARIABLE = "NIMBUS_SDK_SANDBOX_TOKEN"  # noqa: S105 - the name of a variable
_TIMEOUT_SECONDS = 30.0
_MAX_BYTES = 64 * 2**20

# Records of sandboxes that were killed go when there are more.
_MOST_RECORDS = 16


class JournalEntry(TypedDict):
    """A logged request, as far as it is read here: its endpoint, and the HTTP status sent, if any."""

    endpoint: str
    status: int | None


class SandboxControl:
    """The control plane of a running sandbox; its token is sent to this machine's loopback only.

    Raises:
        ConfigurationError: The URL is not on this machine's loopback.

    Examples:
        >>> SandboxControl("https://api.nimbusbci.com", "secret")
        Traceback (most recent call last):
        ...
        nimbus_sdk.errors.ConfigurationError: https://api.nimbusbci.com is not a sandbox on this machine...
    """

    def __init__(self, url: str, token: str) -> None:
        try:
            parts = split_url(url)
        except ValueError:
            parts = None
        if parts is None or parts.scheme != "http" or not is_loopback(parts.hostname or ""):
            raise ConfigurationError(
                f"{url} is not a sandbox on this machine.",
                hint="Use the URL that `nimbus-sdk sandbox serve` printed: http://127.0.0.1:PORT.",
            )
        self._url = url
        self._host, self._port = str(parts.hostname), parts.port
        self._token = token

    def journal(self) -> list[JournalEntry]:
        """Return all requests so far, oldest first, with secrets masked."""
        return self._list("journal", "exchanges")

    def list_keys(self) -> list[dict[str, object]]:
        """Return all keys, oldest first, masked."""
        return self._list("keys", "keys")

    def create_key(self, tier: str, *, kind: str, expires_at: datetime | None, used: int) -> str:
        """Create a key and return it, unmasked, this once."""
        expiry = {} if expires_at is None else {"expires_at": expires_at.isoformat()}
        return str(self._send("POST", "keys", {"tier": tier, "kind": kind, "used": used, **expiry})["key"])

    def revoke_key(self, fingerprint: str, *, reason: str | None) -> None:
        """Revoke a key permanently."""
        self._send("POST", "keys/revoke", {"key": fingerprint, "reason": reason})

    def _list(self, route: str, name: str) -> list[Any]:
        listed = self._send("GET", route).get(name)
        if not isinstance(listed, list):
            raise ResponseFormatError(f"The response of the sandbox has no {name}.")
        return listed

    def _send(self, method: str, route: str, body: Mapping[str, object] | None = None) -> dict[str, object]:
        # Not through the SDK's transport: no proxy may ever see this request.
        connection = HTTPConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request(
                method,
                f"/_sandbox/{route}",
                body=None if body is None else json.dumps(body),
                headers={"Authorization": f"Bearer {self._token}"},
            )
            response = connection.getresponse()
            return self._check(response.status, response.read(_MAX_BYTES))
        except (OSError, HTTPException) as error:
            raise NimbusConnectionError(
                f"No sandbox answers on {self._url} ({type(error).__name__}).",
                hint="Run `nimbus-sdk sandbox serve`, and use the URL that it prints.",
            ) from None
        finally:
            connection.close()

    def _check(self, status: int, content: bytes) -> dict[str, object]:
        try:
            body = json.loads(content)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise ResponseFormatError(f"The server on {self._url} is not a Nimbus sandbox.")
        if status == 401:
            raise ConfigurationError(
                f"The sandbox on {self._url} rejected the control token.",
                hint=f"Set {TOKEN_VARIABLE} to the token that `nimbus-sdk sandbox serve` printed.",
            )
        if status >= 400:
            raise ConfigurationError(f"The sandbox refused: {sanitize(str(body.get('error')))}", hint="")
        return body


class RunningSandbox(NamedTuple):
    """A sandbox of this user that runs, why it is used, and the variables that point a program to it."""

    url: str
    control: SandboxControl
    environment: dict[str, str]
    reason: str


@contextmanager
def recording() -> Iterator[Callable[[str, Mapping[str, str]], None]]:
    """Yield a function that records a sandbox for this user; the record lasts as long as the block."""
    paths = Settings.load().paths
    own: list[dict[str, Any]] = []

    def record(url: str, environment: Mapping[str, str]) -> None:
        own.append({"url": url, "environment": dict(environment)})
        _write(paths, [*own, *_read(paths)])

    try:
        yield record
    finally:
        _write(paths, [each for each in _read(paths) if each not in own])


def require_running() -> RunningSandbox:
    """Return the sandbox that this shell points to, else the one of this user that was started last.

    Raises:
        ConfigurationError: None runs, as far as the shell and this user's home say.
    """
    settings = Settings.load()
    variables = {name: text for name, text in os.environ.items() if name.startswith("NIMBUS_")}
    found = [(settings.api_url, variables, "which this shell points to")]
    for record in _read(settings.paths):
        found.append((record["url"], record["environment"], "which was started last"))
    for url, environment, reason in found:
        with suppress(KeyError, NimbusError):
            control = SandboxControl(url, environment[TOKEN_VARIABLE])
            control.list_keys()
            return RunningSandbox(url, control, dict(sorted(environment.items())), reason)
    raise ConfigurationError(
        "No sandbox of yours is running.",
        hint="Start one with `nimbus-sdk sandbox serve`, in a terminal of its own.",
    )


def _read(paths: Paths) -> list[dict[str, Any]]:
    """Return the records, the newest first."""
    try:
        content: list[dict[str, Any]] = json.loads(trust.read(paths.sandbox, paths.state_root) or b"[]")
        return [{"url": each["url"], "environment": dict(each["environment"])} for each in content]
    except (OSError, ValueError, KeyError, TypeError, NimbusError):
        return []


def _write(paths: Paths, records: list[dict[str, Any]]) -> None:
    # A sandbox is of use without its record, for example where the home cannot be written.
    with suppress(OSError):
        if records:
            content = json.dumps(records[:_MOST_RECORDS]).encode()
            fs.write_private(paths.sandbox, content, paths.state_root)
        else:
            fs.remove(paths.sandbox)
