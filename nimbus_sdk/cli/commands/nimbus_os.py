"""``nimbus-sdk nimbus-os …``: read a resource, store a key, rotate it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.groups import group
from nimbus_sdk.cli.ui.options import KeyFromStdin, argument, option
from nimbus_sdk.cli.ui.service_commands import ServiceCommands, read_key
from nimbus_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from nimbus_sdk.services import NimbusOS, Rotation

_ENVIRONMENTS = ("sandbox", "production")
Environment = Annotated[
    str, option("--environment NAME", "sandbox or production; each has its own key.", _ENVIRONMENTS)
]
Probe = Annotated[str, option("--probe PATH", "A resource that the key must be able to read.")]
NIMBUS_OS = ServiceCommands("Nimbus OS", environment=(Environment, "sandbox"))
commands = group("nimbus-os", "Nimbus OS: read resources, store and rotate a key.")
rotation = group("rotation", "Change to a new key, one step at a time.")
commands.add_typer(rotation)


@NIMBUS_OS.command(commands)
def get(
    client: NimbusOS,
    as_json: bool,
    path: Annotated[str, argument("PATH", "A resource such as /orders, without a query.")],
    param: Annotated[
        list[str] | None, option("--param NAME=VALUE", "A parameter of the query; may be repeated.")
    ] = None,
) -> None:
    """Read a resource and print it.

    The call is recorded in the audit trail. Other users of this machine can see the command line: put no
    patient data into it.

    JSON: answer

    Example: nimbus-sdk nimbus-os get /orders --param page=2
    """
    pairs = [text.partition("=") for text in param or ()]
    if any(not name or not sign for name, sign, _ in pairs):
        raise typer.BadParameter("--param must be NAME=VALUE")
    answer = client.request("GET", path, params={name: value for name, _, value in pairs})
    # As JSON either way, since its form is the service's.
    output.show_lines({"answer": answer}, *json.dumps(answer, indent=2).splitlines(), as_json=as_json)


NIMBUS_OS.add_key_commands(
    commands,
    checked="Each environment has its own key. It is stored if Nimbus OS accepts it.",
    own={"probe": (Probe, "/orders")},
)


@NIMBUS_OS.command(rotation)
def start(client: NimbusOS, as_json: bool, key_stdin: KeyFromStdin = False, probe: Probe = "/orders") -> None:
    """Try a new key and use it from now on; the old one stays stored.

    Create the new key in the portal first; you are asked for it, hidden. After an interruption, run it again:
    it continues with the same key.

    JSON: step, old_masked, new_masked, shadowed_by, lines [text]

    Examples:
      nimbus-sdk nimbus-os rotation start
      pass show nimbus-os/new | nimbus-sdk nimbus-os rotation start --key-stdin
    """
    begun = client.rotation()
    continues = begun is not None and begun.is_under_way and not key_stdin
    _show(client.rotate_key(None if continues else _new_key(key_stdin), probe=probe), as_json=as_json)


@NIMBUS_OS.command(rotation, "status", further={})
def status_of_rotation(client: NimbusOS, as_json: bool) -> None:
    """Show the progress of the last rotation and the next step.

    Uses no network.

    JSON: step (or null), old_masked, new_masked, shadowed_by, lines [text]

    Example: nimbus-sdk nimbus-os rotation status
    """
    _show(client.rotation(), as_json=as_json)


@NIMBUS_OS.command(rotation, further={})
def confirm(client: NimbusOS, as_json: bool) -> None:
    """Remove the old key, once everything works with the new one.

    The last line says what remains to be done in the portal.

    JSON: step, old_masked, new_masked, shadowed_by, lines [text]

    Example: nimbus-sdk nimbus-os rotation confirm
    """
    _show(client.confirm_rotation(), as_json=as_json)


@NIMBUS_OS.command(rotation, further={})
def undo(client: NimbusOS, as_json: bool) -> None:
    """Go back to the old key, if the rotation is not confirmed yet.

    JSON: step, old_masked, new_masked, shadowed_by, lines [text]

    Example: nimbus-sdk nimbus-os rotation undo
    """
    _show(client.undo_rotation(), as_json=as_json)


def _new_key(from_stdin: bool) -> str:
    text = read_key(NIMBUS_OS.name, from_stdin)
    if text is None:
        raise ConfigurationError(f"No {NIMBUS_OS.name} key was given.", hint="Pipe it in with --key-stdin.")
    return text


def _show(rotation: Rotation | None, *, as_json: bool) -> None:
    lines = ("No key was rotated yet.",) if rotation is None else rotation.lines
    names = ("step", "old_masked", "new_masked", "shadowed_by")
    values = {**{name: getattr(rotation, name, None) for name in names}, "lines": list(lines)}
    output.show_text(values, *lines, as_json=as_json)
