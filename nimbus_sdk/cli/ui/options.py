"""The options that several commands share, each defined once. None of them takes a secret."""

from __future__ import annotations

import sys
from typing import Annotated, TypeAlias

import typer

from nimbus_sdk.errors import ConfigurationError

Profile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Which account; NIMBUS_SDK_PROFILE, else 'default', where left out.",
    ),
]
Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print facts, and errors too, as JSON.", show_default=False)
]
Timeout: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        help="For the whole conversation, retries included; NIMBUS_SDK_TIMEOUT, else 30, where left out.",
    ),
]
KeyFromStdin: TypeAlias = Annotated[
    bool,
    typer.Option("--key-stdin", help="Read the key from the first line of stdin.", show_default=False),
]


_LONGEST = 16 * 1024


def key_from_stdin() -> str:
    """The first line of stdin, unchecked. Keep it out of names that outlive the call it is for.

    Password managers tell more in further lines (``user: ada``); a line that may be the rest of a key that
    was wrapped is refused, for a part of a key is none.

    Raises:
        ConfigurationError: Stdin is closed, or a terminal, which would show the key while it is typed; or it
            holds a key in several lines, or more than any key.
    """
    if sys.stdin is None:
        raise ConfigurationError(
            "--key-stdin reads a key that another program pipes in, and stdin is closed.",
            hint="Pipe the key in.",
        )
    if sys.stdin.isatty():
        raise ConfigurationError(
            "--key-stdin reads a key that another program pipes in, and stdin is a terminal.",
            hint="Leave the option out to be asked for the key, hidden.",
        )
    content = sys.stdin.buffer.read(_LONGEST + 1)
    lines = [line.strip() for line in content.decode("utf-8", "replace").splitlines() if line.strip()]
    fault = ""
    if len(content) > _LONGEST:
        fault = f"Stdin holds more than {_LONGEST} bytes, which is no key"
    elif len(lines) > 1 and not any(letter.isspace() for letter in lines[1]):
        fault = "The second line of stdin may be the rest of the key"
    if not fault:
        return lines[0] if lines else ""
    # A traceback shows what a function holds.
    del content, lines
    raise ConfigurationError(
        f"{fault}; nothing of it was used.",
        hint="Pipe in the key alone, without a line break in the middle of it.",
    )
