"""A key that the service calls dead: what is cached for it goes at once, and no outage brings it back."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TypeVar

from nimbus_sdk.account.session_cache import clear_cache, stored_session
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.errors import ApiError, InvalidKeyError, SessionError
from nimbus_sdk.storage import fs, sealed
from nimbus_sdk.transport.flow import Flow, run_blocking

T = TypeVar("T")
_log = logging.getLogger("nimbus_sdk")


def is_rejection(error: ApiError) -> bool:
    """Whether the service itself said, in its own words, that the key is dead."""
    return error.status == 401 and error.code in ("INVALID_KEY", "KEY_EXPIRED")


def record_rejection(settings: Settings, key: ApiKey, conversation: Flow[T]) -> Flow[T]:
    """Have a conversation with the service; if it calls the key dead, what is cached for it goes at once.

    Raises:
        InvalidKeyError: The key is dead.
    """
    try:
        return (yield from conversation)
    except ApiError as error:
        code = str(error.code)
        if is_rejection(error):
            yield from run_blocking(lambda: _bury_if_possible(settings, key, code))
        raise


def require_accepted(settings: Settings, key: ApiKey, conversation: Flow[T]) -> Flow[T]:
    """Have a conversation in which the service calls the key valid; an earlier note of its refusal goes.

    A note that came while the answer was on its way stays, since it is the later news.

    Raises:
        InvalidKeyError: The key is dead, or was called dead meanwhile.
        SessionError: The note cannot be removed.
    """
    service = origin(settings.api_url)
    note = settings.paths.refusal(key.fingerprint, service)
    known = yield from run_blocking(lambda: fs.file_version(note))
    answer = yield from record_rejection(settings, key, conversation)
    yield from run_blocking(lambda: require_not_rejected(note, key.masked, known))
    if known is not None:
        yield from run_blocking(lambda: sealed.clear_rejection(settings.paths, key.fingerprint, service))
    return answer


def require_not_rejected(note: str, masked: str, known: fs.FileVersion | None = None) -> None:
    """Go on only if there is no note that a key was refused, but for one that is known already.

    Args:
        note: Its path, from ``Paths.refusal``.
        masked: What people may see of the key.
        known: The stamp of the one that is known.

    Raises:
        InvalidKeyError: There is one: the service called the key dead meanwhile.
    """
    if fs.file_version(note) not in (None, known):
        raise InvalidKeyError(
            f"The service has called {masked} dead since it said that it is valid, so nothing was kept."
        )


def mark_rejected(settings: Settings, key: ApiKey, code: str) -> None:
    """Drop what is cached for a dead key, and remember that it is dead at this service.

    What another service said of the same key stays: a key is tried out at a sandbox, or at an address that
    somebody else has set, and is no less alive where it belongs.

    Raises:
        SessionError: The disk refused.
    """
    service, at = origin(settings.api_url), datetime.now(UTC).isoformat(timespec="seconds")
    sealed.write_rejection(settings.paths, key.fingerprint, service, code, at)
    try:
        session = stored_session(settings.paths)
    except SessionError as error:
        # It cannot be used as it is; that the key is dead is the more important news.
        _log.warning("%s", error)
        session = None
    if session is not None and (session.key_fingerprint, session.api_origin) == (key.fingerprint, service):
        sealed.remove(settings.paths)
    clear_cache()


def _bury_if_possible(settings: Settings, key: ApiKey, code: str) -> None:
    try:
        mark_rejected(settings, key, code)
    except SessionError as error:
        # That the key is dead is what the person must be told.
        _log.warning("What is kept for %s could not be removed: %s", key.masked, error)
