"""``nimbus-sdk audit …``: show the audit trail of calls to Nimbus OS, and verify it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.groups import group
from nimbus_sdk.cli.ui.options import Json
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.display.tables import format_value

if TYPE_CHECKING:
    from nimbus_sdk.services.audit.verify import AuditCall

_COLUMNS = ("when", "who", "environment", "call", "key", "outcome")
commands = group("audit", "Show and verify the audit trail of calls to Nimbus OS.")


@commands.command()
def show(
    last: Annotated[int, typer.Option("--last", metavar="N", min=1, help="Number of calls.")] = 20,
    as_json: Json = False,
) -> None:
    """Show the newest calls, oldest first.

    A key is shown as its fingerprint.

    The outcome is "answered" (a table shows the status and the time), "no response" (the call may have been
    carried out), "not sent", or "no outcome recorded (the process ended, or it is still running)".

    JSON: entries [{number, when, who, host, environment, method, path, request_id, key, status, duration_ms,
    outcome}]; status and duration_ms are null without an outcome

    Example: nimbus-sdk audit show --last 100 --json | jq .entries
    """
    from nimbus_sdk.services.audit.verify import latest
    from nimbus_sdk.services.nimbus_os.client import TRAIL

    entries = [_list_fields(call) for call in latest(Settings.load().paths, TRAIL, last)]
    rows = map(_row, entries)
    nothing = "No call to Nimbus OS was recorded on this machine yet."
    output.show_table({"entries": entries}, _COLUMNS, rows, as_json=as_json, nothing=nothing)


def _list_fields(call: AuditCall) -> dict[str, object]:
    fields = {"number": call.number, **asdict(call.entry), "status": None, "duration_ms": None}
    if call.outcome is not None:
        fields |= {name: getattr(call.outcome, name) for name in ("request_id", "status", "duration_ms")}
    return {**fields, "outcome": call.describe()}


def _row(fields: Mapping[str, object]) -> list[object]:
    outcome, called = fields["outcome"], f"{fields['method']} {fields['path']}"
    if fields["status"] is not None:
        outcome = f"{fields['status']} in {format_value(fields['duration_ms'])} ms"
    when = output.parse_time(fields["when"])
    return [when, fields["who"], fields["environment"], called, fields["key"], outcome]


@commands.command()
def verify(as_json: Json = False) -> None:
    """Check that no entry of the trail was removed or changed.

    Exits with 1 if one was, and shows where. A call without an outcome is not damage: its process ended
    before the outcome was recorded, or is still running. If you store the digest somewhere else, it proves
    later what the trail contained today.

    JSON: whole, entries, calls, without_outcome, files [name], first, last, digest, issues [{file, line,
    what}]

    Example: nimbus-sdk audit verify
    """
    from nimbus_sdk.services.audit import verify
    from nimbus_sdk.services.nimbus_os.client import TRAIL

    report = verify.verify(Settings.load().paths, TRAIL)
    values = {"whole": bool(report), **asdict(report)}
    rows = [(name.replace("_", " "), value) for name, value in values.items() if name != "issues"]
    output.show_fields(values, rows, as_json=as_json)
    if not as_json:
        output.print_text(*(f"{issue.file}:{issue.line}: {issue.what}" for issue in report.issues))
    if not report:
        raise typer.Exit(1)
