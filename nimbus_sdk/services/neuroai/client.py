"""NeuroAI: creating, listing, changing, rotating and deleting its keys, and any other resource.

Source: the API key page of the NeuroAI documentation. Names on the wire: ``docs/reference/neuroai-wire.md``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from nimbus_sdk.services.base.connection import Connection
from nimbus_sdk.services.neuroai.flows import NEUROAI, NeuroAIFlows
from nimbus_sdk.services.neuroai.schemas import KeyInfo
from nimbus_sdk.services.neuroai.wire import Pagination
from nimbus_sdk.services.rotation import key_flows
from nimbus_sdk.transport.driver import AsyncTransport, Transport
from nimbus_sdk.transport.sync_async import AwaitableClient, BlockingClient, awaitable, blocking

PAGE_SIZE = 50


class NeuroAI(BlockingClient[NeuroAIFlows]):
    """Calls NeuroAI.

    Args:
        api_key: The key; from ``NEUROAI_API_KEY``, ``.env`` or the credential store if omitted, at the first
            call.
        base_url: Base URL; from ``NEUROAI_URL`` if omitted. There is no other default, and no call without
            it.
        timeout: Seconds for one call, retries included.
        profile: Whose stored key.
        transport: Carries requests; HTTP if omitted. Pass your own to test without a server.

    Raises:
        InvalidKeyFormatError: The text is not a key.
        ConfigurationError: The base URL is not https.

    Examples:
        >>> with NeuroAI("nai_abc123xyz789def456uvw", base_url="https://neuroai.example") as client:
        ...     client
        NeuroAI(base_url='https://neuroai.example', api_key='nai_…6uvw')
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float | None = None,
        profile: str | None = None,
        transport: Transport | None = None,
    ) -> None:
        given, api_key = NEUROAI.parse_key(api_key), None
        connection = Connection(NEUROAI, given, base_url=base_url, timeout=timeout, profile=profile)
        super().__init__(NeuroAIFlows(connection), connection.settings, transport)

    def list_keys(self, *, page_size: int = PAGE_SIZE) -> Iterator[KeyInfo]:
        """Iterate over all keys, fetched page by page."""
        pages = Pagination()
        while not pages.ended:
            yield from self._driver.run(self._flows.list_page(page_size, pages))

    request = blocking(NeuroAIFlows.request)
    verify = blocking(NeuroAIFlows.verify)
    get_key = blocking(NeuroAIFlows.get_key)
    create_key = blocking(NeuroAIFlows.create_key)
    update_key = blocking(NeuroAIFlows.update_key)
    rotate_key = blocking(NeuroAIFlows.rotate_key)
    rotate_if_older_than = blocking(NeuroAIFlows.rotate_if_older_than)
    delete_key = blocking(NeuroAIFlows.delete_key)
    save_key = blocking(NeuroAIFlows.save_key)
    restore_key = blocking(key_flows.restore_key)
    forget_key = blocking(key_flows.forget_key)


class AsyncNeuroAI(AwaitableClient[NeuroAIFlows]):
    """The awaitable twin of ``NeuroAI``, with the same arguments and methods."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float | None = None,
        profile: str | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        given, api_key = NEUROAI.parse_key(api_key), None
        connection = Connection(NEUROAI, given, base_url=base_url, timeout=timeout, profile=profile)
        super().__init__(NeuroAIFlows(connection), connection.settings, transport)

    async def list_keys(self, *, page_size: int = PAGE_SIZE) -> AsyncIterator[KeyInfo]:
        """Iterate over all keys, fetched page by page; see ``NeuroAI.list_keys``."""
        pages = Pagination()
        while not pages.ended:
            for key in await self._driver.run(self._flows.list_page(page_size, pages)):
                yield key

    request = awaitable(NeuroAIFlows.request)
    verify = awaitable(NeuroAIFlows.verify)
    get_key = awaitable(NeuroAIFlows.get_key)
    create_key = awaitable(NeuroAIFlows.create_key)
    update_key = awaitable(NeuroAIFlows.update_key)
    rotate_key = awaitable(NeuroAIFlows.rotate_key)
    rotate_if_older_than = awaitable(NeuroAIFlows.rotate_if_older_than)
    delete_key = awaitable(NeuroAIFlows.delete_key)
    save_key = awaitable(NeuroAIFlows.save_key)
    restore_key = awaitable(key_flows.restore_key)
    forget_key = awaitable(key_flows.forget_key)
