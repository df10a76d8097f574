"""``nimbus-sdk refresh``, ``quota`` and ``explain``: session, quota and key of an account."""

from __future__ import annotations

from dataclasses import asdict

from nimbus_sdk.account.session_summary import format_quota, session_rows
from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, Profile, Timeout


def refresh(profile: Profile = None, timeout: Timeout = None, as_json: Json = False) -> None:
    """Renew the session: get the current quota, features and expiry.

    The session is stored for offline use.

    JSON: all fields of AuthSession

    \b
    Example:
      nimbus-sdk refresh --timeout 10
    """
    from nimbus_sdk.account.operations import refresh_quota

    session = refresh_quota(profile=profile, timeout=timeout)
    output.show_fields(session.to_dict(), session_rows(session), as_json=as_json)


def quota(profile: Profile = None, as_json: Json = False) -> None:
    """Show the monthly quota of the stored session.

    Uses no network: "confirmed" is the time of the last answer of the service. `nimbus-sdk refresh` asks
    again.

    JSON: remaining, monthly_limit (both null: unlimited), usage_percentage, resets_at, confirmed_at

    \b
    Example:
      nimbus-sdk quota --json | jq .remaining
    """
    from nimbus_sdk.account.operations import get_quota_status
    from nimbus_sdk.account.session import current_session

    session, status = current_session(profile=profile), get_quota_status(profile=profile)
    fields = session.to_dict()
    times = {"resets_at": fields["quota_reset_at"], "confirmed_at": fields["validated_at"]}
    rows = [
        ("left", format_quota(status.remaining)),
        ("monthly", format_quota(status.monthly_limit)),
        ("used", f"{status.usage_percentage:.1f} %"),
        ("resets", session.quota_reset_at),
        ("confirmed", session.validated_at),
    ]
    output.show_fields({**asdict(status), **times}, rows, as_json=as_json)


def explain(profile: Profile = None, as_json: Json = False) -> None:
    """Show where the key is looked for, and which key is used.

    Keys are masked. Uses no network; "why" says if and when the service rejected a key.

    JSON: found, source (or null), sources [{source, location, state, key_masked, fingerprint, detail}]

    \b
    Example:
      nimbus-sdk explain --profile lab
    """
    from nimbus_sdk.config.settings import Settings
    from nimbus_sdk.doctor.status import explain_key

    resolution = explain_key(Settings.load(profile=profile))
    rows = [
        (source.state, source.key_masked, source.location, source.detail) for source in resolution.sources
    ]
    output.show_table(resolution.to_dict(), ("state", "key", "place", "why"), rows, as_json=as_json)
