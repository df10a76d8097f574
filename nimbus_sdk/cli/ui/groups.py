"""Groups of commands, and the pages that list them."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from nimbus_sdk.cli.ui import exit_codes


class Group(TyperGroup):
    """A group whose first page ends with the exit codes."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the exit codes on the first page."""
        if ctx.parent is None:
            with formatter.section("Exit codes"):
                formatter.write_dl([(str(code), meaning) for code, meaning in exit_codes.list_exit_codes()])


def group(help: str) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(help=help, cls=Group, rich_markup_mode=None)


def show_whole_summaries(command: Any) -> None:
    """Let pages and shells show the whole first sentence of each command, which click would cut."""
    for child in getattr(command, "commands", {}).values():
        child.short_help = child.get_short_help_str(len(child.help or ""))
        show_whole_summaries(child)
