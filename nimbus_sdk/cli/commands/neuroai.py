"""``nimbus-sdk neuroai …``: check the key in use, keep one."""

from __future__ import annotations

import typer

from nimbus_sdk.cli.commands import neuroai_keys
from nimbus_sdk.cli.commands.neuroai_keys import told
from nimbus_sdk.cli.commands.services import (
    BaseUrl,
    key_asked_for,
    show_facts,
    show_forgotten,
    show_restored,
    show_stored,
)
from nimbus_sdk.cli.ui.options import Json, KeyFromStdin, Profile, Timeout

NAME = "NeuroAI"
commands = typer.Typer(help="NeuroAI: check the key, and the whole life of keys.", rich_markup_mode=None)
commands.add_typer(neuroai_keys.commands, name="keys")


@commands.command()
def verify(
    base_url: BaseUrl = None, profile: Profile = None, timeout: Timeout = None, as_json: Json = False
) -> None:
    """Ask whether the key in use is valid, and what it is.

    \b
    JSON: valid, key {id, name, description, type, role, permissions, referrers, rate_limit, expires_at,
    created_at, rotated_at, last_used_at, key_prefix} or null

    \b
    Example:
      nimbus-sdk neuroai verify --base-url https://api.neuroai.example
    """
    from nimbus_sdk.services import NeuroAI

    with NeuroAI(base_url=base_url, profile=profile, timeout=timeout) as client:
        key = client.verify().key
    known = None if key is None else told(key)
    show_facts({"valid": True, **({"key": known} if as_json else known or {})}, as_json=as_json)


@commands.command("save-key")
def save_key(
    key_stdin: KeyFromStdin = False,
    base_url: BaseUrl = None,
    profile: Profile = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Store a key, once it was found valid; you are asked for it, hidden.

    \b
    JSON: saved_in

    \b
    Example:
      pass show neuroai | nimbus-sdk neuroai save-key --key-stdin
    """
    from nimbus_sdk.services import NeuroAI

    with NeuroAI(
        key_asked_for(NAME, from_stdin=key_stdin), base_url=base_url, profile=profile, timeout=timeout
    ) as client:
        show_stored(NAME, client.save_key(), as_json=as_json)


@commands.command("restore-key")
def restore_key(base_url: BaseUrl = None, profile: Profile = None, as_json: Json = False) -> None:
    """Bring back the key that was stored before the present one.

    \b
    JSON: key_masked

    \b
    Example:
      nimbus-sdk neuroai restore-key
    """
    from nimbus_sdk.services import NeuroAI

    with NeuroAI(base_url=base_url, profile=profile) as client:
        show_restored(NAME, client.restore_key(), as_json=as_json)


@commands.command("forget-key")
def forget_key(base_url: BaseUrl = None, profile: Profile = None, as_json: Json = False) -> None:
    """Remove the stored key, and the one before it; both stay valid.

    \b
    JSON: removed

    \b
    Example:
      nimbus-sdk neuroai forget-key
    """
    from nimbus_sdk.services import NeuroAI

    with NeuroAI(base_url=base_url, profile=profile) as client:
        show_forgotten(NAME, removed=client.forget_key(), as_json=as_json)
