"""NeuroAI: the whole life of its keys, and any other resource.

Source: the API key page of the NeuroAI documentation. Names on the wire: ``docs/reference/neuroai-wire.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from nimbus_sdk.services.base.connection import Link, Params
from nimbus_sdk.services.neuroai.flows import NEUROAI, Conversations
from nimbus_sdk.services.neuroai.models import KEEP, IssuedKey, Keep, KeyCheck, KeyInfo, KeyType, RateLimit
from nimbus_sdk.services.neuroai.wire import KeyFields, Walk, where_given
from nimbus_sdk.transport.driver import Driver

if TYPE_CHECKING:
    from types import TracebackType

    from nimbus_sdk.transport.http import Transport

PAGE = 50
ROTATION_DAYS = 90.0


class NeuroAI:
    """Speaks to NeuroAI.

    Args:
        api_key: The key; from ``NEUROAI_API_KEY``, ``.env`` or the store where left out, at the first call.
        base_url: Base URL; from ``NEUROAI_URL`` where left out. There is no other default, and no call
            without it.
        timeout: Seconds for one call, retries included.
        profile: Whose stored key.
        transport: Carries requests; HTTP where left out. Hand in your own to test without a server.

    Raises:
        InvalidKeyFormatError: The text is no key.
        ConfigurationError: The base URL is not https.

    Example:
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
        given, api_key = NEUROAI.read_key(api_key), None
        link = Link(NEUROAI, given, base_url=base_url, timeout=timeout, profile=profile)
        self._voice = Conversations(link)
        self._driver = Driver(link.settings, transport=transport)

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

    def verify(self) -> KeyCheck:
        """What the key in use is. Raises ``InvalidKeyError`` or ``KeyExpiredError`` where it is not valid."""
        return self._driver.run(self._voice.verify())

    def list_keys(self, *, page_size: int = PAGE) -> Iterator[KeyInfo]:
        """All keys, fetched page by page while you go through them."""
        walk = Walk()
        while not walk.ended:
            yield from self._driver.run(self._voice.page(page_size, walk))

    def get_key(self, key_id: str) -> KeyInfo:
        """One key. Raises ``KeyNotFoundError``."""
        return self._driver.run(self._voice.get_key(key_id))

    def create_key(
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
        """Make a key; its secret is in the result this once. A lost answer is never asked for blindly.

        Args:
            role: Such as ``Role.VIEWER``; any other text is sent as it is.
            type: Such as ``KeyType.SERVICE``.
            expires_at: With its time zone; None is never.
            permissions: Custom ones in place of the role's.
            referrers: Domains and IP addresses it may be used from; None is anywhere.
            rate_limit: A number is requests a minute.
            save: Store it as this profile's NeuroAI key; :meth:`restore_key` brings the one before back.

        Raises:
            AnswerLostError: The key was made, or may have been, and its secret was lost on the way.
        """
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
        return self._driver.run(self._voice.create_key(fields, save))

    def update_key(
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
        """Change what is given; None empties a field. Raises ``KeyNotFoundError``."""
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
        return self._driver.run(self._voice.update_key(key_id, fields))

    def rotate_key(self, key_id: str, *, save: bool = False) -> IssuedKey:
        """Give a key a new secret; the old one is dead at once.

        Where it is the key in use, this client uses the new secret from now on, and a stored one is replaced.

        Raises:
            AnswerLostError: The new secret was lost on the way.
            KeyNotFoundError: There is no such key.
        """
        return self._driver.run(self._voice.rotate_key(key_id, save))

    def rotate_if_older_than(
        self, days: float = ROTATION_DAYS, *, key_id: str | None = None, save: bool = False
    ) -> IssuedKey | None:
        """Rotate a key, the one in use where none is named, if its secret is older; None if it is not."""
        return self._driver.run(self._voice.rotate_if_older_than(days, key_id, save))

    def delete_key(self, key_id: str) -> None:
        """End a key for good. Raises ``KeyNotFoundError``."""
        return self._driver.run(self._voice.delete_key(key_id))

    def save_key(self) -> str:
        """Store the key in use, once it was found valid; gives the store's name."""
        return self._driver.run(self._voice.save_key())

    def restore_key(self) -> str:
        """Bring back the key that was stored before the present one; what people may see of it."""
        return self._driver.run(self._voice.restore_key())

    def forget_key(self) -> bool:
        """Remove the stored key; it stays valid. False where there was none."""
        return self._driver.run(self._voice.forget_key())

    def close(self) -> None:
        """Give connections back."""
        self._driver.close()

    def __enter__(self) -> NeuroAI:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"NeuroAI({self._voice})"
