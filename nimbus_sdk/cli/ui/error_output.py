"""What went wrong, as text or JSON on the error stream."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, replace

from nimbus_sdk.display.terminal import escape_controls
from nimbus_sdk.errors import ApiError, CoreIntegrityError, NimbusError
from nimbus_sdk.transport.redaction import mask_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """An error as the command line tells it; with ``--json`` these are the keys of the document.

    Attributes:
        error: Name of the error's class, ``UsageError`` for a command line that cannot be understood.
        message: What happened.
        hint: What to do next.
        exit_code: The process ends with it.
        code: The service's error code, such as ``INVALID_KEY``, or None.
        status: HTTP status, or None.
        request_id: For support, or None.
        retry_after: Seconds that the service asks to wait, or None.
        issues: All single faults, where there are several.
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


def of(error: NimbusError, command: str = "") -> Complaint:
    """The complaint that tells an error.

    Args:
        error: What went wrong.
        command: The command that it went wrong in, such as ``status``.

    Example:
        >>> from nimbus_sdk.errors import MissingKeyError
        >>> complaint = of(MissingKeyError("No API key was found."))
        >>> complaint.error, complaint.code, complaint.exit_code
        ('MissingKeyError', 'MISSING_KEY', 4)
    """
    answered = error if isinstance(error, ApiError) else None
    return Complaint(
        error=type(error).__name__,
        message=error.message,
        hint=_hint(error, command),
        exit_code=error.exit_code,
        code=None if answered is None else answered.code,
        status=None if answered is None else answered.status,
        request_id=None if answered is None else answered.request_id,
        retry_after=None if answered is None else answered.retry_after,
        issues=error.issues if isinstance(error, CoreIntegrityError) else (),
    )


def _hint(error: NimbusError, command: str) -> str:
    """What to do next; what else may help goes where it is the very command that has just failed."""
    first, *further = error.hint.rstrip(".").split("; ")
    useful = [part for part in further if f"`nimbus-sdk {command}`" not in part]
    return error.hint if useful == further else f"{'; '.join([first, *useful])}."


def show(complaint: Complaint, *, as_json: bool) -> None:
    """Write a complaint to the error stream: one line of JSON, or some lines of text.

    Whatever was typed where a version or a name belongs may have been a key, so keys are masked here.
    """
    safe = replace(
        complaint,
        message=mask_keys(complaint.message),
        hint=mask_keys(complaint.hint),
        issues=tuple(map(mask_keys, complaint.issues)),
    )
    text = json.dumps(asdict(safe)) if as_json else _text(safe)
    sys.stderr.write(f"{text}\n")


def _text(complaint: Complaint) -> str:
    marks = [str(mark) for mark in (complaint.status, complaint.code) if mark is not None]
    if complaint.request_id is not None:
        marks.append(f"request {complaint.request_id}")
    tail = f" [{', '.join(marks)}]" if marks else ""
    lines = [f"Error: {complaint.message}{tail}", *(f"  - {issue}" for issue in complaint.issues)]
    if complaint.hint:
        lines.append(f"Hint: {complaint.hint}")
    return "\n".join(map(escape_controls, lines))
