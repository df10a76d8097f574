"""A session as data, whether it is valid, and what to display of it: without disk, network or keyring.

The offline path imports this, so it imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from datetime import UTC, datetime, timedelta

from nimbus_sdk import errors
from nimbus_sdk.errors.printable import printable_texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Validity = Literal["fresh", "ageing", "expired", "rolled back"]

FEATURES = (
    "batch_inference",
    "streaming",
    "training",
    "calibration",
    "model_export",
    "custom_models",
    "priority_support",
    "on_premise",
)
"""Source: the table of license tiers in the Nimbus API documentation; the service may add others."""
FRESH_SECONDS = 3600.0
ROLLBACK_SECONDS = 300.0


@printable_texts
@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """What a validated key may do; the key is not in it.

    Attributes:
        key_fingerprint: First 12 hexadecimal digits of the key's SHA-256.
        key_masked: The form of the key that may be displayed.
        user_id: The account, as the service names it.
        email: The account's e-mail address.
        name: The holder's name, if known.
        organization: The holder's organization, if known.
        license_type: free, trial, research, commercial, enterprise, or one not known yet.
        expires_at: When the session ends (UTC); None: it lasts until the key is revoked.
        features_enabled: Names of the features that the license includes.
        usage_quota: Inferences left this month, None for unlimited.
        usage_quota_max: Inferences a month, None for unlimited.
        quota_reset_at: When the month's count starts again (UTC).
        validated_at: When the service last confirmed it (UTC).
        api_origin: The service that confirmed it.
        clock_offset: Seconds by which the service's clock was ahead of this machine's then.
        profile: The account's name on this machine.
        key_source: Where the key is stored or came from: keyring, file, environment…
        key_source_reason: Why the key is stored there, as text.
        stale: True if it was stored earlier and could not be refreshed: the service was not reached, did not
            answer in time, or said nothing about the key.

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

    def has_feature(self, name: str) -> bool:
        """Whether the license includes a feature, such as ``streaming``."""
        return name in self.features_enabled

    def require_feature(self, name: str) -> None:
        """Raise unless the license includes a feature.

        Raises:
            FeatureNotLicensedError: It does not, or there is no such feature; says which.
        """
        if name in self.features_enabled:
            return
        if name not in FEATURES:
            from nimbus_sdk.errors.suggestions import list_choices

            raise errors.FeatureNotLicensedError(
                f"There is no feature {name!r}, as far as this version knows.",
                feature=name,
                hint=list_choices(name, FEATURES),
            )
        raise errors.FeatureNotLicensedError(
            f"The {self.license_type} license of {self.key_masked} does not include {name!r}.",
            feature=name,
        )

    def is_expired(self, at: datetime | None = None) -> bool:
        """Whether the session is past its expiry.

        Args:
            at: The moment to check (aware); now if omitted.
        """
        return self.expires_at is not None and (at or datetime.now(UTC)) >= self.expires_at

    def to_dict(self) -> dict[str, object]:
        """Return all fields as JSON types: times in ISO 8601, features as a sorted list."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    def to_json(self) -> str:
        """Return all fields as a JSON text."""
        import json

        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> SessionRecord:
        """Build a session from the result of ``to_dict``.

        Raises:
            SessionError: A field is missing or has another type.
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
            raise errors.SessionError(
                f"The stored session has an unknown format ({type(error).__name__}: {error})."
            ) from None

    def __str__(self) -> str:
        until = "revoked" if self.expires_at is None else f"{self.expires_at:%Y-%m-%d %H:%M} UTC"
        left = "unlimited" if self.usage_quota is None else f"{self.usage_quota:,} left"
        note = " (stale: it could not be refreshed)" if self.stale else ""
        return f"Nimbus session {self.key_masked}: {self.license_type}, {left}, valid until {until}{note}"


def validity(session: SessionRecord, now: datetime, last_seen: datetime | None = None) -> Validity:
    """Return whether a session may be used now, given the latest time that this installation has recorded."""
    latest = session.validated_at if last_seen is None else max(last_seen, session.validated_at)
    if now < latest - timedelta(seconds=ROLLBACK_SECONDS):
        return "rolled back"
    if session.is_expired(now):
        return "expired"
    return "fresh" if now < session.validated_at + timedelta(seconds=FRESH_SECONDS) else "ageing"


def require_valid(session: SessionRecord, now: datetime, last_seen: datetime | None = None) -> SessionRecord:
    """Return the session, if it may be used; see ``validity``."""
    state = validity(session, now, last_seen)
    if state == "expired":
        raise errors.SessionExpiredError(
            f"The session of {session.key_masked} expired at {session.expires_at:%Y-%m-%d %H:%M} UTC."
        )
    if state == "rolled back":
        latest = max(last_seen or session.validated_at, session.validated_at)
        raise errors.ClockRollbackError(
            f"This machine's clock says {now:%Y-%m-%d %H:%M} UTC, before {latest:%Y-%m-%d %H:%M} UTC, "
            "the latest time recorded here."
        )
    return session


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
        raise TypeError(f"{field.name} has another type")


def _moment(text: object) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    if moment is None or moment.tzinfo is None:
        raise ValueError("not an ISO 8601 time with a time zone")
    return moment


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(value)
    return value


def session_rows(session: SessionRecord) -> list[tuple[str, object]]:
    """Return the rows that describe a session."""
    holder = [part for part in (session.name, session.organization, session.email) if part]
    return [
        ("key", session.key_masked),
        ("license", session.license_type),
        ("holder", ", ".join(holder)),
        ("features", session.features_enabled),
        ("valid until", "the key is revoked" if session.expires_at is None else session.expires_at),
        ("quota left", format_quota(session.usage_quota)),
        ("quota resets", session.quota_reset_at),
        ("confirmed", session.validated_at),
        ("stale", "yes: it could not be refreshed" if session.stale else "no"),
    ]


def format_quota(number: int | None) -> object:
    """Return a quota to display: None means unlimited.

    Examples:
        >>> format_quota(5), format_quota(None)
        (5, 'unlimited')
    """
    return "unlimited" if number is None else number
