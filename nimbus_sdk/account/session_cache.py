"""Which session counts now: from memory, or from the disk. The offline path ends here.

No network, no keyring, and none of their libraries.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

from nimbus_sdk.account.record import ROLLBACK_SECONDS, SessionRecord, require_valid
from nimbus_sdk.config.dotenv import dotenv_values
from nimbus_sdk.config.keys import ApiKey, parse_key
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import KEY_VARIABLE, Settings
from nimbus_sdk.errors import CoreError, InvalidKeyFormatError, SessionExpiredError, SessionNotFoundError
from nimbus_sdk.storage import fs, sealed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NOTE_TIME_EVERY_SECONDS = 180.0
"""With a minute until the next look, less than the clock may be set back: it cannot be set back unseen."""

LOOK_AGAIN_AFTER_SECONDS = 60.0
"""By then is seen what the session's file does not show: a new ``.env``, a revoke by another profile."""

_DECIDING = (KEY_VARIABLE, "NIMBUS_SDK_HOME", "NIMBUS_SDK_PROFILE")
_DECIDING_RAW = _DECIDING if os.name == "nt" else tuple(map(os.fsencode, _DECIDING))


def stored_session(paths: Paths) -> SessionRecord | None:
    """The profile's session as it is kept, whatever its age, or None.

    Raises:
        SessionTamperedError: The file was edited; it was set aside.
    """
    # The waiting one first: an install writes its session and then removes this one, so that whoever looks in
    # the other order may find neither.
    record = _waiting(paths) or sealed.read(paths)
    return None if record is None else SessionRecord.from_dict(record)


def _waiting(paths: Paths) -> sealed.Record | None:
    """The session of an install whose core is the current one, and that has not come to its end yet."""
    if not os.path.exists(paths.next_session):
        return None
    waiting = sealed.read_staged(paths)
    return waiting[1] if waiting is not None and waiting[0] == _install_id_in_use(paths) else None


def _install_id_in_use(paths: Paths) -> str | None:
    from nimbus_sdk.storage.pointer import read_pointer

    try:
        pointer = read_pointer(paths.core)
    except CoreError:
        # Whoever uses the core is told; a session does not hang on it.
        return None
    return None if pointer is None else pointer.install_id


def find_session(paths: Paths, key: ApiKey | None) -> SessionRecord:
    """The session for a key (or for whatever key was used last), if it may be used now.

    Raises:
        SessionError: As for :func:`current_session`.
    """
    session = stored_session(paths)
    if session is None:
        raise _absent(paths, key)
    if key is not None and key.fingerprint != session.key_fingerprint:
        raise SessionNotFoundError(
            f"The session of profile {paths.profile} belongs to {session.key_masked}, "
            f"but {KEY_VARIABLE} or the key given is {key.masked}.",
            hint="Install with that key once, or unset the variable; `nimbus-sdk explain` shows all keys.",
        )
    if os.path.exists(paths.refusal(session.key_fingerprint, session.api_origin)):
        raise _refused(paths, session.key_fingerprint, session.key_masked, session.api_origin)
    now, seen = time.time(), sealed.read_last_seen(paths)
    moment = datetime.fromtimestamp(now, UTC)
    try:
        require_valid(session, moment, None if seen is None else datetime.fromtimestamp(seen, UTC))
    except SessionExpiredError:
        # Else a clock that is set back to before the end would bring the session back.
        sealed.write_last_seen(paths, now)
        raise
    if now - max(seen or 0.0, session.validated_at.timestamp()) > NOTE_TIME_EVERY_SECONDS:
        sealed.write_last_seen(paths, now)
    return session


def clear_cache() -> None:
    """Drop what this process remembers of sessions; the next call reads the disk."""
    _memory.clear()


def cached_session(profile: str | None) -> SessionRecord | None:
    """The session in memory, or None if there is none that still matches the disk."""
    situation = _cache_key(profile)
    held = _memory.get(situation)
    if held is not None and held.still_holds():
        return held.session
    _memory.pop(situation, None)
    return None


def cache_session(profile: str | None, session: SessionRecord, path: str, stamp: fs.FileVersion) -> None:
    """Remember a session until its file changes, its time ends or the environment names another."""
    _memory[_cache_key(profile)] = CachedSession(session, path, stamp)


class CachedSession:
    """A session in memory, with what shows that it is still the one on the disk."""

    __slots__ = ("_earliest", "_latest", "_path", "_stamp", "session")

    def __init__(self, session: SessionRecord, path: str, stamp: fs.FileVersion) -> None:
        self.session = session
        self._path = path
        self._stamp = stamp
        self._earliest = time.time() - ROLLBACK_SECONDS
        end = float("inf") if session.expires_at is None else session.expires_at.timestamp()
        self._latest = min(end, time.time() + LOOK_AGAIN_AFTER_SECONDS)

    def still_holds(self) -> bool:
        """Whether the session is unchanged on the disk and its time has not ended."""
        return self._earliest <= time.time() < self._latest and fs.file_version(self._path) == self._stamp


_memory: dict[tuple[object, ...], CachedSession] = {}


def _cache_key(profile: str | None) -> tuple[object, ...]:
    try:
        folder = os.getcwd()
    except OSError:
        folder = ""
    look_up, names = _environment()
    # The key's hash and not the key: what is remembered here must not be one more copy of it.
    return (profile, folder, hash(look_up(names[0])), look_up(names[1]), look_up(names[2]))


def _environment() -> tuple[Callable[..., object], tuple[object, ...]]:
    """How to look up the variables that decide, and by which names."""
    # For a name that is absent, as these mostly are, os.environ raises and catches an error, which takes
    # longer than all else that a gate does. What it rests on does not.
    raw = getattr(os.environ, "_data", None)
    return (os.environ.get, _DECIDING) if raw is None else (raw.get, _DECIDING_RAW)


def named_key(settings: Settings) -> ApiKey | None:
    """The key in the environment or in ``.env``, or None."""
    given = parse_key(
        os.environ.get(KEY_VARIABLE, "").strip()
        or dotenv_values(settings.dotenv).get(KEY_VARIABLE, "").strip()
        or None
    )
    if isinstance(given, InvalidKeyFormatError):
        raise InvalidKeyFormatError(f"{KEY_VARIABLE}: {given.message}")
    return given


def _absent(paths: Paths, key: ApiKey | None) -> SessionNotFoundError:
    services = [] if key is None else sealed.rejecting_services(paths, key.fingerprint)
    if key is not None and services:
        return _refused(paths, key.fingerprint, key.masked, services[0])
    return SessionNotFoundError(f"There is no session for profile {paths.profile} on this machine.")


def _refused(paths: Paths, fingerprint: str, masked: str, service: str) -> SessionNotFoundError:
    note = sealed.read_rejection(paths, fingerprint, service) or {}
    return SessionNotFoundError(
        f"The service at {service} refused the key {masked} on {note.get('at')} ({note.get('code')}).",
        hint="It brings no session any more: set or install with another key, or ask for a new one at "
        "hello@nimbusbci.com. `nimbus-sdk explain` shows where this one comes from.",
    )
