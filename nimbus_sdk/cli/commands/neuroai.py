"""``nimbus-sdk neuroai …``: verify the key in use, store one."""

from __future__ import annotations

import typer

from nimbus_sdk.cli.commands import neuroai_keys
from nimbus_sdk.cli.commands.neuroai_keys import to_values
from nimbus_sdk.cli.commands.services import BaseUrl, KeyCommands, option, show_facts
from nimbus_sdk.cli.ui.options import Json, Profile, Timeout

KEYS = KeyCommands(
    name="NeuroAI",
    client="NeuroAI",
    checked=", once it was found valid",
    save_options=(option("timeout", Timeout, None),),
)
commands = typer.Typer(help="NeuroAI: verify, store and manage keys.", rich_markup_mode=None)
commands.add_typer(neuroai_keys.commands, name="keys")


@commands.command()
def verify(
    base_url: BaseUrl = None, profile: Profile = None, timeout: Timeout = None, as_json: Json = False
) -> None:
    """Check that the key in use is valid, and show it.

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
    values = None if key is None else to_values(key)
    show_facts({"valid": True, **({"key": values} if as_json else values or {})}, as_json=as_json)


KEYS.add_to(commands)
