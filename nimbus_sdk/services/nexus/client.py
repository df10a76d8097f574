"""Nexus: a message to an agent, and any other resource; each call checks the key's own expiry first.

Source: the authentication page of the Nexus API documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from nimbus_sdk import errors
from nimbus_sdk._version import __version__
from nimbus_sdk.services.base.connection import Connection, Params, parse_content
from nimbus_sdk.services.base.service import Service, ServiceKey
from nimbus_sdk.services.nexus.claims import UnverifiedClaims, find_problem, read_claims
from nimbus_sdk.services.rotation import key_flows
from nimbus_sdk.transport.driver import AsyncTransport, Transport
from nimbus_sdk.transport.flow import Flow, Request, Response, run_blocking
from nimbus_sdk.transport.sync_async import AwaitableClient, BlockingClient, awaitable, blocking

THREAD = "/api/public/thread"
NEXUS = Service(
    name="Nexus",
    entry="nexus",
    key_variable="NEXUS_API_KEY",
    url_variable="NEXUS_URL",
    url="https://api.nexusgpt.io",
    portal="the Nexus dashboard (Integrations)",
    header="api-key",
    check=find_problem,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """The answer of an agent. The documentation shows none, so the names here are an assumption.

    Attributes:
        id: ``threadId`` or ``id``, or None.
        reply: ``reply``, ``answer`` or ``message``, or None.
        fields: The whole answer, as it came.
    """

    id: str | None
    reply: str | None
    fields: Mapping[str, object] = field(repr=False)


class NexusFlows:
    """The calls of both clients."""

    def __init__(self, connection: Connection, client_version: str | None) -> None:
        version = __version__ if client_version is None else client_version
        if not 0 < len(version) <= 100 or not all("!" <= letter <= "~" for letter in version):
            raise errors.ConfigurationError(
                "client_version is 1 to 100 visible ASCII characters.", hint="Such as 1.0.0."
            )
        self.connection = connection
        self._version = version

    def claims(self) -> UnverifiedClaims:
        """Return the claims in the key; blocking if the store must be read."""
        key = self.connection.find_key().key
        claims = read_claims(key)
        if claims is None:
            raise errors.InvalidKeyFormatError(
                f"The Nexus key {key.masked} is not a JSON Web Token, so it has no claims.",
                hint="Calls work all the same; only the service knows what the key may do.",
            )
        return claims

    def create_thread(self, message: str, *, request_id: str | None = None) -> Flow[Thread]:
        """Send a message to the key's agent, and return its answer. Not repeated after a lost response.

        Raises:
            KeyExpiredError: The key has expired; nothing was sent.
            PermissionDeniedError: 403: a permission, the integration or the agent.
        """
        if not message.strip():
            raise errors.ConfigurationError("The message is empty.", hint="Give the message for the agent.")
        response = yield from self._send(
            self.connection.request("POST", THREAD, json={"message": message}, request_id=request_id)
        )
        fields = response.json()
        if not isinstance(fields, dict):
            raise errors.ResponseFormatError("The service's answer is not a thread.")
        return Thread(
            id=_first_text(fields, "threadId", "thread_id", "id"),
            reply=_first_text(fields, "reply", "answer", "message"),
            fields=fields,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: object = None,
        request_id: str | None = None,
    ) -> Flow[object]:
        """Call a resource that has no method here; return the parsed JSON, None if the response is empty."""
        request = self.connection.request(method, path, params=params, json=json, request_id=request_id)
        return parse_content((yield from self._send(request)))

    def save_key(self) -> Flow[str]:
        """Store the key in use, if it has not expired, and return the store's name. No network."""
        yield from self._find_valid_key()
        return (yield from key_flows.save_key(self.connection))

    def _send(self, request: Request) -> Flow[Response]:
        key = yield from self._find_valid_key()
        request = replace(request, headers={**request.headers, "X-Client-Version": self._version})
        try:
            return (yield from self.connection.exchange(request, key))
        except errors.InvalidKeyError as error:
            # The refusal carries the service's time, which may explain it.
            expired = self._check_expiry(key)
            if expired is None:
                raise
            expired.status, expired.request_id = error.status, error.request_id
        raise expired

    def _find_valid_key(self) -> Flow[ServiceKey]:
        key = (yield from run_blocking(self.connection.find_key)).key
        expired = self._check_expiry(key)
        if expired is not None:
            raise expired
        return key

    def _check_expiry(self, key: ServiceKey) -> errors.KeyExpiredError | None:
        claims = read_claims(key)
        offset = self.connection.clock_offset
        now = datetime.now(UTC) + timedelta(seconds=offset or 0.0)
        if claims is None or claims.expires_at is None or now < claims.expires_at:
            return None
        return errors.KeyExpiredError(
            f"The Nexus key {key.masked} expired at {claims.expires_at:%Y-%m-%d %H:%M:%S} UTC, "
            f"{_describe_clock(offset)}.",
            hint=f"Make a new one in {NEXUS.portal}.",
        )

    def __repr__(self) -> str:
        return repr(self.connection)


