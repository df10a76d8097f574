"""Text and JSON on the output stream; styles are for terminals only."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import IO

import typer

from nimbus_sdk.display.tables import Look, fold, format_fields, format_table
from nimbus_sdk.display.terminal import escape_controls, is_terminal
from nimbus_sdk.errors.printable import printable

_USUAL_WIDTH = 80

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
    """Print a result: its values as JSON, or lines of text as they are."""
    if as_json:
        print_json(values)
    else:
        print_lines(*lines)


def show_text(values: Mapping[str, object], *paragraphs: str, as_json: bool) -> None:
    """Print a result: its values as JSON, or sentences."""
    if as_json:
        print_json(values)
    else:
        print_text(*paragraphs)


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
        print_text(nothing)
        return
    headers = [name.replace("_", " ") for name in columns]
    _write(format_table(headers, listed, _look()))


def print_lines(*lines: str) -> None:
    """Print lines of text as they are: each may be long, and be copied."""
    for line in lines:
        _write(escape_controls(line))


def print_text(*paragraphs: str) -> None:
    """Print sentences, folded to the width of a terminal."""
    for paragraph in paragraphs:
        print_lines(*fold_for(sys.stdout, paragraph))


def fold_for(stream: IO[str] | None, paragraph: str) -> list[str]:
    """Return a paragraph as the lines that a stream shows; further lines are indented as the first one."""
    width = line_width(stream)
    indent = paragraph[: len(paragraph) - len(paragraph.lstrip())]
    return [paragraph] if width is None else fold(paragraph, width, indent)


def parse_time(text: object) -> object:
    """Return an ISO 8601 text as a time, which tables print in short; anything else as it is."""
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else text
    except ValueError:
        # A file of the SDK may have been edited.
        return text


def line_width(stream: IO[str] | None) -> int | None:
    """Return how many characters a line of a terminal has, or None for a file, a pipe or no stream.

    ``COLUMNS`` counts first, as in shells. Lines for a file or another program are never folded.
    """
    if stream is None or not is_terminal(stream):
        return None
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    try:
        # A terminal without a size has 0 columns.
        return os.get_terminal_size(stream.fileno()).columns or _USUAL_WIDTH
    except OSError:
        # A stream may say that it is a terminal and have no descriptor.
        return _USUAL_WIDTH


def require_confirmation(question: str, declined: str) -> None:
    """Ask a question at the terminal; unless the answer is yes, print a text and exit with 1."""
    if not typer.confirm(question, err=True):
        print_lines(declined)
        raise typer.Exit(1)


def print_fields(rows: Iterable[tuple[str, object]], title: str = "") -> None:
    """Print names and values, one pair a line, indented below a title if there is one."""
    _write(format_fields(title, rows, _look()))


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
    return has_styles(stream) and not os.environ.get("NO_COLOR")


def _look() -> Look:
    return Look(line_width(sys.stdout), _bold, _colour)


def _bold(text: str) -> str:
    return typer.style(text, bold=True) if has_styles(sys.stdout) else text


def _colour(text: str) -> str:
    colour = _COLOURS.get(text.strip())
    return typer.style(text, fg=colour) if colour and has_colours(sys.stdout) else text


def has_styles(stream: IO[str] | None) -> bool:
    """Return whether a stream is a terminal that knows bold letters and can write its lines anew."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"
