"""What a person wants to know of a session, for the command line and for notebooks."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nimbus_sdk.account.session_record import SessionRecord


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
