"""``nimbus-sdk status``: everything that this machine knows, with no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, Profile

if TYPE_CHECKING:
    from nimbus_sdk.doctor.status import Machine


from nimbus_sdk.account.record import SessionRecord


def status(profile: Profile = None, as_json: Json = False) -> None:
    """Show what is installed, which key counts and what it allows.

    Nothing is asked over the network. Ends with 0 whatever it finds; with --json, "ready" says
    whether models can be used offline now.

    \b
    JSON: ready, sdk, settings, core {installed, version, path, problems},
    session (all fields of AuthSession, or null), session_problem (text or null),
    key (as `explain --json`), credential_store {name, reason},
    keyring_rest (why the keyring is left alone for now, or null)

    \b
    Examples:
      nimbus-sdk status
      nimbus-sdk status --json | jq .ready
    """
    from nimbus_sdk.doctor.status import Machine

    found = Machine.look(profile)
    if as_json:
        output.document(found.to_dict())
        return
    for title, rows in _sections(found):
        output.say(title)
        output.facts((f"  {name}", value) for name, value in rows)


def _sections(found: Machine) -> list[tuple[str, list[tuple[str, object]]]]:
    core = found.installation
    absent: list[tuple[str, object]] = [("usable", False), ("why", found.session_problem)]
    return [
        (
            "Core",
            [
                ("usable", bool(core)),
                ("version", core.version),
                ("path", core.path),
                *(("problem", problem) for problem in core.problems),
            ],
        ),
        ("Session", absent if found.session is None else session_rows(found.session)),
        ("Key", _key_rows(found)),
        (
            "Settings",
            [
                ("profile", found.settings.profile),
                ("API", found.settings.api_url),
                ("offline", found.settings.offline),
                (".env", found.settings.dotenv),
                ("kept in", found.paths.state),
            ],
        ),
    ]


def _key_rows(found: Machine) -> list[tuple[str, object]]:
    winner = found.key.winner
    rows: list[tuple[str, object]] = [("source", None if winner is None else winner.location)]
    if winner is not None:
        rows.append(("key", winner.key_masked))
        if winner.detail:
            rows.append(("note", winner.detail))
    rows += [
        (source.state, f"{source.location}: {source.key_masked or source.detail}")
        for source in found.key.sources
        if source.state in ("shadowed", "withheld", "malformed", "unreadable")
    ]
    rows.append(("store", found.store_reason))
    if found.keyring_rest is not None:
        rows.append(("keyring", found.keyring_rest))
    return rows


UNLIMITED = "unlimited"


def session_rows(session: SessionRecord) -> list[tuple[str, object]]:
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
