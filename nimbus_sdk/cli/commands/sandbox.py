"""``nimbus-sdk sandbox …``: a Nimbus API on this machine, and its keys, in its database or while it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nimbus_sdk import sandbox
from nimbus_sdk.account.session_record import format_quota
from nimbus_sdk.cli.ui import output, sandbox_control
from nimbus_sdk.cli.ui.groups import group
from nimbus_sdk.cli.ui.options import Json, argument, option
from nimbus_sdk.cli.ui.sandbox_control import TOKEN_VARIABLE, SandboxControl
from nimbus_sdk.cli.ui.signals import exit_on_signals, handle_signals
from nimbus_sdk.config.settings import KEY_VARIABLE, read_text
from nimbus_sdk.display.tables import format_value
from nimbus_sdk.display.terminal import print_notice
from nimbus_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from nimbus_sdk.sandbox import Sandbox

commands = group("sandbox", "A Nimbus API on this machine, to try things out.")
keys = group("keys", "Create, list and revoke keys of a sandbox.")
commands.add_typer(keys)


def _tiers() -> Iterable[str]:
    from nimbus_sdk.sandbox.nimbus_api.keys import TIERS

    return TIERS


def _fingerprints() -> Iterable[str]:
    listed = sandbox_control.require_running().control.list_keys()
    return [str(key["fingerprint"]) for key in listed if not key["revoked_at"]]


Tier = Annotated[
    str, option("--tier TIER", "Tier of the key: free, trial, research, commercial or enterprise.", _tiers)
]
Kind = Literal["test", "live"]
Db = Annotated[Path | None, option("--db FILE", "Database of the sandbox.")]
Url = Annotated[
    str | None,
    option(
        "--url URL", "URL of a running sandbox, with its token in NIMBUS_SDK_SANDBOX_TOKEN; yours if omitted."
    ),
]


@commands.command()
def serve(
    port: Annotated[int, option("--port PORT", "Port; 0 for a free one.")] = 0,
    db: Annotated[
        Path | None, option("--db FILE", "Database for keys and quotas; in memory if omitted.")
    ] = None,
    tier: Tier = "research",
    as_json: Json = False,
) -> None:
    """Serve a Nimbus API on this machine until Ctrl-C.

    Prints the address of a page for your browser, a key and settings. Paste the lines into a shell:
    everything that runs there uses the sandbox and a temporary home, and nothing reaches your own account.

    JSON, one line once it serves: api_url, github_url, storage_url, page_url, pid, tier, key, control_token,
    environment {variable: value}

    Examples:
      nimbus-sdk sandbox serve --port 8123 --db sandbox.db
      nimbus-sdk sandbox serve --tier free --json
    """
    with exit_on_signals(), _temporary_home() as home, sandbox_control.recording() as record:

        def on_ready(own: Sandbox, key: str) -> None:
            environment = _environment(own, home, key)
            record(own.api_url, environment)
            if as_json:
                names = ("api_url", "github_url", "storage_url", "page_url")
                facts = {name: getattr(own, name) for name in names}
                facts |= {"pid": os.getpid(), "tier": tier, "key": key}
                facts |= {"control_token": own.control_token, "environment": environment}
                output.print_json_line(facts)
                return
            output.print_lines(
                f"# A Nimbus sandbox serves on {own.api_url} until Ctrl-C.",
                "# Its data and models are simulated. Its page for your browser:",
                f"#   {own.page_url}",
                "# Paste these lines into the shell that is to use it:",
                *output.format_assignments(environment),
            )

        sandbox.serve(port, db, tier, on_ready)


@commands.command()
def env(as_json: Json = False) -> None:
    """Print the running sandbox's settings, for a shell to evaluate.

    Of several, it is the one that this shell points to, else the one that was started last.

    JSON: environment {variable: value}

    Example: eval "$(nimbus-sdk sandbox env)"
    """
    running = sandbox_control.require_running()
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

    Examples:
      nimbus-sdk sandbox run -- python my_program.py
      nimbus-sdk sandbox run --tier free -- pytest -q
    """
    with exit_on_signals(), _temporary_home() as home, sandbox.Sandbox() as own:
        environment = {**os.environ, **_environment(own, home, own.new_key(tier))}
        raise typer.Exit(_run_to_end(command, environment))


@keys.command()
def create(
    db: Db = None,
    url: Url = None,
    tier: Annotated[
        str, option("--tier TIER", "free, trial, research, commercial or enterprise.", _tiers)
    ] = "research",
    kind: Annotated[Kind, option("--kind KIND", "test or live.")] = "test",
    expires_at: Annotated[
        str | None, option("--expires-at TIME", "ISO 8601, such as 2027-01-31T00:00Z.")
    ] = None,
    used: Annotated[int, option("--used N", "Inferences already used this month.")] = 0,
    as_json: Json = False,
) -> None:
    """Create a key and print it, unmasked, this once. It works only in the sandbox.

    JSON: key

    Examples:
      nimbus-sdk sandbox keys create --db sandbox.db --tier free
      nimbus-sdk sandbox keys create --url http://127.0.0.1:8123 --used 49999
    """
    found = _find_keys(db, url)
    try:
        expiry = None if expires_at is None else datetime.fromisoformat(expires_at)
    except ValueError:
        raise ConfigurationError(
            f"{expires_at!r} is not a time.", hint="Use ISO 8601, such as 2027-01-31T00:00Z."
        ) from None
    key = found.create_key(tier, kind=kind, expires_at=expiry, used=used)
    output.show_lines({"key": key}, key, as_json=as_json)