def _describe_clock(offset: float | None) -> str:
    if offset is None:
        return "by this machine's clock, which has not been compared with the service's yet"
    ahead = "behind" if offset > 0 else "ahead of"
    return f"by the service's clock (this machine's is {abs(offset):.0f} s {ahead} it)"


def _first_text(fields: Mapping[str, object], *names: str) -> str | None:
    found = (fields.get(name) for name in names)
    return next((value for value in found if isinstance(value, str)), None)


class Nexus(BlockingClient[NexusFlows]):
    """Calls Nexus.

    Args:
        api_key: The key; from ``NEXUS_API_KEY``, ``.env`` or the credential store if omitted, at the first
            call.
        base_url: Base URL; from ``NEXUS_URL``, else ``https://api.nexusgpt.io``, if omitted.
        timeout: Seconds for one call, retries included.
        profile: Whose stored key.
        client_version: For ``X-Client-Version``; the SDK's own if omitted.
        transport: Carries requests; HTTP if omitted. Pass your own to test without a server.

    Raises:
        InvalidKeyFormatError: The text is not a key.
        ConfigurationError: The base URL is not https, or the version cannot be sent.

    Examples:
        >>> with Nexus("nxs_abc123xyz789def456uvw") as client:
        ...     client
        Nexus(base_url='https://api.nexusgpt.io', api_key='nxs_…6uvw')
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float | None = None,
        profile: str | None = None,
        client_version: str | None = None,
        transport: Transport | None = None,
    ) -> None:
        given, api_key = NEXUS.parse_key(api_key), None
        connection = Connection(NEXUS, given, base_url=base_url, timeout=timeout, profile=profile)
        super().__init__(NexusFlows(connection, client_version), connection.settings, transport)

    @property
    def claims(self) -> UnverifiedClaims:
        """The claims in the key, unverified; no network.

        Raises:
            InvalidKeyFormatError: There are no claims in it.
        """
        return self._flows.claims()

    def require_permission(self, name: str) -> None:
        """Raise early if the key does not even claim a permission, such as ``write``; no network.

        Raises:
            PermissionDeniedError: It does not.
        """
        self._flows.claims().require_permission(name)

    create_thread = blocking(NexusFlows.create_thread)
    request = blocking(NexusFlows.request)
    save_key = blocking(NexusFlows.save_key)
    restore_key = blocking(key_flows.restore_key)
    forget_key = blocking(key_flows.forget_key)


class AsyncNexus(AwaitableClient[NexusFlows]):
    """The awaitable twin of ``Nexus``, with the same arguments and methods.

    ``claims`` and ``require_permission`` are not awaitable: they need no network. A key that only the
    credential store has is read from it once, which may take a moment.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float | None = None,
        profile: str | None = None,
        client_version: str | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        given, api_key = NEXUS.parse_key(api_key), None
        connection = Connection(NEXUS, given, base_url=base_url, timeout=timeout, profile=profile)
        super().__init__(NexusFlows(connection, client_version), connection.settings, transport)

    @property
    def claims(self) -> UnverifiedClaims:
        """The claims in the key, unverified; see ``Nexus.claims``."""
        return self._flows.claims()

    def require_permission(self, name: str) -> None:
        """Raise early if the key does not claim a permission; see ``Nexus.require_permission``."""
        self._flows.claims().require_permission(name)

    create_thread = awaitable(NexusFlows.create_thread)
    request = awaitable(NexusFlows.request)
    save_key = awaitable(NexusFlows.save_key)
    restore_key = awaitable(key_flows.restore_key)
    forget_key = awaitable(key_flows.forget_key)
