"""``nimbus-sdk doctor``: what is wrong on this machine, one line each."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

import typer

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, Profile

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d{1,5})([mhdw])")


def span(text: str) -> timedelta:
    """A span of time as people write it.

    Example:
        >>> span("14d"), span("36h")
        (datetime.timedelta(days=14), datetime.timedelta(days=1, seconds=43200))
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None:
        raise typer.BadParameter("a number and one of m, h, d, w, such as 36h or 14d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def doctor(
    offline_for: Annotated[
        timedelta | None,
        typer.Option(
            parser=span,
            metavar="SPAN",
            help="How long this machine will be without network, such as 36h or 14d: the session is "
            "renewed now if it would not last.",
        ),
    ] = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Look at everything that installing, renewing and starting offline depend on.

    Ends with 0 where nothing stands in the way of work, with 1 where something does: a job scheduler can
    ask before it starts a run. What only the network lacks is a warning where core and session work
    without it.

    \b
    JSON: healthy, usable_offline, offline_until (time or null),
    findings [{check, verdict (ok, warning, fault, skipped), cause, fix}]

    \b
    Examples:
      nimbus-sdk doctor
      nimbus-sdk doctor --offline-for 14d && sbatch run.sh
      nimbus-sdk doctor --json | jq '.findings[] | select(.verdict == "fault")'
    """
    from nimbus_sdk.doctor import diagnose

    diagnosis = diagnose(profile=profile, offline_for=offline_for)
    if as_json:
        output.document(diagnosis.to_dict())
    else:
        output.table(
            ("check", "verdict", "what was seen"),
            [(finding.check, finding.verdict, finding.cause) for finding in diagnosis.findings],
        )
        for finding in diagnosis.findings:
            if finding.fix and finding.verdict != "ok":
                output.say(f"{finding.check}: {finding.fix}")
    if not diagnosis:
        raise typer.Exit(1)
