"""``nimbus-sdk doctor``: what is wrong on this machine."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, Profile, flag

if TYPE_CHECKING:
    from nimbus_sdk.doctor import Diagnosis

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d{1,5})([mhdw])")


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

    \b
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
    if not (retry_keyring or as_json) and _is_keyring_unused(diagnosis) and _wants_retry():
        output.print_text(f"keyring: {_retry_keyring(profile)}")
    if not diagnosis:
        raise typer.Exit(1)


def _is_keyring_unused(diagnosis: Diagnosis) -> bool:
    return any(finding.check == "keyring" and finding.verdict != "ok" for finding in diagnosis.findings)


def _wants_retry() -> bool:
    from nimbus_sdk.display.terminal import is_interactive

    return is_interactive() and typer.confirm("Ask the keyring again now?", err=True)


def _retry_keyring(profile: str | None) -> str:
    """Ask the keyring, whatever was recorded of it; return which store has the key now, or the failure."""
    from nimbus_sdk.config.settings import Settings
    from nimbus_sdk.errors import CredentialStoreError
    from nimbus_sdk.storage import credentials

    try:
        return credentials.retry_keyring(Settings.load(profile=profile)).reason
    except CredentialStoreError as error:
        return str(error)
