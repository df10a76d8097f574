"""Which session counts now: from memory, or from the disk. The offline path ends here.

No network, no keyring, and none of their libraries.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

from nimbus_sdk.dotenv_file import dotenv_values
from nimbus_sdk.errors import CoreError, InvalidKeyFormatError, SessionExpiredError, SessionNotFoundError
from nimbus_sdk.keys import ApiKey, received
from nimbus_sdk.session import ROLLBACK_SECONDS, AuthSession, usable
from nimbus_sdk.settings import KEY_VARIABLE, Settings
from nimbus_sdk.store import sessions
from nimbus_sdk.store.places import Places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NOTE_TIME_EVERY_SECONDS = 180.0
"""With a minute until the next look, less than the clock may be set back: it cannot be set back unseen."""

LOOK_AGAIN_AFTER_SECONDS = 60.0
"""By then is seen what the session's file does not show: a new ``.env``, a revoke by another profile."""

_DECIDING = (KEY_VARIABLE, "NIMBUS_SDK_HOME", "NIMBUS_SDK_PROFILE")
_DECIDING_RAW = _DECIDING if os.name == "nt" else tuple(map(os.fsencode, _DECIDING))


def kept_session(places: Places) -> AuthSession | None:
    """The profile's session as it is kept, whatever its age, or None.

    Raises:
        SessionTamperedError: The file was edited; it was set aside.
    """
    # The waiting one first: an install writes its session and then removes this one, so that whoever looks in
    # the other order may find neither.
    record = _waiting(places) or sessions.read(places)
    return None if record is None else AuthSession.from_dict(record)


def _waiting(places: Places) -> sessions.Record | None:
    """The session of an install whose core is the current one, and that has not come to its end yet."""
    if not os.path.exists(places.next_session):
        return None
    waiting = sessions.staged(places)
    return waiting[1] if waiting is not None and waiting[0] == _install_id_in_use(places) else None


def _install_id_in_use(places: Places) -> str | None:
    from nimbus_sdk.core.installed import read_pointer

    try:
        pointer = read_pointer(places.core)
    except CoreError:
        # Whoever uses the core is told; a session does not hang on it.
        return None
    return None if pointer is None else pointer.install_id


def current_session(*, profile: str | None = None) -> AuthSession:
    """The profile's session, from memory or from the disk: no network, no keyring.

    Raises:
        SessionNotFoundError: There is none, or ``NIMBUS_API_KEY`` names another key.
        SessionExpiredError: It is past its expiry.
        SessionTamperedError: Its file was edited; it was set aside.
        ClockRollbackError: The clock was set back by more than 5 minutes.
    """
    situation = _situation(profile)
    held = _memory.get(situation)
    if held is not None and held.still_holds():
        return held.session
    _memory.pop(situation, None)
    settings = Settings.load(profile=profile)
    places = Places.of(settings)
    before = sessions.stamp(places.session)
    session = session_of(places, _named_key(settings))
    if before is not None:
        _memory[situation] = _Held(session, places.session, before)
    return session


def session_of(places: Places, key: ApiKey | None) -> AuthSession:
    """The session for a key (or for whatever key was used last), if it may be used now.

    Raises:
        SessionError: As for :func:`current_session`.
    """
    session = kept_session(places)
    if session is None:
        raise _absent(places, key)
    if key is not None and key.fingerprint != session.key_fingerprint:
        raise SessionNotFoundError(
            f"The session of profile {places.profile} belongs to {session.key_masked}, "
            f"but {KEY_VARIABLE} or the key given is {key.masked}.",
            hint="Install with that key once, or unset the variable; `nimbus-sdk explain` shows all keys.",
        )
    if os.path.exists(places.refusal(session.key_fingerprint, session.api_origin)):
        raise _refused(places, session.key_fingerprint, session.key_masked, session.api_origin)
    now, seen = time.time(), sessions.last_seen(places)
    moment = datetime.fromtimestamp(now, UTC)
    try:
        usable(session, moment, None if seen is None else datetime.fromtimestamp(seen, UTC))
    except SessionExpiredError:
        # Else a clock that is set back to before the end would bring the session back.
        sessions.note_seen(places, now)
        raise
    if now - max(seen or 0.0, session.validated_at.timestamp()) > NOTE_TIME_EVERY_SECONDS:
        sessions.note_seen(places, now)
    return session


def forget_memory() -> None:
    """Drop what this process remembers of sessions; the next call reads the disk."""
    _memory.clear()


class _Held:
    """A session in memory, with what shows that it is still the one on the disk."""

    __slots__ = ("_earliest", "_latest", "_path", "_stamp", "session")

    def __init__(self, session: AuthSession, path: str, stamp: sessions.Stamp) -> None:
        self.session = session
        self._path = path
        self._stamp = stamp
        self._earliest = time.time() - ROLLBACK_SECONDS
        end = float("inf") if session.expires_at is None else session.expires_at.timestamp()
        self._latest = min(end, time.time() + LOOK_AGAIN_AFTER_SECONDS)

    def still_holds(self) -> bool:
        return self._earliest <= time.time() < self._latest and sessions.stamp(self._path) == self._stamp


_memory: dict[tuple[object, ...], _Held] = {}


def _situation(profile: str | None) -> tuple[object, ...]:
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


def _named_key(settings: Settings) -> ApiKey | None:
    given = received(
        os.environ.get(KEY_VARIABLE, "").strip()
        or dotenv_values(settings.dotenv).get(KEY_VARIABLE, "").strip()
        or None
    )
    if isinstance(given, InvalidKeyFormatError):
        raise InvalidKeyFormatError(f"{KEY_VARIABLE}: {given.message}")
    return given


def _absent(places: Places, key: ApiKey | None) -> SessionNotFoundError:
    services = [] if key is None else sessions.refused_by(places, key.fingerprint)
    if key is not None and services:
        return _refused(places, key.fingerprint, key.masked, services[0])
    return SessionNotFoundError(f"There is no session for profile {places.profile} on this machine.")


def _refused(places: Places, fingerprint: str, masked: str, service: str) -> SessionNotFoundError:
    note = sessions.refusal(places, fingerprint, service) or {}
    return SessionNotFoundError(
        f"The service at {service} refused the key {masked} on {note.get('at')} ({note.get('code')}).",
        hint="It brings no session any more: set or install with another key, or ask for a new one at "
        "hello@nimbusbci.com. `nimbus-sdk explain` shows where this one comes from.",
    )
