"""``nimbus-sdk status`` and ``doctor``: what is set up on this machine, and what is wrong with it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from nimbus_sdk.account.session_record import session_rows
from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, Profile, flag
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.display import terminal
from nimbus_sdk.errors import CredentialStoreError

if TYPE_CHECKING:
    from nimbus_sdk.doctor.machine_status import MachineStatus

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d{1,5})([mhdw])")


def status(profile: Profile = None, as_json: Json = False) -> None:
    """Show what is installed, which key is used and what it allows.

    Uses no network. Exits with 0 whatever the status is; with --json, "ready" says whether models can
    be used offline now.

    JSON: ready, sdk, settings, core {installed, version, path, problems},
    session (all fields of AuthSession, or null), session_problem (text or null),
    key (as `explain --json`), credential_store {name, reason},
    keyring_rest (why the keyring is not asked for now, or null),
    key_removals [keys that are still to be removed from the keyring]

    Examples:
      nimbus-sdk status
      nimbus-sdk status --json | jq .ready
    """
    from nimbus_sdk.doctor.machine_status import read_status

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


def parse_span(text: str) -> timedelta:
    """Parse a span of time.

    Examples:
        >>> parse_span("14d"), parse_span("36h")
        (datetime.timedelta(days=14), datetime.timedelta(days=1, seconds=43200))
    """
    match = _SPAN.fullmatch(text.strip().lower())
    if match is None:
        raise typer.BadParameter("expected a number and one of m, h, d, w, such as 36h or 14d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def doctor(
    offline_for: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_span,
            metavar="SPAN",
            help="Time without network, such as 36h or 14d; a session that would not last is renewed now.",
        ),
    ] = None,
    retry_keyring: Annotated[
        bool,
        flag("--retry-keyring", "Ask a keyring again that is skipped, and move a key there from the file."),
    ] = False,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Check what installing, renewing and offline work depend on.

    Exits with 0 if work can continue, else with 1, so that a job scheduler can check before it starts a run.
    A network problem is only a warning if core and session work offline.

    JSON: healthy, usable_offline, offline_until (time or null),
    findings [{check, verdict (ok, warning, fault, skipped), cause, fix}]

    Examples:
      nimbus-sdk doctor
      nimbus-sdk doctor --offline-for 14d && sbatch run.sh
      nimbus-sdk doctor --retry-keyring
      nimbus-sdk doctor --json | jq '.findings[] | select(.verdict == "fault")'
    """
    from nimbus_sdk.doctor import diagnose

    if retry_keyring:
        _retry_keyring(profile)
    diagnosis = diagnose(profile=profile, offline_for=offline_for)
    rows = [(finding.check, finding.verdict, finding.cause) for finding in diagnosis.findings]
    output.show_table(diagnosis.to_dict(), ("check", "verdict", "result"), rows, as_json=as_json)
    for finding in diagnosis.findings:
        if finding.fix and finding.verdict != "ok" and not as_json:
            output.print_text(f"{finding.check}: {finding.fix}")
    unused = any(each.check == "keyring" and each.verdict != "ok" for each in diagnosis.findings)
    may_ask = unused and not (retry_keyring or as_json) and terminal.is_interactive()
    if may_ask and typer.confirm("Ask the keyring again now?", err=True):
        output.print_text(f"keyring: {_retry_keyring(profile)}")
    if not diagnosis:
        raise typer.Exit(1)


def _retry_keyring(profile: str | None) -> str:
    """Ask the keyring, whatever was recorded of it; return which store has the key now, or the failure."""
    from nimbus_sdk.storage import credentials

    try:
        return credentials.retry_keyring(Settings.load(profile=profile)).reason
    except CredentialStoreError as error:
        return str(error)
