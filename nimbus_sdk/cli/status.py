"""``nimbus-sdk status``: everything that this machine knows, with no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nimbus_sdk.cli import render
from nimbus_sdk.cli.options import Json, Profile

if TYPE_CHECKING:
    from nimbus_sdk.cli.machine import Machine


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
    from nimbus_sdk.cli.machine import Machine

    found = Machine.look(profile)
    if as_json:
        render.document(found.to_dict())
        return
    for title, rows in _sections(found):
        render.say(title)
        render.facts((f"  {name}", value) for name, value in rows)


def _sections(found: Machine) -> list[tuple[str, list[tuple[str, object]]]]:
    from nimbus_sdk.cli.session_rows import session_rows

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
                ("kept in", found.places.state),
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
