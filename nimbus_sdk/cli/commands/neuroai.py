"""``nimbus-sdk neuroai …``: verify the key in use, store one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from nimbus_sdk.cli.commands import neuroai_keys
from nimbus_sdk.cli.commands.neuroai_keys import NEUROAI
from nimbus_sdk.cli.ui import output

if TYPE_CHECKING:
    from nimbus_sdk.services import NeuroAI

commands = typer.Typer(help="NeuroAI: verify, store and manage keys.", rich_markup_mode=None)
commands.add_typer(neuroai_keys.commands, name="keys")


@NEUROAI.command(commands)
def verify(client: NeuroAI, *, as_json: bool) -> None:
    """Check that the key in use is valid, and show it.

    \b
    JSON: valid, key {id, name, description, type, role, permissions, referrers, rate_limit, expires_at,
    created_at, rotated_at, last_used_at, key_prefix} or null

    \b
    Example:
      nimbus-sdk neuroai verify --base-url https://api.neuroai.example
    """
    key = client.verify().key
    values = None if key is None else key.model_dump(mode="json")
    output.show_fields({"valid": True, **({"key": values} if as_json else values or {})}, as_json=as_json)


NEUROAI.add_key_commands(commands, checked=", once it was found valid")
