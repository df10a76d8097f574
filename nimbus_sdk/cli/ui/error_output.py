"""Errors on the error stream, as text or JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, replace
from itertools import chain

import typer

from nimbus_sdk.cli.ui.output import fold_for, has_colours
from nimbus_sdk.display.terminal import escape_controls
from nimbus_sdk.errors import ApiError, CoreIntegrityError, NimbusError
from nimbus_sdk.errors.printable import printable
from nimbus_sdk.transport.redaction import mask_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReport:
    """An error as the command line prints it; with ``--json`` these are the keys of the document.

    Attributes:
        error: Name of the error's class, or ``UsageError`` for an invalid command line.
        code: The service's error code, such as ``INVALID_KEY``, or None.
        status: HTTP status, or None.
        retry_after: Seconds that the service asks to wait, or None.
        issues: Every single fault, if there are several.
    """

    error: str
    message: str
    hint: str
    exit_code: int
    code: str | None = None
    status: int | None = None
    request_id: str | None = None
    retry_after: float | None = None
    issues: tuple[str, ...] = ()


def create_report(error: NimbusError, command: str = "") -> ErrorReport:
    """Return the report of an error of a command, such as ``status``.

    Examples:
        >>> from nimbus_sdk.errors import MissingKeyError
        >>> report = create_report(MissingKeyError("No API key was found."))
        >>> report.error, report.code, report.exit_code
        ('MissingKeyError', 'MISSING_KEY', 4)
    """
    report = ErrorReport(
        error=type(error).__name__,
        message=error.message,
        hint=_hint(error, command),
        exit_code=error.exit_code,
        issues=error.issues if isinstance(error, CoreIntegrityError) else (),
    )
    names = ("code", "status", "request_id", "retry_after") if isinstance(error, ApiError) else ()
    return replace(report, **{name: getattr(error, name) for name in names})


def print_report(report: ErrorReport, *, as_json: bool) -> None:
    """Write a report to the error stream: one line of JSON, or some lines of text.

    Keys are masked: what was typed in place of a version or a name may be one.
    """
    safe = replace(
        report,
        message=mask_keys(report.message),
        hint=mask_keys(report.hint),
        issues=tuple(map(mask_keys, report.issues)),
    )
    text = json.dumps(asdict(safe)) if as_json else _format(safe)
    if not as_json and has_colours(sys.stderr):
        text = text.replace("Error:", typer.style("Error:", fg="red", bold=True), 1)
    sys.stderr.write(printable(f"{text}\n", sys.stderr))


def _hint(error: NimbusError, command: str) -> str:
    """Return the hint without the parts that advise to run the command that has just failed."""
    first, *further = error.hint.rstrip(".").split("; ")
    useful = [part for part in further if f"`nimbus-sdk {command}`" not in part]
    return error.hint if useful == further else f"{'; '.join([first, *useful])}."


def _format(report: ErrorReport) -> str:
    request = report.request_id and f"request {report.request_id}"
    details = [str(detail) for detail in (report.status, report.code, request) if detail is not None]
    suffix = f" [{', '.join(details)}]" if details else ""
    lines = [f"Error: {report.message}{suffix}", *(f"  - {issue}" for issue in report.issues)]
    if report.hint:
        lines.append(f"Hint: {report.hint}")
    folded = (fold_for(sys.stderr, escape_controls(line)) for line in lines)
    return "\n".join(chain.from_iterable(folded))
