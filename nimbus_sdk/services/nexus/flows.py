"""Nexus: what is said to it, as flows, each behind a look at the key's own expiry.

Source: the authentication page of the Nexus API documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from nimbus_sdk._version import __version__
from nimbus_sdk.errors import (
    ConfigurationError,
    InvalidKeyError,
    InvalidKeyFormatError,
    KeyExpiredError,
    ResponseFormatError,
)
from nimbus_sdk.services.base.connection import Link, Params, content
from nimbus_sdk.services.base.service import System
from nimbus_sdk.services.base.service_key import ServiceKey
from nimbus_sdk.services.nexus.claims import UnverifiedClaims, fault_of, read_claims
from nimbus_sdk.services.rotation import stored_key
from nimbus_sdk.transport.flow import Flow, Response, run_blocking

THREAD = "/api/public/thread"
NEXUS = System(
    name="Nexus",
    entry="nexus",
    key_variable="NEXUS_API_KEY",
    url_variable="NEXUS_URL",
    url="https://api.nexusgpt.io",
    portal="the Nexus dashboard (Integrations)",
    header="api-key",
    check=fault_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """What an agent answered. The documentation shows no answer, so the names here are an assumption.

    Attributes:
        id: ``threadId`` or ``id``, or None.
        reply: ``reply``, ``answer`` or ``message``, or None.
        fields: All that came, as it came.
    """

    id: str | None
    reply: str | None
    fields: Mapping[str, object] = field(repr=False)


class Conversations:
    """What both clients say.

    Args:
        link: The system, its base URL and the key.
        client_version: For ``X-Client-Version``; the SDK's own where left out.

    Raises:
        ConfigurationError: The version cannot be sent in a header.
    """

    def __init__(self, link: Link, client_version: str | None) -> None:
        version = __version__ if client_version is None else client_version
        if not 0 < len(version) <= 100 or not all("!" <= letter <= "~" for letter in version):
            raise ConfigurationError(
                "client_version is 1 to 100 visible ASCII characters.", hint="Such as 1.0.0."
            )
        self.link = link
        self._headers = {"X-Client-Version": version}
        self._claims: tuple[ServiceKey, UnverifiedClaims | None] | None = None

    def claims(self) -> UnverifiedClaims:
        """What the key says of itself; blocking where the store must be asked.

        Raises:
            InvalidKeyFormatError: There are no claims in it.
        """
        found = self.link.found()
        claims = self._read(found.key)
        if claims is None:
            raise InvalidKeyFormatError(
                f"The Nexus key {found.key.masked} is no JSON Web Token, so it says nothing of itself.",
                hint="Calls work all the same; the service alone knows what it may do.",
            )
        return claims

    def create_thread(self, message: str, request_id: str | None) -> Flow[Thread]:
        """Send a message to the key's agent."""
        if not message.strip():
            raise ConfigurationError("The message is empty.", hint="Say something to the agent.")
        answer = yield from self._exchange("POST", THREAD, None, {"message": message}, request_id)
        fields = answer.json()
        if not isinstance(fields, dict):
            raise ResponseFormatError("The service's answer is no thread.")
        return Thread(
            id=_first_text(fields, "threadId", "thread_id", "id"),
            reply=_first_text(fields, "reply", "answer", "message"),
            fields=fields,
        )

    def request(
        self, method: str, path: str, params: Params | None, json: object, request_id: str | None
    ) -> Flow[object]:
        """Call a resource."""
        return content((yield from self._exchange(method, path, params, json, request_id)))

    def save_key(self) -> Flow[str]:
        """Store the key in use, if it has not expired."""
        yield from self._usable_key()
        return (yield from stored_key.save(self.link))

    def restore_key(self) -> Flow[str]:
        """Bring back the key that was stored before."""
        return (yield from stored_key.restore(self.link))

    def forget_key(self) -> Flow[bool]:
        """Remove the stored key."""
        return (yield from stored_key.forget(self.link))

    def _exchange(
        self, method: str, path: str, params: Params | None, json: object, request_id: str | None
    ) -> Flow[Response]:
        key = yield from self._usable_key()
        try:
            return (
                yield from self.link.exchange(
                    method,
                    path,
                    params=params,
                    json=json,
                    headers=self._headers,
                    request_id=request_id,
                    key=key,
                )
            )
        except InvalidKeyError as error:
            # The refusal told the service's time, and with it perhaps why.
            expired = self._expired(key)
            if expired is None:
                raise
            expired.status, expired.request_id = error.status, error.request_id
        raise expired

    def _usable_key(self) -> Flow[ServiceKey]:
        key = (yield from run_blocking(self.link.found)).key
        expired = self._expired(key)
        if expired is not None:
            raise expired
        return key

    def _expired(self, key: ServiceKey) -> KeyExpiredError | None:
        claims = self._read(key)
        offset = self.link.clock_offset
        now = datetime.now(UTC) + timedelta(seconds=offset or 0.0)
        if claims is None or claims.expires_at is None or now < claims.expires_at:
            return None
        return KeyExpiredError(
            f"The Nexus key {key.masked} expired at {claims.expires_at:%Y-%m-%d %H:%M:%S} UTC, "
            f"{_clock(offset)}.",
            hint=f"Make a new one in {NEXUS.portal}.",
        )

    def _read(self, key: ServiceKey) -> UnverifiedClaims | None:
        if self._claims is None or self._claims[0] != key:
            self._claims = key, read_claims(key)
        return self._claims[1]

    def __repr__(self) -> str:
        return repr(self.link)


def _clock(offset: float | None) -> str:
    if offset is None:
        return "by this machine's clock, which was not compared with the service's yet"
    ahead = "behind" if offset > 0 else "ahead of"
    return f"by the service's clock (this machine's is {abs(offset):.0f} s {ahead} it)"


def _first_text(fields: Mapping[str, object], *names: str) -> str | None:
    found = (fields.get(name) for name in names)
    return next((value for value in found if isinstance(value, str)), None)
