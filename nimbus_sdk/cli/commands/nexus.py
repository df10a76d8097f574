"""``nimbus-sdk nexus …``: show a key's claims, ask the agent, store a key."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.groups import group
from nimbus_sdk.cli.ui.options import argument, option
from nimbus_sdk.cli.ui.service_commands import ServiceCommands
from nimbus_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from nimbus_sdk.services import Nexus

NEXUS = ServiceCommands("Nexus")
_MAX_BYTES = 2**20
commands = group("nexus", "Nexus: ask the agent, and show a key's claims.")


@NEXUS.command(commands, further={})
def claims(client: Nexus, as_json: bool) -> None:
    """Show the claims in the key.

    They are not verified: anybody could have written them. Uses no network.

    JSON: verified (always false), integration_id, organization_id, agent_id, permissions, expires_at

    Example: nimbus-sdk nexus claims --json | jq -r .expires_at
    """
    output.show_fields(client.claims.to_dict(), as_json=as_json)


@NEXUS.command(commands)
def ask(
    client: Nexus,
    as_json: bool,
    message: Annotated[str | None, argument("MESSAGE", "Read from stdin if omitted.")] = None,
    request_id: Annotated[
        str | None, option("--request-id ID", "For X-Request-ID; a new one if omitted.")
    ] = None,
) -> None:
    """Send a message to the key's agent and print the answer.

    JSON: id (or null), reply (or null), answer {the whole answer}

    Examples:
      nimbus-sdk nexus ask "What is new?"
      nimbus-sdk nexus ask < question.txt
    """
    text = _read_stdin() if message is None else message
    thread = client.create_thread(text, request_id=request_id)
    values = {"id": thread.id, "reply": thread.reply, "answer": dict(thread.fields)}
    output.show_lines(values, *(thread.reply or "(no reply)").splitlines(), as_json=as_json)


NEXUS.add_key_commands(commands, checked="It must not have expired; the network is not used.", further={})


def _read_stdin() -> str:
    if sys.stdin is None:
        raise ConfigurationError(
            "There is no message, and stdin is closed.",
            hint="Give the message as an argument, or pipe it in.",
        )
    content = sys.stdin.buffer.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ConfigurationError(
            f"The message has more than {_MAX_BYTES} bytes; nothing was sent.", hint="Send it in parts."
        )
    return content.decode("utf-8", "replace")
