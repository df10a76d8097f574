"""Nimbus OS: any resource, a key for each environment, rotation, and an audit trail of every call.

Source: the authentication page of the Nimbus OS documentation.
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

from nimbus_sdk.config.keys import raise_if_invalid
from nimbus_sdk.errors import ConfigurationError, PermissionDeniedError, ResponseFormatError
from nimbus_sdk.errors.suggestions import list_choices
from nimbus_sdk.services.audit.entry import AuditEntry
from nimbus_sdk.services.audit.recorder import record_call, user_name
from nimbus_sdk.services.audit.trail import AuditTrail
from nimbus_sdk.services.base.connection import Connection, Params, parse_content
from nimbus_sdk.services.base.service import Service, ServiceKey
from nimbus_sdk.services.rotation import key_flows
from nimbus_sdk.services.rotation.record import Rotation
from nimbus_sdk.transport.driver import AsyncTransport, Transport, prepare_request
from nimbus_sdk.transport.flow import Flow, Request, Response, run_blocking
from nimbus_sdk.transport.sync_async import AwaitableClient, BlockingClient, awaitable, blocking

TRAIL = "nimbus-os"
PROBE = "/orders"
"""The one resource that the documentation names; a new key is tried on it."""

_PORTAL = "the developer portal (https://developer.nimbus-os.com, API Keys)"
_URLS = {"sandbox": "https://api-sandbox.nimbus-os.com", "production": None}


def nimbus_os(environment: str) -> Service:
    """Return Nimbus OS in one of its environments, which have separate keys.

    Examples:
        >>> nimbus_os("production").entry
        'nimbus-os.production'
    """
    if environment not in _URLS:
        raise ConfigurationError(
            f"Nimbus OS has no environment {environment[:40]!r}.", hint=list_choices(environment, _URLS)
        )
    # A key of production must not go to the sandbox, nor the other way round.
    return Service(
        name="Nimbus OS",
        entry=f"{TRAIL}.{environment}",
        key_variable=f"NIMBUS_OS_{environment.upper()}_API_KEY",
        plain_key_variable="NIMBUS_OS_API_KEY" if environment == "sandbox" else "",
        url_variable=f"NIMBUS_OS_{environment.upper()}_URL",
        url=_URLS[environment],
        portal=_PORTAL,
        header="X-API-Key",
    )


class NimbusOSFlows:
    """The calls of both clients."""

    def __init__(self, connection: Connection, environment: str) -> None:
        self.connection = connection
        self.environment = environment
        self._trail = AuditTrail(connection.settings.paths, TRAIL)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: object = None,
        request_id: str | None = None,
    ) -> Flow[object]:
        """Call a resource, such as ``request("GET", "/orders")``, and record the call.

        Args:
            method: HTTP method; POST and PATCH are not repeated after a lost response.
            path: Below the base URL, without a query.
            params: Query.
            json: Body.
            request_id: For ``X-Request-ID``; a new one if omitted.

        Returns:
            The parsed JSON; None if the response is empty.

        Raises:
            InvalidKeyError: 401; ``request_id`` is the service's own.
            PermissionDeniedError: 403.
            AuditTrailError: The call cannot be recorded, so it was not made.
        """
        key = (yield from run_blocking(self.connection.find_key)).key
        request = self.connection.request(method, path, params=params, json=json, request_id=request_id)
        return parse_content((yield from self._send(request, key)))

    def save_key(self, *, probe: str = PROBE) -> Flow[str]:
        """Store the key in use, once a GET of ``probe`` has found it valid, and return the store's name."""
        found = yield from run_blocking(self.connection.find_key)
        yield from self._validate(found.key, probe)
        return (yield from key_flows.save_key(self.connection))

    def rotate_key(self, new_key: str | None = None, *, probe: str = PROBE) -> Flow[Rotation]:
        """Change to a new key, made in the portal; or continue where the last attempt stopped.

        The new key is stored first, so that it is not lost, then tried with a GET of ``probe``, and only then
        replaces the old one, which stays stored until ``confirm_rotation``.

        Args:
            new_key: The new key; omit it to continue with the one that was given before.
            probe: A resource that the new key must be allowed to read.

        Returns:
            The progress; printed, it says what to do next.

        Raises:
            InvalidKeyError: Nimbus OS does not know the new key: it was dropped, and the old one stays in
                use. If something in between refused, it stays stored.
            MissingKeyError: No old key was found; the new one is stored.
            ConfigurationError: No new key was given, another one waits, or the stored key is not the one in
                use, and would be lost.
        """
        given, new_key = self.connection.service.parse_key(new_key), None
        new = raise_if_invalid(given)
        return (yield from key_flows.rotate_key(self.connection, new, lambda key: self._validate(key, probe)))

    def _validate(self, key: ServiceKey, probe: str) -> Flow[None]:
        """Raise if a key is not valid; a sign-in page that answers 200 does not make it valid."""
        try:
            content = (yield from self._send(self.connection.request("GET", probe), key)).json()
        except PermissionDeniedError as error:
            error.hint = (
                f"Name a resource that the key may read: probe=…, on the command line --probe. {error.hint}"
            )
            raise
        if not isinstance(content, dict | list):
            raise ResponseFormatError(
                f"The answer for {probe} is neither an object nor a list, so it says nothing about the key.",
                hint="Name another resource: probe=…, on the command line --probe.",
            )

    def _send(self, request: Request, key: ServiceKey) -> Flow[Response]:
        # In offline mode nothing is sent, so nothing is recorded.
        request = prepare_request(request, self.connection.settings)
        base = self.connection.base
        entry = AuditEntry(
            when=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            who=user_name(),
            host=urlsplit(base).netloc,
            environment=self.environment,
            method=request.method,
            path=request.url.removeprefix(base),
            request_id=request.headers["X-Request-ID"],
            key=key.fingerprint,
        )
        return (yield from record_call(self._trail, entry, self.connection.exchange(request, key)))

    def __repr__(self) -> str:
        return f"environment={self.environment!r}, {self.connection}"


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
    restore_key = blocking(key_flows.restore_key)
    forget_key = blocking(key_flows.forget_key)
    rotate_key = blocking(NimbusOSFlows.rotate_key)
    rotation = blocking(key_flows.rotation)
    confirm_rotation = blocking(key_flows.confirm_rotation)
    undo_rotation = blocking(key_flows.undo_rotation)


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
    restore_key = awaitable(key_flows.restore_key)
    forget_key = awaitable(key_flows.forget_key)
    rotate_key = awaitable(NimbusOSFlows.rotate_key)
    rotation = awaitable(key_flows.rotation)
    confirm_rotation = awaitable(key_flows.confirm_rotation)
    undo_rotation = awaitable(key_flows.undo_rotation)
