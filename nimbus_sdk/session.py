"""What the user holds: a session without a key, and whether it still counts.

The offline path lives here. It touches no network, no keyring, and none of their libraries.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, replace
from datetime import UTC, datetime, timedelta

from nimbus_sdk.errors import (
    ClockRollbackError,
    CoreError,
    FeatureNotLicensedError,
    InvalidKeyFormatError,
    MissingKeyError,
    SessionError,
    SessionExpiredError,
    SessionNotFoundError,
)
from nimbus_sdk.keys import ApiKey, received
from nimbus_sdk.settings import KEY_VARIABLE, Settings, dotenv_values
from nimbus_sdk.store import sessions
from nimbus_sdk.store.places import Places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from pydantic import SecretStr

    from nimbus_sdk.store.key_sources import Found

    Standing = Literal["fresh", "ageing", "expired", "rolled back"]

FRESH_SECONDS = 3600.0
ROLLBACK_SECONDS = 300.0
NOTE_TIME_EVERY_SECONDS = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSession:
    """What a validated key may do; it holds no key.

    Attributes:
        key_fingerprint: First 12 hexadecimal digits of the key's SHA-256.
        key_masked: The key as people may see it.
        user_id: The account, as the service names it.
        email: Of the account.
        name: Of the person, if known.
        organization: Of the person, if known.
        license_type: free, trial, research, commercial, enterprise, or one not known yet.
        expires_at: When the session ends (UTC), or None: when the key is revoked.
        features_enabled: Names of the features that the license includes.
        usage_quota: Inferences left this month, None for unlimited.
        usage_quota_max: Inferences a month, None for unlimited.
        quota_reset_at: When the month's count starts again (UTC).
        validated_at: When the service last confirmed it (UTC).
        api_origin: The service that confirmed it.
        clock_offset: Seconds by which the service's clock was ahead of this machine's then.
        profile: The account's name on this machine.
        key_source: Where the key is kept or came from: keyring, file, environment…
        key_source_reason: Why the key is kept there, in words.
        stale: True when it comes from the cache because the service could not be reached.

    Source of the fields: the AuthSession structure of the Nimbus API documentation.
    """

    key_fingerprint: str
    key_masked: str
    user_id: str | None
    email: str | None
    name: str | None
    organization: str | None
    license_type: str
    expires_at: datetime | None
    features_enabled: frozenset[str]
    usage_quota: int | None
    usage_quota_max: int | None
    quota_reset_at: datetime | None
    validated_at: datetime
    api_origin: str
    clock_offset: float | None = None
    profile: str = "default"
    key_source: str | None = None
    key_source_reason: str | None = None
    stale: bool = False

    @property
    def quota_remaining(self) -> int | None:
        """Inferences left this month, None for unlimited (the name used in the documentation's examples)."""
        return self.usage_quota

    @property
    def api_key(self) -> SecretStr:
        """The key of this session, fetched from where keys are kept; asks no one.

        Raises:
            MissingKeyError: No source has the key that this session was made with.
        """
        from pydantic import SecretStr

        return SecretStr(key_of(self).key.reveal())

    def has_feature(self, name: str) -> bool:
        """Whether the license includes a feature, such as ``streaming``."""
        return name in self.features_enabled

    def require_feature(self, name: str) -> None:
        """Go on only if the license includes a feature.

        Raises:
            FeatureNotLicensedError: It does not; names the feature and the tier in use.
        """
        if name not in self.features_enabled:
            raise FeatureNotLicensedError(
                f"The {self.license_type} license of {self.key_masked} does not include {name!r}.",
                feature=name,
            )

    def is_expired(self, at: datetime | None = None) -> bool:
        """Whether the session is past its expiry.

        Args:
            at: The moment that counts (aware); now where left out.
        """
        return self.expires_at is not None and (at or datetime.now(UTC)) >= self.expires_at

    def refresh(self) -> AuthSession:
        """Ask the service for the current quota and features, and keep them.

        Raises:
            NimbusConnectionError: The service cannot be reached.
            InvalidKeyError: The key is dead; the session is gone.
        """
        from nimbus_sdk.account import refresh_quota

        return refresh_quota(profile=self.profile)

    def to_dict(self) -> dict[str, object]:
        """All fields as JSON can hold them: times in ISO 8601, features as a sorted list."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    def to_json(self) -> str:
        """All fields as a JSON text."""
        import json

        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> AuthSession:
        """The session that :meth:`to_dict` gave.

        Raises:
            SessionError: A field is missing or is of another kind.
        """
        try:
            known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
            for name in _MOMENTS:
                known[name] = _moment(known[name])
            features = known["features_enabled"]
            known["features_enabled"] = frozenset(features if isinstance(features, list) else (None,))
            for field in fields(cls):
                if field.name in known:
                    _check(field, known[field.name])
            return cls(**known)  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError) as error:
            raise SessionError(
                f"The kept session is of another format ({type(error).__name__}: {error})."
            ) from None

    def __str__(self) -> str:
        until = "revoked" if self.expires_at is None else f"{self.expires_at:%Y-%m-%d %H:%M} UTC"
        left = "unlimited" if self.usage_quota is None else f"{self.usage_quota:,} left"
        note = " (stale: the service could not be reached)" if self.stale else ""
        return f"Nimbus session {self.key_masked}: {self.license_type}, {left}, valid until {until}{note}"

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
            for name, value in self.to_dict().items()
        )
        return f"<table><caption>Nimbus session</caption>{rows}</table>"


def key_of(session: AuthSession) -> Found:
    """The key that a session was made with, from where keys are kept; nobody is asked.

    Raises:
        MissingKeyError: No source has it.
        CredentialStoreError: The store that should have it cannot be read.
    """
    from nimbus_sdk.store.key_sources import find_key

    settings = Settings.load(profile=session.profile)
    found = find_key(settings, Places.of(settings), prompt=str)
    if found.key.fingerprint != session.key_fingerprint:
        raise MissingKeyError(
            f"The key of this session ({session.key_masked}) is not at hand: "
            f"{found.source} has {found.key.masked}."
        )
    return found


def standing(session: AuthSession, now: datetime, last_seen: datetime | None = None) -> Standing:
    """Whether a session may be used at a moment: a pure function of three times.

    Args:
        session: The session.
        now: The local clock (aware).
        last_seen: The latest time that this installation has noted, or None.
    """
    latest = session.validated_at if last_seen is None else max(last_seen, session.validated_at)
    if now < latest - timedelta(seconds=ROLLBACK_SECONDS):
        return "rolled back"
    if session.is_expired(now):
        return "expired"
    return "fresh" if now < session.validated_at + timedelta(seconds=FRESH_SECONDS) else "ageing"


def usable(session: AuthSession, now: datetime, last_seen: datetime | None = None) -> AuthSession:
    """The session, if it may be used.

    Raises:
        SessionExpiredError: It is past its expiry.
        ClockRollbackError: The clock was set back.
    """
    state = standing(session, now, last_seen)
    if state == "expired":
        raise SessionExpiredError(
            f"The session of {session.key_masked} expired at {session.expires_at:%Y-%m-%d %H:%M} UTC."
        )
    if state == "rolled back":
        latest = max(last_seen or session.validated_at, session.validated_at)
        raise ClockRollbackError(
            f"This machine's clock says {now:%Y-%m-%d %H:%M} UTC, before {latest:%Y-%m-%d %H:%M} UTC, "
            "the last time that was seen here."
        )
    return session


def kept_session(places: Places) -> AuthSession | None:
    """The profile's session as it is kept, whatever its age, or None.

    Raises:
        SessionTamperedError: The file was edited; it was set aside.
    """
    record = sessions.read(places)
    if os.path.exists(places.next_session):
        # An install was cut off after its core became the current one: its session counts already.
        waiting = sessions.staged(places)
        if waiting is not None and waiting[0] == _install_id_in_use(places):
            record = waiting[1]
    return None if record is None else AuthSession.from_dict(record)


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
        raise _absent(places) if key is None else _absent(places, key.fingerprint, key.masked)
    if key is not None and key.fingerprint != session.key_fingerprint:
        raise SessionNotFoundError(
            f"The session of profile {places.profile} belongs to {session.key_masked}, "
            f"but {KEY_VARIABLE} or the key given is {key.masked}.",
            hint="Install with that key once, or unset the variable; `nimbus-sdk explain` shows all keys.",
        )
    if os.path.exists(places.refusal(session.key_fingerprint)):
        raise _absent(places, session.key_fingerprint, session.key_masked)
    now, seen = time.time(), sessions.last_seen(places)
    usable(
        session, datetime.fromtimestamp(now, UTC), None if seen is None else datetime.fromtimestamp(seen, UTC)
    )
    if now - max(seen or 0.0, session.validated_at.timestamp()) > NOTE_TIME_EVERY_SECONDS:
        sessions.note_seen(places, now)
    return session


def forget_memory() -> None:
    """Drop what this process remembers of sessions; the next call reads the disk."""
    _memory.clear()


def as_stale(session: AuthSession) -> AuthSession:
    """The session, marked as served while the service could not be reached."""
    return replace(session, stale=True)


class _Held:
    """A session in memory, with what shows that it is still the one on the disk."""

    __slots__ = ("_earliest", "_latest", "_path", "_stamp", "session")

    def __init__(self, session: AuthSession, path: str, stamp: sessions.Stamp) -> None:
        self.session = session
        self._path = path
        self._stamp = stamp
        self._earliest = time.time() - ROLLBACK_SECONDS
        self._latest = float("inf") if session.expires_at is None else session.expires_at.timestamp()

    def still_holds(self) -> bool:
        return self._earliest <= time.time() < self._latest and sessions.stamp(self._path) == self._stamp


_memory: dict[tuple[object, ...], _Held] = {}


def _situation(profile: str | None) -> tuple[object, ...]:
    environ = os.environ
    try:
        folder = os.getcwd()
    except OSError:
        folder = ""
    # The key's hash and not the key: what is remembered here must not be one more copy of it.
    return (
        profile,
        folder,
        hash(environ.get(KEY_VARIABLE)),
        environ.get("NIMBUS_SDK_HOME"),
        environ.get("NIMBUS_SDK_PROFILE"),
    )


def _named_key(settings: Settings) -> ApiKey | None:
    given = received(
        os.environ.get(KEY_VARIABLE, "").strip()
        or dotenv_values(settings.dotenv).get(KEY_VARIABLE, "").strip()
        or None
    )
    if isinstance(given, InvalidKeyFormatError):
        raise InvalidKeyFormatError(f"{KEY_VARIABLE}: {given.message}")
    return given


def _absent(places: Places, fingerprint: str = "", masked: str = "") -> SessionNotFoundError:
    refused = sessions.refusal(places, fingerprint) if fingerprint else None
    if refused is not None:
        return SessionNotFoundError(
            f"The service refused the key {masked} on {refused.get('at')} ({refused.get('code')})."
        )
    return SessionNotFoundError(f"There is no session for profile {places.profile} on this machine.")


_MOMENTS = ("expires_at", "quota_reset_at", "validated_at")
_KINDS: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "datetime": datetime,
    "frozenset[str]": frozenset,
}


def _check(field: Field[object], value: object) -> None:
    kind, _, optional = str(field.type).partition(" | ")
    fits = bool(optional) if value is None else isinstance(value, _KINDS[kind])
    if not fits or (isinstance(value, frozenset) and not all(isinstance(one, str) for one in value)):
        raise TypeError(f"{field.name} is of another kind")


def _moment(text: object) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    if moment is None or moment.tzinfo is None:
        raise ValueError("a moment is no text with a time zone")
    return moment


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(value)
    return value
