"""Nimbus OS: what is said to it, as flows, each written into the audit trail.

Source: the authentication page of the Nimbus OS documentation.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from nimbus_sdk.config.keys import raise_if_invalid
from nimbus_sdk.errors import ConfigurationError, PermissionDeniedError, ResponseFormatError
from nimbus_sdk.services.audit.recorder import CallInfo, record_call
from nimbus_sdk.services.audit.trail import AuditTrail
from nimbus_sdk.services.base.connection import (
    Link,
    Params,
    checked_method,
    checked_path,
    content,
    request_id_of,
)
from nimbus_sdk.services.base.service import System
from nimbus_sdk.services.base.service_key import GivenKey, ServiceKey
from nimbus_sdk.services.rotation import stored_key
from nimbus_sdk.services.rotation.flow import Rotation, RotationStory
from nimbus_sdk.transport.driver import prepare_request
from nimbus_sdk.transport.flow import Flow, Request, Response, run_blocking

TRAIL = "nimbus-os"
PROBE = "/orders"
"""The one resource that the documentation names: what a new key is tried on."""

_PORTAL = "the developer portal (https://developer.nimbus-os.com, API Keys)"
_URLS = {"sandbox": "https://api-sandbox.nimbus-os.com", "production": None}


def nimbus_os(environment: str) -> System:
    """Nimbus OS in one of its environments, whose keys are kept apart.

    Raises:
        ConfigurationError: There is no such environment.

    Example:
        >>> nimbus_os("production").entry
        'nimbus-os.production'
    """
    if environment not in _URLS:
        raise ConfigurationError(
            f"Nimbus OS has no environment {environment[:40]!r}.", hint="It is sandbox or production."
        )
    # A key of production must not go to the sandbox, nor the other way round.
    return System(
        name="Nimbus OS",
        entry=f"{TRAIL}.{environment}",
        key_variable=f"NIMBUS_OS_{environment.upper()}_API_KEY",
        plain_key_variable="NIMBUS_OS_API_KEY" if environment == "sandbox" else "",
        url_variable=f"NIMBUS_OS_{environment.upper()}_URL",
        url=_URLS[environment],
        portal=_PORTAL,
        header="X-API-Key",
    )


class Conversations:
    """What both clients say; their keys are kept apart by the link's system."""

    def __init__(self, link: Link, environment: str) -> None:
        self.link = link
        self.environment = environment
        self._trail = AuditTrail(link.settings.paths, TRAIL)

    def request(
        self, method: str, path: str, params: Params | None, json: object, request_id: str | None
    ) -> Flow[object]:
        """Call a resource; see ``NimbusOS.request``."""
        key = (yield from run_blocking(self.link.found)).key
        return content((yield from self._audited(key, method, path, params, json, request_id)))

    def save_key(self, probe: str) -> Flow[str]:
        """Store the key in use, once it was found valid."""
        found = yield from run_blocking(self.link.found)
        yield from self._try(found.key, probe)
        return (yield from stored_key.save(self.link))

    def restore_key(self) -> Flow[str]:
        """Bring back the key that was stored before."""
        return (yield from stored_key.restore(self.link))

    def forget_key(self) -> Flow[bool]:
        """Remove the stored key."""
        return (yield from stored_key.forget(self.link))

    def rotate_key(self, given: GivenKey, probe: str) -> Flow[Rotation]:
        """Change to a new key, or go on with that."""
        return (
            yield from RotationStory(self.link).rotate(
                raise_if_invalid(given), lambda key: self._try(key, probe)
            )
        )

    def rotation(self) -> Flow[Rotation | None]:
        """How far the last rotation has come."""
        return (yield from run_blocking(RotationStory(self.link).read))

    def confirm_rotation(self) -> Flow[Rotation]:
        """Drop the old key."""
        return (yield from RotationStory(self.link).confirm())

    def undo_rotation(self) -> Flow[Rotation]:
        """Go back to the old key."""
        return (yield from RotationStory(self.link).undo())

    def _try(self, key: ServiceKey, probe: str) -> Flow[None]:
        """Find out whether a key is valid: whoever answers must be the service, and no page to sign in on."""
        try:
            found = (yield from self._audited(key, "GET", probe, None, None, None)).json()
        except PermissionDeniedError as error:
            error.hint = (
                f"Name a resource that the key may read: probe=…, on the command line --probe. {error.hint}"
            )
            raise
        if not isinstance(found, dict | list):
            raise ResponseFormatError(
                f"The answer for {probe} is neither an object nor a list, so it says nothing of the key.",
                hint="Name another resource: probe=…, on the command line --probe.",
            )

    def _audited(
        self,
        key: ServiceKey,
        method: str,
        path: str,
        params: Params | None,
        json: object,
        request_id: str | None,
    ) -> Flow[Response]:
        request_id = request_id_of(request_id)
        call = CallInfo(
            host=urlsplit(self.link.base).netloc,
            environment=self.environment,
            method=checked_method(method),
            path=checked_path(path),
            request_id=request_id,
            key=key.fingerprint,
        )
        # Offline nothing is sent: refused here, there is nothing to write down.
        prepare_request(
            Request(name=f"the {self.link.system.name} call", method="", url=""), self.link.settings
        )
        exchange = self.link.exchange(method, path, params=params, json=json, request_id=request_id, key=key)
        return (yield from record_call(self._trail, call, exchange))

    def __repr__(self) -> str:
        return f"environment={self.environment!r}, {self.link}"
