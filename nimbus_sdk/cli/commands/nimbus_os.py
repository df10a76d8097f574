"""``nimbus-sdk nimbus-os …``: read a resource, keep a key, change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from nimbus_sdk.cli.commands.services import (
    BaseUrl,
    Param,
    key_asked_for,
    new_key,
    query,
    show_answer,
    show_forgotten,
    show_restored,
    show_stored,
)
from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, KeyFromStdin, Profile, Timeout

if TYPE_CHECKING:
    from nimbus_sdk.services import Rotation

NAME = "Nimbus OS"
commands = typer.Typer(help="Nimbus OS: read resources, keep and rotate a key.", rich_markup_mode=None)
rotation = typer.Typer(
    help="Change to a new key, step by step; it goes on where it stopped.", rich_markup_mode=None
)
commands.add_typer(rotation, name="rotation")

Environment: TypeAlias = Annotated[
    str, typer.Option("--environment", metavar="NAME", help="sandbox or production; keys are kept apart.")
]
Probe: TypeAlias = Annotated[
    str, typer.Option("--probe", metavar="PATH", help="A resource that the key must be able to read.")
]


@commands.command()
def get(
    path: Annotated[str, typer.Argument(metavar="PATH", help="Such as /orders, without a query.")],
    param: Param = None,
    environment: Environment = "sandbox",
    base_url: BaseUrl = None,
    profile: Profile = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Read a resource and print it; the call is written into the audit trail.

    The command line is seen by other users of this machine: put no data of a patient into it.

    \b
    JSON: answer

    \b
    Example:
      nimbus-sdk nimbus-os get /orders --param page=2
    """
    from nimbus_sdk.services import NimbusOS

    params = query(param)
    with NimbusOS(environment=environment, base_url=base_url, profile=profile, timeout=timeout) as client:
        show_answer(client.request("GET", path, params=params), as_json=as_json)


@commands.command("save-key")
def save_key(
    key_stdin: KeyFromStdin = False,
    environment: Environment = "sandbox",
    probe: Probe = "/orders",
    base_url: BaseUrl = None,
    profile: Profile = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Store a key for one environment, once it was found valid; you are asked for it, hidden.

    \b
    JSON: saved_in

    \b
    Example:
      pass show nimbus-os/sandbox | nimbus-sdk nimbus-os save-key --key-stdin
    """
    from nimbus_sdk.services import NimbusOS

    with NimbusOS(
        key_asked_for(NAME, from_stdin=key_stdin),
        environment=environment,
        base_url=base_url,
        profile=profile,
        timeout=timeout,
    ) as client:
        show_stored(NAME, client.save_key(probe=probe), as_json=as_json)


@commands.command("restore-key")
def restore_key(
    environment: Environment = "sandbox",
    base_url: BaseUrl = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Bring back the key that was stored before the present one, which stays at hand.

    \b
    JSON: key_masked

    \b
    Example:
      nimbus-sdk nimbus-os restore-key
    """
    from nimbus_sdk.services import NimbusOS

    with NimbusOS(environment=environment, base_url=base_url, profile=profile) as client:
        show_restored(NAME, client.restore_key(), as_json=as_json)


@commands.command("forget-key")
def forget_key(
    environment: Environment = "sandbox",
    base_url: BaseUrl = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Remove the stored key of one environment, and the one before it; both stay valid.

    \b
    JSON: removed

    \b
    Example:
      nimbus-sdk nimbus-os forget-key --environment sandbox
    """
    from nimbus_sdk.services import NimbusOS

    with NimbusOS(environment=environment, base_url=base_url, profile=profile) as client:
        show_forgotten(NAME, removed=client.forget_key(), as_json=as_json)


@rotation.command()
def start(
    key_stdin: KeyFromStdin = False,
    environment: Environment = "sandbox",
    probe: Probe = "/orders",
    base_url: BaseUrl = None,
    profile: Profile = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Try a new key, and put it in the place of the old one, which stays at hand.

    Make the new key in the portal first; you are asked for it, hidden. Where an attempt was interrupted, this
    goes on with the key that was given then.

    \b
    JSON: step, old_masked, new_masked, shadowed_by, lines [text]

    \b
    Examples:
      nimbus-sdk nimbus-os rotation start
      pass show nimbus-os/new | nimbus-sdk nimbus-os rotation start --key-stdin
    """
    from nimbus_sdk.services import NimbusOS

    with NimbusOS(environment=environment, base_url=base_url, profile=profile, timeout=timeout) as client:
        begun = client.rotation()
        resumed = begun is not None and begun.step in ("received", "switched") and not key_stdin
        if resumed:
            _show(client.rotate_key(probe=probe), as_json=as_json)
        else:
            _show(client.rotate_key(new_key(NAME, from_stdin=key_stdin), probe=probe), as_json=as_json)


@rotation.command("status")
def status_of_rotation(
    environment: Environment = "sandbox",
    base_url: BaseUrl = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Show how far the last rotation has come, and what to do next; no network.

    \b
    JSON: step (or null), old_masked, new_masked, shadowed_by, lines [text]

    \b
    Example:
      nimbus-sdk nimbus-os rotation status
    """
    from nimbus_sdk.services import NimbusOS

    with NimbusOS(environment=environment, base_url=base_url, profile=profile) as client:
        _show(client.rotation(), as_json=as_json)


@rotation.command()
def confirm(
    environment: Environment = "sandbox",
    base_url: BaseUrl = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Drop the old key: everything works with the new one.

    The last line says what is left to do in the portal.

    \b
    JSON: step, old_masked, new_masked, shadowed_by, lines [text]

    \b
    Example:
      nimbus-sdk nimbus-os rotation confirm
    """
    from nimbus_sdk.services import NimbusOS

    with NimbusOS(environment=environment, base_url=base_url, profile=profile) as client:
        _show(client.confirm_rotation(), as_json=as_json)


@rotation.command()
def undo(
    environment: Environment = "sandbox",
    base_url: BaseUrl = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Go back to the old key, as long as the rotation was not confirmed.

    \b
    JSON: step, old_masked, new_masked, shadowed_by, lines [text]

    \b
    Example:
      nimbus-sdk nimbus-os rotation undo
    """
    from nimbus_sdk.services import NimbusOS

    with NimbusOS(environment=environment, base_url=base_url, profile=profile) as client:
        _show(client.undo_rotation(), as_json=as_json)


def _show(story: Rotation | None, *, as_json: bool) -> None:
    lines = ("No key was rotated yet.",) if story is None else story.lines
    if not as_json:
        output.say(*lines)
        return
    names = ("step", "old_masked", "new_masked", "shadowed_by")
    output.document({**{name: getattr(story, name, None) for name in names}, "lines": list(lines)})
