"""Nimbus OS: any resource, a key for each environment, rotation, and an audit trail of every call.

Source: the authentication page of the Nimbus OS documentation.
"""

from __future__ import annotations

from nimbus_sdk.services.base.connection import Connection
from nimbus_sdk.services.nimbus_os.flows import NimbusOSFlows, nimbus_os
from nimbus_sdk.transport.client import AwaitableClient, BlockingClient, awaitable, blocking
from nimbus_sdk.transport.driver import AsyncTransport, Transport


class NimbusOS(BlockingClient[NimbusOSFlows]):
    """Calls Nimbus OS, and records every call in the audit trail on this machine.

    Args:
        api_key: The key; if omitted, from ``NIMBUS_OS_SANDBOX_API_KEY`` (for production likewise) in the
            environment or ``.env``, or from the credential store, at the first call.
        environment: ``sandbox`` or ``production``.
        base_url: Base URL; the sandbox's own if omitted. For calls to production it must be given, here or
            in ``NIMBUS_OS_PRODUCTION_URL``.
        timeout: Seconds for one call, retries included.
        profile: Whose stored key.
        transport: Carries requests; HTTP if omitted. Pass your own to test without a server.

    Raises:
        InvalidKeyFormatError: The text is not a key.
        ConfigurationError: There is no such environment, or the base URL is not https.

    Examples:
        >>> with NimbusOS("sk_live_abc123xyz789def456") as client:
        ...     client
        NimbusOS(environment='sandbox', base_url='https://api-sandbox.nimbus-os.com', api_key='sk_l…f456')
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        environment: str = "sandbox",
        base_url: str | None = None,
        timeout: float | None = None,
        profile: str | None = None,
        transport: Transport | None = None,
    ) -> None:
        service = nimbus_os(environment)
        given, api_key = service.parse_key(api_key), None
        connection = Connection(service, given, base_url=base_url, timeout=timeout, profile=profile)
        super().__init__(NimbusOSFlows(connection, environment), connection.settings, transport)

    request = blocking(NimbusOSFlows.request)
    save_key = blocking(NimbusOSFlows.save_key)
    restore_key = blocking(NimbusOSFlows.restore_key)
    forget_key = blocking(NimbusOSFlows.forget_key)
    rotate_key = blocking(NimbusOSFlows.rotate_key)
    rotation = blocking(NimbusOSFlows.rotation)
    confirm_rotation = blocking(NimbusOSFlows.confirm_rotation)
    undo_rotation = blocking(NimbusOSFlows.undo_rotation)


class AsyncNimbusOS(AwaitableClient[NimbusOSFlows]):
    """The awaitable twin of ``NimbusOS``, with the same arguments and methods."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        environment: str = "sandbox",
        base_url: str | None = None,
        timeout: float | None = None,
        profile: str | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        service = nimbus_os(environment)
        given, api_key = service.parse_key(api_key), None
        connection = Connection(service, given, base_url=base_url, timeout=timeout, profile=profile)
        super().__init__(NimbusOSFlows(connection, environment), connection.settings, transport)

    request = awaitable(NimbusOSFlows.request)
    save_key = awaitable(NimbusOSFlows.save_key)
    restore_key = awaitable(NimbusOSFlows.restore_key)
    forget_key = awaitable(NimbusOSFlows.forget_key)
    rotate_key = awaitable(NimbusOSFlows.rotate_key)
    rotation = awaitable(NimbusOSFlows.rotation)
    confirm_rotation = awaitable(NimbusOSFlows.confirm_rotation)
    undo_rotation = awaitable(NimbusOSFlows.undo_rotation)
