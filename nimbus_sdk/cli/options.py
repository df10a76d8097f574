"""The options that several commands share, each defined once. None of them takes a secret."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

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
