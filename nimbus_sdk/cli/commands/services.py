"""What the commands of the further systems share: options, the key that is asked for, what is told of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, TypeAlias

import typer

from nimbus_sdk.cli.ui import output

BaseUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        help="Where the system is; its own variable, else its own address, where left out.",
    ),
]
Param: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="Of the query; may be given several times."),
]
Save: TypeAlias = Annotated[
    bool,
    typer.Option("--save", help="Store the secret in place of printing it.", show_default=False),
]


def key_asked_for(name: str, *, from_stdin: bool) -> str | None:
    """A key that is piped in, or typed unseen where a person is; None where none of the two.

    Args:
        name: The system it is for.
        from_stdin: Whether it is piped in.
    """
    from nimbus_sdk.cli.ui.options import key_from_stdin
    from nimbus_sdk.display.terminal import is_interactive, prompt_hidden

    if from_stdin:
        return key_from_stdin()
    return prompt_hidden(f"{name} key (hidden): ") if is_interactive() else None


def new_key(name: str, *, from_stdin: bool) -> str:
    """As :func:`key_asked_for`, where there must be one.

    Raises:
        ConfigurationError: Nobody is here to be asked.
    """
    from nimbus_sdk.errors import ConfigurationError

    text = key_asked_for(name, from_stdin=from_stdin)
    if text is None:
        raise ConfigurationError(
            f"Nobody is here to give the {name} key.", hint="Pipe it in with --key-stdin."
        )
    return text


def query(params: list[str] | None) -> dict[str, str | int | float | bool | None]:
    """The query of ``--param``.

    Raises:
        BadParameter: One has no name.
    """
    pairs = [text.partition("=") for text in params or ()]
    if any(not name or not sign for name, sign, _ in pairs):
        raise typer.BadParameter("--param is NAME=VALUE")
    return {name: value for name, _, value in pairs}


def show_stored(name: str, store: str, *, as_json: bool) -> None:
    """Tell where a key went."""
    if as_json:
        output.document({"saved_in": store})
    else:
        output.say(f"The {name} key is stored ({store}).")


def show_restored(name: str, masked: str, *, as_json: bool) -> None:
    """Tell which key is the stored one again."""
    if as_json:
        output.document({"key_masked": masked})
    else:
        output.say(
            f"The {name} key {masked} is the stored one again.",
            "It counts where neither a variable nor a .env names another.",
        )


def show_forgotten(name: str, *, removed: bool, as_json: bool) -> None:
    """Tell whether there was a key to remove."""
    if as_json:
        output.document({"removed": removed})
    else:
        output.say(f"The stored {name} key was removed." if removed else f"No {name} key was stored.")


def show_answer(answer: object, *, as_json: bool) -> None:
    """Print what a system answered: as JSON either way, for its form is not ours."""
    if as_json:
        output.document({"answer": answer})
    else:
        output.say(*json.dumps(answer, indent=2).splitlines())


def show_facts(facts: Mapping[str, object], *, as_json: bool) -> None:
    """Print names and values."""
    if as_json:
        output.document(facts)
    else:
        output.facts([(name.replace("_", " "), value) for name, value in facts.items()])
