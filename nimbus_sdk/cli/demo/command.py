"""``nimbus-sdk demo``: see an install and offline decoding work, without an account."""

from __future__ import annotations

from typing import Annotated

import typer

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, flag


def demo(
    keep: Annotated[bool, flag("--keep", "Leave the sandbox running and print how to use it.")] = False,
    verbose: Annotated[bool, flag("--verbose", "Print every step and every check.")] = False,
    as_json: Json = False,
) -> None:
    """Install a core and decode with it offline, all on this machine.

    Needs no account and no internet: a sandbox replaces the service, recordings and model are simulated.
    Your own profile is not touched: everything is in a temporary folder, which is removed at the end.
    Exits with 0 only if every check passed.

    JSON: ok, simulated, seconds, checks [{check, ok, detail}], sandbox {api_url, key_masked, stopped},
    install {exit_code, version, requests [{endpoint, statuses}]},
    decoding (what the offline process printed, or null), left_running {pid, folder, environment} or null

    \b
    Examples:
      nimbus-sdk demo
      nimbus-sdk demo --verbose
      nimbus-sdk demo --keep
    """
    from nimbus_sdk.cli.demo.run import Demo, explain_use, summarize

    report = Demo(output.print_text if verbose and not as_json else _say_nothing, keep=keep).run()
    output.show_text(report, *([] if verbose else summarize(report)), as_json=as_json)
    if not as_json:
        output.print_lines(*explain_use(report))
    if not report["ok"]:
        raise typer.Exit(1)


def _say_nothing(*_: str) -> None:
    """Print no step."""
