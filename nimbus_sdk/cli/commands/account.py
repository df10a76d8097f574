"""``nimbus-sdk refresh``, ``quota`` and ``explain``: what the account is."""

from __future__ import annotations

from nimbus_sdk.cli.commands.status import format_quota, session_rows
from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, Profile, Timeout


def refresh(profile: Profile = None, timeout: Timeout = None, as_json: Json = False) -> None:
    """Ask the service for current quota, features and expiry.

    What it says is kept for use offline.

    \b
    JSON: all fields of AuthSession

    \b
    Example:
      nimbus-sdk refresh --timeout 10
    """
    from nimbus_sdk.account.operations import refresh_quota

    session = refresh_quota(profile=profile, timeout=timeout)
    if as_json:
        output.document(session.to_dict())
    else:
        output.facts(session_rows(session))


def quota(profile: Profile = None, as_json: Json = False) -> None:
    """Show the month's quota as the kept session knows it.

    Nothing is asked over the network: "confirmed" says when the service told it, and
    `nimbus-sdk refresh` asks again.

    \b
    JSON: remaining, monthly_limit (both null: unlimited), usage_percentage, resets_at, confirmed_at

    \b
    Example:
      nimbus-sdk quota --json | jq .remaining
    """
    from nimbus_sdk.account.operations import get_quota_status
    from nimbus_sdk.account.session import current_session

    session, known = current_session(profile=profile), get_quota_status(profile=profile)
    if as_json:
        kept = session.to_dict()
        output.document(
            {
                "remaining": known.remaining,
                "monthly_limit": known.monthly_limit,
                "usage_percentage": known.usage_percentage,
                "resets_at": kept["quota_reset_at"],
                "confirmed_at": kept["validated_at"],
            }
        )
        return
    output.facts(
        [
            ("left", format_quota(known.remaining)),
            ("a month", format_quota(known.monthly_limit)),
            ("used", f"{known.usage_percentage:.1f} %"),
            ("resets", session.quota_reset_at),
            ("confirmed", session.validated_at),
        ]
    )


def explain(profile: Profile = None, as_json: Json = False) -> None:
    """Show every place that may give the key, and which one counts.

    Keys are masked. Nothing is asked over the network: of a key that the service has called dead, "why" says
    so and when.

    \b
    JSON: found, source (or null), sources [{source, location, state, key_masked, fingerprint, detail}]

    \b
    Example:
      nimbus-sdk explain --profile lab
    """
    from nimbus_sdk.config.settings import Settings
    from nimbus_sdk.doctor.status import explain_key

    resolution = explain_key(Settings.load(profile=profile))
    if as_json:
        output.document(resolution.to_dict())
        return
    output.table(
        ("state", "key", "place", "why"),
        [(one.state, one.key_masked, one.location, one.detail) for one in resolution.sources],
    )
