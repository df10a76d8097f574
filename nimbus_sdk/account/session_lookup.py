"""Find the session in use, in memory or on the disk, and decide whether it may be used.

This is the offline path: no network, no keyring, and none of their libraries.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

from nimbus_sdk.account.session_record import ROLLBACK_SECONDS, SessionRecord, require_valid
from nimbus_sdk.config.dotenv import dotenv_values
from nimbus_sdk.config.keys import ApiKey, parse_key
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import KEY_VARIABLE, Settings, read_text
from nimbus_sdk.errors import CoreError, InvalidKeyFormatError, SessionExpiredError, SessionNotFoundError
from nimbus_sdk.storage import fs, sealed

LAST_SEEN_INTERVAL_SECONDS = 180.0
"""Together with ``CACHE_SECONDS`` this is less than ``ROLLBACK_SECONDS``."""

CACHE_SECONDS = 60.0
"""After this long the disk is read again, for changes that the session's file does not show: a new ``.env``,
a revoke by another profile."""


def stored_session(paths: Paths, key: ApiKey | None = None) -> SessionRecord | None:
    """Return the stored session for a key, or the profile's, whatever its age; None if there is none.

    The session of a key from a ``.env`` counts for that key, and otherwise only while the profile has no
    session of its own. A profile's session of another key is returned as well.
    """
    own = own_session(paths)
    if own is None and key is None:
        return _newest_dotenv_session(paths)
    if key is None or (own is not None and own.key_fingerprint == key.fingerprint):
        return own
    return dotenv_session(paths, key.fingerprint) or own


def dotenv_session(paths: Paths, fingerprint: str) -> SessionRecord | None:
    """Return the session of a key that came from a ``.env``, or None."""
    record = sealed.read_dotenv_session(paths, fingerprint)
    return None if record is None else SessionRecord.from_dict(record)


def _newest_dotenv_session(paths: Paths) -> SessionRecord | None:
    found = [dotenv_session(paths, fingerprint) for fingerprint in sealed.dotenv_fingerprints(paths)]
    return max(filter(None, found), key=lambda session: session.validated_at, default=None)


def own_session(paths: Paths) -> SessionRecord | None:
    """Return the session of the profile's own key, which came from anywhere but a ``.env``, or None."""
    # The staged one first: an install writes its session and then removes the staged one, so a reader in the
    # other order may find neither.
    record = _staged_session(paths) or sealed.read_session(paths)
    return None if record is None else SessionRecord.from_dict(record)


def _staged_session(paths: Paths) -> sealed.Record | None:
    """Return the session of an install that has switched to its core and has not ended yet."""
    if not os.path.exists(paths.next_session):
        return None
    staged = sealed.read_staged_session(paths)
    return staged[1] if staged is not None and staged[0] == _current_install_id(paths) else None


def _current_install_id(paths: Paths) -> str | None:
    from nimbus_sdk.storage.pointer import read_pointer

    try:
        pointer = read_pointer(paths.core)
    except CoreError:
        # Using the core reports this; a session does not depend on it.
        return None
    return None if pointer is None else pointer.install_id


def find_session(paths: Paths, key: ApiKey | None) -> SessionRecord:
    """Return the session for a key (or for the key used last), if it may be used now."""
    session = stored_session(paths, key)
    if session is None:
        raise _not_found(paths, key)
    if key is not None and key.fingerprint != session.key_fingerprint:
        raise SessionNotFoundError(
            f"The session of profile {paths.profile} belongs to {session.key_masked}, "
            f"but {KEY_VARIABLE} or the key given is {key.masked}.",
            hint="Install with that key once, or unset the variable; `nimbus-sdk explain` shows all keys.",
        )
    if sealed.has_rejection(paths, session.key_fingerprint, session.api_origin):
        raise _rejected(paths, session.key_fingerprint, session.key_masked, session.api_origin)
    now, seen = time.time(), sealed.read_last_seen(paths)
    moment = datetime.fromtimestamp(now, UTC)
    try:
        require_valid(session, moment, None if seen is None else datetime.fromtimestamp(seen, UTC))
    except SessionExpiredError:
        # Otherwise a clock that is set back to before the end would make the session valid again.
        sealed.write_last_seen(paths, now)
        raise
    if now - max(seen or 0.0, session.validated_at.timestamp()) > LAST_SEEN_INTERVAL_SECONDS:
        sealed.write_last_seen(paths, now)
    return session


