"""``nimbus-sdk sandbox …``: a Nimbus API on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from nimbus_sdk.cli.commands import sandbox_keys
from nimbus_sdk.cli.ui import completion, output, sandbox_record
from nimbus_sdk.cli.ui.groups import group
from nimbus_sdk.cli.ui.options import Json, argument, option
from nimbus_sdk.cli.ui.sandbox_control import TOKEN_VARIABLE
from nimbus_sdk.cli.ui.signals import exit_on_signals
from nimbus_sdk.config.settings import KEY_VARIABLE
from nimbus_sdk.display.terminal import print_notice
from nimbus_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from nimbus_sdk.sandbox import Sandbox

commands = group("A Nimbus API on this machine, to try things out.")
commands.add_typer(sandbox_keys.commands, name="keys")

Tier: TypeAlias = Annotated[
    str,
    option(
        "--tier",
        "TIER",
        "Tier of the key: free, trial, research, commercial or enterprise.",
        completion.tiers,
    ),
]


@commands.command()
def serve(
    port: Annotated[int, option("--port", "PORT", "Port; 0 for a free one.")] = 0,
    db: Annotated[
        Path | None, option("--db", "FILE", "Database for keys and quotas; in memory if omitted.")
    ] = None,
    tier: Tier = "research",
    as_json: Json = False,
) -> None:
    """Serve a Nimbus API on this machine until Ctrl-C.

    Prints the address of a page for your browser, a key and settings. Paste the lines into a shell:
    everything that runs there uses the sandbox and a temporary home, and nothing reaches your own account.

    JSON, one line once it serves: api_url, github_url, storage_url, page_url, pid, tier, key, control_token,
    environment {variable: value}

    \b
    Examples:
      nimbus-sdk sandbox serve --port 8123 --db sandbox.db
      nimbus-sdk sandbox serve --tier free --json
    """
    from nimbus_sdk.sandbox import serve as serve_until_interrupted

    with exit_on_signals(), _temporary_home() as home, sandbox_record.recorded() as record:

        def on_ready(sandbox: Sandbox, key: str) -> None:
            environment = _environment(sandbox, home, key)
            record(sandbox.api_url, environment)
            if as_json:
                names = ("api_url", "github_url", "storage_url", "page_url")
                urls = {name: getattr(sandbox, name) for name in names}
                facts = {**urls, "pid": os.getpid(), "tier": tier, "key": key}
                token = sandbox.control_token
                output.print_json_line({**facts, "control_token": token, "environment": environment})
                return
            output.print_lines(
                f"# A Nimbus sandbox serves on {sandbox.api_url} until Ctrl-C.",
                "# Its data and models are simulated. Its page for your browser:",
                f"#   {sandbox.page_url}",
                "# Paste these lines into the shell that is to use it:",
                *output.format_assignments(environment),
            )

        serve_until_interrupted(port, db, tier, on_ready)


@commands.command()
def env(as_json: Json = False) -> None:
    """Print the running sandbox's settings, for a shell to evaluate.

    Of several, it is the one that this shell points to, else the one that was started last.

    JSON: environment {variable: value}

    \b
    Example:
      eval "$(nimbus-sdk sandbox env)"
    """
    running = sandbox_record.require_running()
    if not as_json:
        # Apart from the lines that the shell evaluates.
        print_notice(f"The sandbox on {running.url}, {running.reason}.")
    environment = running.environment
    output.show_lines({"environment": environment}, *output.format_assignments(environment), as_json=as_json)


@commands.command(context_settings={"ignore_unknown_options": True})
def run(
    command: Annotated[list[str], argument("COMMAND", "The command and its arguments, after --.")],
    tier: Tier = "research",
) -> None:
    """Run a command on a sandbox of its own.

    Exits with the code of the command. Nothing of the sandbox is left when it ends.

    \b
    Examples:
      nimbus-sdk sandbox run -- python my_program.py
      nimbus-sdk sandbox run --tier free -- pytest -q
    """
    from nimbus_sdk.sandbox import Sandbox

    with exit_on_signals(), _temporary_home() as home, Sandbox() as sandbox:
        environment = {**os.environ, **_environment(sandbox, home, sandbox.new_key(tier))}
        raise typer.Exit(_run_to_end(command, environment))


def _run_to_end(command: list[str], environment: Mapping[str, str]) -> int:
    """Run a command, pass it the signals that would end this process, and return its exit code."""
    try:
        child = subprocess.Popen(command, env=environment)
    except OSError as error:
        raise ConfigurationError(
            f"{command[0]} cannot be run ({error.strerror or error}).", hint="Check the command after `--`."
        ) from None
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    handlers = {
        number: signal.signal(number, lambda received, _: child.send_signal(received))
        for number in (getattr(signal, name) for name in names)
    }
    # Ctrl-C reaches the command as well, since both are in the terminal's group.
    handlers[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code = child.wait()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return 128 - code if code < 0 else code


def _temporary_home() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="nimbus-sandbox-home-", ignore_cleanup_errors=True)


def _environment(sandbox: Sandbox, home: str, key: str) -> dict[str, str]:
    return {
        **sandbox.environment(),
        # A keyring has no homes, only profiles: a key of the sandbox could replace a real one in it.
        "NIMBUS_SDK_HOME": home,
        "NIMBUS_SDK_CREDENTIAL_STORE": "file",
        KEY_VARIABLE: key,
        TOKEN_VARIABLE: sandbox.control_token,
    }
