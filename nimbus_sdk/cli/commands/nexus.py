"""``nimbus-sdk nexus …``: what the key says, ask the agent, keep a key."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nimbus_sdk.cli.commands.services import (
    BaseUrl,
    key_asked_for,
    show_facts,
    show_forgotten,
    show_restored,
    show_stored,
)
from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, KeyFromStdin, Profile, Timeout

NAME = "Nexus"
_LONGEST = 2**20
commands = typer.Typer(help="Nexus: ask the agent, and read what the key says.", rich_markup_mode=None)


@commands.command()
def claims(base_url: BaseUrl = None, profile: Profile = None, as_json: Json = False) -> None:
    """Show what the key says of itself, unverified: anybody could have written it. No network.

    \b
    JSON: verified (always false), integration_id, organization_id, agent_id, permissions, expires_at

    \b
    Example:
      nimbus-sdk nexus claims --json | jq -r .expires_at
    """
    from nimbus_sdk.services import Nexus

    with Nexus(base_url=base_url, profile=profile) as client:
        show_facts(client.claims.to_dict(), as_json=as_json)


@commands.command()
def ask(
    message: Annotated[
        str | None, typer.Argument(metavar="MESSAGE", help="Read from stdin where left out.")
    ] = None,
    request_id: Annotated[
        str | None, typer.Option("--request-id", metavar="ID", help="For X-Request-ID; else a new one.")
    ] = None,
    base_url: BaseUrl = None,
    profile: Profile = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Send a message to the key's agent, and print what it answers.

    \b
    JSON: id (or null), reply (or null), answer {all that came}

    \b
    Examples:
      nimbus-sdk nexus ask "What is new?"
      nimbus-sdk nexus ask < question.txt
    """
    from nimbus_sdk.services import Nexus

    text = _piped_in() if message is None else message
    with Nexus(base_url=base_url, profile=profile, timeout=timeout) as client:
        thread = client.create_thread(text, request_id=request_id)
    if as_json:
        output.document({"id": thread.id, "reply": thread.reply, "answer": dict(thread.fields)})
    else:
        output.say(*(thread.reply or "(no reply)").splitlines())


@commands.command("save-key")
def save_key(
    key_stdin: KeyFromStdin = False,
    base_url: BaseUrl = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Store a key that has not expired; you are asked for it, hidden. No network.

    \b
    JSON: saved_in

    \b
    Example:
      pass show nexus | nimbus-sdk nexus save-key --key-stdin
    """
    from nimbus_sdk.services import Nexus

    with Nexus(key_asked_for(NAME, from_stdin=key_stdin), base_url=base_url, profile=profile) as client:
        show_stored(NAME, client.save_key(), as_json=as_json)


@commands.command("restore-key")
def restore_key(base_url: BaseUrl = None, profile: Profile = None, as_json: Json = False) -> None:
    """Bring back the key that was stored before the present one.

    \b
    JSON: key_masked

    \b
    Example:
      nimbus-sdk nexus restore-key
    """
    from nimbus_sdk.services import Nexus

    with Nexus(base_url=base_url, profile=profile) as client:
        show_restored(NAME, client.restore_key(), as_json=as_json)


@commands.command("forget-key")
def forget_key(base_url: BaseUrl = None, profile: Profile = None, as_json: Json = False) -> None:
    """Remove the stored key, and the one before it; both stay valid.

    \b
    JSON: removed

    \b
    Example:
      nimbus-sdk nexus forget-key
    """
    from nimbus_sdk.services import Nexus

    with Nexus(base_url=base_url, profile=profile) as client:
        show_forgotten(NAME, removed=client.forget_key(), as_json=as_json)


def _piped_in() -> str:
    from nimbus_sdk.errors import ConfigurationError

    if sys.stdin is None:
        raise ConfigurationError(
            "There is no message, and stdin is closed.",
            hint="Give the message as an argument, or pipe it in.",
        )
    content = sys.stdin.buffer.read(_LONGEST + 1)
    if len(content) > _LONGEST:
        raise ConfigurationError(
            f"The message has more than {_LONGEST} bytes; nothing was sent.", hint="Send it in parts."
        )
    return content.decode("utf-8", "replace")
