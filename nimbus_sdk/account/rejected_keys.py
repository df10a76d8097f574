"""Keys that the service has rejected: their session is removed at once, and no outage brings it back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from nimbus_sdk.account.session_lookup import clear_cache, dotenv_session, own_session
from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.errors import ApiError, InvalidKeyError, SessionError
from nimbus_sdk.storage import fs, sealed
from nimbus_sdk.transport.flow import Flow, run_blocking

T = TypeVar("T")
_log = logging.getLogger("nimbus_sdk")


def record_rejection(settings: Settings, key: ApiKey, flow: Flow[T]) -> Flow[T]:
    """Run a flow; if the service rejects the key in it, remove the key's session and record the rejection."""
    try:
        return (yield from flow)
    except ApiError as error:
        code = str(error.code)
        # With one of its own codes it is the service itself, and not something in between.
        if error.status == 401 and code in ("INVALID_KEY", "KEY_EXPIRED"):
            try:
                yield from run_blocking(lambda: mark_rejected(settings, key, code))
            except SessionError as failure:
                # The rejection is the error to raise.
                _log.warning("The session of %s could not be removed: %s", key.masked, failure)
        raise


def require_accepted(settings: Settings, key: ApiKey, flow: Flow[T]) -> Flow[T]:
    """Run a flow that succeeds only if the service accepts the key, and clear an earlier rejection.

    A rejection that was recorded while the response was on its way stays, since it is newer.
    """
    service = origin(settings.api_url)
    note = settings.paths.rejection(key.fingerprint, service)
    was_rejected, known = yield from run_blocking(
        lambda: (sealed.has_rejection(settings.paths, key.fingerprint, service), fs.file_version(note))
    )
    result = yield from record_rejection(settings, key, flow)
    yield from run_blocking(lambda: require_not_rejected(note, key.masked, known))
    if was_rejected:
        yield from run_blocking(lambda: sealed.clear_rejection(settings.paths, key.fingerprint, service))
    return result


def require_not_rejected(note: str, masked: str, known: fs.FileVersion | None = None) -> None:
    """Raise if a key's rejection was recorded at ``note``, other than one that is known already."""
    if fs.file_version(note) not in (None, known):
        raise InvalidKeyError(
            f"The service has rejected {masked} since it accepted it, so nothing was stored."
        )


def mark_rejected(settings: Settings, key: ApiKey, code: str) -> None:
    """Record that this service rejected a key, and remove its session.

    Another service's session for the same key stays: a key may be tried at a sandbox, or at an address that
    somebody else has set, and is still valid where it belongs.
    """
    service, at = origin(settings.api_url), datetime.now(UTC).isoformat(timespec="seconds")
    sealed.write_rejection(settings.paths, key.fingerprint, service, code, at)
    paths = settings.paths
    if _is_of(lambda: own_session(paths), key, service):
        sealed.remove_session(paths)
    if _is_of(lambda: dotenv_session(paths, key.fingerprint), key, service):
        sealed.remove_dotenv_session(paths, key.fingerprint)
    clear_cache()


def _is_of(read: Callable[[], SessionRecord | None], key: ApiKey, service: str) -> bool:
    """Whether a session is that of a key at a service."""
    try:
        session = read()
    except SessionError as error:
        # It cannot be used as it is; the rejection is the more important news.
        _log.warning("%s", error)
        return False
    return session is not None and (session.key_fingerprint, session.api_origin) == (key.fingerprint, service)
