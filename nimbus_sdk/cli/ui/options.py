"""Options that several commands share, and what a shell offers for them. None of them takes a secret."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeAlias

import typer

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import ConfigurationError, NimbusError

Values: TypeAlias = "Iterable[str] | Callable[[], Iterable[str]]"
"""What a shell offers: fixed values, or a function that reads them from this machine without network."""


def option(form: str, help: str, values: Values | None = None) -> Any:
    """Describe an option with a value, such as ``--port PORT``, for ``Annotated``."""
    name, _, metavar = form.partition(" ")
    return typer.Option(name, metavar=metavar, help=help, autocompletion=_completion(values))


def flag(name: str, help: str, **further: Any) -> Any:
    """Describe a switch, for ``Annotated``."""
    return typer.Option(name, help=help, show_default=False, **further)


def argument(metavar: str, help: str, values: Values | None = None) -> Any:
    """Describe an argument, for ``Annotated``."""
    return typer.Argument(metavar=metavar, help=help, autocompletion=_completion(values))


def _completion(values: Values | None) -> Callable[[str], list[str]] | None:
    """Return a function that offers the values which begin with what was typed so far."""
    if values is None:
        return None

    def complete(incomplete: str) -> list[str]:
        try:
            offered = values() if callable(values) else values
            return [value for value in offered if value.startswith(incomplete)]
        except (NimbusError, OSError):
            # A shell would show an error in the middle of the line that is typed.
            return []

    return complete


def _profiles() -> Iterable[str]:
    from nimbus_sdk.account.sign_out import find_entries

    # The keys of services have the name of their service behind an @.
    return [entry.name for entry in find_entries(Settings.load()) if "@" not in entry.name]


def local_models() -> Iterable[str]:
    """Return the names of the models of this machine."""
    from nimbus_sdk.core.model_download import find_local_models

    return [model.name for model in find_local_models(Settings.load().paths)]


def core_versions() -> Iterable[str]:
    """Return the installed versions of the core."""
    from nimbus_sdk.core.wheel.versions import installed_versions

    return dict.fromkeys(core.version for core in installed_versions(Settings.load().paths.core))


Profile = Annotated[
    str | None,
    option("--profile NAME", "The account. [env: NIMBUS_SDK_PROFILE; default: default]", _profiles),
]
Json = Annotated[bool, flag("--json", "Print results and errors as JSON.")]
Timeout = Annotated[
    float | None,
    option("--timeout SECONDS", "Time limit, retries included. [env: NIMBUS_SDK_TIMEOUT; default: 30]"),
]
KeyFromStdin = Annotated[bool, flag("--key-stdin", "Read the key from the first line of stdin.")]
Yes = Annotated[bool, flag("--yes", "Do not ask for confirmation.")]

_MAX_BYTES = 16 * 1024


def read_key_from_stdin() -> str:
    """Return the first line of stdin, unchecked. Do not bind it to a name that outlives the call it is for.

    Further lines are ignored, since password managers print more of them (``user: ada``). A second line that
    may be the rest of a wrapped key is refused: part of a key is not a key.

    Raises:
        ConfigurationError: Stdin is closed, or a terminal, which would show the key while it is typed; or it
            contains a key in several lines, or more than any key.
    """
    if sys.stdin is None or sys.stdin.isatty():
        state, hint = "closed", "Pipe the key in."
        if sys.stdin is not None:
            state, hint = "a terminal", "Omit the option to be asked for the key, hidden."
        raise ConfigurationError(f"--key-stdin reads a key from a pipe, and stdin is {state}.", hint=hint)
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
