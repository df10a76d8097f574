"""``NimbusClient`` and ``AsyncNimbusClient``: one-line faces over the conversations with the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nimbus_sdk.api import endpoints
from nimbus_sdk.api.endpoints import EventType, InferenceType
from nimbus_sdk.api.schemas import Entitlement, EventReceipt, GithubToken, Health, ModelInfo, Revocation
from nimbus_sdk.config.keys import ApiKey, parse_key, raise_if_invalid
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.storage.key_lookup import find_key
from nimbus_sdk.transport.driver import AsyncDriver, Driver
from nimbus_sdk.transport.flow import Flow, run_blocking

if TYPE_CHECKING:
    from types import TracebackType

    from nimbus_sdk.config.keys import ParsedKey
    from nimbus_sdk.transport.http import AsyncTransport, Transport


class NimbusClient:
    """Speaks to the Nimbus API; keeps nothing on this machine.

    Args:
        api_key: The key; from the environment, ``.env`` or the store where left out, at the first call.
        base_url: Base URL of the API; from ``NIMBUS_SDK_API_URL`` where left out.
        timeout: Seconds for one call, retries included.
        profile: Which account's stored key.
        transport: Carries requests; HTTP where left out. Hand in your own to test without a server.

    Raises:
        InvalidKeyFormatError: The text is no key.

    Example:
        >>> with NimbusClient("nbci_test_" + "0" * 48) as client:
        ...     client
        NimbusClient(base_url='https://api.nimbusbci.com', api_key='nbci_test_0000…0000')
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
        given, api_key = parse_key(api_key), None
        self._voice = _Voice(given, Settings.load(api_url=base_url, timeout=timeout, profile=profile))
        self._driver = Driver(self._voice.settings, transport=transport)

    def validate(self) -> Entitlement:
        """What the key may do. Raises ``InvalidKeyError``, ``KeyExpiredError``, ``QuotaExceededError``…"""
        return self._driver.run(self._voice.validate())

    def refresh(self) -> Entitlement:
        """Current quota and features; the user fields are None."""
        return self._driver.run(self._voice.refresh())

    def revoke(self, reason: str | None = None) -> Revocation:
        """Revoke the key for good. Raises ``KeyNotFoundError`` where there is nothing to revoke."""
        return self._driver.run(self._voice.revoke(reason))

    def github_token(self) -> GithubToken:
        """A temporary token for the core's release. Raises ``NotConfiguredError``."""
        return self._driver.run(self._voice.github_token())

    def list_models(
        self, paradigm: str | None = None, model_type: str | None = None
    ) -> tuple[ModelInfo, ...]:
        """The pre-trained models. Raises ``PermissionDeniedError`` above the tier."""
        return self._driver.run(self._voice.list_models(paradigm, model_type))

    def log_event(
        self,
        event_type: EventType,
        *,
        model_name: str | None = None,
        inference_type: InferenceType | None = None,
        duration_ms: float | None = None,
        success: bool | None = None,
        error_message: str | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> EventReceipt:
        """Log an event; ``inference`` counts against the quota. Raises ``QuotaExceededError``."""
        details = _details(model_name, inference_type, duration_ms, success, error_message, metadata)
        return self._driver.run(self._voice.log_event(event_type, details))

    def health(self) -> Health:
        """How the service is; needs no key."""
        return self._driver.run(self._voice.health())

    def close(self) -> None:
        """Give connections back."""
        self._driver.close()

    def __enter__(self) -> NimbusClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"NimbusClient({_shown(self)})"


class AsyncNimbusClient:
    """The awaitable twin of :class:`NimbusClient`, with the same arguments and methods."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float | None = None,
        profile: str | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        given, api_key = parse_key(api_key), None
        self._voice = _Voice(given, Settings.load(api_url=base_url, timeout=timeout, profile=profile))
        self._driver = AsyncDriver(self._voice.settings, transport=transport)

    async def validate(self) -> Entitlement:
        """What the key may do; see :meth:`NimbusClient.validate`."""
        return await self._driver.run(self._voice.validate())

    async def refresh(self) -> Entitlement:
        """Current quota and features; see :meth:`NimbusClient.refresh`."""
        return await self._driver.run(self._voice.refresh())

    async def revoke(self, reason: str | None = None) -> Revocation:
        """Revoke the key for good; see :meth:`NimbusClient.revoke`."""
        return await self._driver.run(self._voice.revoke(reason))

    async def github_token(self) -> GithubToken:
        """A temporary token for the core's release; see :meth:`NimbusClient.github_token`."""
        return await self._driver.run(self._voice.github_token())

    async def list_models(
        self, paradigm: str | None = None, model_type: str | None = None
    ) -> tuple[ModelInfo, ...]:
        """The pre-trained models; see :meth:`NimbusClient.list_models`."""
        return await self._driver.run(self._voice.list_models(paradigm, model_type))

    async def log_event(
        self,
        event_type: EventType,
        *,
        model_name: str | None = None,
        inference_type: InferenceType | None = None,
        duration_ms: float | None = None,
        success: bool | None = None,
        error_message: str | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> EventReceipt:
        """Log an event; see :meth:`NimbusClient.log_event`."""
        details = _details(model_name, inference_type, duration_ms, success, error_message, metadata)
        return await self._driver.run(self._voice.log_event(event_type, details))

    async def health(self) -> Health:
        """How the service is; see :meth:`NimbusClient.health`."""
        return await self._driver.run(self._voice.health())

    async def aclose(self) -> None:
        """Give connections back."""
        await self._driver.aclose()

    async def __aenter__(self) -> AsyncNimbusClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncNimbusClient({_shown(self)})"


class _Voice:
    """A key and a base URL, and the conversations that both clients run with them."""

    def __init__(self, given: ParsedKey, settings: Settings) -> None:
        self.settings = settings
        # Before it may fail, so that a traceback with locals can show what there is.
        self._key: ApiKey | None = None
        self._key = raise_if_invalid(given)

    def validate(self) -> Flow[Entitlement]:
        entitlement, _ = yield from endpoints.validate(self._base, (yield from self._found()))
        return entitlement

    def refresh(self) -> Flow[Entitlement]:
        entitlement, _ = yield from endpoints.refresh(self._base, (yield from self._found()))
        return entitlement

    def revoke(self, reason: str | None) -> Flow[Revocation]:
        return (yield from endpoints.revoke(self._base, (yield from self._found()), reason))

    def github_token(self) -> Flow[GithubToken]:
        return (yield from endpoints.github_token(self._base, (yield from self._found())))

    def list_models(self, paradigm: str | None, model_type: str | None) -> Flow[tuple[ModelInfo, ...]]:
        return (
            yield from endpoints.list_models(self._base, (yield from self._found()), paradigm, model_type)
        )

    def log_event(self, event_type: EventType, details: Mapping[str, object]) -> Flow[EventReceipt]:
        return (yield from endpoints.log_event(self._base, (yield from self._found()), event_type, details))

    def health(self) -> Flow[Health]:
        return endpoints.health(self._base)

    @property
    def _base(self) -> str:
        return self.settings.api_url

    def _found(self) -> Flow[ApiKey]:
        if self._key is None:
            found = yield from run_blocking(lambda: find_key(self.settings))
            self._key = found.key
        return self._key

    def __repr__(self) -> str:
        masked = None if self._key is None else self._key.masked
        return f"base_url={self._base!r}, api_key={masked!r}"


def _shown(client: NimbusClient | AsyncNimbusClient) -> str:
    # A traceback with locals shows a client that was refused its key, and so never came to have a voice.
    return str(getattr(client, "_voice", "not ready"))


def _details(
    model_name: str | None,
    inference_type: InferenceType | None,
    duration_ms: float | None,
    success: bool | None,
    error_message: str | None,
    metadata: Mapping[str, object] | None,
) -> dict[str, object]:
    return {
        "model_name": model_name,
        "inference_type": inference_type,
        "duration_ms": duration_ms,
        "success": success,
        "error_message": error_message,
        "metadata": None if metadata is None else dict(metadata),
    }
