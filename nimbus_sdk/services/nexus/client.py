"""Nexus: a message to an agent, and any other resource.

Source: the authentication page of the Nexus API documentation.
"""

from __future__ import annotations

from nimbus_sdk.services.base.connection import Connection
from nimbus_sdk.services.nexus.claims import UnverifiedClaims
from nimbus_sdk.services.nexus.flows import NEXUS, NexusFlows
from nimbus_sdk.transport.client import AwaitableClient, BlockingClient, awaitable, blocking
from nimbus_sdk.transport.driver import AsyncTransport, Transport


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
    restore_key = blocking(NexusFlows.restore_key)
    forget_key = blocking(NexusFlows.forget_key)


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
    restore_key = awaitable(NexusFlows.restore_key)
    forget_key = awaitable(NexusFlows.forget_key)
