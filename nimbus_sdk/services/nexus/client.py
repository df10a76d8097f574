"""Nexus: a message to an agent, and any other resource.

Source: the authentication page of the Nexus API documentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nimbus_sdk.services.base.connection import Link, Params
from nimbus_sdk.services.nexus.claims import UnverifiedClaims
from nimbus_sdk.services.nexus.flows import NEXUS, Conversations, Thread
from nimbus_sdk.transport.driver import AsyncDriver, Driver

if TYPE_CHECKING:
    from types import TracebackType

    from nimbus_sdk.transport.http import AsyncTransport, Transport


class Nexus:
    """Speaks to Nexus.

    Args:
        api_key: The key; from ``NEXUS_API_KEY``, ``.env`` or the store where left out, at the first call.
        base_url: Base URL; from ``NEXUS_URL``, else ``https://api.nexusgpt.io``, where left out.
        timeout: Seconds for one call, retries included.
        profile: Whose stored key.
        client_version: For ``X-Client-Version``; the SDK's own where left out.
        transport: Carries requests; HTTP where left out. Hand in your own to test without a server.

    Raises:
        InvalidKeyFormatError: The text is no key.
        ConfigurationError: The base URL is not https, or the version cannot be sent.

    Example:
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
        given, api_key = NEXUS.read_key(api_key), None
        link = Link(NEXUS, given, base_url=base_url, timeout=timeout, profile=profile)
        self._voice = Conversations(link, client_version)
        self._driver = Driver(link.settings, transport=transport)

    @property
    def claims(self) -> UnverifiedClaims:
        """What the key says of itself, unverified; no network.

        Raises:
            InvalidKeyFormatError: There are no claims in it.
        """
        return self._voice.claims()

    def require_permission(self, name: str) -> None:
        """Stop early where the key does not even claim a permission, such as ``write``; no network.

        Raises:
            PermissionDeniedError: It does not.
        """
        self._voice.claims().require_permission(name)

    def create_thread(self, message: str, *, request_id: str | None = None) -> Thread:
        """Send a message to the key's agent; gives what it answered. Not sent again when its answer is lost.

        Raises:
            KeyExpiredError: The key has expired; nothing was sent.
            PermissionDeniedError: 403: a permission, the integration or the agent.
        """
        return self._driver.run(self._voice.create_thread(message, request_id))

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: object = None,
        request_id: str | None = None,
    ) -> object:
        """Call a resource that has no method here; gives the parsed JSON, None where the answer is empty."""
        return self._driver.run(self._voice.request(method, path, params, json, request_id))

    def save_key(self) -> str:
        """Store the key in use, if it has not expired; gives the store's name. No network."""
        return self._driver.run(self._voice.save_key())

    def restore_key(self) -> str:
        """Bring back the key that was stored before the present one; gives what people may see of it."""
        return self._driver.run(self._voice.restore_key())

    def forget_key(self) -> bool:
        """Remove the stored key; it stays valid. False where there was none."""
        return self._driver.run(self._voice.forget_key())

    def close(self) -> None:
        """Give connections back."""
        self._driver.close()

    def __enter__(self) -> Nexus:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Nexus({self._voice})"


class AsyncNexus:
    """The awaitable twin of :class:`Nexus`, with the same arguments and methods.

    ``claims`` and ``require_permission`` are plain here too: they read the key, and ask no network. A key
    that only the credential store has is read from it in doing so, once, which may take a moment.
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
        given, api_key = NEXUS.read_key(api_key), None
        link = Link(NEXUS, given, base_url=base_url, timeout=timeout, profile=profile)
        self._voice = Conversations(link, client_version)
        self._driver = AsyncDriver(link.settings, transport=transport)

    @property
    def claims(self) -> UnverifiedClaims:
        """What the key says of itself, unverified; see :attr:`Nexus.claims`."""
        return self._voice.claims()

    def require_permission(self, name: str) -> None:
        """Stop early; see :meth:`Nexus.require_permission`."""
        self._voice.claims().require_permission(name)

    async def create_thread(self, message: str, *, request_id: str | None = None) -> Thread:
        """Send a message to the key's agent; see :meth:`Nexus.create_thread`."""
        return await self._driver.run(self._voice.create_thread(message, request_id))

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: object = None,
        request_id: str | None = None,
    ) -> object:
        """Call a resource; see :meth:`Nexus.request`."""
        return await self._driver.run(self._voice.request(method, path, params, json, request_id))

    async def save_key(self) -> str:
        """Store the key in use; see :meth:`Nexus.save_key`."""
        return await self._driver.run(self._voice.save_key())

    async def restore_key(self) -> str:
        """Bring back the key that was stored before; see :meth:`Nexus.restore_key`."""
        return await self._driver.run(self._voice.restore_key())

    async def forget_key(self) -> bool:
        """Remove the stored key; see :meth:`Nexus.forget_key`."""
        return await self._driver.run(self._voice.forget_key())

    async def aclose(self) -> None:
        """Give connections back."""
        await self._driver.aclose()

    async def __aenter__(self) -> AsyncNexus:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncNexus({self._voice})"
