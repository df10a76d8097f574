"""``nimbus-sdk sandbox …``: a Nimbus API on this machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nimbus_sdk.cli.commands import sandbox_keys
from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, option
from nimbus_sdk.cli.ui.sandbox_control import TOKEN_VARIABLE
from nimbus_sdk.config.settings import KEY_VARIABLE

if TYPE_CHECKING:
    from nimbus_sdk.sandbox import Sandbox

commands = typer.Typer(help="A Nimbus API on this machine, to try things out.", rich_markup_mode=None)
commands.add_typer(sandbox_keys.commands, name="keys")


@commands.command()
def serve(
    port: Annotated[int, option("--port", "PORT", "Port; 0 for a free one.")] = 0,
    db: Annotated[
        Path | None, option("--db", "FILE", "Database for keys and quotas; in memory if omitted.")
    ] = None,
    tier: Annotated[
        str, option("--tier", "TIER", "Tier of the key: free, trial, research, commercial or enterprise.")
    ] = "research",
    as_json: Json = False,
) -> None:
    """Serve a Nimbus API on this machine until Ctrl-C.

    Prints the address of a page for your browser, a key and settings. Paste the lines into a shell:
    everything that runs there uses the sandbox and a temporary home, and nothing reaches your own account.

    \b
    JSON, one line once it serves: api_url, github_url, storage_url, page_url, pid, tier, key, control_token,
    environment {variable: value}

    \b
    Examples:
      nimbus-sdk sandbox serve --port 8123 --db sandbox.db
      nimbus-sdk sandbox serve --tier free --json
    """
    from nimbus_sdk.sandbox import serve as serve_until_interrupted

    with tempfile.TemporaryDirectory(prefix="nimbus-sandbox-home-", ignore_cleanup_errors=True) as home:

        def on_ready(sandbox: Sandbox, key: str) -> None:
            environment = {
                **sandbox.environment(),
                # A keyring has no homes, only profiles: a key of the sandbox could replace a real one in it.
                "NIMBUS_SDK_HOME": home,
                "NIMBUS_SDK_CREDENTIAL_STORE": "file",
                KEY_VARIABLE: key,
                TOKEN_VARIABLE: sandbox.control_token,
            }
            if as_json:
                urls = {
                    name: getattr(sandbox, name)
                    for name in ("api_url", "github_url", "storage_url", "page_url")
                }
                facts = {**urls, "pid": os.getpid(), "tier": tier, "key": key}
                token = sandbox.control_token
                output.print_json_line({**facts, "control_token": token, "environment": environment})
                return
            serves = f"# A Nimbus sandbox serves on {sandbox.api_url} until Ctrl-C"
            output.print_lines(
                f"{serves}; its data and models are simulated.",
                f"# See and change it in a browser: {sandbox.page_url}",
                "# Paste these lines into the shell that is to use it:",
                *output.format_assignments(environment),
            )

        serve_until_interrupted(port, db, tier, on_ready)
