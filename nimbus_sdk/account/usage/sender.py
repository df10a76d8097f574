"""Sending events to the service, in the background thread: without a prompt, and with an event in transit
without any wait.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from nimbus_sdk import errors
from nimbus_sdk.account import rejected_keys
from nimbus_sdk.account.session_lookup import stored_session
from nimbus_sdk.api import endpoints
from nimbus_sdk.api.endpoints import EventType
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.storage import sealed
from nimbus_sdk.storage.key_lookup import find_key, no_prompt
from nimbus_sdk.transport.driver import Driver
from nimbus_sdk.transport.rate_limit import Limits

SEND_SECONDS = 10.0
OPEN_SECONDS = 60.0
"""How long a key and a connection are used before both are looked up again."""

QUOTA_SECONDS = 3600.0
"""Pause for a key whose quota is used up, if nothing says when the quota is reset."""

# At a terminal a keyring would be given a minute, and a notice would ask for an answer to its prompt.
_KEYRING_SECONDS = 2.0
# The event itself was refused, or what has become of it behind a gateway is unknown.
_NOT_REPEATABLE = frozenset({400, 413, 422, 502, 504})
_log = logging.getLogger("nimbus_sdk.usage")


class Sender:
    """A key that was found without a prompt, and a connection on which the service has answered."""

    def __init__(self, settings: Settings) -> None:
        self._settings = replace(settings, timeout=SEND_SECONDS)
        # Limits of its own: a lock that is shared with other threads may be held by one when a fork happens.
        self._driver = Driver(self._settings, limits=Limits(), sleep=_refuse_to_wait)
        self._key: ApiKey | None = None
        self._open_until = 0.0
        self._quota_resets: dict[str, datetime] = {}
        self._logged: set[tuple[type[Exception], str | None]] = set()

    def open(self) -> None:
        """Find the key, and check that the service answers, while no event is in transit.

        So a slow start, an unreachable service or a captive portal loses no event and delays no exit.
        """
        if time.monotonic() < self._open_until:
            return
        if self._settings.offline:
            raise errors.NimbusConnectionError("Offline mode is on.", passing=False, sent=False)
        self._key = None
        self._key = find_key(self._settings, prompt=no_prompt, patience=_KEYRING_SECONDS).key
        self._require_sendable(self._key)
        self._driver.run(endpoints.health(self._settings.api_url))
        self._open_until = time.monotonic() + OPEN_SECONDS

    def send(self, event: Mapping[str, object]) -> None:
        """Send an event, once; raise if it was certainly not counted, and may be sent later."""
        key = self._key
        if key is None:
            raise errors.MissingKeyError("No key was found.")
        details = {name: value for name, value in event.items() if name != "event_type"}
        flow = endpoints.log_event(self._settings.api_url, key, cast(EventType, event["event_type"]), details)
        try:
            self._driver.run(rejected_keys.record_rejection(self._settings, key, flow))
        except errors.NimbusError as error:
            self._open_until = 0.0
            if isinstance(error, errors.QuotaExceededError):
                self._quota_resets[key.fingerprint] = self._reset_after(error, key)
            if _is_repeatable(error):
                raise
            self.log(error)
        else:
            self._logged.clear()

    def log(self, error: Exception) -> None:
        """Log what prevents reports, once; a temporary failure is not a warning."""
        passing = isinstance(error, (errors.NimbusConnectionError, errors.ServerError, errors.RateLimitError))
        kind = (type(error), None if self._key is None else self._key.fingerprint)
        level = logging.DEBUG if passing or kind in self._logged else logging.WARNING
        self._logged.add(kind)
        _log.log(level, "Usage is not reported for now: %s", error)

    def close(self) -> None:
        """Close the connection."""
        self._driver.close()

    def _require_sendable(self, key: ApiKey) -> None:
        if sealed.has_rejection(self._settings.paths, key.fingerprint, origin(self._settings.api_url)):
            raise errors.InvalidKeyError(f"The service has rejected {key.masked}.")
        resets = self._quota_resets.get(key.fingerprint)
        if resets is not None and datetime.now(UTC) < resets:
            raise errors.QuotaExceededError(
                f"The quota of {key.masked} is used up until {resets:%Y-%m-%d %H:%M} UTC."
            )

    def _reset_after(self, error: errors.QuotaExceededError, key: ApiKey) -> datetime:
        now = datetime.now(UTC)
        if error.retry_after is not None:
            return now + timedelta(seconds=error.retry_after)
        try:
            session = stored_session(self._settings.paths, key)
        except (errors.SessionError, OSError):
            session = None
        stored = session.quota_reset_at if session and session.key_fingerprint == key.fingerprint else None
        return stored if stored is not None and stored > now else now + timedelta(seconds=QUOTA_SECONDS)


def _is_repeatable(error: errors.NimbusError) -> bool:
    """Whether an event was certainly not counted, and is not at fault itself."""
    if isinstance(error, errors.NimbusConnectionError):
        return not error.sent
    return isinstance(error, errors.ApiError) and error.status not in _NOT_REPEATABLE


def _refuse_to_wait(seconds: float) -> None:
    """Raise instead of waiting: the event was not counted, and waits in the spool."""
    if seconds > 0:
        raise errors.RateLimitError("The service cannot be reached, or asks to wait.", retry_after=seconds)
