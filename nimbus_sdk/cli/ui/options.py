"""Options that several commands share. None of them takes a secret."""

from __future__ import annotations

import sys
from typing import Annotated, Any, TypeAlias

import typer

from nimbus_sdk.cli.ui import completion
from nimbus_sdk.cli.ui.completion import Complete
from nimbus_sdk.errors import ConfigurationError


def option(name: str, metavar: str, help: str, complete: Complete | None = None) -> Any:
    """Describe an option with a value, for ``Annotated``; ``complete`` offers values to the shell."""
    return typer.Option(name, metavar=metavar, help=help, autocompletion=complete)


def flag(name: str, help: str) -> Any:
    """Describe a switch, for ``Annotated``."""
    return typer.Option(name, help=help, show_default=False)


def argument(metavar: str, help: str, complete: Complete | None = None) -> Any:
    """Describe an argument, for ``Annotated``; ``complete`` offers values to the shell."""
    return typer.Argument(metavar=metavar, help=help, autocompletion=complete)


Profile: TypeAlias = Annotated[
    str | None,
    option(
        "--profile", "NAME", "The account. [env: NIMBUS_SDK_PROFILE; default: default]", completion.profiles
    ),
]
Json: TypeAlias = Annotated[bool, flag("--json", "Print results and errors as JSON.")]
Timeout: TypeAlias = Annotated[
    float | None,
    option("--timeout", "SECONDS", "Time limit, retries included. [env: NIMBUS_SDK_TIMEOUT; default: 30]"),
]
KeyFromStdin: TypeAlias = Annotated[bool, flag("--key-stdin", "Read the key from the first line of stdin.")]

_MAX_BYTES = 16 * 1024


def read_key_from_stdin() -> str:
    """Return the first line of stdin, unchecked. Do not bind it to a name that outlives the call it is for.

    Further lines are ignored, since password managers print more of them (``user: ada``). A second line that
    may be the rest of a wrapped key is refused: part of a key is not a key.

    Raises:
        ConfigurationError: Stdin is closed, or a terminal, which would show the key while it is typed; or it
            contains a key in several lines, or more than any key.
    """
    if sys.stdin is None:
        raise ConfigurationError(
            "--key-stdin reads a key from a pipe, and stdin is closed.", hint="Pipe the key in."
        )
    if sys.stdin.isatty():
        raise ConfigurationError(
            "--key-stdin reads a key from a pipe, and stdin is a terminal.",
            hint="Omit the option to be asked for the key, hidden.",
        )
    content = sys.stdin.buffer.read(_MAX_BYTES + 1)
    lines = [line.strip() for line in content.decode("utf-8", "replace").splitlines() if line.strip()]
    fault = ""
    if len(content) > _MAX_BYTES:
        fault = f"Stdin has more than {_MAX_BYTES} bytes, which is not a key"
    elif len(lines) > 1 and not any(letter.isspace() for letter in lines[1]):
        fault = "The second line of stdin may be the rest of the key"
    if not fault:
        return lines[0] if lines else ""
    # Tracebacks may show local variables.
    del content, lines
    raise ConfigurationError(
        f"{fault}; nothing of it was used.", hint="Pipe in the key alone, without a line break in it."
    )
