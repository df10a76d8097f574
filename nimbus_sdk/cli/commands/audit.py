"""``nimbus-sdk audit …``: show the audit trail of calls to Nimbus OS, and verify it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json

_COLUMNS = ("when", "who", "environment", "method", "path", "status", "key", "duration_ms")
commands = typer.Typer(
    help="The audit trail of calls to Nimbus OS: show it, verify it.", rich_markup_mode=None
)


@commands.command()
def show(
    last: Annotated[int, typer.Option("--last", metavar="N", min=1, help="How many of the newest.")] = 20,
    as_json: Json = False,
) -> None:
    """Show the newest calls, oldest first; of a key, its fingerprint.

    \b
    JSON: entries [{number, when, who, host, environment, method, path, status, request_id, key, duration_ms}]

    \b
    Example:
      nimbus-sdk audit show --last 100 --json | jq '.entries[] | select(.status == 403)'
    """
    from nimbus_sdk.config.settings import Settings
    from nimbus_sdk.services.audit.verify import latest
    from nimbus_sdk.services.nimbus_os.flows import TRAIL

    records = latest(Settings.load().paths, TRAIL, last)
    entries = [{"number": record.number, **asdict(record.entry)} for record in records]
    rows = [[entry[name] for name in _COLUMNS] for entry in entries]
    nothing = "No call to Nimbus OS was recorded on this machine yet."
    output.show_table({"entries": entries}, _COLUMNS, rows, as_json=as_json, nothing=nothing)


@commands.command()
def verify(as_json: Json = False) -> None:
    """Follow the trail from its first entry to its end, and show where one was removed or changed.

    Ends with 1 if the trail is not whole. Store the digest somewhere else, and it proves later what
    was there today.

    \b
    JSON: whole, entries, files [name], first, last, digest, issues [{file, line, what}]

    \b
    Example:
      nimbus-sdk audit verify
    """
    from nimbus_sdk.config.settings import Settings
    from nimbus_sdk.services.audit import verify
    from nimbus_sdk.services.nimbus_os.flows import TRAIL

    report = verify.verify(Settings.load().paths, TRAIL)
    values = {"whole": bool(report), **asdict(report)}
    output.show_fields(values, list(values.items())[:-1], as_json=as_json)
    if not as_json:
        output.print_lines(*(f"{issue.file}:{issue.line}: {issue.what}" for issue in report.issues))
    if not report:
        raise typer.Exit(1)
