"""Nimbus OS: any resource, a key for each environment, rotation, and a trail of every call.

Source: the authentication page of the Nimbus OS documentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nimbus_sdk.services.base.connection import Link, Params
from nimbus_sdk.services.nimbus_os.flows import PROBE, Conversations, nimbus_os
from nimbus_sdk.services.rotation.flow import Rotation
from nimbus_sdk.transport.driver import AsyncDriver, Driver

if TYPE_CHECKING:
    from types import TracebackType

    from nimbus_sdk.transport.http import AsyncTransport, Transport


class NimbusOS:
    """Speaks to Nimbus OS, and writes every call into the audit trail on this machine.

    Args:
        api_key: The key; where left out, from ``NIMBUS_OS_SANDBOX_API_KEY`` (for production likewise) in the
            environment or ``.env``, or from the store, at the first call.
        environment: ``sandbox`` or ``production``.
        base_url: Base URL; the sandbox's own where left out. For calls to production it must be given, here
            or in ``NIMBUS_OS_PRODUCTION_URL``.
        timeout: Seconds for one call, retries included.
        profile: Whose stored key.
        transport: Carries requests; HTTP where left out. Hand in your own to test without a server.

    Raises:
        InvalidKeyFormatError: The text is no key.
        ConfigurationError: There is no such environment, or the base URL is not https.

    Example:
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
        system = nimbus_os(environment)
        given, api_key = system.read_key(api_key), None
        link = Link(system, given, base_url=base_url, timeout=timeout, profile=profile)
        self._voice = Conversations(link, environment)
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
        """Call a resource, such as ``request("GET", "/orders")``.

        Args:
            method: HTTP method; POST and PATCH are not sent again when an answer is lost.
            path: Below the base URL, without a query.
            params: Query.
            json: Body.
            request_id: For ``X-Request-ID``; a new one where left out.

        Returns:
            The parsed JSON; None where the answer is empty.

        Raises:
            InvalidKeyError: 401; ``request_id`` is the service's own.
            PermissionDeniedError: 403.
            AuditTrailError: The call cannot be written down, so it was not made.
        """
        return self._driver.run(self._voice.request(method, path, params, json, request_id))

    def save_key(self, *, probe: str = PROBE) -> str:
        """Store the key in use, once a GET of ``probe`` has found it valid; gives the store's name."""
        return self._driver.run(self._voice.save_key(probe))

    def restore_key(self) -> str:
        """Bring back the key that was stored before the present one; gives what people may see of it.

        Raises:
            MissingKeyError: There is none for this base URL.
            ConfigurationError: A rotation is under way.
        """
        return self._driver.run(self._voice.restore_key())

    def forget_key(self) -> bool:
        """Remove this environment's stored key and the one before it; both stay valid. False where none was.

        Raises:
            ConfigurationError: A rotation is under way.
        """
        return self._driver.run(self._voice.forget_key())

    def rotate_key(self, new_key: str | None = None, *, probe: str = PROBE) -> Rotation:
        """Change to a new key, made in the portal; or go on where the last attempt stopped.

        The new key is kept first, so that it is not lost, then tried with a GET of ``probe``, and only then
        put in the place of the old one, which stays at hand until :meth:`confirm_rotation`.

        Args:
            new_key: The new key; leave it out to go on with the one that was given before.
            probe: A resource that the new key must be allowed to read.

        Returns:
            How far it has come; printed, it says what to do next.

        Raises:
            InvalidKeyError: Nimbus OS does not know the new key: it was dropped, and the old one stays in
                use. Where somebody in between refused, it is kept.
            MissingKeyError: No old key was found; the new one is kept.
            ConfigurationError: No new key was given, another one waits, or the stored key is not the one in
                use, and would be lost.
        """
        given, new_key = self._voice.link.system.read_key(new_key), None
        return self._driver.run(self._voice.rotate_key(given, probe))

    def rotation(self) -> Rotation | None:
        """How far the last rotation has come, or None; no network."""
        return self._driver.run(self._voice.rotation())

    def confirm_rotation(self) -> Rotation:
        """Drop the old key: everything works with the new one. The last line says what is left to do.

        Raises:
            ConfigurationError: The new key is not in use.
        """
        return self._driver.run(self._voice.confirm_rotation())

    def undo_rotation(self) -> Rotation:
        """Go back to the old key, as long as the rotation was not confirmed.

        Raises:
            ConfigurationError: No rotation is under way, or the old key is for another base URL.
        """
        return self._driver.run(self._voice.undo_rotation())

    def close(self) -> None:
        """Give connections back."""
        self._driver.close()

    def __enter__(self) -> NimbusOS:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"NimbusOS({self._voice})"


class AsyncNimbusOS:
    """The awaitable twin of :class:`NimbusOS`, with the same arguments and methods."""

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
        system = nimbus_os(environment)
        given, api_key = system.read_key(api_key), None
        link = Link(system, given, base_url=base_url, timeout=timeout, profile=profile)
        self._voice = Conversations(link, environment)
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
        """Call a resource; see :meth:`NimbusOS.request`."""
        return await self._driver.run(self._voice.request(method, path, params, json, request_id))

    async def save_key(self, *, probe: str = PROBE) -> str:
        """Store the key in use once it was found valid; see :meth:`NimbusOS.save_key`."""
        return await self._driver.run(self._voice.save_key(probe))

    async def restore_key(self) -> str:
        """Bring back the key that was stored before; see :meth:`NimbusOS.restore_key`."""
        return await self._driver.run(self._voice.restore_key())

    async def forget_key(self) -> bool:
        """Remove this environment's stored key; see :meth:`NimbusOS.forget_key`."""
        return await self._driver.run(self._voice.forget_key())

    async def rotate_key(self, new_key: str | None = None, *, probe: str = PROBE) -> Rotation:
        """Change to a new key; see :meth:`NimbusOS.rotate_key`."""
        given, new_key = self._voice.link.system.read_key(new_key), None
        return await self._driver.run(self._voice.rotate_key(given, probe))

    async def rotation(self) -> Rotation | None:
        """How far the last rotation has come; see :meth:`NimbusOS.rotation`."""
        return await self._driver.run(self._voice.rotation())

    async def confirm_rotation(self) -> Rotation:
        """Drop the old key; see :meth:`NimbusOS.confirm_rotation`."""
        return await self._driver.run(self._voice.confirm_rotation())

    async def undo_rotation(self) -> Rotation:
        """Go back to the old key; see :meth:`NimbusOS.undo_rotation`."""
        return await self._driver.run(self._voice.undo_rotation())

    async def aclose(self) -> None:
        """Give connections back."""
        await self._driver.aclose()

    async def __aenter__(self) -> AsyncNimbusOS:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncNimbusOS({self._voice})"