def clear_cache() -> None:
    """Drop the sessions in memory; the next call reads the disk."""
    _cache.clear()


def cached_session(profile: str | None) -> SessionRecord | None:
    """Return the session in memory, or None if there is none that still matches the disk."""
    cache_key = _cache_key(profile)
    if (cached := _cache.get(cache_key)) is None:
        return None
    session, earliest, latest, path, version = cached
    if earliest <= time.time() < latest and fs.file_version(path) == version:
        return session
    _cache.pop(cache_key, None)
    return None


def cache_session(profile: str | None, session: SessionRecord, path: str, version: fs.FileVersion) -> None:
    """Store a session in memory until its file changes, its time ends or the environment names another."""
    now = time.time()
    end = float("inf") if session.expires_at is None else session.expires_at.timestamp()
    latest = min(end, now + CACHE_SECONDS)
    _cache[_cache_key(profile)] = session, now - ROLLBACK_SECONDS, latest, path, version


def environment_reader(*names: str) -> Callable[[], tuple[object, ...]]:
    """Return what reads the working directory and some environment variables, as a key for caches.

    It is called wherever a cache is used, so it has to be fast.
    """
    encoded = names if os.name == "nt" else tuple(map(os.fsencode, names))

    def read() -> tuple[object, ...]:
        try:
            folder = os.getcwd()
        except OSError:
            folder = ""
        # For a variable that is not set, as most are, os.environ raises and catches an error, which takes
        # longer than the rest of the call. The dictionary behind it does not.
        raw = getattr(os.environ, "_data", None)
        if raw is None:
            return (folder, *map(os.environ.get, names))
        return (folder, *map(raw.get, encoded))

    return read


_cache: dict[tuple[object, ...], tuple[SessionRecord, float, float, str, fs.FileVersion]] = {}
"""Sessions, each with the times between which it counts, and its file as it was read."""

_read_environment = environment_reader(KEY_VARIABLE, "NIMBUS_SDK_HOME", "NIMBUS_SDK_PROFILE")


def _cache_key(profile: str | None) -> tuple[object, ...]:
    folder, key, home, named = _read_environment()
    # The key's hash and not the key: the cache must not be one more copy of it.
    return (profile, folder, hash(key), home, named)


def key_from_environment(settings: Settings) -> ApiKey | None:
    """Return the key in the environment or in ``.env``, or None.

    A short form of ``nimbus_sdk.storage.key_lookup``, which would cost the offline path its imports. A key
    file is not read: the session is found without opening any file that holds a key.
    """
    given = parse_key(
        read_text(os.environ, KEY_VARIABLE) or read_text(dotenv_values(settings.dotenv), KEY_VARIABLE) or None
    )
    if isinstance(given, InvalidKeyFormatError):
        raise InvalidKeyFormatError(f"{KEY_VARIABLE}: {given.message}")
    return given


def _not_found(paths: Paths, key: ApiKey | None) -> SessionNotFoundError:
    services = [] if key is None else sealed.rejecting_services(paths, key.fingerprint)
    if key is not None and services:
        return _rejected(paths, key.fingerprint, key.masked, services[0])
    return SessionNotFoundError(f"There is no session for profile {paths.profile} on this machine.")


def _rejected(paths: Paths, fingerprint: str, masked: str, service: str) -> SessionNotFoundError:
    note = sealed.read_rejection(paths, fingerprint, service)
    if not note:
        return SessionNotFoundError(
            f"The key {masked} counts as rejected by the service at {service}: the record of its answer is "
            "damaged, cannot be read, or was written by a newer version of the SDK.",
            hint="Run `nimbus-sdk install` online: the answer of the service decides.",
        )
    return SessionNotFoundError(
        f"The service at {service} rejected the key {masked} on {note.get('at')} ({note.get('code')}).",
        hint="Install with another key, or ask for a new one at hello@nimbusbci.com. "
        "`nimbus-sdk explain` shows where this one comes from.",
    )
