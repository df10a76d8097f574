"""A session as rows for people."""

from __future__ import annotations

from nimbus_sdk.session import AuthSession

UNLIMITED = "unlimited"


def session_rows(session: AuthSession) -> list[tuple[str, object]]:
    """What a session says, in the order in which people ask for it.

    Args:
        session: The session; it holds no key.
    """
    holder = [part for part in (session.name, session.organization, session.email) if part]
    return [
        ("key", session.key_masked),
        ("license", session.license_type),
        ("holder", ", ".join(holder)),
        ("features", session.features_enabled),
        ("valid until", "the key is revoked" if session.expires_at is None else session.expires_at),
        ("quota left", counted(session.usage_quota)),
        ("quota resets", session.quota_reset_at),
        ("confirmed", session.validated_at),
        ("stale", "yes: it could not be renewed" if session.stale else "no"),
    ]


def counted(number: int | None) -> object:
    """A quota for people: None means unlimited.

    Example:
        >>> counted(5), counted(None)
        (5, 'unlimited')
    """
    return UNLIMITED if number is None else number
