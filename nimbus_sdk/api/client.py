"""``NimbusClient`` and ``AsyncNimbusClient``: the endpoints of the Nimbus API as methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nimbus_sdk.api import endpoints
from nimbus_sdk.api.endpoints import EventType, InferenceType
from nimbus_sdk.api.schemas import Entitlement, EventReceipt, GithubToken, Health, ModelInfo, Revocation
from nimbus_sdk.config.keys import ApiKey, parse_key, raise_if_invalid
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.storage.key_lookup import find_key
from nimbus_sdk.transport.driver import AsyncTransport, Transport
from nimbus_sdk.transport.flow import Flow, run_blocking
from nimbus_sdk.transport.sync_async import AwaitableClient, BlockingClient, awaitable, blocking

if TYPE_CHECKING:
    from nimbus_sdk.config.keys import ParsedKey


class NimbusFlows:
    """The endpoints of the Nimbus API for one key and one base URL, as flows for both clients."""

    def __init__(self, given: ParsedKey, settings: Settings) -> None:
        self.settings = settings
        # Set before the check may fail, so that a traceback with local variables can show this object.
        self._key: ApiKey | None = None
        self._key = raise_if_invalid(given)

    def validate(self) -> Flow[Entitlement]:
        """Validate the key, and return what it may do.

        Raises:
            InvalidKeyError: The service does not know the key.
            KeyExpiredError: The key has expired.
            QuotaExceededError: The monthly quota is used up.
            ResponseFormatError: The response does not say whose key it is, or differs in another way.
        """
        entitlement, _ = yield from endpoints.validate(self._base, (yield from self._find_key()))
        return entitlement

    def refresh(self) -> Flow[Entitlement]:
        """Return the current quota and features; the user fields are None."""
        entitlement, _ = yield from endpoints.refresh(self._base, (yield from self._find_key()))
        return entitlement

    def revoke(self, reason: str | None = None) -> Flow[Revocation]:
        """Revoke the key permanently.

        Raises:
            KeyNotFoundError: There is nothing to revoke.
        """
        return (yield from endpoints.revoke(self._base, (yield from self._find_key()), reason))

    def github_token(self) -> Flow[GithubToken]:
        """Return a temporary token for the release of the core.

        Raises:
            NotConfiguredError: The service has none.
        """
        return (yield from endpoints.github_token(self._base, (yield from self._find_key())))

    def list_models(
        self, paradigm: str | None = None, model_type: str | None = None
    ) -> Flow[tuple[ModelInfo, ...]]:
        """Return the pre-trained models.

        Raises:
            PermissionDeniedError: The license tier does not cover them.
        """
        key = yield from self._find_key()
        return (yield from endpoints.list_models(self._base, key, paradigm, model_type))

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
    ) -> Flow[EventReceipt]:
        """Log an event; ``inference`` counts against the quota.

        Raises:
            QuotaExceededError: The monthly quota is used up.
        """
        details = {
            "model_name": model_name,
            "inference_type": inference_type,
            "duration_ms": duration_ms,
            "success": success,
            "error_message": error_message,
            "metadata": None if metadata is None else dict(metadata),
        }
        key = yield from self._find_key()
        return (yield from endpoints.log_event(self._base, key, event_type, details))

    def health(self) -> Flow[Health]:
        """Return the state of the service; needs no key."""
        return (yield from endpoints.health(self._base))

    @property
    def _base(self) -> str:
        return self.settings.api_url

    def _find_key(self) -> Flow[ApiKey]:
        if self._key is None:
            self._key = (yield from run_blocking(lambda: find_key(self.settings))).key
        return self._key

    def __repr__(self) -> str:
        masked = None if self._key is None else self._key.masked
        return f"base_url={self._base!r}, api_key={masked!r}"


class NimbusClient(BlockingClient[NimbusFlows]):
    """Client of the Nimbus API; stores nothing on this machine.

    Args:
        api_key: The key. If omitted, it is looked up in the environment, ``.env`` and the credential store.
        base_url: Base URL of the API; from ``NIMBUS_SDK_API_URL`` if omitted.
        timeout: Seconds for one call, retries included.
        profile: The account whose stored key is used.
        transport: Sends the requests; HTTP if omitted. Pass your own to test without a server.

    Raises:
        InvalidKeyFormatError: The text is not a key.

    Examples:
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
        settings = Settings.load(api_url=base_url, timeout=timeout, profile=profile)
        super().__init__(NimbusFlows(given, settings), settings, transport)

    validate = blocking(NimbusFlows.validate)
    refresh = blocking(NimbusFlows.refresh)
    revoke = blocking(NimbusFlows.revoke)
    github_token = blocking(NimbusFlows.github_token)
    list_models = blocking(NimbusFlows.list_models)
    log_event = blocking(NimbusFlows.log_event)
    health = blocking(NimbusFlows.health)


class AsyncNimbusClient(AwaitableClient[NimbusFlows]):
    """The awaitable twin of ``NimbusClient``, with the same arguments and methods."""

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
        settings = Settings.load(api_url=base_url, timeout=timeout, profile=profile)
        super().__init__(NimbusFlows(given, settings), settings, transport)

    validate = awaitable(NimbusFlows.validate)
    refresh = awaitable(NimbusFlows.refresh)
    revoke = awaitable(NimbusFlows.revoke)
    github_token = awaitable(NimbusFlows.github_token)
    list_models = awaitable(NimbusFlows.list_models)
    log_event = awaitable(NimbusFlows.log_event)
    health = awaitable(NimbusFlows.health)
