"""``nimbus-sdk audit …``: show the audit trail of calls to Nimbus OS, and verify it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json

if TYPE_CHECKING:
    from nimbus_sdk.services.audit.verify import AuditCall

_COLUMNS = ("when", "who", "environment", "method", "path", "key", "status", "duration_ms", "outcome")
commands = typer.Typer(
    help="The audit trail of calls to Nimbus OS: show it, verify it.", rich_markup_mode=None
)


@commands.command()
def show(
    last: Annotated[int, typer.Option("--last", metavar="N", min=1, help="How many of the newest.")] = 20,
    as_json: Json = False,
) -> None:
    """Show the newest calls, oldest first; of a key, its fingerprint.

    The outcome is "answered", "no response" (the call may have been carried out), "not sent", or "no outcome
    recorded (the process ended, or it is still running)".

    \b
    JSON: entries [{number, when, who, host, environment, method, path, request_id, key, status, duration_ms,
    outcome}]; status and duration_ms are null without an outcome

    \b
    Example:
      nimbus-sdk audit show --last 100 --json | jq '.entries[] | select(.status == 403)'
    """
    from nimbus_sdk.config.settings import Settings
    from nimbus_sdk.services.audit.verify import latest
    from nimbus_sdk.services.nimbus_os.flows import TRAIL

    entries = [_list_fields(call) for call in latest(Settings.load().paths, TRAIL, last)]
    rows = [[entry[name] for name in _COLUMNS] for entry in entries]
    nothing = "No call to Nimbus OS was recorded on this machine yet."
    output.show_table({"entries": entries}, _COLUMNS, rows, as_json=as_json, nothing=nothing)


def _list_fields(call: AuditCall) -> dict[str, object]:
    outcome = call.outcome
    return {
        "number": call.number,
        **asdict(call.entry),
        "request_id": call.entry.request_id if outcome is None else outcome.request_id,
        "status": None if outcome is None else outcome.status,
        "duration_ms": None if outcome is None else outcome.duration_ms,
        "outcome": call.describe(),
    }


@commands.command()
def verify(as_json: Json = False) -> None:
    """Follow the trail from its first entry to its end, and show where one was removed or changed.

    Ends with 1 if the trail is not whole. A call without an outcome is no damage: its process ended before
    that was recorded, or it is still running. Store the digest somewhere else, and it proves later what
    was there today.

    \b
    JSON: whole, entries, calls, without_outcome, files [name], first, last, digest, issues [{file, line,
    what}]

    \b
    Example:
      nimbus-sdk audit verify
    """
    from nimbus_sdk.config.settings import Settings
    from nimbus_sdk.services.audit import verify
    from nimbus_sdk.services.nimbus_os.flows import TRAIL

    report = verify.verify(Settings.load().paths, TRAIL)
    values = {"whole": bool(report), **asdict(report)}
    rows = [(name.replace("_", " "), value) for name, value in values.items() if name != "issues"]
    output.show_fields(values, rows, as_json=as_json)
    if not as_json:
        output.print_lines(*(f"{issue.file}:{issue.line}: {issue.what}" for issue in report.issues))
    if not report:
        raise typer.Exit(1)
