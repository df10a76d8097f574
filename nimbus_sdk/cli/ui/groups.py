"""Groups of commands, the pages that list them, and the exit codes on the first page."""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperGroup

from nimbus_sdk import errors

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


def arrange_help(command: Any) -> None:
    """Let pages show examples line by line, and whole first sentences of commands, which click would cut."""
    # The control character tells click not to join the lines that follow.
    command.help = re.sub(r"^(Examples?):\s+", "\b\n\\1:\n  ", command.help, flags=re.MULTILINE)
    for child in getattr(command, "commands", {}).values():
        arrange_help(child)
        child.short_help = child.get_short_help_str(len(child.help))


def list_exit_codes() -> tuple[tuple[int, str], ...]:
    """Return every exit code with what it means.

    Examples:
        >>> dict(list_exit_codes())[7]
        'RateLimitError'
    """
    meanings = {code: [words] for code, words in _OTHERS.items()}
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.NimbusError):
            meanings.setdefault(kind.exit_code, []).append(kind.__name__)
    for code, words in _ALSO.items():
        meanings[code].append(words)
    return tuple((code, ", ".join(meanings[code])) for code in sorted(meanings))
