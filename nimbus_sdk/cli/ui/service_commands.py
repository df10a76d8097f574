"""Commands that work with the client of one further service, and its save-key, restore-key, forget-key."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeAlias, get_type_hints

import typer

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, KeyFromStdin, Profile, Timeout, option, read_key_from_stdin
from nimbus_sdk.display import terminal

BaseUrl = Annotated[
    str | None, option("--base-url URL", "Base URL; the service's variable, else its own URL, if omitted.")
]
Options: TypeAlias = Mapping[str, tuple[object, object]]
"""Options by the name of their argument: the annotation and the default."""

_COMMON: Options = {"base_url": (BaseUrl, None), "profile": (Profile, None)}
_TIMEOUT: Options = {"timeout": (Timeout, None)}


class ServiceCommands:
    """Adds commands that work with the client of one service to a group.

    Args:
        name: The service's name, for people; without spaces, that of its client in ``nimbus_sdk.services``.
        **options: Further options of all its commands, arguments of the client.
    """

    def __init__(self, name: str, **options: tuple[object, object]) -> None:
        self.name, self.client, self.options = name, name.replace(" ", ""), options

    def command(
        self, group: typer.Typer, name: str | None = None, *, further: Options = _TIMEOUT
    ) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Add a function as a command; its first arguments are an open client and ``as_json``.

        ``further`` are further arguments of the client: the timeout, unless the command needs no network.
        """

        def add(function: Callable[..., None]) -> Callable[..., None]:
            # The client's class is not imported where the command is defined.
            hints = get_type_hints(function, localns={self.client: object}, include_extras=True)
            _, _, *parameters = inspect.signature(function).parameters.values()
            own = {each.name: (hints[each.name], each.default) for each in parameters}
            command = self._command(function, own, further, lambda given: None)
            group.command(name or function.__name__, help=inspect.getdoc(function))(command)
            return function

        return add

    def add_key_commands(
        self, group: typer.Typer, *, checked: str, own: Options | None = None, further: Options = _TIMEOUT
    ) -> None:
        """Add save-key, restore-key and forget-key.

        Args:
            group: The group of commands.
            checked: A sentence for the help: what is checked before a key is stored.
            own: Options of save-key that are arguments of the client's ``save_key``.
            further: As for ``command``, for save-key.
        """

        def save_key(client: Any, as_json: bool, **given: Any) -> None:
            store = client.save_key(**given)
            output.show_text(
                {"saved_in": store}, f"The {self.name} key is stored ({store}).", as_json=as_json
            )

        def restore_key(client: Any, as_json: bool) -> None:
            masked = client.restore_key()
            text = f"The {self.name} key {masked} is the stored one again."
            used = "It is used if neither a variable nor a .env names another."
            output.show_text({"key_masked": masked}, text, used, as_json=as_json)

        def forget_key(client: Any, as_json: bool) -> None:
            removed = client.forget_key()
            yes, no = f"The stored {self.name} key was removed.", f"No {self.name} key was stored."
            output.show_text({"removed": removed}, yes if removed else no, as_json=as_json)

        words = {"checked": checked, "group": self.name.lower().replace(" ", "-")}
        save_options = {"key_stdin": (KeyFromStdin, False), **(own or {})}
        save = self._command(
            save_key, save_options, further, lambda given: read_key(self.name, given.pop("key_stdin"))
        )
        group.command("save-key", help=_SAVE.format(**words))(save)
        restore_key.__doc__, forget_key.__doc__ = _RESTORE.format(**words), _FORGET.format(**words)
        self.command(group, "restore-key", further={})(restore_key)
        self.command(group, "forget-key", further={})(forget_key)

    def _command(
        self,
        function: Callable[..., None],
        own: Options,
        further: Options,
        find_key: Callable[[dict[str, Any]], str | None],
    ) -> Callable[..., None]:
        of_client = {**self.options, **_COMMON, **further}

        def command(**given: Any) -> None:
            from nimbus_sdk import services

            client_class = getattr(services, self.client)
            options = {name: given.pop(name) for name in of_client}
            # The key is in no variable here: a traceback could show it.
            with client_class(find_key(given), **options) as client:
                function(client, **given)

        options = {**own, **of_client, "as_json": (Json, False)}
        parameters = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
            for name, (annotation, default) in options.items()
        ]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command


_SAVE = """Store a key; you are asked for it, hidden.

{checked}

JSON: saved_in

Example: pass show {group} | nimbus-sdk {group} save-key --key-stdin
"""
_RESTORE = """Restore the key that was stored before.

The present key stays stored.

JSON: key_masked

Example: nimbus-sdk {group} restore-key
"""
_FORGET = """Remove the stored key and the previous one; both stay valid.

JSON: removed

Example: nimbus-sdk {group} forget-key
"""


def read_key(name: str, from_stdin: bool) -> str | None:
    """Return a service's key from stdin, or typed unseen in a terminal; None if there is neither."""
    if from_stdin:
        return read_key_from_stdin()
    return terminal.prompt_hidden(f"{name} key (hidden): ") if terminal.is_interactive() else None
