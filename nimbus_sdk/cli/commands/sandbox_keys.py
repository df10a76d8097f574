"""``nimbus-sdk sandbox keys …``: the keys of a sandbox, in its database or while it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, TypeAlias

import typer

from nimbus_sdk import sandbox
from nimbus_sdk.account.session_summary import format_quota
from nimbus_sdk.cli.ui import completion, output, sandbox_record
from nimbus_sdk.cli.ui.groups import group
from nimbus_sdk.cli.ui.options import Json, argument, option
from nimbus_sdk.cli.ui.sandbox_control import TOKEN_VARIABLE, SandboxControl
from nimbus_sdk.config.settings import read_text
from nimbus_sdk.display.tables import format_value
from nimbus_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from nimbus_sdk.sandbox.nimbus_api.keys import Kind

commands = group("Create, list and revoke keys of a sandbox.")

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
        str, option("--tier", "TIER", "free, trial, research, commercial or enterprise.", completion.tiers)
    ] = "research",
    kind: Annotated[Literal["test", "live"], option("--kind", "KIND", "test or live.")] = "test",
    expires_at: Annotated[
        str | None, option("--expires-at", "TIME", "ISO 8601, such as 2027-01-31T00:00Z.")
    ] = None,
    used: Annotated[int, option("--used", "N", "Inferences already used this month.")] = 0,
    as_json: Json = False,
) -> None:
    """Create a key and print it, unmasked, this once. It works only in the sandbox.

    JSON: key

    \b
    Examples:
      nimbus-sdk sandbox keys create --db sandbox.db --tier free
      nimbus-sdk sandbox keys create --url http://127.0.0.1:8123 --used 49999
    """
    key = _find_keys(db, url).create_key(tier, kind=kind, expires_at=_parse_time(expires_at), used=used)
    output.show_lines({"key": key}, key, as_json=as_json)


@commands.command("list")
def list_keys(db: Db = None, url: Url = None, as_json: Json = False) -> None:
    """List all keys, oldest first, masked.

    JSON: keys [{key, fingerprint, kind, name, license_type, features, email, monthly_limit, used, created_at,
    expires_at, revoked_at}]

    \b
    Example:
      nimbus-sdk sandbox keys list
    """
    keys = _find_keys(db, url).list_keys()
    columns = ("fingerprint", "key", "tier", "used", "expires", "revoked")
    nothing = "There are no keys. Run `nimbus-sdk sandbox keys create`."
    output.show_table({"keys": keys}, columns, map(_row, keys), as_json=as_json, nothing=nothing)


@commands.command()
def revoke(
    fingerprint: Annotated[
        str, argument("FINGERPRINT", "Fingerprint from `keys list`.", completion.sandbox_keys)
    ],
    db: Db = None,
    url: Url = None,
    reason: Annotated[str | None, option("--reason", "TEXT", "Reason, stored in the audit table.")] = None,
    as_json: Json = False,
) -> None:
    """Revoke a key. This cannot be undone.

    JSON: revoked

    \b
    Example:
      nimbus-sdk sandbox keys revoke 1f0a9c3b5d7e --db sandbox.db
    """
    if fingerprint.startswith("nbci_"):
        raise typer.BadParameter("this is a key; use its fingerprint")
    _find_keys(db, url).revoke_key(fingerprint, reason=reason)
    output.show_text({"revoked": True}, f"Revoked {fingerprint}.", as_json=as_json)


class _Keys(Protocol):
    """The keys of a sandbox."""

    def list_keys(self) -> list[dict[str, object]]:
        """Return all keys, oldest first, masked."""

    def create_key(self, tier: str, *, kind: Kind, expires_at: datetime | None, used: int) -> str:
        """Create a key and return it."""

    def revoke_key(self, fingerprint: str, *, reason: str | None) -> None:
        """Revoke a key."""


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


def _find_keys(db: Path | None, url: str | None) -> _Keys:
    """Return the keys in a database, of a sandbox at a URL, or of the user's own."""
    if db is not None and url is not None:
        raise ConfigurationError("Which sandbox is not clear.", hint="Use either --db FILE or --url URL.")
    if db is not None:
        return _StoredKeys(db)
    if url is None:
        return sandbox_record.require_running().control
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
    times = (output.to_moment(key.get(name)) for name in ("expires_at", "revoked_at"))
    return [key.get("fingerprint"), key.get("key"), key.get("license_type"), usage, *times]


def _parse_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is not a time.", hint="Use ISO 8601, such as 2027-01-31T00:00Z."
        ) from None
