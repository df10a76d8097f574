"""``nimbus-sdk sandbox keys …``: the keys of a sandbox, in its database or while it runs."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from nimbus_sdk.cli.ui import output, sandbox_record
from nimbus_sdk.cli.ui.options import Json, argument, option
from nimbus_sdk.cli.ui.sandbox_control import TOKEN_VARIABLE, SandboxControl
from nimbus_sdk.config.settings import read_text
from nimbus_sdk.errors import ConfigurationError

commands = typer.Typer(help="Create, list and revoke keys of a sandbox.", rich_markup_mode=None)

Db: TypeAlias = Annotated[Path | None, option("--db", "FILE", "Database of the sandbox.")]
Url: TypeAlias = Annotated[
    str | None,
    option(
        "--url",
        "URL",
        "URL of a running sandbox, with its token in NIMBUS_SDK_SANDBOX_TOKEN; yours if omitted.",
    ),
]


@commands.command()
def create(
    db: Db = None,
    url: Url = None,
    tier: Annotated[
        str, option("--tier", "TIER", "free, trial, research, commercial or enterprise.")
    ] = "research",
    kind: Annotated[str, option("--kind", "KIND", "test or live.")] = "test",
    expires_at: Annotated[
        str | None, option("--expires-at", "TIME", "ISO 8601, such as 2027-01-31T00:00Z.")
    ] = None,
    used: Annotated[int, option("--used", "N", "Inferences already used this month.")] = 0,
    as_json: Json = False,
) -> None:
    """Create a key and print it, unmasked, this once. It works only in the sandbox.

    \b
    JSON: key

    \b
    Examples:
      nimbus-sdk sandbox keys create --db sandbox.db --tier free
      nimbus-sdk sandbox keys create --url http://127.0.0.1:8123 --used 49999
    """
    options = {"kind": kind, "expires_at": _parse_time(expires_at), "used": used}
    key = _run_on_keys(db, url, "create_key", tier, **options)
    output.show_lines({"key": key}, key, as_json=as_json)


@commands.command("list")
def list_keys(db: Db = None, url: Url = None, as_json: Json = False) -> None:
    """List all keys, oldest first, masked.

    \b
    JSON: keys [{key, fingerprint, kind, name, license_type, features, email, monthly_limit, used, created_at,
    expires_at, revoked_at}]

    \b
    Example:
      nimbus-sdk sandbox keys list
    """
    keys = _run_on_keys(db, url, "list_keys")
    names = ("fingerprint", "key", "license_type", "used", "monthly_limit", "expires_at", "revoked_at")
    rows = [[key.get(name) for name in names] for key in keys]
    nothing = "There are no keys. Run `nimbus-sdk sandbox keys create`."
    output.show_table({"keys": keys}, names, rows, as_json=as_json, nothing=nothing)


@commands.command()
def revoke(
    fingerprint: Annotated[str, argument("FINGERPRINT", "Fingerprint from `keys list`.")],
    db: Db = None,
    url: Url = None,
    reason: Annotated[str | None, option("--reason", "TEXT", "Reason, stored in the audit table.")] = None,
    as_json: Json = False,
) -> None:
    """Revoke a key. This cannot be undone.

    \b
    JSON: revoked

    \b
    Example:
      nimbus-sdk sandbox keys revoke 1f0a9c3b5d7e --db sandbox.db --reason "test of refusals"
    """
    if fingerprint.startswith("nbci_"):
        raise typer.BadParameter("this is a key; use its fingerprint")
    _run_on_keys(db, url, "revoke_key", fingerprint, reason=reason)
    output.show_lines({"revoked": True}, f"Revoked {fingerprint}.", as_json=as_json)


def _run_on_keys(db: Path | None, url: str | None, action: str, *arguments: object, **options: object) -> Any:
    """Run an action on the keys in a database, of a sandbox at a URL, or of the user's own."""
    if db is not None and url is not None:
        raise ConfigurationError("Which sandbox is not clear.", hint="Use either --db FILE or --url URL.")
    if db is not None:
        from nimbus_sdk import sandbox

        return getattr(sandbox, action)(db, *arguments, **options)
    token = read_text(os.environ, TOKEN_VARIABLE)
    if url is None:
        control = sandbox_record.require_running().control
    elif token:
        control = SandboxControl(url, token)
    else:
        raise ConfigurationError(
            f"{TOKEN_VARIABLE} is not set.",
            hint="Set it to the control token that `nimbus-sdk sandbox serve` printed.",
        )
    return getattr(control, action)(*arguments, **options)


def _parse_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is not a time.", hint="Use ISO 8601, such as 2027-01-31T00:00Z."
        ) from None