@keys.command("list")
def list_keys(db: Db = None, url: Url = None, as_json: Json = False) -> None:
    """List all keys, oldest first, masked.

    JSON: keys [{key, fingerprint, kind, name, license_type, features, email, monthly_limit, used, created_at,
    expires_at, revoked_at}]

    Example: nimbus-sdk sandbox keys list
    """
    listed = _find_keys(db, url).list_keys()
    columns = ("fingerprint", "key", "tier", "used", "expires", "revoked")
    nothing = "There are no keys. Run `nimbus-sdk sandbox keys create`."
    output.show_table({"keys": listed}, columns, map(_row, listed), as_json=as_json, nothing=nothing)


@keys.command()
def revoke(
    fingerprint: Annotated[str, argument("FINGERPRINT", "Fingerprint from `keys list`.", _fingerprints)],
    db: Db = None,
    url: Url = None,
    reason: Annotated[str | None, option("--reason TEXT", "Reason, stored in the audit table.")] = None,
    as_json: Json = False,
) -> None:
    """Revoke a key. This cannot be undone.

    JSON: revoked

    Example: nimbus-sdk sandbox keys revoke 1f0a9c3b5d7e --db sandbox.db
    """
    if fingerprint.startswith("nbci_"):
        raise typer.BadParameter("this is a key; use its fingerprint")
    _find_keys(db, url).revoke_key(fingerprint, reason=reason)
    output.show_text({"revoked": True}, f"Revoked {fingerprint}.", as_json=as_json)


def _run_to_end(command: list[str], environment: Mapping[str, str]) -> int:
    """Run a command, pass it the signals that would end this process, and return its exit code."""
    try:
        child = subprocess.Popen(command, env=environment)
    except OSError as error:
        raise ConfigurationError(
            f"{command[0]} cannot be run ({error.strerror or error}).", hint="Check the command after `--`."
        ) from None
    passed = dict.fromkeys(("SIGTERM", "SIGHUP"), lambda number, _: child.send_signal(number))
    # Ctrl-C reaches the command as well, since both are in the terminal's group.
    with handle_signals({**passed, "SIGINT": signal.SIG_IGN}):
        code = child.wait()
    return 128 - code if code < 0 else code


def _temporary_home() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="nimbus-sandbox-home-", ignore_cleanup_errors=True)


def _environment(own: Sandbox, home: str, key: str) -> dict[str, str]:
    return {
        **own.environment(),
        # A keyring has no homes, only profiles: a key of the sandbox could replace a real one in it.
        "NIMBUS_SDK_HOME": home,
        "NIMBUS_SDK_CREDENTIAL_STORE": "file",
        KEY_VARIABLE: key,
        TOKEN_VARIABLE: own.control_token,
    }


class _StoredKeys:
    """The keys in a database file."""

    def __init__(self, db: Path) -> None:
        self._db = db

    def list_keys(self) -> list[dict[str, object]]:
        return sandbox.list_keys(self._db)

    def create_key(self, tier: str, *, kind: Kind, expires_at: datetime | None, used: int) -> str:
        return sandbox.create_key(self._db, tier, kind=kind, expires_at=expires_at, used=used)

    def revoke_key(self, fingerprint: str, *, reason: str | None) -> None:
        sandbox.revoke_key(self._db, fingerprint, reason=reason)


def _find_keys(db: Path | None, url: str | None) -> SandboxControl | _StoredKeys:
    """Return the keys in a database, of a sandbox at a URL, or of the user's own."""
    if db is not None and url is not None:
        raise ConfigurationError("Which sandbox is not clear.", hint="Use either --db FILE or --url URL.")
    if db is not None:
        return _StoredKeys(db)
    if url is None:
        return sandbox_control.require_running().control
    token = read_text(os.environ, TOKEN_VARIABLE)
    if not token:
        raise ConfigurationError(
            f"{TOKEN_VARIABLE} is not set.",
            hint="Set it to the control token that `nimbus-sdk sandbox serve` printed.",
        )
    return SandboxControl(url, token)


def _row(key: Mapping[str, object]) -> list[object]:
    used, limit = key.get("used"), key.get("monthly_limit")
    usage = f"{format_value(used)} of {format_value(format_quota(limit if isinstance(limit, int) else None))}"
    times = (output.parse_time(key.get(name)) for name in ("expires_at", "revoked_at"))
    return [key.get("fingerprint"), key.get("key"), key.get("license_type"), usage, *times]
