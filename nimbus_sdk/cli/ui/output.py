"""Text and JSON on the output stream; styles are for terminals only."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO

import typer

from nimbus_sdk.display.tables import format_fields, format_table
from nimbus_sdk.display.terminal import escape_controls, is_terminal
from nimbus_sdk.errors.printable import printable

# "yes" and "no" have no colour: whether a no is good news depends on the question.
_COLOURS = {
    **dict.fromkeys(("found", "in use", "ok"), "green"),
    **dict.fromkeys(("malformed", "unreadable", "failed", "fault"), "red"),
    **dict.fromkeys(("shadowed", "withheld", "warning"), "yellow"),
}


def print_json(values: Mapping[str, object]) -> None:
    """Print values as an indented JSON object."""
    _write(json.dumps(values, indent=2))


def print_json_line(values: Mapping[str, object]) -> None:
    """Print values as one line of JSON, for a program that reads line by line."""
    _write(json.dumps(values))


def show_lines(values: Mapping[str, object], *lines: str, as_json: bool) -> None:
    """Print a result: its values as JSON, or lines of text."""
    if as_json:
        print_json(values)
    else:
        print_lines(*lines)


def show_fields(
    values: Mapping[str, object], rows: Iterable[tuple[str, object]] | None = None, *, as_json: bool
) -> None:
    """Print a result: its values as JSON, or names and values as text, those of ``values`` if omitted."""
    if as_json:
        print_json(values)
    else:
        named = ((name.replace("_", " "), value) for name, value in values.items())
        print_fields(named if rows is None else rows)


def show_table(
    values: Mapping[str, object],
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    as_json: bool,
    nothing: str = "There are none.",
) -> None:
    """Print a result: its values as JSON, or a table, or the text ``nothing`` if there are no rows."""
    if as_json:
        print_json(values)
        return
    listed = list(rows)
    if not listed:
        print_lines(nothing)
        return
    headers = [name.replace("_", " ") for name in columns]
    # Lines for a file or another program are never wrapped.
    width = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None
    _write(format_table(headers, listed, width=width, name_style=_bold, value_style=_colour))


def print_lines(*lines: str) -> None:
    """Print lines of text."""
    for line in lines:
        _write(escape_controls(line))


def print_fields(rows: Iterable[tuple[str, object]], title: str = "") -> None:
    """Print names and values, one pair a line, indented below a title if there is one."""
    _write(format_fields(title, rows, name_style=_bold, value_style=_colour))


def format_assignments(environ: Mapping[str, str]) -> list[str]:
    """Return a line for each variable: ``export`` for POSIX shells, ``$env:`` for PowerShell on Windows.

    Examples:
        >>> format_assignments({"NIMBUS_SDK_HOME": "/tmp/a b"}) if os.name == "posix" else None
        ["export NIMBUS_SDK_HOME='/tmp/a b'"]
    """
    if os.name == "nt":
        return [f"$env:{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in environ.items()]
    return [f"export {name}={shlex.quote(value)}" for name, value in environ.items()]


def _write(text: str) -> None:
    # The stream is named, because typer replaces its own default if that cannot encode everything.
    typer.echo(printable(text), file=sys.stdout)


def has_colours(stream: IO[str] | None) -> bool:
    """Return whether a stream shows colours and its user wants them."""
    return _has_styles(stream) and not os.environ.get("NO_COLOR")


def _bold(text: str) -> str:
    return typer.style(text, bold=True) if _has_styles(sys.stdout) else text


def _colour(text: str) -> str:
    colour = _COLOURS.get(text.strip())
    return typer.style(text, fg=colour) if colour and has_colours(sys.stdout) else text


def _has_styles(stream: IO[str] | None) -> bool:
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"
