"""``nimbus-sdk neuroai …``: verify and store a key; create, list, change, rotate and delete keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.groups import group
from nimbus_sdk.cli.ui.options import Yes, argument, flag, option
from nimbus_sdk.cli.ui.service_commands import ServiceCommands
from nimbus_sdk.display import terminal
from nimbus_sdk.errors import ConfigurationError, CredentialStoreError
from nimbus_sdk.transport.redaction import mask_keys

if TYPE_CHECKING:
    from nimbus_sdk.services import IssuedKey, NeuroAI, RateLimit
    from nimbus_sdk.services.neuroai.schemas import Keep

NEUROAI = ServiceCommands("NeuroAI")
commands = group("neuroai", "NeuroAI: verify, store and manage keys.")
keys = group("keys", "Create, list, change, rotate and delete keys.")
commands.add_typer(keys)
_COLUMNS = ("id", "name", "type", "role", "expires_at", "last_used_at")
_ROLES = ("Viewer", "Developer", "Administrator")
T = TypeVar("T")

Save = Annotated[bool, flag("--save", "Store the secret instead of printing it.")]
KeyId = Annotated[str, argument("ID", "An id from `keys list`.")]
Kind = Annotated[str, option("--type TYPE", "personal, team or service.", ("personal", "team", "service"))]
Description = Annotated[str | None, option("--description TEXT", "Purpose of the key.")]
RoleName = Annotated[
    str | None, option("--role ROLE", "Viewer, Developer, Administrator, API Manager, or another.", _ROLES)
]
Expiry = Annotated[
    str | None, option("--expires-at TIME", "ISO 8601 with its zone, such as 2027-01-31T00:00Z.")
]
Permissions = Annotated[
    list[str] | None, option("--permission NAME", "Replaces those of the role; may be repeated.")
]
Referrers = Annotated[
    list[str] | None, option("--referrer HOST", "Where it may be used from; may be repeated.")
]
RateLimitText = Annotated[
    str | None, option("--rate-limit N[/SECONDS]", "Requests per minute, or per that many seconds.")
]


@NEUROAI.command(commands)
def verify(client: NeuroAI, as_json: bool) -> None:
    """Check that the key in use is valid, and show it.

    JSON: valid, key {id, name, description, type, role, permissions, referrers, rate_limit, expires_at,
    created_at, rotated_at, last_used_at, key_prefix} or null

    Example: nimbus-sdk neuroai verify --base-url https://api.neuroai.example
    """
    key = client.verify().key
    values = None if key is None else key.model_dump(mode="json")
    output.show_fields({"valid": True, **({"key": values} if as_json else values or {})}, as_json=as_json)


NEUROAI.add_key_commands(commands, checked="It is stored if NeuroAI accepts it.")


@NEUROAI.command(keys, "list")
def list_keys(client: NeuroAI, as_json: bool) -> None:
    """List all keys.

    JSON: keys [{id, name, description, type, role, permissions, referrers, rate_limit, expires_at,
    created_at, rotated_at, last_used_at, key_prefix}]

    Example: nimbus-sdk neuroai keys list --json | jq '.keys[].name'
    """
    listed = list(client.list_keys())
    values = {"keys": [key.model_dump(mode="json") for key in listed]}
    rows = [[getattr(key, name) for name in _COLUMNS] for key in listed]
    nothing = "There are no keys. Run `nimbus-sdk neuroai keys create`."
    output.show_table(values, _COLUMNS, rows, as_json=as_json, nothing=nothing)


@NEUROAI.command(keys)
def create(
    client: NeuroAI,
    as_json: bool,
    name: Annotated[str, argument("NAME", "Name of the key, such as 'Production CI/CD'.")],
    description: Description = None,
    role: RoleName = None,
    kind: Kind = "personal",
    expires_at: Expiry = None,
    permission: Permissions = None,
    referrer: Referrers = None,
    rate_limit: RateLimitText = None,
    save: Save = False,
) -> None:
    """Create a key and print its secret, once.

    NeuroAI never shows the secret again. With --save, the new key becomes the stored one;
    `nimbus-sdk neuroai restore-key` restores the previous one. If it cannot be stored, the secret is printed,
    and the exit code is 12.

    JSON: key {…}, secret (null if it is stored), saved_in (or null), notice

    Examples:
      nimbus-sdk neuroai keys create "Production CI/CD" --type service
      nimbus-sdk neuroai keys create dashboards --role Viewer --rate-limit 60
    """
    issued = client.create_key(
        name,
        description=description,
        role=role,
        type=kind,
        expires_at=None if expires_at is None else _moment(expires_at),
        permissions=permission or None,
        referrers=referrer or None,
        rate_limit=None if rate_limit is None else _rate(rate_limit),
        save=save,
    )
    _show_issued(issued, {}, as_json=as_json)


@NEUROAI.command(keys)
def get(client: NeuroAI, as_json: bool, identifier: KeyId) -> None:
    """Show one key, without its secret.

    JSON: id, name, description, type, role, permissions, referrers, rate_limit, expires_at, created_at,
    rotated_at, last_used_at, key_prefix

    Example: nimbus-sdk neuroai keys get key_5c9b40b787ade984
    """
    output.show_fields(client.get_key(identifier).model_dump(mode="json"), as_json=as_json)


@NEUROAI.command(keys)
def update(
    client: NeuroAI,
    as_json: bool,
    identifier: KeyId,
    name: Annotated[str | None, option("--name NAME", "New name of the key.")] = None,
    description: Description = None,
    role: RoleName = None,
    expires_at: Expiry = None,
    permission: Permissions = None,
    referrer: Referrers = None,
    rate_limit: RateLimitText = None,
) -> None:
    """Change a key: only the given fields; "none" empties a field.

    JSON: id, name, description, type, role, permissions, referrers, rate_limit, expires_at, created_at,
    rotated_at, last_used_at, key_prefix

    Example: nimbus-sdk neuroai keys update key_5c9b40b787ade984 --expires-at none
    """
    from nimbus_sdk.services import KEEP

    changed = client.update_key(
        identifier,
        name=KEEP if name is None else name,
        description=_change(description, str),
        role=_change(role, str),
        expires_at=_change(expires_at, _moment),
        permissions=KEEP if not permission else [] if permission == ["none"] else permission,
        referrers=KEEP if not referrer else [] if referrer == ["none"] else referrer,
        rate_limit=_change(rate_limit, _rate),
    )
    output.show_fields(changed.model_dump(mode="json"), as_json=as_json)


@NEUROAI.command(keys)
def rotate(
    client: NeuroAI,
    as_json: bool,
    identifier: Annotated[
        str | None, argument("ID", "An id from `keys list`; the key in use if omitted (needs --older-than).")
    ] = None,
    older_than: Annotated[
        float | None, option("--older-than DAYS", "Rotate only if the secret is older.")
    ] = None,
    save: Save = False,
) -> None:
    """Give a key a new secret and print it, once.

    The old secret is invalid at once. If the new one cannot be stored with --save, it is printed, and the
    exit code is 12.

    JSON: rotated, and if it is true: key {…}, secret (null if it is stored), saved_in, notice

    Examples:
      nimbus-sdk neuroai keys rotate key_5c9b40b787ade984 --save
      nimbus-sdk neuroai keys rotate --older-than 90 --save
    """
    if identifier is None and older_than is None:
        raise typer.BadParameter("give the ID of a key, or --older-than for the key in use")
    issued = (
        client.rotate_key(identifier, save=save)
        if identifier is not None and older_than is None
        else client.rotate_if_older_than(older_than or 0.0, key_id=identifier, save=save)
    )
    if issued is not None:
        _show_issued(issued, {"rotated": True}, as_json=as_json)
        return
    output.show_text({"rotated": False}, "The secret is not that old; nothing was rotated.", as_json=as_json)


@NEUROAI.command(keys)
def delete(
    client: NeuroAI,
    as_json: bool,
    identifier: KeyId,
    yes: Yes = False,
) -> None:
    """Delete a key permanently.

    In a terminal, you are asked to confirm.

    JSON: deleted

    Example: nimbus-sdk neuroai keys delete key_5c9b40b787ade984 --yes
    """
    if not yes and not terminal.is_interactive():
        raise ConfigurationError(
            f"There is no terminal to confirm that {identifier} is to be deleted.",
            hint="Use --yes to delete it without confirmation.",
        )
    if not yes:
        output.require_confirmation(f"Delete {mask_keys(identifier)} permanently?", "Nothing was deleted.")
    client.delete_key(identifier)
    output.show_text({"deleted": True}, f"Deleted {identifier}.", as_json=as_json)


def _change(text: str | None, parse: Callable[[str], T]) -> T | Keep | None:
    from nimbus_sdk.services import KEEP

    return KEEP if text is None else None if text == "none" else parse(text)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"--expires-at must be a time, not {text[:40]!r}") from None


def _rate(text: str) -> RateLimit:
    from nimbus_sdk.services import RateLimit

    requests, _, seconds = text.partition("/")
    if not requests.isdecimal() or not (seconds or "60").isdecimal():
        raise typer.BadParameter("--rate-limit must be a number, or number/seconds")
    return RateLimit(int(requests), int(seconds or "60"))


def _show_issued(issued: IssuedKey, values: dict[str, object], *, as_json: bool) -> None:
    """Print a key that was issued, and its secret unless it is stored; raise if it could not be."""
    secret = None if issued.saved_in is not None else issued.secret.get_secret_value()
    issue = {"secret": secret, "saved_in": issued.saved_in, "notice": issued.notice}
    rows = [(name.replace("_", " "), getattr(issued.info, name)) for name in _COLUMNS]
    output.show_fields({**values, "key": issued.info.model_dump(mode="json"), **issue}, rows, as_json=as_json)
    if not as_json:
        output.print_text(issued.notice)
        output.print_lines(*([] if secret is None else [secret]))
    if issued.not_saved:
        raise CredentialStoreError(
            f"The secret was printed, and not stored: {issued.not_saved}",
            hint="Save what was printed; `nimbus-sdk neuroai save-key` stores it.",
        )
