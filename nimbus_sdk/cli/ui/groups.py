"""Groups of commands, the pages that list them, and the exit codes on the first page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from nimbus_sdk import errors
from nimbus_sdk.errors import NimbusError

_OTHERS = {0: "success", 1: "a failed check, a declined question, a closed output", 130: "Ctrl-C"}
_ALSO = {2: "an invalid command line"}


class Group(TyperGroup):
    """A group whose first page ends with the exit codes."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the exit codes on the first page."""
        if ctx.parent is None:
            with formatter.section("Exit codes"):
                formatter.write_dl([(str(code), meaning) for code, meaning in list_exit_codes()])


def group(name: str, help: str) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(name=name, help=help, cls=Group, rich_markup_mode=None)


def show_whole_summaries(command: Any) -> None:
    """Let pages and shells show the whole first sentence of each command, which click would cut."""
    for child in getattr(command, "commands", {}).values():
        child.short_help = child.get_short_help_str(len(child.help or ""))
        show_whole_summaries(child)


def list_exit_codes() -> tuple[tuple[int, str], ...]:
    """Return every exit code with what it means.

    Examples:
        >>> dict(list_exit_codes())[7]
        'RateLimitError'
    """
    meanings = {code: [words] for code, words in _OTHERS.items()}
    for kind in _error_classes(NimbusError):
        if kind.__module__ == errors.__name__:
            meanings.setdefault(kind.exit_code, []).append(kind.__name__)
    for code, words in _ALSO.items():
        meanings[code].append(words)
    return tuple((code, ", ".join(meanings[code])) for code in sorted(meanings))


def _error_classes(base: type[NimbusError]) -> Iterator[type[NimbusError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _error_classes(kind)
