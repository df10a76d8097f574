"""``nimbus-sdk audit …``: show the audit trail of calls to Nimbus OS, and verify it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json

if TYPE_CHECKING:
    from nimbus_sdk.config.paths import Paths

_NOT_WHOLE = 1
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
    from nimbus_sdk.services.audit.verify import latest
    from nimbus_sdk.services.nimbus_os.flows import TRAIL

    records = latest(_paths(), TRAIL, last)
    if as_json:
        output.print_json(
            {"entries": [{"number": record.number, **asdict(record.entry)} for record in records]}
        )
    else:
        headers = [name.replace("_", " ") for name in _COLUMNS]
        rows = [[getattr(record.entry, name) for name in _COLUMNS] for record in records]
        output.print_table(headers, rows, nothing="No call to Nimbus OS was recorded on this machine yet.")


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
    from nimbus_sdk.services.audit import verify
    from nimbus_sdk.services.nimbus_os.flows import TRAIL

    report = verify.verify(_paths(), TRAIL)
    if as_json:
        output.print_json({"whole": bool(report), **asdict(report)})
    else:
        facts = ("entries", "files", "first", "last", "digest")
        output.print_fields([("whole", bool(report)), *((name, getattr(report, name)) for name in facts)])
        output.print_lines(*(f"{issue.file}:{issue.line}: {issue.what}" for issue in report.issues))
    if not report:
        raise typer.Exit(_NOT_WHOLE)


def _paths() -> Paths:
    from nimbus_sdk.config.settings import Settings

    return Settings.load().paths
