"""NeuroAI for programs with an event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from nimbus_sdk.services.base.connection import Link, Params
from nimbus_sdk.services.neuroai.client import PAGE, ROTATION_DAYS
from nimbus_sdk.services.neuroai.flows import NEUROAI, Conversations
from nimbus_sdk.services.neuroai.models import KEEP, IssuedKey, Keep, KeyCheck, KeyInfo, KeyType, RateLimit
from nimbus_sdk.services.neuroai.wire import KeyFields, Walk, where_given
from nimbus_sdk.transport.driver import AsyncDriver

if TYPE_CHECKING:
    from types import TracebackType

    from nimbus_sdk.transport.http import AsyncTransport


class AsyncNeuroAI:
    """The awaitable twin of :class:`NeuroAI`, with the same arguments and methods."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float | None = None,
        profile: str | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        given, api_key = NEUROAI.read_key(api_key), None
        link = Link(NEUROAI, given, base_url=base_url, timeout=timeout, profile=profile)
        self._voice = Conversations(link)
        self._driver = AsyncDriver(link.settings, transport=transport)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: object = None,
        request_id: str | None = None,
    ) -> object:
        """Call a resource that has no method here; see :meth:`NeuroAI.request`."""
        return await self._driver.run(self._voice.request(method, path, params, json, request_id))

    async def verify(self) -> KeyCheck:
        """What the key in use is; see :meth:`NeuroAI.verify`."""
        return await self._driver.run(self._voice.verify())

    async def list_keys(self, *, page_size: int = PAGE) -> AsyncIterator[KeyInfo]:
        """All keys, fetched page by page while you go through them; see :meth:`NeuroAI.list_keys`."""
        walk = Walk()
        while not walk.ended:
            for key in await self._driver.run(self._voice.page(page_size, walk)):
                yield key

    async def get_key(self, key_id: str) -> KeyInfo:
        """One key; see :meth:`NeuroAI.get_key`."""
        return await self._driver.run(self._voice.get_key(key_id))

    async def create_key(
        self,
        name: str,
        *,
        description: str | None = None,
        role: str | None = None,
        type: str = KeyType.PERSONAL,
        expires_at: datetime | None = None,
        permissions: Iterable[str] | None = None,
        referrers: Iterable[str] | None = None,
        rate_limit: RateLimit | int | None = None,
        save: bool = False,
    ) -> IssuedKey:
        """Make a key; see :meth:`NeuroAI.create_key`."""
        fields = KeyFields(
            name=name,
            description=where_given(description),
            role=where_given(role),
            type=type,
            expires_at=where_given(expires_at),
            permissions=where_given(permissions),
            referrers=where_given(referrers),
            rate_limit=where_given(rate_limit),
        )
        return await self._driver.run(self._voice.create_key(fields, save))

    async def update_key(
        self,
        key_id: str,
        *,
        name: str | Keep = KEEP,
        description: str | Keep | None = KEEP,
        role: str | Keep | None = KEEP,
        expires_at: datetime | Keep | None = KEEP,
        permissions: Iterable[str] | Keep | None = KEEP,
        referrers: Iterable[str] | Keep | None = KEEP,
        rate_limit: RateLimit | int | Keep | None = KEEP,
    ) -> KeyInfo:
        """Change what is given; see :meth:`NeuroAI.update_key`."""
        fields = KeyFields(
            name=name,
            description=description,
            role=role,
            type=KEEP,
            expires_at=expires_at,
            permissions=permissions,
            referrers=referrers,
            rate_limit=rate_limit,
        )
        return await self._driver.run(self._voice.update_key(key_id, fields))

    async def rotate_key(self, key_id: str, *, save: bool = False) -> IssuedKey:
        """Give a key a new secret; see :meth:`NeuroAI.rotate_key`."""
        return await self._driver.run(self._voice.rotate_key(key_id, save))

    async def rotate_if_older_than(
        self, days: float = ROTATION_DAYS, *, key_id: str | None = None, save: bool = False
    ) -> IssuedKey | None:
        """Rotate a key if its secret is older; see :meth:`NeuroAI.rotate_if_older_than`."""
        return await self._driver.run(self._voice.rotate_if_older_than(days, key_id, save))

    async def delete_key(self, key_id: str) -> None:
        """End a key for good; see :meth:`NeuroAI.delete_key`."""
        return await self._driver.run(self._voice.delete_key(key_id))

    async def save_key(self) -> str:
        """Store the key in use, once it was found valid; see :meth:`NeuroAI.save_key`."""
        return await self._driver.run(self._voice.save_key())

    async def restore_key(self) -> str:
        """Bring back the key that was stored before the present one; see :meth:`NeuroAI.restore_key`."""
        return await self._driver.run(self._voice.restore_key())

    async def forget_key(self) -> bool:
        """Remove the stored key; see :meth:`NeuroAI.forget_key`."""
        return await self._driver.run(self._voice.forget_key())

    async def aclose(self) -> None:
        """Give connections back."""
        await self._driver.aclose()

    async def __aenter__(self) -> AsyncNeuroAI:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncNeuroAI({self._voice})"
