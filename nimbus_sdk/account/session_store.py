"""Store a session that the service has just confirmed, and its key if a person gave it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from nimbus_sdk import errors
from nimbus_sdk.account.rejected_keys import require_not_rejected
from nimbus_sdk.account.session_lookup import clear_cache, own_session
from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.storage import sealed
from nimbus_sdk.storage.credentials import read_stored_key, save_key, withdraw_key
from nimbus_sdk.storage.key_lookup import FoundKey
from nimbus_sdk.storage.key_metadata import read_metadata
from nimbus_sdk.storage.key_removal import delete_key

STORED_SOURCES = ("argument", "prompt", "bundle")
DOTENV = "dotenv"
_log = logging.getLogger("nimbus_sdk")


def store_session(settings: Settings, found: FoundKey, session: SessionRecord) -> SessionRecord:
    """Store a session that the service has just confirmed, and its key if a person gave it.

    A key from elsewhere, such as the environment, is there again at the next start: if the disk refuses the
    session of such a key, that is logged and the call succeeds. The session that is returned names the place
    of its key.
    """
    with storing_key(settings, found, session) as session:
        try:
            write_session(settings.paths, session)
        except errors.SessionError as error:
            if found.source in STORED_SOURCES:
                raise
            _log.warning("The session of %s is used and was not stored: %s", session.key_masked, error)
    return session


def write_session(paths: Paths, session: SessionRecord) -> None:
    """Write a confirmed session, and the time at which it was confirmed as the latest time seen."""
    if is_stored_beside_own(paths, session):
        sealed.write_dotenv_session(paths, session.key_fingerprint, session.to_dict())
    else:
        if session.key_source == DOTENV and (own := _own_session(paths)) is not None:
            # The key has also come from elsewhere, and its session stays the profile's own.
            session = replace(session, key_source=own.key_source, key_source_reason=own.key_source_reason)
        sealed.write_session(paths, session.to_dict())
        sealed.remove_dotenv_session(paths, session.key_fingerprint)
    sealed.write_last_seen(paths, session.validated_at.timestamp())
    clear_cache()


def is_stored_beside_own(paths: Paths, session: SessionRecord) -> bool:
    """Whether a session is stored beside the profile's own, since its key came from a ``.env`` alone.

    A ``.env`` may come with a folder from a stranger, who may revoke the key that is in it.
    """
    # Read in any case, so that a session that somebody changed is set aside and not overwritten.
    own = _own_session(paths)
    is_own = own is not None and own.key_fingerprint == session.key_fingerprint
    return session.key_source == DOTENV and not is_own


def _own_session(paths: Paths) -> SessionRecord | None:
    try:
        return own_session(paths)
    except errors.SessionError:
        # What cannot be read is replaced.
        return None


@contextmanager
def storing_key(settings: Settings, found: FoundKey, session: SessionRecord) -> Iterator[SessionRecord]:
    """Store a key that a person gave and that was just validated; any other key stays where it is.

    The session that is yielded names the place of its key. If the block fails, the key that was stored before
    is restored.
    """
    require_not_rejected(
        settings.paths.rejection(session.key_fingerprint, session.api_origin), session.key_masked
    )
    if found.source not in STORED_SOURCES:
        yield replace(session, key_source=found.store or found.source)
        return
    restore = _prepare_restore(settings, found.key)
    stored = _store_key(settings, found.key, session)
    try:
        yield stored
    except errors.NimbusError:
        try:
            restore()
        except errors.CredentialStoreError as error:
            _log.warning("%s stays stored, although the rest failed: %s", found.key.masked, error)
        raise


def _store_key(settings: Settings, key: ApiKey, session: SessionRecord) -> SessionRecord:
    try:
        choice = save_key(settings, key, session.api_origin)
    except errors.CredentialStoreError:
        stored = read_stored_key(settings)
        if stored.key is None or stored.key.fingerprint != key.fingerprint:
            raise
        # The key is stored already, on a disk that is read-only by now.
        return replace(session, key_source=stored.store)
    return replace(session, key_source=choice.store.name, key_source_reason=choice.reason)


def _prepare_restore(settings: Settings, key: ApiKey) -> Callable[[], object]:
    """Return what restores the store's present state after a key was stored in it."""
    metadata = read_metadata(settings.paths)
    if metadata is None:
        return lambda: delete_key(settings, key.fingerprint)
    if metadata.fingerprint == key.fingerprint:
        return lambda: None
    try:
        before = read_stored_key(settings)
    except errors.CredentialStoreError:
        # A key that cannot be read stays where it is; the new one goes to the file.
        return lambda: withdraw_key(settings, key.fingerprint, metadata)
    if before.key is None:
        return lambda: delete_key(settings, key.fingerprint)
    previous = before.key
    return lambda: save_key(settings, previous, before.origin)
