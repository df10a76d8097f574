"""``nimbus-sdk status``: what is installed and set up on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nimbus_sdk.account.session_summary import session_rows
from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, Profile

if TYPE_CHECKING:
    from nimbus_sdk.doctor.status import MachineStatus


def status(profile: Profile = None, as_json: Json = False) -> None:
    """Show what is installed, which key is used and what it allows.

    Uses no network. Exits with 0 whatever the status is; with --json, "ready" says whether models can
    be used offline now.

    JSON: ready, sdk, settings, core {installed, version, path, problems},
    session (all fields of AuthSession, or null), session_problem (text or null),
    key (as `explain --json`), credential_store {name, reason},
    keyring_rest (why the keyring is not asked for now, or null),
    key_removals [keys that are still to be removed from the keyring]

    \b
    Examples:
      nimbus-sdk status
      nimbus-sdk status --json | jq .ready
    """
    from nimbus_sdk.config.settings import Settings
    from nimbus_sdk.doctor.status import read_status

    machine = read_status(Settings.load(profile=profile))
    if as_json:
        output.print_json(machine.to_dict())
        return
    core, session, settings = machine.installation, machine.session, machine.settings
    problems = [("problem", problem) for problem in core.problems]
    if core.hint:
        problems.append(("to do", core.hint))
    rows: list[tuple[str, object]] = [("version", core.version), ("path", core.path), *problems]
    output.print_fields([("usable", bool(core)), *rows], "Core")
    absent = [("usable", False), ("why", machine.session_problem)]
    output.print_fields(absent if session is None else session_rows(session), "Session")
    output.print_fields(_key_rows(machine), "Key")
    rows = [("profile", settings.profile), ("API", settings.api_url), ("offline", settings.offline)]
    output.print_fields([*rows, (".env", settings.dotenv), ("folder", settings.paths.state)], "Settings")


def _key_rows(machine: MachineStatus) -> list[tuple[str, object]]:
    winner = machine.key.winner
    rows: list[tuple[str, object]] = [("source", None if winner is None else winner.location)]
    if winner is not None:
        rows.append(("key", winner.key_masked))
        if winner.detail:
            rows.append(("note", winner.detail))
    rows += [
        (source.state, f"{source.location}: {source.key_masked or source.detail}")
        for source in machine.key.sources
        if source.state in ("shadowed", "withheld", "malformed", "unreadable")
    ]
    rows.append(("store", machine.store_reason))
    if machine.keyring_rest is not None:
        rows.append(("keyring", machine.keyring_rest))
    rows += [("to be removed", removal) for removal in machine.key_removals]
    return rows
