"""Speaks to the control plane of a sandbox that runs in another process of this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import TypedDict, cast
from urllib.parse import urlsplit

from nimbus_sdk.config.settings import is_loopback
from nimbus_sdk.errors import ConfigurationError, NimbusConnectionError, ResponseFormatError
from nimbus_sdk.transport.redaction import sanitize

TOKEN_VARIABLE = "NIMBUS_SDK_SANDBOX_TOKEN"  # noqa: S105 - the name of a variable
_SECONDS = 30.0
_LARGEST = 64 * 2**20
_UNAUTHORIZED = 401


class JournalEntry(TypedDict):
    """What the journal tells of one request, as far as it is read here.

    Attributes:
        endpoint: Its name.
        status: HTTP status sent, or None.
        received_at: Unix second of arrival.
        bytes_sent: Bytes of body sent.
    """

    endpoint: str
    status: int | None
    received_at: float
    bytes_sent: int


class SandboxControl:
    """The control plane of one running sandbox; its token goes to this machine's loopback alone.

    Args:
        url: The sandbox's API, such as ``http://127.0.0.1:54321``.
        token: What ``nimbus-sdk sandbox serve`` printed.

    Raises:
        ConfigurationError: The address is not on this machine's loopback.

    Example:
        >>> SandboxControl("https://api.nimbusbci.com", "secret")
        Traceback (most recent call last):
        ...
        nimbus_sdk.errors.ConfigurationError: https://api.nimbusbci.com is no sandbox on this machine...
    """

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not is_loopback(parts.hostname or ""):
            raise ConfigurationError(
                f"{url} is no sandbox on this machine.",
                hint="Give its address as `nimbus-sdk sandbox serve` printed it: http://127.0.0.1:PORT.",
            )
        self._url = url
        self._host, self._port = str(parts.hostname), parts.port
        self._token = token

    def journal(self) -> list[JournalEntry]:
        """What was asked of the sandbox so far, oldest first, secrets masked."""
        return cast("list[JournalEntry]", _objects(self._ask("GET", "journal"), "exchanges"))

    def keys(self) -> list[dict[str, object]]:
        """All keys, oldest first, masked."""
        return _objects(self._ask("GET", "keys"), "keys")

    def create_key(self, wanted: Mapping[str, object]) -> str:
        """Make a key and return it, plain, this once."""
        return str(self._ask("POST", "keys", wanted)["key"])

    def revoke_key(self, fingerprint: str, reason: str | None) -> None:
        """Make a key inactive for ever."""
        self._ask("POST", "keys/revoke", {"key": fingerprint, "reason": reason})

    def _ask(self, method: str, route: str, body: Mapping[str, object] | None = None) -> dict[str, object]:
        # Not the SDK's transport: this is no call of the Nimbus API, and no proxy may ever see it.
        connection = HTTPConnection(self._host, self._port, timeout=_SECONDS)
        try:
            connection.request(
                method,
                f"/_sandbox/{route}",
                body=None if body is None else json.dumps(body),
                headers={"Authorization": f"Bearer {self._token}"},
            )
            response = connection.getresponse()
            return self._answer(response.status, response.read(_LARGEST))
        except (OSError, HTTPException) as error:
            raise NimbusConnectionError(
                f"No sandbox answers on {self._url} ({type(error).__name__}).",
                hint="Start one with `nimbus-sdk sandbox serve`, and give the address that it prints.",
            ) from None
        finally:
            connection.close()

    def _answer(self, status: int, content: bytes) -> dict[str, object]:
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ResponseFormatError(f"What answers on {self._url} is no Nimbus sandbox.")
        if status == _UNAUTHORIZED:
            raise ConfigurationError(
                f"The sandbox on {self._url} does not know this control token.",
                hint=f"Set {TOKEN_VARIABLE} to what `nimbus-sdk sandbox serve` printed.",
            )
        if status >= 400:
            raise ConfigurationError(f"The sandbox refused: {sanitize(str(answer.get('error')))}", hint="")
        return answer


def _objects(answer: Mapping[str, object], name: str) -> list[dict[str, object]]:
    found = answer.get(name)
    if not isinstance(found, list):
        raise ResponseFormatError(f"The sandbox's answer has no {name}.")
    return found
