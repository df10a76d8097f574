"""What the commands of the further services share: their options, and save-key, restore-key, forget-key."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import typer

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, KeyFromStdin, Profile

BaseUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        help="Base URL; the service's variable, else its own URL, if omitted.",
    ),
]
Param: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="Of the query; may be given several times."),
]
Save: TypeAlias = Annotated[
    bool,
    typer.Option("--save", help="Store the secret instead of printing it.", show_default=False),
]


Option: TypeAlias = inspect.Parameter


def option(name: str, annotation: object, default: object) -> Option:
    """Return an option that only some services have."""
    return Option(name, Option.KEYWORD_ONLY, annotation=annotation, default=default)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCommands:
    """The commands that store, restore and remove a service's key.

    Attributes:
        name: The service's name, for people.
        client: Name of its client in :mod:`nimbus_sdk.services`.
        checked: What is checked before a key is stored, in words.
        options: Further options of all three, arguments of the client.
        save_options: Further options of save-key, arguments of the client or of its ``save_key``.
    """

    name: str
    client: str
    checked: str
    options: tuple[Option, ...] = ()
    save_options: tuple[Option, ...] = ()

    def add_to(self, commands: typer.Typer) -> None:
        """Add save-key, restore-key and forget-key to a group of commands."""
        group = self.name.lower().replace(" ", "-")
        for name, run, options, text in (
            ("save-key", self._save, (*self.options, *self.save_options), _SAVE),
            ("restore-key", self._restore, self.options, _RESTORE),
            ("forget-key", self._forget, self.options, _FORGET),
        ):
            help_text = text.format(checked=self.checked, group=group)
            commands.command(name, help=help_text)(_with_options(run, options))

    def _save(
        self,
        key_stdin: KeyFromStdin = False,
        base_url: BaseUrl = None,
        profile: Profile = None,
        as_json: Json = False,
        **given: Any,
    ) -> None:
        client_class = self._client_class()
        arguments = {
            name: given.pop(name)
            for name in inspect.signature(client_class.save_key).parameters
            if name in given
        }
        # The key is in no variable here: a traceback could show it.
        with client_class(
            read_key(self.name, from_stdin=key_stdin), base_url=base_url, profile=profile, **given
        ) as client:
            store = client.save_key(**arguments)
        if as_json:
            output.print_json({"saved_in": store})
        else:
            output.print_lines(f"The {self.name} key is stored ({store}).")

    def _restore(
        self, base_url: BaseUrl = None, profile: Profile = None, as_json: Json = False, **given: Any
    ) -> None:
        with self._client_class()(base_url=base_url, profile=profile, **given) as client:
            masked = client.restore_key()
        if as_json:
            output.print_json({"key_masked": masked})
        else:
            output.print_lines(
                f"The {self.name} key {masked} is the stored one again.",
                "It is used if neither a variable nor a .env names another.",
            )

    def _forget(
        self, base_url: BaseUrl = None, profile: Profile = None, as_json: Json = False, **given: Any
    ) -> None:
        with self._client_class()(base_url=base_url, profile=profile, **given) as client:
            removed = client.forget_key()
        if as_json:
            output.print_json({"removed": removed})
        else:
            output.print_lines(
                f"The stored {self.name} key was removed." if removed else f"No {self.name} key was stored."
            )

    def _client_class(self) -> Any:
        from nimbus_sdk import services

        return getattr(services, self.client)


_SAVE = """Store a key{checked}; you are asked for it, hidden.

\b
JSON: saved_in

\b
Example:
  pass show {group} | nimbus-sdk {group} save-key --key-stdin
"""
_RESTORE = """Restore the key that was stored before the present one, which stays stored.

\b
JSON: key_masked

\b
Example:
  nimbus-sdk {group} restore-key
"""
_FORGET = """Remove the stored key and the previous one; both stay valid.

\b
JSON: removed

\b
Example:
  nimbus-sdk {group} forget-key
"""


def _with_options(run: Callable[..., None], options: tuple[Option, ...]) -> Callable[..., None]:
    """Return a command that passes further options on as keyword arguments."""

    def command(**given: Any) -> None:
        run(**given)

    *parameters, _ = inspect.signature(run, eval_str=True).parameters.values()
    # Before --base-url, --profile and --json, which all commands have.
    parameters[-3:-3] = options
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def read_key(name: str, *, from_stdin: bool) -> str | None:
    """Return a key from stdin, or typed unseen in a terminal; None if there is neither.

    Args:
        name: The service it is for.
        from_stdin: Whether it is piped in.
    """
    from nimbus_sdk.cli.ui.options import read_key_from_stdin
    from nimbus_sdk.display.terminal import is_interactive, prompt_hidden

    if from_stdin:
        return read_key_from_stdin()
    return prompt_hidden(f"{name} key (hidden): ") if is_interactive() else None


def parse_query(params: list[str] | None) -> dict[str, str | int | float | bool | None]:
    """Return the query of ``--param``.

    Raises:
        BadParameter: One has no name.
    """
    pairs = [text.partition("=") for text in params or ()]
    if any(not name or not sign for name, sign, _ in pairs):
        raise typer.BadParameter("--param is NAME=VALUE")
    return {name: value for name, _, value in pairs}


def show_answer(answer: object, *, as_json: bool) -> None:
    """Print the content of a response: as JSON either way, since its form is the service's."""
    if as_json:
        output.print_json({"answer": answer})
    else:
        output.print_lines(*json.dumps(answer, indent=2).splitlines())


def show_facts(facts: Mapping[str, object], *, as_json: bool) -> None:
    """Print names and values."""
    if as_json:
        output.print_json(facts)
    else:
        output.print_fields([(name.replace("_", " "), value) for name, value in facts.items()])
